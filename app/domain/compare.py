"""Comparison: whether a candidate's answer is as good as the stable path's.

What every comparison says is that of OpenFang: the same text, the same text but for whitespace,
and the first character that differs. Whether it *agrees* is said by the rule that the rollout
names.
"""

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from app.domain.base import Model
from app.domain.compare_json import Difference, JsonRule, json_differences
from app.domain.gate import Seconds, Text
from app.domain.gate_json import read_json

if TYPE_CHECKING:
    import regex

By = Literal["exact", "normalized", "json", "similarity", "command", "judge"]
Outcome = Literal["shadow_match", "shadow_normalized_match", "shadow_mismatch"]
# Unicode White_Space, which is less than what str.split() splits at.
_BLANKS = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
_PATTERN_SECONDS = 2.0
_MOST_SHOWN = 50  # differences that are kept of one comparison
_LONG = 200_000  # characters from which texts are too long to be called similar in time

MASKS: Mapping[str, str] = {
    "date": r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    "time": r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\b",
    "uuid": r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
    "hash": r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b",
    "number": r"(?<![\w.])-?\d+(?:[.,]\d+)*(?![\w.])",
}


class CompareRule(JsonRule):
    """`[rollout.compare]`: when two answers agree."""

    by: By = "normalized"
    # What is masked before anything is compared: names of MASKS, or patterns of one's own.
    mask: tuple[Text, ...] = ()
    similarity: float = Field(default=0.9, ge=0, le=1)  # by = "similarity": from here on
    command: tuple[Text, ...] = ()  # by = "command": exit 0 agrees, 1 does not, else unknown
    agent: str = ""  # by = "judge": who judges
    prompt: str = ""  # the judge's; the default asks whether both say the same in substance
    timeout_seconds: Seconds = 300  # of a command or the judge's turn


class Comparison(Model):
    """One candidate's answer beside the stable one. `agrees` None: it cannot be told."""

    matches: bool
    normalized_matches: bool
    first_mismatch_index: int | None = None  # in characters of the raw texts
    agrees: bool | None
    by: By
    score: float | None = None  # likeness from 0 to 1, where it was asked for
    why: str = ""  # in one sentence
    differences: tuple[Difference, ...] = ()  # of JSON; the first of them
    more_differences: int = 0  # those that are not kept

    @property
    def outcome(self) -> Outcome:
        """The reference's word for it."""
        if self.matches:
            return "shadow_match"
        return "shadow_normalized_match" if self.normalized_matches else "shadow_mismatch"


def normalized(text: str) -> str:
    """Without blanks at the ends, and with one space for every run of them."""
    return re.sub(_BLANKS, " ", text).strip(" ")


def first_mismatch(stable: str, candidate: str) -> int | None:
    """Index of the first character that differs; None for equal texts."""
    if stable == candidate:
        return None
    low, high = 0, min(len(stable), len(candidate))
    while low < high:  # slices compare at memory speed
        middle = (low + high + 1) // 2
        if stable[low:middle] == candidate[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def compare(stable: str, candidate: str, rule: CompareRule | None = None) -> Comparison:
    """Compare two texts. For `command` and `judge`, which are asked elsewhere, `agrees` is None
    unless the texts are the same."""
    rule = rule or CompareRule()
    if rule.mask:
        left, right = masked(stable, rule.mask), masked(candidate, rule.mask)
    else:
        left, right = stable, candidate
    said = Comparison(
        matches=stable == candidate,
        normalized_matches=normalized(stable) == normalized(candidate),
        first_mismatch_index=first_mismatch(stable, candidate),
        agrees=None,
        by=rule.by,
    )
    match rule.by:
        case "exact":
            return _told(said, left == right, "the texts differ")
        case "normalized":
            agree = normalized(left) == normalized(right)
            return _told(said, agree, "the texts differ by more than whitespace")
        case "json":
            return _json(said, left, right, rule)
        case "similarity":
            return _similar(said, left, right, rule.similarity)
        case _:
            return said.model_copy(update={"agrees": True if left == right else None})


def masked(text: str, masks: tuple[str, ...]) -> str:
    """The text with what the masks find replaced by their names. Raises TimeoutError for a
    pattern that takes too long on it."""
    for mask in masks:
        label = mask if mask in MASKS else "masked"
        text = _pattern(mask).sub(f"<{label}>", text, timeout=_PATTERN_SECONDS)
    return text


@functools.lru_cache(maxsize=64)
def _pattern(mask: str) -> "regex.Pattern[str]":
    import regex

    return regex.compile(MASKS.get(mask, mask))


def _told(said: Comparison, agrees: bool, otherwise: str) -> Comparison:
    why = "" if agrees else otherwise
    return said.model_copy(update={"agrees": agrees, "why": why})


def _json(said: Comparison, left: str, right: str, rule: CompareRule) -> Comparison:
    try:
        wanted = read_json(left)
    except ValueError as error:
        same = normalized(left) == normalized(right)
        agrees = True if same else None
        why = "" if same else f"the stable answer cannot be read: {error}"
        return said.model_copy(update={"agrees": agrees, "why": why})
    try:
        got = read_json(right)
    except ValueError as error:
        return _told(said, False, f"the candidate's answer cannot be read: {error}")
    found = json_differences(wanted, got, rule)
    many = f"{len(found)} values differ" if len(found) > 1 else "one value differs"
    kept, more = tuple(found[:_MOST_SHOWN]), max(0, len(found) - _MOST_SHOWN)
    told = _told(said, not found, f"{many}, first at {found[0].path}" if found else "")
    return told.model_copy(update={"differences": kept, "more_differences": more})


def _similar(said: Comparison, left: str, right: str, least: float) -> Comparison:
    from rapidfuzz.distance import Indel

    one, other = normalized(left), normalized(right)
    if max(len(one), len(other)) > _LONG and one != other:
        return said.model_copy(update={"why": f"longer than {_LONG:,} characters: not compared"})
    score = Indel.normalized_similarity(one, other)
    why = "" if score >= least else f"only {score:.1%} alike, {least:.1%} is wanted"
    return said.model_copy(update={"agrees": score >= least, "score": round(score, 6), "why": why})
