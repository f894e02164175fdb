"""Answers given beforehand: by order, kind and pattern; blanket; and what is left to a person."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from app.demo.decisions import Decisions, load_decisions
from app.domain.approval import Action, Approval, ApprovalState, Scope, Settlement
from app.domain.commands import CancelRun, DecideApproval, GiveVerdict, SettleApproval
from app.domain.errors import ConfigError
from app.domain.persistent import PersistentMap
from app.domain.run import Review, RunState
from app.domain.toolcall import ToolCall, ToolKind
from tests.support.story import a_review, a_run, a_verdict, an_approval

FILE = """
[[answer]]
kind = "approval"
match = "*git push*"
action = "deny"
reason = "frozen"

[[answer]]
kind = "approval"
match = "git *"
action = "approve"
scope = "session"

[[answer]]
kind = "review"
action = "reject"
reason = "once more"
times = 1

[[answer]]
kind = "review"
match = "plan"
action = "accept"

[[answer]]
kind = "uncertain"
match = "git fetch*"
action = "run_again"
"""


def call(command: str, number: int = 1, state: ApprovalState = ApprovalState.PENDING) -> Approval:
    tool = ToolCall(
        call_id="c", tool="shell", kind=ToolKind.SHELL, title=f"run {command}", command=command
    )
    return an_approval(number=number).model_copy(update={"call": tool, "state": state})


def waiting(round_: int = 1, rejects: int = 0) -> tuple[Review, RunState]:
    """A plan that the agent has approved and the operator has not seen."""
    review = a_review(round_).model_copy(update={"verdicts": (a_verdict("approve"),)})
    state = RunState(
        run=a_run(),
        reviews=PersistentMap({review.review_id: review}),
        rejects={"plan-review": rejects},
    )
    return review, state


@pytest.fixture
def decisions(tmp_path: Path) -> Decisions:
    path = tmp_path / "d.toml"
    path.write_text(FILE)
    return load_decisions(path)


def test_the_first_entry_that_fits_answers(decisions: Decisions) -> None:
    pushed = decisions.answer_approval(call("git push --force"))
    assert isinstance(pushed, DecideApproval)
    assert (pushed.action, pushed.reason, pushed.revision) == (Action.DENY, "frozen", 1)
    assert str(pushed.by) == "decisions in d.toml"
    status = decisions.answer_approval(call("git status"))
    assert isinstance(status, DecideApproval)
    assert (status.action, status.scope) == (Action.ALLOW, Scope.SESSION)
    assert decisions.answer_approval(call("rm -rf /")) is None


def test_times_counts_items_and_not_questions(decisions: Decisions) -> None:
    for _ in range(2):
        answer = decisions.answer_review(*waiting(1))
        assert isinstance(answer, GiveVerdict)
        assert (answer.accept, answer.reason) == (False, "once more")
    answer = decisions.answer_review(*waiting(2))
    assert isinstance(answer, GiveVerdict) and answer.accept


def test_uncertain_calls_have_entries_of_their_own(decisions: Decisions) -> None:
    fetched = decisions.answer_approval(call("git fetch", state=ApprovalState.UNCERTAIN))
    assert isinstance(fetched, SettleApproval)
    assert fetched.settlement is Settlement.RUN_AGAIN
    assert decisions.answer_approval(call("git push", state=ApprovalState.UNCERTAIN)) is None


@pytest.mark.parametrize("state", [s for s in ApprovalState if not s.needs_person])
def test_what_does_not_wait_is_not_answered(state: ApprovalState) -> None:
    assert Decisions.blanket("approve").answer_approval(call("true", state=state)) is None


def test_a_review_that_waits_for_an_agent_is_not_answered() -> None:
    review = a_review()
    state = RunState(run=a_run(), reviews=PersistentMap({review.review_id: review}))
    assert Decisions.blanket("approve").answer_review(review, state) is None


def test_approving_everything() -> None:
    decisions = Decisions.blanket("approve")
    allowed = decisions.answer_approval(call("rm -rf /"))
    assert isinstance(allowed, DecideApproval)
    assert (allowed.action, allowed.scope, str(allowed.by)) == (
        Action.ALLOW,
        Scope.ONCE,
        "--decide approve",
    )
    accepted = decisions.answer_review(*waiting(rejects=9))
    assert isinstance(accepted, GiveVerdict) and accepted.accept


def test_refusing_everything_ends_the_run_in_the_end() -> None:
    decisions = Decisions.blanket("deny")
    refused = decisions.answer_approval(call("git status"))
    assert isinstance(refused, DecideApproval)
    assert refused.action is Action.DENY and refused.reason
    back = decisions.answer_review(*waiting(rejects=2))
    assert isinstance(back, GiveVerdict) and not back.accept and back.reason
    end = decisions.answer_review(*waiting(rejects=3))
    assert isinstance(end, CancelRun)
    assert end.reason == "plan was sent back 3 times, and the decisions still say no"


def test_an_edit_of_unknown_outcome_is_made_again() -> None:
    """Treated as done, it would be missing from the work."""
    edit = ToolCall(call_id="c", tool="edit", kind=ToolKind.EDIT, title="edit a.py")
    unknown = call("x", state=ApprovalState.UNCERTAIN).model_copy(update={"call": edit})
    settled = Decisions.blanket("approve").answer_approval(unknown)
    assert isinstance(settled, SettleApproval)
    assert settled.settlement is Settlement.RUN_AGAIN


@pytest.mark.parametrize("answer", ["approve", "deny"])
def test_no_blanket_answer_repeats_a_call(answer: Literal["approve", "deny"]) -> None:
    settled = Decisions.blanket(answer).answer_approval(
        call("git push", state=ApprovalState.UNCERTAIN)
    )
    assert isinstance(settled, SettleApproval)
    assert settled.settlement is Settlement.TREAT_AS_DONE


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[answer]]\nkind = "approval"\naction = "accept"', r'd\.toml:1: answer\[0\]: "accept"'),
        ('[[answer]]\nkind = "reviews"\naction = "accept"', r"d\.toml:2: answer\[0\]\.kind: "),
        ('[[answer]]\nkind = "review"', r"d\.toml:1: answer\[0\]\.action: this key is missing"),
        ('default = "yes"', r"d\.toml:1: default: "),
        ('[[answer]]\nkind = "review"\naction = "accept"\ntimes = 0', r"d\.toml:4: .*times"),
        ('[[answer]]\nkind = "approval"\naction = "approve"\nscope = "always"', r"toml:4: .*scope"),
        ("[[answer", r"d\.toml:1: not valid TOML"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "d.toml").write_text(text)
    with pytest.raises(ConfigError, match=error):
        load_decisions(tmp_path / "d.toml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="decisions cannot be read: No such file"):
        load_decisions(tmp_path / "none.toml")
    (tmp_path / "d.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_decisions(tmp_path / "d.toml")
