"""Transcripts: streamed text in chunks, without secrets, and not without bounds."""

from __future__ import annotations

import hashlib

import pytest

from app.domain.base import SessionId
from app.domain.redact import Redactor
from app.domain.session import Chunk, ChunkKind
from app.engine import transcripts
from app.engine.system import SystemClock
from app.engine.transcripts import Transcript

MESSAGE, OUTPUT, NOTICE = ChunkKind.MESSAGE, ChunkKind.OUTPUT, ChunkKind.NOTICE
TOKEN = "sk-proj-abcdefghijklmnop0123456789"


def transcript() -> tuple[Transcript, list[Chunk]]:
    written: list[Chunk] = []
    clean = Redactor([]).clean
    return Transcript(SessionId("s-1"), 0, SystemClock(), clean, written.extend), written


def text(chunks: list[Chunk], item: str = "") -> str:
    return "".join(chunk.text for chunk in chunks if not item or chunk.item_id == item)


async def test_a_secret_that_comes_letter_by_letter_is_not_written() -> None:
    made, written = transcript()
    for letter in f"the key is {TOKEN}, keep it":
        made.add(MESSAGE, letter, "m1")
        made.flush()
    digest, size = made.finish(MESSAGE, "m1", "")
    assert text(written) == "the key is [redacted], keep it"
    assert digest == hashlib.sha256(text(written).encode()).hexdigest()
    assert size == len(text(written)) and written[-1].end


async def test_items_that_speak_in_turns_keep_their_own_words() -> None:
    made, written = transcript()
    for word in ("one ", "two ", "three"):
        made.add(OUTPUT, word, "left")
        made.add(OUTPUT, word.upper(), "right")
    made.close()
    assert (text(written, "left"), text(written, "right")) == ("one two three", "ONE TWO THREE")
    assert [chunk.ordinal for chunk in written] == list(range(1, len(written) + 1))


async def test_a_flood_is_kept_up_to_a_limit_and_the_next_turn_is_heard_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcripts, "_MOST", 1000)
    made, written = transcript()
    for _ in range(100):
        made.add(OUTPUT, "many words " * 10, "c1")
        made.flush()
    made.say(NOTICE, "we are still heard")
    made.close()
    flood = text([chunk for chunk in written if chunk.kind is OUTPUT])
    assert len(flood) <= 1000
    said = [chunk.text for chunk in written if chunk.kind is NOTICE]
    assert len(said) == 2 and said[0].endswith("what follows is not kept")
    made.add(OUTPUT, "a new turn", "c2")
    made.close()
    assert text(written, "c2") == "a new turn"


async def test_what_comes_in_one_piece_ends_who_spoke_and_is_a_whole() -> None:
    made, written = transcript()
    made.add(MESSAGE, "half a sentence", "m1")
    made.say(NOTICE, f"a remark\r\nwith {TOKEN}")
    digest, size = made.finish(OUTPUT, "c1", "all at once")
    made.finish(MESSAGE, "m1", "")
    assert made.finish(OUTPUT, "c2", "") == (hashlib.sha256().hexdigest(), 0)
    assert (digest, size) == (hashlib.sha256(b"all at once").hexdigest(), 11)
    assert [(chunk.item_id, chunk.text, chunk.end) for chunk in written] == [
        ("", "a remark\nwith [redacted]", True),
        ("c1", "all at once", True),
        ("m1", "half a sentence", True),
    ]
