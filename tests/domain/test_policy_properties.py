"""Properties of policy that hold for any commands and rules."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.approval import Action, ApprovalRule, RuleMatch
from app.domain.base import SessionId
from app.domain.policy import PolicyAnswer, decide
from app.domain.request import Risk
from app.domain.risk import assess
from app.domain.shell import parse
from tests.support.calls import WORKSPACE, risk_table, shell

PLAIN = [
    command
    for command, _ in risk_table()
    if "<<" not in command and "#" not in command and not parse(command).unparsable
]
HARMFUL = [command for command, risk in risk_table() if risk is not Risk.LOW and command in PLAIN]
GLOBS = st.sampled_from(["*", "ls*", "git *", "git status*", "make*", "rm *", "echo *", "cat *"])
ACTIONS = st.sampled_from(list(Action))


@st.composite
def rules(draw: st.DrawFn) -> ApprovalRule:
    match = RuleMatch(
        command=draw(st.one_of(st.none(), GLOBS)),
        tool=draw(st.sampled_from([None, "shell", "edit"])),
        max_risk=draw(st.one_of(st.none(), st.sampled_from(list(Risk)))),
    )
    return ApprovalRule(
        name=f"rule {draw(st.integers(0, 99))}",
        match=match,
        action=draw(ACTIONS),
        allow_critical=draw(st.booleans()),
    )


def ask(command: str, given_rules: list[ApprovalRule]) -> PolicyAnswer:
    call = shell(command)
    return decide(
        call,
        assess(call, WORKSPACE),
        given_rules,
        agent="coder",
        session=SessionId("s-1"),
        workspace=WORKSPACE,
    )


def deny(glob: str) -> ApprovalRule:
    return ApprovalRule(name="no", match=RuleMatch(command=glob), action=Action.DENY)


def allow(glob: str, *, critical: bool = True) -> ApprovalRule:
    return ApprovalRule(
        name="yes", match=RuleMatch(command=glob), action=Action.ALLOW, allow_critical=critical
    )


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLAIN), st.lists(rules(), max_size=4))
def test_a_deny_rule_in_front_denies_whatever_follows(
    command: str, following: list[ApprovalRule]
) -> None:
    assert ask(command, [deny("*"), *following]).action is Action.DENY
    joined = f"( {command} ) && frobnicate"
    assert ask(joined, [deny("frobnicate*"), *following]).action is Action.DENY


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HARMFUL), st.sampled_from(["; ", " && ", " || ", " | ", " & ", "\n"]))
def test_an_allowed_command_takes_no_other_along(command: str, between: str) -> None:
    for text in (f"git status{between}( {command} )", f"( {command} ){between}git status"):
        answer = ask(text, [allow("git status"), allow("git status -s")])
        assert answer.action is not Action.ALLOW
    for text in (f"git status $({command} )", f"git status <({command} )"):
        assert ask(text, [allow("git status*")]).action is not Action.ALLOW


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLAIN), st.lists(rules(), max_size=5))
def test_critical_risk_is_never_allowed_by_accident(
    command: str, given_rules: list[ApprovalRule]
) -> None:
    tame = [found.model_copy(update={"allow_critical": False}) for found in given_rules]
    if assess(shell(command), WORKSPACE).risk is Risk.CRITICAL:
        assert ask(command, tame).action is not Action.ALLOW


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.lists(rules(), max_size=4))
def test_any_text_gets_an_answer(text: str, given_rules: list[ApprovalRule]) -> None:
    answer = ask(text, given_rules)
    assert answer.rule
    assert answer.reason
    if parse(text).unparsable:
        assert answer.action is not Action.ALLOW
