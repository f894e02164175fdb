"""Verdicts: what reads as one, and that nothing else ever approves."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.verdict import parse_verdict

YES = '{"verdict": "approve", "reasons": []}'
NO = '{"verdict": "reject", "reasons": ["too long", "no tests"]}'


def block(text: str, language: str = "json", fence: str = "```") -> str:
    return f"{fence}{language}\n{text}\n{fence}"


READABLE = {
    "a block": (f"Good.\n\n{block(YES)}\n", "approve", ()),
    "a block and words after it": (
        f"{block(NO)}\nThat is all.",
        "reject",
        ("too long", "no tests"),
    ),
    "a block without a language": (block(YES, ""), "approve", ()),
    "a block in capitals": (block(YES, "JSON"), "approve", ()),
    "a block over several lines": (block(json.dumps(json.loads(NO), indent=2)), "reject", None),
    "a block with Windows line ends": (block(YES).replace("\n", "\r\n"), "approve", ()),
    "a longer fence": (block(YES, fence="````"), "approve", ()),
    "a fence that is never closed": (f"Bad.\n```json\n{NO}", "reject", None),
    "no reasons key": (block('{"verdict": "approve"}'), "approve", ()),
    "a bare object": (YES, "approve", ()),
    "a bare object at the end": (f"I have read it.\n{NO}\n", "reject", None),
    "the same verdict twice": (f"{block(NO)}\nI repeat:\n{block(NO)}", "reject", None),
    "other JSON before it": (f"{block('[1, 2]')}\n{block(YES)}", "approve", ()),
    "other code before it": (f"{block('x = 1', 'python')}\n{block(YES)}", "approve", ()),
    "reject without a reason": (block('{"verdict": "reject"}'), "reject", ("(none given)",)),
    "reject with empty reasons": (
        block('{"verdict": "reject", "reasons": [" ", ""]}'),
        "reject",
        ("(none given)",),
    ),
    "a line separator within a reason": (
        block('{"verdict": "reject", "reasons": ["a\u2028b"]}'),
        "reject",
        ("a\u2028b",),
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_readable(name: str) -> None:
    text, decision, reasons = READABLE[name]
    parsed = parse_verdict(text)
    assert parsed.decision == decision
    assert parsed.problem == ""
    if reasons is not None:
        assert parsed.reasons == reasons


NO_BLOCK = "it has no JSON block with a verdict"
NOT_LAST = "its last JSON block is not a verdict"
FORM = "its verdict has not the form that was asked for"
CONTRADICTION = "it has verdicts that contradict each other"

UNPARSABLE = {
    "empty": ("", NO_BLOCK),
    "words": ("I see no reason to reject this. APPROVED", NO_BLOCK),
    "a verdict within a sentence": (f"I answer {YES} here.", NO_BLOCK),
    "a bare object and words after it": (f"{YES}\nbut on second thought, no.", NO_BLOCK),
    "another block last": (f"{block(YES)}\n{block('{}')}", NOT_LAST),
    "broken JSON": (block('{"verdict": "approve",}'), FORM),
    "an unknown verdict": (block('{"verdict": "maybe"}'), FORM),
    "another case": (block('{"verdict": "Approve"}'), FORM),
    "an unknown key": (block('{"verdict": "approve", "score": 1}'), FORM),
    "a list": (block(f"[{YES}]"), FORM),
    "reasons that are no list": (block('{"verdict": "reject", "reasons": "x"}'), FORM),
    "reasons that are no strings": (block('{"verdict": "reject", "reasons": [1]}'), FORM),
    "two verdicts in one object": (
        block('{"verdict": "reject", "verdict": "approve"}'),
        FORM,
    ),
    "one block nested too deep": (block('{"verdict": ' + "[" * 100_000), FORM),
    "approve, then reject": (f"{block(YES)}\n{block(NO)}", CONTRADICTION),
    "reject, then a quoted approval": (f"{NO}\n\nThe plan says:\n{block(YES)}", CONTRADICTION),
    "only an artefact's block in other code": (block(YES, "markdown"), NO_BLOCK),
    "a block within a longer fence": (block(block(YES), "markdown", "````"), NO_BLOCK),
}


@pytest.mark.parametrize("name", UNPARSABLE)
def test_unparsable(name: str) -> None:
    text, problem = UNPARSABLE[name]
    parsed = parse_verdict(text)
    assert (parsed.decision, parsed.problem, parsed.reasons) == ("unparsable", problem, ())


PIECES = st.sampled_from(
    [
        "```json\n",
        "```\n",
        "````\n",
        YES + "\n",
        NO + "\n",
        '{"verdict": "approve"',
        '"reject"',
        "{",
        "}",
        "\n",
        "text ",
        "approve",
    ]
)


TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text()


@given(TEXTS)
@example("```json\n{\n```\n" + YES)
def test_only_what_is_written_out_is_read(text: str) -> None:
    parsed = parse_verdict(text)
    if parsed.decision != "unparsable":
        assert f'"verdict": "{parsed.decision}"' in text
    assert bool(parsed.problem) is (parsed.decision == "unparsable")
    assert bool(parsed.reasons) is (parsed.decision == "reject")


@given(TEXTS.filter(lambda text: "`" not in text))
def test_a_reject_is_never_turned_into_an_approval(words: str) -> None:
    assert parse_verdict(f"{words}\n{block(NO)}").decision != "approve"
    assert parse_verdict(f"{words}\n{block(NO)}\n{words}\n{block(YES)}").decision == "unparsable"
    assert parse_verdict(f"{NO}\n{words}\n{block(YES)}").decision == "unparsable"


@given(
    st.sampled_from(["approve", "reject"]),
    st.lists(st.text(min_size=1).filter(lambda r: r.strip() == r), max_size=4),
    st.text().filter(lambda t: "`" not in t and "{" not in t),
)
def test_a_verdict_in_the_form_that_was_asked_for_is_read_back(
    decision: str, reasons: list[str], words: str
) -> None:
    answer = json.dumps({"verdict": decision, "reasons": reasons})
    parsed = parse_verdict(f"{words}\n\n{block(answer)}\n")
    assert parsed.decision == decision
    expected = tuple(reasons) or (("(none given)",) if decision == "reject" else ())
    assert parsed.reasons == expected
