"""Secrets are replaced, everything else stays as it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.redact import REDACTED, Redactor

KEY = "s3cr3t-value-of-mine"
BLOCK = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXk=\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key={KEY}!", "key=[redacted]!"),
        ("short abc stays", "short abc stays"),
        ("OPENAI_API_KEY=sk-proj-abcdefghijklmnop1234", "OPENAI_API_KEY=[redacted]"),
        ("sk-ant-api03-AAAABBBBCCCCDDDDEEEE", "[redacted]"),
        ("token ghp_abcdefghijklmnopqrstuvwxyz0123456789 end", "token [redacted] end"),
        ("github_pat_11ABCDEFG0123456789_abcdefg", "[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("xoxb-123456789012-abcdefghij", "[redacted]"),
        (f"gsk_{'a1B2' * 13}", "[redacted]"),
        (f"xai-{'a1B2' * 20}", "[redacted]"),
        (f"pplx-{'a1B2' * 12}", "[redacted]"),
        (f"nvapi-{'a1B2' * 16}", "[redacted]"),
        (f"r8_{'a1B2' * 9}x", "[redacted]"),
        (f"csk-{'a1b2' * 12}", "[redacted]"),
        ("glpat-abcdefghijklmnopqrst", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF-123", "[redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("'authorization': 'Basic dXNlcjpwYXNz'", "'authorization': 'Basic [redacted]'"),
        ("curl -H 'x-api-key: 123456789'", "curl -H 'x-api-key: [redacted]'"),
        ("https://user:hunter22@example.com/x", "https://user:[redacted]@example.com/x"),
        (f"a\n{BLOCK}\nb", "a\n[redacted]\nb"),
        (BLOCK[:50], "[redacted]"),
        ("task-sk-1 and risk-averse masks", "task-sk-1 and risk-averse masks"),
        ("the bearer of news", "the bearer of news"),
        ("https://example.com:8080/a@b", "https://example.com:8080/a@b"),
    ],
)
def test_clean(text: str, clean: str) -> None:
    assert Redactor([KEY, "abc"]).clean(text) == clean


def test_other_forms_of_a_known_secret_are_found() -> None:
    redactor = Redactor(["p@ss/word+1\n", "p@ss/word+1-longer"])
    assert redactor.clean("x p@ss/word+1 y") == "x [redacted] y"
    assert redactor.clean("p@ss/word+1-longer") == REDACTED
    assert redactor.clean("?key=p%40ss%2Fword%2B1") == "?key=[redacted]"


@given(st.text(), st.text(min_size=6), st.text())
def test_a_known_secret_never_survives(before: str, secret: str, after: str) -> None:
    redactor = Redactor([secret])
    clean = redactor.clean(before + secret + after)
    if secret not in REDACTED and secret not in (before + REDACTED + after):
        assert secret not in clean.replace(REDACTED, "")


@given(
    st.text(st.sampled_from("sk-ghp_AKIxob.eyJ:/@ \nBearerauthoiztn0123456789abcdef"), max_size=80)
)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    redactor = Redactor([])
    assert redactor.clean(redactor.clean(text)) == redactor.clean(text)


def test_plain_text_is_quick_and_unchanged() -> None:
    redactor = Redactor([KEY, *(f"another-secret-{n}" for n in range(5))])
    text = "the quick brown fox jumps over the lazy dog\n" * 20_000
    start = time.perf_counter()
    assert redactor.clean(text) is text
    assert time.perf_counter() - start < 0.5
