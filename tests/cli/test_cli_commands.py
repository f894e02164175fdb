"""Every command for scripts, over the socket of a supervisor that answers from memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.domain.approval import Action, Approval, Scope, Settlement
from app.domain.commands import (
    CancelRun,
    DecideApproval,
    Done,
    EditApproval,
    RetryRun,
    SettleApproval,
    Snooze,
)
from app.domain.events import Event
from app.domain.feed import VerifyReport
from app.domain.run import Run, RunState
from tests.support.command_line import CommandLine
from tests.support.supervisor import PERSON, FakeSupervisor, an_approval


def test_runs_as_a_table_and_as_models(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    ran = longwatch("runs")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == [
        "run",
        "state",
        "step",
        "workflow",
        "created",
        "request",
    ]
    assert "run-1  in_progress, 1 unseen  plan" in ran.out
    assert "add retry" in ran.out
    listed = [Run.model_validate(one) for one in longwatch("runs", "--json", "-n", "2").json()]
    assert [run.run_id for run in listed] == ["run-1", "run-2"]


def test_show_says_what_waits_and_how_to_answer(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    ran = longwatch("show", "run")
    assert ran.code == 0
    assert "longwatch approve ap-1 | longwatch deny ap-1 --reason" in ran.out
    shown = TypeAdapter(RunState).validate_json(longwatch("show", "run-1", "--json").out)
    assert shown.run.run_id == "run-1"


def test_events_page_from_the_one_after(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    told = TypeAdapter(list[Event]).validate_json(longwatch("events", "--json").out)
    assert [event.seq for event in told] == [*range(1, 8)]
    lines = longwatch("events", "run-1", "--after", "5").out.splitlines()
    assert [line.split()[0] for line in lines] == ["6", "7"]
    assert "run_state_changed" in lines[0]


def test_what_nobody_has_seen_is_said_until_it_was_listed(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    told = longwatch("status", "--json").json()["status"]
    assert (told["waiting"], told["unseen"], told["unseen_seconds"]) == (1, 1, 90)
    longwatch("approvals", "--json"), longwatch("show", "run-1", "--json")
    assert "in_progress, 1 unseen" in longwatch("runs").out
    assert hosted.sightings == [], "a program is nobody who looks, and a number is no look"
    assert "pending, unseen" in longwatch("approvals").out
    (seen,) = hosted.sightings
    assert (seen.kind, seen.item_id) == ("approval", "ap-1")
    assert "unseen" not in longwatch("approvals").out + longwatch("runs").out


@pytest.mark.parametrize("command", [("status",), ("show", "run-1")])
def test_status_and_show_are_looks_as_well(
    longwatch: CommandLine, hosted: FakeSupervisor, command: tuple[str, ...]
) -> None:
    longwatch("reviews"), longwatch("questions")
    assert hosted.sightings == [], "what they do not list"
    out = longwatch(*command).out
    assert len(hosted.sightings) == 1
    if command == ("status",):
        assert "1 waiting for you, 1 of them unseen (for 1m):\n  approval, unseen: git push" in out


def test_approvals_and_the_answer_that_names_what_was_read(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    assert "git push" in longwatch("approvals").out
    assert [Approval.model_validate(a) for a in longwatch("approvals", "--json").json()] == [
        an_approval()
    ]
    ran = longwatch("approve", "1", "--always")
    assert (ran.code, ran.out) == (0, "done\n")
    assert "ap-1 (high risk), asked by coder:\n  git push" in ran.err
    rule, _, past = ran.err.partition("It would have covered 1 earlier call of this project")
    assert 'command_exact = "git push"' in rule and "git push  (waits for an answer)" in past
    shown = longwatch("approve", "1", "--always", "--dry-run", "--json")
    assert (shown.json()["total"], len(hosted.done)) == (1, 1)
    assert longwatch("approve", "1", "--dry-run").code == 2
    command = hosted.done[0]
    assert isinstance(command, DecideApproval)
    assert (command.revision, command.action, command.scope) == (3, Action.ALLOW, Scope.ALWAYS)
    assert command.by == PERSON


def test_identical_calls_are_answered_each_by_itself(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    ran = longwatch("approve", "1", "--identical", "--json")
    assert [done["message"] for done in ran.json()] == ["done"]
    assert "1 identical call:\nap-1 (high risk), asked by coder:\n  git push" in ran.err
    assert longwatch("deny", "1", "--identical", "--reason", "no").code == 0
    allow, deny = hosted.done
    assert isinstance(allow, DecideApproval) and isinstance(deny, DecideApproval)
    assert (allow.revision, allow.action, deny.action) == (3, Action.ALLOW, Action.DENY)
    assert longwatch("approve", "1", "--identical", "--always").code == 2


def test_approve_with_a_text_changes_the_call_first(
    longwatch: CommandLine, hosted: FakeSupervisor, tmp_path: Path
) -> None:
    assert longwatch("approve", "1", "--command", "git push origin dev").code == 0
    edit, decision = hosted.done
    assert isinstance(edit, EditApproval) and isinstance(decision, DecideApproval)
    assert (edit.text, edit.revision, edit.by) == ("git push origin dev", 3, PERSON)
    (tmp_path / "call.sh").write_text("git status\n")
    assert longwatch("approve", "1", "--edit-file", tmp_path / "call.sh").code == 0
    assert isinstance(again := hosted.done[2], EditApproval) and again.text == "git status"
    both = longwatch("approve", "1", "--command", "x", "--edit-file", tmp_path / "call.sh")
    assert both.code == 2


def test_deny_carries_its_reason(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    ran = longwatch("deny", "ap-1", "--reason", "not today", "--interrupt", "--json")
    assert Done.model_validate(ran.json()).run_id == "run-1"
    command = hosted.done[0]
    assert isinstance(command, DecideApproval)
    assert (command.action, command.reason, command.interrupt) == (Action.DENY, "not today", True)


def test_deny_without_a_reason_is_wrong_usage(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    ran = longwatch("deny", "ap-1")
    assert ran.code == 2
    assert "--reason" in ran.err
    assert hosted.done == []


def test_snooze_puts_off_and_brings_back(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    before = datetime.now(UTC)
    assert longwatch("snooze", "ap-1", "--minutes", "30").code == 0
    assert longwatch("snooze", "ap-1", "--back").code == 0
    later, back = hosted.done
    assert isinstance(later, Snooze) and isinstance(back, Snooze)
    assert (later.item, later.item_id, back.until) == ("approval", "ap-1", None)
    assert later.until is not None
    assert timedelta(minutes=29) < later.until - before < timedelta(minutes=31)


def test_what_does_not_wait_cannot_be_put_off(
    longwatch: CommandLine, hosted: FakeSupervisor
) -> None:
    ran = longwatch("snooze", "q-none")
    assert ran.code == 1 and "there is no open item 'q-none'" in ran.err
    assert hosted.done == []


def test_settle_cancel_and_retry(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    assert longwatch("settle", "ap-1", "treat-as-done").code == 0
    assert longwatch("cancel", "run", "--reason", "changed my mind").code == 0
    assert longwatch("retry", "run-1").code == 0
    settle, cancel, retry = hosted.done
    assert isinstance(settle, SettleApproval)
    assert settle.settlement is Settlement.TREAT_AS_DONE
    assert isinstance(cancel, CancelRun)
    assert (cancel.run_id, cancel.reason) == ("run-1", "changed my mind")
    assert isinstance(retry, RetryRun)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nope"], "there is no run nope"),
        (
            ["approve", "nope"],
            "there is no approval 'nope'; `longwatch approvals --all` lists them",
        ),
        (["accept", "nope"], "there is no review 'nope'; `longwatch reviews --all` lists them"),
        (["rules", "remove", "nope"], "there is no rule 'nope'; `longwatch rules` lists them"),
    ],
)
def test_an_unknown_id_is_one_sentence(
    longwatch: CommandLine, hosted: FakeSupervisor, arguments: list[str], says: str
) -> None:
    ran = longwatch(*arguments)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err == f"longwatch: {says}\n"


def test_say_needs_an_agent_at_work(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    ran = longwatch("say", "run-1", "well?")
    assert ran.code == 1
    assert "no agent of this run is at work" in ran.err
    assert "has no session s-9" in longwatch("say", "run-1", "well?", "--session", "s-9").err
    assert longwatch("say", "run-1", " ").code == 2
    assert hosted.done == []


def test_empty_lists_say_so(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    assert longwatch("reviews").out == "nothing waits for a verdict\n"
    assert "no rules" in longwatch("rules").out
    assert longwatch("reviews", "--json").json() == []


def test_verify_says_what_was_checked(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    ran = longwatch("verify")
    assert ran.code == 0
    assert "checked: chain" in ran.out
    assert VerifyReport.model_validate(longwatch("verify", "--json").json()).ok


def test_diff_and_status(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    assert longwatch("diff", "run-1", "--step", "plan").out == "diff of run-1 plan 0\n"
    assert longwatch("diff", "run", "--json").json() == {"diff": "diff of run-1  0\n"}
    assert "hosts" in longwatch("status").out
    status = longwatch("status", "--json").json()
    assert status["hosted"]
    assert status["status"]["seq"] == 7


def test_the_store_may_be_named_before_or_after_the_command(
    longwatch: CommandLine, hosted: FakeSupervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "elsewhere"))
    assert longwatch("--store", store, "runs").code == 0
    assert longwatch("runs", "--store", store).code == 0
    assert longwatch("--store", tmp_path / "elsewhere", "runs", "--store", store).code == 0
    assert longwatch("rules", "--store", store).code == 0


def test_down_stops_the_host_and_waits_for_it(
    longwatch: CommandLine, hosted: FakeSupervisor, tmp_path: Path
) -> None:
    ran = longwatch("down")
    assert ran.code == 0
    assert "has stopped" in ran.out
    assert hosted.closed
    assert longwatch("down").out == f"no supervisor runs on {tmp_path / 'store'}\n"
    assert not json.loads(longwatch("status", "--json").out)["hosted"]


def test_up_on_a_hosted_store_is_refused(longwatch: CommandLine, hosted: FakeSupervisor) -> None:
    ran = longwatch("up")
    assert ran.code == 1
    assert "hosts this store already" in ran.err
    assert "listening at" in longwatch("up", "--detach").out  # but it is up, which was the wish
