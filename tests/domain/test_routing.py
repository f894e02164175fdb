"""Routing: scores, ties, wildcards, risk conditions, and the explanation of each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.request import Request, Risk
from app.domain.routing import RouteRule, choose, explain, score

LOWEST, HIGHEST = -(2**31), 2**31 - 1


def request(**given: Any) -> Request:
    fields = {"user": "ann", "channel": "cli", "task_type": "fix", "risk": Risk.MEDIUM} | given
    return Request(text="do it", **fields)


def rule(workflow: str = "w", **given: Any) -> RouteRule:
    return RouteRule(workflow=workflow, **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0),
        ({"user": "ann"}, 8),
        ({"channel": "cli"}, 4),
        ({"task_type": "fix"}, 2),
        ({"max_risk": "high"}, 1),
        ({"allow_risks": ["high"]}, 1),
        ({"channel": "cli", "task_type": "fix", "max_risk": "high"}, 7),
        ({"user": "ann", "channel": "cli", "task_type": "fix", "max_risk": "high"}, 15),
        ({"priority": 1}, 100),
        ({"priority": -1, "user": "ann"}, -92),
        ({"priority": HIGHEST}, HIGHEST),
        ({"priority": HIGHEST, "user": "ann"}, HIGHEST),
        ({"priority": HIGHEST // 100, "user": "ann", "channel": "cli"}, HIGHEST - 47 + 12),
        ({"priority": HIGHEST // 100 + 1}, HIGHEST),
        ({"priority": LOWEST}, LOWEST),
        ({"priority": LOWEST, "user": "ann"}, LOWEST + 8),
    ],
)
def test_score(given: dict[str, Any], expected: int) -> None:
    assert score(rule(**given)) == expected


def test_a_priority_outside_32_bits_is_refused() -> None:
    with pytest.raises(ValidationError):
        rule(priority=HIGHEST + 1)


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ({"user": "ANN"}, True),
        ({"user": "an"}, False),
        ({"user": " ann"}, False),
        ({"channel": "Cli", "task_type": "FIX"}, True),
        ({"channel": "cli", "task_type": "feature"}, False),
        ({"max_risk": "low"}, False),
        ({"max_risk": "medium"}, True),
        ({"max_risk": "critical"}, True),
        ({"allow_risks": ["low", "high"]}, False),
        ({"allow_risks": ["low", "medium"]}, True),
        ({"allow_risks": []}, False),
    ],
)
def test_match(given: dict[str, Any], matches: bool) -> None:
    assert explain(request(), [rule(**given)], ["w"])[0].matches is matches


def test_only_ascii_letters_lose_their_case() -> None:
    folded = explain(request(user="Ärger"), [rule(user="ÄRGER")], ["w"])[0]
    other = explain(request(user="Ärger"), [rule(user="ärger")], ["w"])[0]
    assert (folded.matches, other.matches) == (True, False)


def test_user_alone_beats_all_the_rest_together() -> None:
    rules = [rule("b", channel="cli", task_type="fix", max_risk="high"), rule("a", user="ann")]
    choice = choose(request(), rules, ["a", "b"])
    assert choice is not None
    assert (choice.workflow, choice.rule) == ("a", 1)
    assert choice.why == "route 2 (user ann) matches with the highest score, 8"


def test_one_point_of_priority_beats_any_specificity() -> None:
    rules = [
        rule("a", user="ann", channel="cli", task_type="fix", max_risk="high"),
        rule("b", priority=1),
    ]
    choice = choose(request(), rules, ["a", "b"])
    assert choice is not None and choice.workflow == "b"


def test_the_earliest_rule_wins_a_tie() -> None:
    choice = choose(request(), [rule("a"), rule("b")], ["a", "b"])
    assert choice is not None and choice.workflow == "a"


def test_a_rule_for_a_workflow_that_does_not_exist_is_ignored() -> None:
    rules = [rule("gone", priority=9), rule("here")]
    choice = choose(request(), rules, ["here"])
    assert choice is not None and choice.workflow == "here"
    assert [r.registered for r in explain(request(), rules, ["here"])] == [False, True]


def test_no_match_gives_the_default_or_nothing() -> None:
    rules = [rule("w", user="bob")]
    default = choose(request(), rules, ["w", "d"], "d")
    assert default is not None
    assert (default.workflow, default.rule) == ("d", None)
    assert default.why == "no route matches: the default workflow"
    assert choose(request(), rules, ["w", "d"]) is None


def test_the_explanation_names_every_condition() -> None:
    report = explain(request(), [rule(user="Ann", allow_risks=["low", "high"])], ["w"])[0]
    assert [(f.field, f.wanted, f.got, f.matches) for f in report.fields] == [
        ("user", "Ann", "ann", True),
        ("channel", "*", "cli", True),
        ("task_type", "*", "fix", True),
        ("risk", "low or high", "medium", False),
    ]
    assert (report.score, report.matches, report.index) == (9, False, 0)


NAMES = st.sampled_from(["ann", "ANN", "bob", None])
RULES = st.builds(
    RouteRule,
    workflow=st.sampled_from(["a", "b", "gone"]),
    user=NAMES,
    channel=st.sampled_from(["cli", "mail", None]),
    task_type=st.sampled_from(["fix", "Fix", "new", None]),
    max_risk=st.sampled_from([*Risk, None]),
    priority=st.integers(LOWEST, HIGHEST) | st.integers(-2, 2),
)
REQUESTS = st.builds(
    Request,
    text=st.just("t"),
    user=st.sampled_from(["ann", "Bob", "eve"]),
    channel=st.sampled_from(["cli", "MAIL"]),
    task_type=st.sampled_from(["fix", "new"]),
    risk=st.sampled_from(Risk),
)


@given(REQUESTS, st.lists(RULES, max_size=8))
def test_the_winner_is_the_first_of_the_best_that_match(
    asked: Request, rules: list[RouteRule]
) -> None:
    def matches(rule: RouteRule) -> bool:
        pairs = [(rule.user, asked.user), (rule.channel, asked.channel)]
        pairs.append((rule.task_type, asked.task_type))
        texts = all(want is None or want.lower() == got.lower() for want, got in pairs)
        risk = rule.max_risk is None or asked.risk.rank <= rule.max_risk.rank
        return texts and risk and rule.workflow != "gone"

    choice = choose(asked, rules, ["a", "b"])
    candidates = [(-score(r), i) for i, r in enumerate(rules) if matches(r)]
    if not candidates:
        assert choice is None
        return
    assert choice is not None
    assert choice.rule == min(candidates)[1]
    assert choice.workflow == rules[min(candidates)[1]].workflow


@given(RULES)
def test_a_score_never_leaves_32_bits_nor_falls_by_a_condition(rule: RouteRule) -> None:
    assert LOWEST <= score(rule) <= HIGHEST
    wider = rule.model_copy(update={"user": None, "max_risk": None})
    assert score(wider) <= score(rule)
