"""Secrets are replaced, everything else stays as it is."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.literals import Literals
from app.domain.redact import MIN_SECRET, REDACTED, RULES, Redactor, Rule

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


_STARTS = """
sk- sk-ant- sk_live_ sk_test_ rk_live_ rk_test_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xoxb-
xapp- AIza ya29. npm_ pypi- gsk_ xai- pplx- nvapi- r8_ csk- hf_ dop_v1_
"""


@pytest.mark.parametrize("start", _STARTS.split())
def test_a_token_is_known_by_its_start(start: str) -> None:
    assert Redactor([]).clean(f"a {start}{'a1' * 20} b") == "a [redacted] b"


@pytest.mark.parametrize("start", ["AKIA", "ASIA", "AGPA", "AROA", "AIDA"])
def test_a_key_of_aws_has_its_length(start: str) -> None:
    key = f"{start}ABCDEFGH12345678"
    assert Redactor([]).clean(f"{key} {key}X") == f"[redacted] {key}X"


@pytest.mark.parametrize("name", ["api-key", "X-API-KEY", "apı-key", "APİ-\u212aEY"])
def test_a_header_is_known_in_every_case_of_its_letters(name: str) -> None:
    assert Redactor([]).clean(f"{name}: 123456") == f"{name}: [redacted]"


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


# Beginnings, middles and ends of what the patterns find, and what is almost that.
_WORDS = """
sk- ghp_ github_pat_ AKIA Asia xox xoxb- AIza ya29. gsk_ nvapi- csk- sk_live_ r8_ SG. eyJ proxy-
authorization AUTH bearer Bearer basic x- api-key apı-key APİ-\u212aEY x-auth-token auth-token https
:// user: pw1@ -----BEGIN -----END . : = ' a 0 Z9 aB3dE6fG9 0123456789abcdef ABCDEFGHIJKLMNOP é 日
[redacted] \ud800 \udcff word RSA KEY----- PRIVATE
"""
_part = st.sampled_from([*_WORDS.split(), " ", "\n", " PRIVATE KEY-----", "x" * 40])
_texts = st.lists(_part, max_size=16).map("".join)


def searched(text: str) -> str:
    """As by a search for each pattern in turn."""
    for rule in RULES:
        text = rule.pattern.compiled.sub(lambda match, rule=rule: rule.kept(match) + REDACTED, text)  # type: ignore[misc]
    return text


@given(_texts)
@example("AIzauthorization: bearer x")
@example("xoxauthorization: bearer x")
@example("nvapi-key: 123456")
@example("日nvapi-key: 123456")
@example("ab://u:pw1@ a://u:pw1@")
@example(f"{'a' * 21}://u:pw1@ {'a' * 22}://u:pw1@")
@example("proxy-authorization: Basic a x-auth-token: 123456")
@example("-eyJabcdef.abcdef.")
def test_anchors_lead_to_what_a_search_finds(text: str) -> None:
    assert Redactor([]).clean(text) == searched(text)


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
@given(st.data())
def test_whatever_a_pattern_can_match_is_found(rule: Rule, data: st.DataObject) -> None:
    text = data.draw(_texts) + data.draw(st.from_regex(rule.pattern.compiled))
    assert Redactor([]).clean(text) == searched(text)


def test_every_form_of_a_letter_in_an_anchor_is_known() -> None:
    """Without case, a pattern takes more than two forms of some letters."""
    found = re.findall("[auth]|[bear]|[ap]", "".join(map(chr, range(0x110000))), re.IGNORECASE)
    assert all(map(str.isascii, found))
    found = re.findall("i", "".join(map(chr, range(0x110000))), re.IGNORECASE)
    assert set(found) == {*"iI\u0130\u0131"}


@given(_texts, st.lists(_texts, max_size=4))
def test_known_secrets_are_found_as_by_a_search_for_each_in_turn(
    text: str, secrets: list[str]
) -> None:
    whole = [s for s in secrets if len(s) >= MIN_SECRET and s not in REDACTED]
    one_way = re.compile("|".join(re.escape(s) for s in sorted(whole, key=len, reverse=True)))
    assert Literals(whole).replaced(text, "…") == (one_way.sub("…", text) if whole else text)


def test_values_that_are_no_utf_8_are_secrets_too() -> None:
    redactor = Redactor(["k\udcffy-of-mine"])
    assert redactor.clean("é k\udcffy-of-mine k%FFy-of-mine") == f"é {REDACTED} {REDACTED}"


def test_plain_text_is_quick_and_unchanged() -> None:
    redactor = Redactor([KEY, *(f"another-secret-{n}" for n in range(5))])
    text = "the quick brown fox jumps over the lazy dog\n" * 20_000
    start = time.thread_time()
    assert redactor.clean(text) is text
    assert time.thread_time() - start < 0.5
