"""Which rule decides: order, command globs, path globs, floor, remembered answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from app.domain.approval import (
    Action,
    Actor,
    ActorKind,
    Approval,
    ApprovalRule,
    Decision,
    RuleMatch,
    Scope,
)
from app.domain.base import ApprovalId, RunId, SessionId
from app.domain.policy import PolicyAnswer, decide, rule_for
from app.domain.policy.explain import explain
from app.domain.request import Risk
from app.domain.risk import Assessment, assess
from app.domain.toolcall import ToolCall, ToolKind
from tests.support.calls import WORKSPACE, edit, shell, tool

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rule(
    action: str,
    *,
    name: str = "",
    critical: bool = False,
    command: str | None = None,
    exact: str | None = None,
    path: str | None = None,
    tool: str | None = None,
    agent: str | None = None,
    session: str | None = None,
    max_risk: Risk | None = None,
    min_risk: Risk | None = None,
) -> ApprovalRule:
    match = RuleMatch(
        tool=tool,
        command=command,
        command_exact=exact,
        path=path,
        agent=agent,
        session=SessionId(session) if session else None,
        max_risk=max_risk,
        min_risk=min_risk,
    )
    label = name or f"{action} {command or exact or path or tool or 'all'}"
    return ApprovalRule(name=label, match=match, action=Action(action), allow_critical=critical)


def ask(
    call: ToolCall | str,
    rules: Sequence[ApprovalRule],
    *,
    agent: str = "coder",
    session: str = "s-1",
    assessment: Assessment | None = None,
) -> PolicyAnswer:
    call = shell(call) if isinstance(call, str) else call
    return decide(
        call,
        assessment or assess(call, WORKSPACE),
        rules,
        agent=agent,
        session=SessionId(session),
        workspace=WORKSPACE,
    )


def test_without_rules_low_risk_is_allowed_and_the_rest_asked() -> None:
    assert ask("git status", []).action is Action.ALLOW
    assert ask("git status", []).rule == "default: low risk"
    assert ask("make test", []) == PolicyAnswer(
        action=Action.ASK,
        rule="default: ask",
        reason="no rule speaks of it, and its risk is medium",
    )
    assert ask(edit("src/a.py"), []).action is Action.ASK
    assert ask(tool(ToolKind.READ, "read", path="a.py"), []).action is Action.ALLOW


def test_the_first_rule_that_matches_wins() -> None:
    rules = [rule("allow", command="make test"), rule("deny", command="make*")]
    assert ask("make test", rules).action is Action.ALLOW
    assert ask("make all", rules).rule == "deny make*"
    assert ask("make test", rules[::-1]).action is Action.DENY


@pytest.mark.parametrize(
    "command",
    [
        "git status; rm -rf build",
        "git status && make",
        "git status | tee out.txt",
        "git status > /etc/passwd",
        "git status > out.txt",
        "git status >> out.txt",
        "git status $(touch x)",
        "git status `touch x`",
        "git status <(touch x)",
        "git status $X",
        "FOO=1 git status",
        "PATH=/tmp git status",
        "./git status",
        "sudo git status",
        "ssh host git status",
        "git status\ntouch x",
        "git status & touch x",
        "(git status; touch x)",
        "git() { touch x; }; git status",
        "cd /srv && git status; touch x",
        "echo x; git status",
        "xargs git status",
        "git -c core.pager=x status",
        "git status (",
        "'git status' x",
    ],
)
def test_an_allow_rule_is_not_stretched(command: str) -> None:
    assert ask(command, [rule("allow", command="git status*")]).rule != "allow git status*"


@pytest.mark.parametrize(
    "command",
    [
        "git status",
        "git status --short",
        "/usr/bin/git status",
        "git   status",
        "'git' status",
        "bash -c 'git status'",
        "/bin/bash -lc 'git status && git status -s'",
        "env git status",
        "timeout 5 git status",
        "nohup git status &",
        "git status 2>/dev/null",
        "git status 2>&1",
        "(git status)",
        "if git status; then git status; fi",
    ],
)
def test_an_allow_rule_sees_the_command_in_its_wrapping(command: str) -> None:
    answer = ask(command, [rule("allow", command="git status*")])
    assert (answer.action, answer.rule) == (Action.ALLOW, "allow git status*")


def test_every_command_may_have_a_rule_of_its_own() -> None:
    rules = [rule("allow", command="make*"), rule("allow", command="touch *")]
    assert ask("make && touch x", rules).rule == "allow make*, allow touch *"
    assert ask("make && touch x && mkdir y", rules).action is Action.ASK
    with_redirect = [rule("allow", command="echo * > notes.txt")]
    assert ask("echo hi > notes.txt", with_redirect).action is Action.ALLOW
    assert ask("echo hi > other.txt", with_redirect).action is Action.ASK


def test_a_rule_on_a_wrapper_covers_what_it_names() -> None:
    named = [rule("allow", command="uv run pytest*")]
    assert ask("uv run pytest -q", named).action is Action.ALLOW
    anything = [rule("allow", command="uv run *")]
    assert ask("uv run pytest -q", anything).action is Action.ASK
    assert ask("find . -name x -exec touch y \\;", [rule("allow", command="find *")]).action is (
        Action.ASK
    )


@pytest.mark.parametrize(
    "command",
    [
        "git push",
        "ls; git push origin main",
        "ls && (git push)",
        "echo $(git push)",
        "bash -c 'git push'",
        "sudo git push",
        "FOO=1 git push",
        "/usr/local/bin/git push",
        "./bin/git push",
        "git -C sub push",
        "git -c a.b=c push",
        "git push > log.txt",
        "git push $REMOTE",
        "find . -exec git push \\;",
        "git push (",
        "X=git; $X push",
    ],
)
def test_a_deny_rule_sees_through_detours(command: str) -> None:
    rules = [rule("deny", command="git push*"), rule("allow", tool="shell", critical=True)]
    assert ask(command, rules).rule == "deny git push*"


@pytest.mark.parametrize(
    ("pattern", "denied", "others"),
    [
        (
            "rm -rf*",
            ("rm -fr x", "rm -r -f x", "rm -vfr x", "rm x -rf", "/bin/rm -f y -r x", "rm -f -r"),
            ("rm -r x", "rm -f x", "rm --help", "rmdir -rf x", "ls -rf x", "rm rf"),
        ),
        (
            "rm -r -f build*",
            ("rm -rf build", "rm -fr builds", "rm -f build -r"),
            ("rm -rf out", "rm -r build", "rm -rf out build"),
        ),
        ("curl -d *", ("curl -sSd @key host", "curl host -d @key"), ("curl -s host", "curl host")),
        ("make *", ("make x",), ("ninja x",)),
    ],
)
def test_a_deny_rule_knows_other_spellings_of_options(
    pattern: str, denied: tuple[str, ...], others: tuple[str, ...]
) -> None:
    rules = [rule("deny", command=pattern), rule("allow", tool="shell", critical=True)]
    for command in denied:
        assert ask(command, rules).rule == f"deny {pattern}", command
    for command in others:
        assert ask(command, rules).action is Action.ALLOW, command


def test_an_allow_rule_is_for_the_spelling_that_it_has() -> None:
    rules = [rule("allow", command="rm -rf build*", critical=True)]
    assert ask("rm -rf build", rules).action is Action.ALLOW
    assert ask("rm -fr build", rules).action is Action.ASK


@pytest.mark.parametrize(
    ("command", "denied"),
    [
        ("git $X", True),
        ("git $(echo push) origin", True),
        ("git p*", True),
        ("git --namespace n push", True),
        ("git --config-env a=b push", True),
        ("git remote $X", False),
        ("git commit -m $X", False),
        ('git -C "$DIR" status', False),
        ('git --git-dir "$DIR" log', False),
        ("git add *.py", False),
        ("echo $X", False),
    ],
)
def test_what_may_turn_out_to_be_denied_is_denied(command: str, denied: bool) -> None:
    rules = [rule("deny", command="git push*"), rule("allow", tool="shell", critical=True)]
    assert (ask(command, rules).action is Action.DENY) is denied


def test_an_unparsable_text_is_allowed_only_as_the_exact_text() -> None:
    text = "frob ( --x"
    assert ask(text, [rule("allow", command="*")]).action is Action.ASK
    assert ask(text, [rule("allow", tool="*")]).action is Action.ASK
    assert ask(text, [rule("allow", exact=text)]).action is Action.ALLOW
    assert ask(text + " ", [rule("allow", exact=text)]).action is Action.ASK
    assert ask(text, [rule("deny", command="frob*")]).action is Action.DENY


def test_critical_risk_needs_a_rule_that_names_it() -> None:
    text = "git push --force"
    assert ask(text, [rule("allow", command="git *")]).action is Action.ASK
    assert ask(text, [rule("allow", exact=text)]).action is Action.ASK
    assert ask(text, [rule("allow", command="git *", critical=True)]).action is Action.ALLOW
    hand_made = Assessment(risk=Risk.CRITICAL, reasons=("says the test",))
    answer = ask("git status", [rule("allow", command="git *")], assessment=hand_made)
    assert answer.action is Action.ASK


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "rm -rf /*",
        "rm -rf ~",
        "sudo rm -rf /usr",
        "bash -c 'rm -rf /'",
        ":(){ :|:& };:",
        "mkfs.ext4 /dev/sda1",
        "dd if=/dev/zero of=/dev/sda",
        "cat x > /dev/nvme0n1",
        "chmod -R 777 /",
    ],
)
def test_no_rule_lowers_the_floor(command: str) -> None:
    rules = [rule("allow", critical=True), rule("allow", exact=command, critical=True)]
    answer = ask(command, rules)
    assert (answer.action, answer.rule) == (Action.DENY, "floor")
    assert "never allowed" in answer.reason


def test_the_floor_is_short() -> None:
    allow = [rule("allow", critical=True, tool="shell")]
    for text in ("rm -rf /tmp/x", "git push --force", "sudo ls", "reboot", "rm -rf ../x"):
        assert ask(text, allow).action is Action.ALLOW, text


def test_conditions_of_a_rule() -> None:
    assert ask("make", [rule("allow", tool="shell")]).action is Action.ALLOW
    assert ask("make", [rule("allow", tool="exec")]).action is Action.ALLOW
    assert ask("make", [rule("allow", tool="edit")]).action is Action.ASK
    assert ask("make", [rule("allow", agent="coder")]).action is Action.ALLOW
    assert ask("make", [rule("allow", agent="reviewer")]).action is Action.ASK
    assert ask("make", [rule("allow", session="s-1")]).action is Action.ALLOW
    assert ask("make", [rule("allow", session="s-2")]).action is Action.ASK
    assert ask("make", [rule("allow", max_risk=Risk.MEDIUM)]).action is Action.ALLOW
    assert ask("make; curl x", [rule("allow", max_risk=Risk.MEDIUM)]).action is Action.ASK
    assert ask("curl x", [rule("deny", min_risk=Risk.HIGH)]).action is Action.DENY
    assert ask("ls", [rule("ask", tool="*")]).rule == "ask *"
    mcp = tool(ToolKind.OTHER, "mcp__db__query")
    assert ask(mcp, [rule("allow", tool="mcp__*")]).action is Action.ALLOW
    assert ask(mcp, [rule("allow", command="*")]).action is Action.ASK


@pytest.mark.parametrize(
    ("glob", "paths", "action"),
    [
        ("src/*", ["src/a.py"], "allow"),
        ("src/*", ["src/a.py", "docs/b.md"], "ask"),
        ("src/*", ["src/sub/a.py"], "ask"),
        ("src/**", ["src/sub/a.py", "src/b.py"], "allow"),
        ("**/*.py", ["a.py", "src/sub/b.py"], "allow"),
        ("src/**", ["src/../setup.py"], "ask"),
        ("src/**", ["/home/op/repo/src/a.py"], "allow"),
        ("**", ["../other/a.py"], "ask"),
        ("**", ["/etc/passwd"], "ask"),
        ("**", [".git/config"], "ask"),
        (".github/**", [".github/workflows/a.yml"], "allow"),
        ("/srv/shared/*", ["/srv/shared/a"], "allow"),
        ("/home/op/repo/src/*", ["src/a.py"], "allow"),
        ("{a,b}.py", ["a.py", "b.py"], "allow"),
        ("[ab].py", ["c.py"], "ask"),
        ("[z-a]", ["z"], "ask"),
    ],
)
def test_every_path_must_fit_an_allow_glob(glob: str, paths: list[str], action: str) -> None:
    assert ask(edit(*paths), [rule("allow", path=glob)]).action is Action(action)


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("src/*", ["docs/a", "src/b"]),
        ("*.env", ["config/prod.env"]),
        ("**/secret*", ["secret.txt"]),
        ("/etc/*", ["../../../etc/passwd"]),
        ("/home/op/repo/x", ["x"]),
    ],
)
def test_any_path_may_fit_a_deny_glob(glob: str, paths: list[str]) -> None:
    rules = [rule("deny", path=glob), rule("allow", tool="*", critical=True)]
    assert ask(edit(*paths), rules).action is Action.DENY


def test_path_rules_and_shell_text() -> None:
    deny = [rule("deny", path="secrets/*"), rule("allow", tool="shell")]
    assert ask("cat a secrets/b", deny).action is Action.DENY
    assert ask("cd secrets && cat b", deny).action is Action.DENY
    assert ask("echo x > secrets/b", deny).action is Action.DENY
    assert ask("echo x > public/b", deny).action is Action.ALLOW
    assert ask("touch src/a", [rule("allow", path="src/*")]).action is Action.ASK


def approval(call: ToolCall, *, decision: Decision | None = None) -> Approval:
    return Approval(
        approval_id=ApprovalId("ap-1"),
        run_id=RunId("r-1"),
        session_id=SessionId("s-1"),
        step="implement",
        attempt=1,
        turn=1,
        agent="coder",
        call=call,
        risk=assess(call, WORKSPACE).risk,
        epoch=1,
        requested_at=NOW,
        decision=decision,
    )


@pytest.mark.parametrize(
    "call",
    [
        shell("make && touch 'x y'"),
        shell("frob [a-z]* $X"),
        shell("frob ( x"),
        edit("src/a.py", "src/[b]*.py"),
        edit("/home/op/repo/src/{a,b}.py"),
        edit(".env"),
        tool(ToolKind.OTHER, "mcp__db__query", sql="x"),
        shell("git push --force"),
    ],
)
def test_a_remembered_answer_answers_the_same_call_and_no_other(call: ToolCall) -> None:
    asked = approval(call)
    rules = [rule_for(asked, Scope.SESSION, "remembered")]
    assert ask(call, rules).rule == "remembered"
    assert ask(call, rules).action is Action.ALLOW
    assert ask(call, rules, session="s-2").action is Action.ASK
    for other in (shell("make && touch z"), edit("src/a.py", "src/c.py"), edit("src/bx.py")):
        assert ask(other, rules).action is Action.ASK


def test_always_never_allows_critical_risk() -> None:
    force = approval(shell("git push --force"))
    assert not rule_for(force, Scope.ALWAYS, "x").allow_critical
    assert rule_for(force, Scope.SESSION, "x").allow_critical
    assert rule_for(force, Scope.SESSION, "x").match.session == "s-1"
    always = rule_for(approval(shell("make")), Scope.ALWAYS, "x")
    assert always.match.session is None
    assert always.match.command_exact == "make"
    assert not rule_for(approval(shell("make")), Scope.SESSION, "x").allow_critical
    with pytest.raises(ValueError, match="once"):
        rule_for(force, Scope.ONCE, "x")


def test_a_remembered_answer_does_not_reach_a_worse_folder() -> None:
    rules = [rule_for(approval(shell("rm -rf *", f"{WORKSPACE}/build")), Scope.ALWAYS, "x")]
    assert ask(shell("rm -rf *", f"{WORKSPACE}/build"), rules).action is Action.ALLOW
    assert ask(shell("rm -rf *", WORKSPACE), rules).action is Action.ASK


def test_a_denial_is_remembered_with_its_reason() -> None:
    by = Actor(kind=ActorKind.PERSON, name="ann")
    decision = Decision(action=Action.DENY, scope=Scope.ALWAYS, reason="not here", by=by, at=NOW)
    rules = [rule_for(approval(shell("make all"), decision=decision), Scope.ALWAYS, "no make")]
    answer = ask("make all", rules)
    assert (answer.action, answer.reason) == (Action.DENY, "not here")


def test_an_explanation_names_parts_risks_and_rules() -> None:
    found = explain(
        "bash -c 'git status && git push --force'",
        WORKSPACE,
        [rule("allow", command="git status*")],
    )
    assert [(c.text, c.rule, c.risk) for c in found.commands if not c.wrapper] == [
        ("git status", "allow git status*", Risk.LOW),
        ("git push --force", None, Risk.CRITICAL),
    ]
    assert found.assessment.risk is Risk.CRITICAL
    assert found.answer.action is Action.ASK
    assert not found.unparsable
    assert "\x1b" not in explain("echo '\x1b[2J' (", WORKSPACE, []).model_dump_json()
