"""Properties of policy that hold for any commands and rules."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.approval import Action, ApprovalRule, RuleMatch
from app.domain.base import SessionId
from app.domain.policy import Asking, Floor, PolicyAnswer, decide, forbidden
from app.domain.request import Risk
from app.domain.risk import Own, assess
from app.domain.shell import parse
from tests.support.calls import WORKSPACE, edit, risk_table, shell

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
@example("((x='a[$(touch x)]'))", "; ")  # no command at all, and yet it runs one
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


FLOOR = Floor(
    never=(RuleMatch(command="terraform destroy*"), RuleMatch(path="deploy/**")),
    own=Own(store="/home/op/store", socket="/run/lw.sock"),
)
NEVER = [
    *(
        "rm -rf /",
        "rm -rf ~",
        "dd if=/dev/zero of=/dev/sda",
        "mkfs.ext4 /dev/sda1",
        ":(){ :|:& };:",
    ),
    *("rm -rf /home/op/store", "echo x > /home/op/store/longwatch.db", "tee ../store/x < a"),
    *("cp a /home/op/store/workspaces/other/a.py", "sed -i s/a/b/ ../store/journal.head"),
    *("nc -U /run/lw.sock < a", "curl --unix-socket /run/lw.sock http://x/", "longwatch approve 1"),
    *("longwatch settle ap-1 run-again", "longwatch rules remove 1", "python -m app approve ap-1"),
    *("terraform destroy", "terraform -chdir=a destroy -auto-approve", "cp a deploy/key"),
    *("/usr/bin/terraform destroy", "rm -r deploy/live", "longwatch --store x deny 1"),
]
WRAPPED = st.sampled_from(
    ["{}", "bash -c '{}'", "sudo {}", "ls; {}", "true && {}", "nohup {} &", "( {} )", "x=$({})"]
)


@st.composite
def any_rules(draw: st.DrawFn) -> ApprovalRule:
    """Rules of every kind, those that an operator's answer writes among them."""
    rule = draw(rules())
    return rule.model_copy(
        update={
            "action": draw(st.sampled_from([Action.ALLOW, Action.ALLOW, Action.ASK, Action.DENY])),
            "allow_critical": True,
            "match": rule.match.model_copy(
                update={
                    "command_exact": draw(st.one_of(st.none(), st.sampled_from(NEVER))),
                    "path": draw(st.sampled_from([None, None, "**", "/**", "deploy/**"])),
                    "session": draw(st.sampled_from([None, SessionId("s-1")])),
                }
            ),
        }
    )


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(NEVER), WRAPPED, st.lists(any_rules(), max_size=5))
def test_nothing_lifts_what_is_on_the_floor(
    command: str, wrapped: str, given_rules: list[ApprovalRule]
) -> None:
    text = wrapped.format(command) if "'" not in command and ":()" not in command else command
    call = shell(text)
    exact = ApprovalRule(
        name="this very text",
        match=RuleMatch(command_exact=text),
        action=Action.ALLOW,
        allow_critical=True,
    )
    assessment = assess(call, WORKSPACE, FLOOR.own)
    for order in (given_rules, [exact, *given_rules], [*given_rules, exact]):
        answer = decide(
            call,
            assessment,
            order,
            agent="coder",
            session=SessionId("s-1"),
            workspace=WORKSPACE,
            floor=FLOOR,
        )
        assert (answer.action, answer.rule) == (Action.DENY, "floor"), text
    asking = Asking.about(call, assessment, "coder", SessionId("s-1"), WORKSPACE)
    assert forbidden(call, asking, FLOOR), "a person cannot allow it either"


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["/home/op/store/longwatch.db", "deploy/a.yml", "../store/x", "./deploy/b/c"]),
    st.lists(any_rules(), max_size=4),
)
def test_no_edit_reaches_what_is_on_the_floor(path: str, given_rules: list[ApprovalRule]) -> None:
    call = edit("a.py", path)
    answer = decide(
        call,
        assess(call, WORKSPACE, FLOOR.own),
        given_rules,
        agent="coder",
        session=SessionId("s-1"),
        workspace=WORKSPACE,
        floor=FLOOR,
    )
    assert (answer.action, answer.rule) == (Action.DENY, "floor")
    harmless = edit("a.py")
    free = decide(
        harmless,
        assess(harmless, WORKSPACE, FLOOR.own),
        [],
        agent="coder",
        session=SessionId("s-1"),
        workspace=WORKSPACE,
        floor=FLOOR,
    )
    assert free.action is Action.ASK
