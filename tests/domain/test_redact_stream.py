"""Secrets that come in pieces: whatever the pieces, what is shown has none of them."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.redact import REDACTED, Redactor
from app.domain.redact_stream import _MOST, StreamCleaner, _start_of_last

KNOWN = "correct horse battery staple"
TOKEN = "sk-proj-abcdefghijklmnop0123456789"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXk\n" * 30
END = "-----END OPENSSH PRIVATE KEY-----"
SECRETS = (KNOWN, TOKEN, KEY + END, "ghp_0123456789abcdefghijABCDEFGHIJ")
redactor = Redactor([KNOWN])

_piece = st.sampled_from([*SECRETS, "word ", "\n", "Bearer ", "a", " — ü ", "x" * 300])


def through(pieces: list[str], words: int = 8) -> str:
    cleaner, shown = StreamCleaner(redactor.clean), []
    for piece in pieces:
        cleaner.add(piece)
        shown.append(cleaner.take(words=words))
    shown.append(cleaner.end())
    assert not cleaner.holds
    return "".join(shown)


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


@settings(max_examples=60, deadline=None)
@given(st.lists(_piece, max_size=12), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_however_a_text_is_split_it_is_cleaned_as_a_whole(
    parts: list[str], sizes: list[int]
) -> None:
    whole = "".join(parts)
    assert through(cut(whole, sizes)) == redactor.clean(whole)


def test_a_header_keeps_its_context() -> None:
    shown = through(list("authorization: bearer abcdefghijklmnopqrstuvwxyz and more words"))
    assert shown == f"authorization: bearer {REDACTED} and more words"


def test_most_of_a_long_line_is_shown_before_its_end() -> None:
    cleaner = StreamCleaner(redactor.clean)
    cleaner.add("one two three four five six seven eight nine ten")
    assert cleaner.take() == "one two "
    assert cleaner.take(words=1) == "three four five six seven eight nine "
    assert cleaner.end() == "ten"


def test_a_flood_without_blanks_is_not_kept_in_memory() -> None:
    cleaner = StreamCleaner(redactor.clean)
    shown = 0
    for _ in range(30):
        cleaner.add("x" * 65536)
        shown += len(cleaner.take())
    assert 30 * 65536 - shown <= 4096


def test_a_private_key_without_an_end_is_neither_shown_nor_kept() -> None:
    pieces = ["before ", "-----BEGIN RSA PRIVATE KEY-----\n", *["MIIEow" * 2000] * 30]
    assert through(pieces) == f"before {REDACTED}"
    assert through([*pieces, "\n-----END RSA PRI", "VATE KEY-----\nafter"]) == (
        f"before {REDACTED}\nafter"
    )


@given(
    st.lists(st.text("ab \t\n\u00a0\u2003\x1c", max_size=12), max_size=9),
    st.sampled_from(["", " ", "word ", "x" * 3000]),
    st.integers(1, 9),
)
def test_the_last_words_are_those_between_blanks(parts: list[str], glue: str, words: int) -> None:
    text = glue.join(parts)
    floor = max(0, len(text) - _MOST)
    starts = [match.start() for match in re.compile(r"\S+").finditer(text, floor)]
    assert _start_of_last(text, words) == ([floor] * words + starts)[-words]
