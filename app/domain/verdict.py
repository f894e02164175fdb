"""Reading a reviewing agent's verdict. What cannot be read plainly never approves."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct
from pydantic import ValidationError

from app.domain.base import Model

# What a verdict is, for agents that can be held to a schema.
VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["approve", "reject"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["verdict", "reasons"],
    "additionalProperties": False,
}
_FENCE = r"^ {0,3}(?P<ticks>`{3,})[ \t]*(?P<language>[^\s`]*)[^`]*$"
_BARE = r"(?m)^[ \t]*(?=\{\s*\"(?:verdict|reasons)\")"


class _Answer(Model):
    verdict: Literal["approve", "reject"]
    reasons: tuple[str, ...] = ()


class ParsedVerdict(Struct, frozen=True):
    """`problem` says, for an unparsable answer, what is wrong with it."""

    decision: Literal["approve", "reject", "unparsable"]
    reasons: tuple[str, ...] = ()
    problem: str = ""


def parse_verdict(text: str) -> ParsedVerdict:
    """The verdict in an agent's answer: its last JSON block, or a bare JSON object at its end.

    An earlier verdict that says something else makes the answer unparsable: a quoted approval
    must not win over a reject, nor the other way round.
    """
    blocks, rest = _split(text)
    found = [block for block in blocks if _claims(block)]
    bare = list(_bare(rest))
    if blocks and (not found or found[-1] is not blocks[-1]):
        return _unparsable("its last JSON block is not a verdict")
    if not found and not (bare and bare[-1].at_end):
        return _unparsable("it has no JSON block with a verdict")
    try:
        answers = [_read(source) for source in (*(b.text for b in bare), *found)]
    except (ValueError, RecursionError):
        return _unparsable("its verdict has not the form that was asked for")
    if len({answer.verdict for answer in answers}) > 1:
        return _unparsable("it has verdicts that contradict each other")
    reasons = tuple(r.strip() for r in answers[-1].reasons if r.strip())
    if answers[-1].verdict == "reject" and not reasons:
        reasons = ("(none given)",)
    return ParsedVerdict(answers[-1].verdict, reasons)


def verdict_by_word(text: str, word: str) -> ParsedVerdict:
    """The verdict as OpenFang reads it: an answer that contains the word, in whatever case,
    rejects. An empty answer says nothing and is unparsable."""
    if not text.strip():
        return _unparsable("it is empty")
    if word.lower() in text.lower():
        return ParsedVerdict("reject", (text.strip(),))
    return ParsedVerdict("approve")


def _unparsable(problem: str) -> ParsedVerdict:
    return ParsedVerdict("unparsable", problem=problem)


class _Bare(Struct, frozen=True):
    text: str
    at_end: bool


def _split(text: str) -> tuple[list[str], str]:
    """The contents of the fenced blocks that are or may be JSON, and the text outside fences."""
    blocks, outside = list[str](), list[str]()
    ticks, language, inside = "", "", list[str]()
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = re.match(_FENCE, line)
        if not ticks and fence:
            ticks, language, inside = fence["ticks"], fence["language"].lower(), []
        elif ticks and line.strip().startswith(ticks) and not line.strip().strip("`"):
            blocks += _json_block(language, inside)
            ticks = ""
        else:
            (inside if ticks else outside).append(line)
    if ticks:  # never closed: it reaches to the end
        blocks += _json_block(language, inside)
    return blocks, "\n".join(outside)


def _json_block(language: str, lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    named = language == "json"
    return [text] if named or (not language and re.match(_BARE, text.strip())) else []


def _claims(block: str) -> bool:
    return '"verdict"' in block


def _bare(text: str) -> Iterator[_Bare]:
    decoder = json.JSONDecoder()
    for match in re.finditer(_BARE, text):
        try:
            _, end = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        yield _Bare(text[match.end() : end], not text[end:].strip())


def _read(source: str) -> _Answer:
    """Raises ValueError (which ValidationError is) unless it is exactly one verdict."""
    json.loads(source, object_pairs_hook=_no_repeats)
    try:
        return _Answer.model_validate_json(source, strict=True)
    except ValidationError as error:
        raise ValueError(str(error)) from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
