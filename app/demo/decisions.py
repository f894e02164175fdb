"""Answers given beforehand, for a run that nobody watches.

A decisions file is TOML. Its entries are tried in order; the first that fits an item answers it:

    default = "wait"              # approve or deny what no entry answers; wait: leave it open

    [[answer]]
    kind = "approval"             # a tool call: action approve or deny
    match = "*git push*"          # shell glob on its title or command; all when left out
    action = "deny"
    reason = "release-candidate is frozen until Thursday"

    [[answer]]
    kind = "review"               # an artefact: action accept or reject; the glob is on its step
    action = "reject"
    reason = "Say what happens to an upload that is cut off half way"
    times = 1                     # answers one item only, then the next entry is tried

    [[answer]]
    kind = "uncertain"            # a call of unknown outcome: run_again, treat_as_done or abort
    action = "treat_as_done"

Blanket answers: `approve` allows every tool call and accepts every artefact. `deny` refuses every
tool call and sends every artefact back; when the artefact has come back three times, whoever sent
it back, the run is cancelled, for it would go on for ever. Of a call of unknown outcome either has
an edit made again, which comes to the same, and treats all else as done: nothing happens twice
without a person.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.domain.approval import (
    Action,
    Actor,
    ActorKind,
    Approval,
    ApprovalState,
    Scope,
    Settlement,
)
from app.domain.attention import waits_for_operator
from app.domain.base import Model
from app.domain.commands import CancelRun, DecideApproval, GiveVerdict, SettleApproval
from app.domain.errors import ConfigError
from app.domain.run import Review, RunState
from app.domain.toml_source import load_toml
from app.domain.toolcall import ToolKind

_NO_REASON = "nobody is at the screen, and the decisions say no"
_MOST = 3  # times that a blanket refusal sends an artefact back

Kind = Literal["approval", "review", "uncertain"]
_ACTIONS: dict[Kind, tuple[str, ...]] = {
    "approval": ("approve", "deny"),
    "review": ("accept", "reject"),
    "uncertain": tuple(Settlement),
}


class Entry(Model):
    """One `[[answer]]` of a decisions file."""

    kind: Kind
    match: str = "*"
    action: str
    reason: str = ""
    scope: Literal[Scope.ONCE, Scope.SESSION] = Scope.ONCE
    times: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Entry:
        if self.action not in _ACTIONS[self.kind]:
            allowed = ", ".join(_ACTIONS[self.kind])
            raise ValueError(f'"{self.action}" does not answer a {self.kind} (allowed: {allowed})')
        return self


class DecisionsFile(Model):
    """All of a decisions file."""

    default: Literal["approve", "deny", "wait"] = "wait"
    answers: tuple[Entry, ...] = Field(default=(), alias="answer")


class Decisions:
    """Answers items as decided beforehand. It remembers which item used an entry up, so that
    asking about the same item again gives the same answer."""

    def __init__(self, decided: DecisionsFile, name: str) -> None:
        self._decided = decided
        self._by = Actor(kind=ActorKind.PERSON, name=name)
        self._used: dict[int, set[str]] = {}  # entry -> items it has answered

    @classmethod
    def blanket(cls, answer: Literal["approve", "deny"]) -> Decisions:
        """The same answer to everything (`--decide`)."""
        return cls(DecisionsFile(default=answer), f"--decide {answer}")

    def answer_approval(self, approval: Approval) -> DecideApproval | SettleApproval | None:
        """The answer to a tool call that waits; None leaves it to a person."""
        if approval.state is ApprovalState.UNCERTAIN:
            return self._settle(approval)
        if approval.state is not ApprovalState.PENDING:
            return None
        entry = self._entry("approval", approval.approval_id, _texts(approval))
        action = entry.action if entry else self._decided.default
        if action == "wait":
            return None
        deny = action == "deny"
        reason = entry.reason if entry else ""
        return DecideApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            action=Action.DENY if deny else Action.ALLOW,
            scope=entry.scope if entry and not deny else Scope.ONCE,
            reason=reason or (_NO_REASON if deny else ""),
            by=self._by,
        )

    def _settle(self, approval: Approval) -> SettleApproval | None:
        item = f"{approval.approval_id} uncertain"
        entry = self._entry("uncertain", item, _texts(approval))
        if entry is None and self._decided.default == "wait":
            return None
        return SettleApproval(
            approval_id=approval.approval_id,
            revision=approval.revision,
            settlement=Settlement(entry.action) if entry else _settlement(approval),
            reason=entry.reason if entry else "",
            by=self._by,
        )

    def answer_review(self, review: Review, state: RunState) -> GiveVerdict | CancelRun | None:
        """The verdict on an artefact that waits for the operator; None leaves it to a person."""
        if not waits_for_operator(state, review.review_id):
            return None
        entry = self._entry("review", review.review_id, (review.of, review.step))
        default = self._decided.default
        if entry is None and default == "wait":
            return None
        if entry is None and default == "deny" and state.rejects.get(review.step, 0) >= _MOST:
            why = f"{review.of} was sent back {_MOST} times, and the decisions still say no"
            return CancelRun(run_id=review.run_id, reason=why, by=self._by)
        accept = entry.action == "accept" if entry else default == "approve"
        reason = entry.reason if entry else ""
        return GiveVerdict(
            review_id=review.review_id,
            revision=review.revision,
            accept=accept,
            reason=reason or ("" if accept else _NO_REASON),
            by=self._by,
        )

    def _entry(self, kind: Kind, item: str, texts: tuple[str, ...]) -> Entry | None:
        for index, entry in enumerate(self._decided.answers):
            used = self._used.setdefault(index, set())
            free = item in used or entry.times is None or len(used) < entry.times
            if entry.kind == kind and free and any(fnmatchcase(t, entry.match) for t in texts):
                used.add(item)
                return entry
        return None


def load_decisions(path: Path) -> Decisions:
    """Read a decisions file (blocking). Raises ConfigError with file, line and key."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"the decisions cannot be read: {why}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", source=str(path)) from error
    return Decisions(load_toml(text, str(path), DecisionsFile), f"decisions in {path.name}")


def _texts(approval: Approval) -> tuple[str, ...]:
    return (approval.call.title, approval.call.command or "")


def _settlement(approval: Approval) -> Settlement:
    """An edit that is made twice is made once; of anything else, twice can be once too often."""
    again = approval.call.kind is ToolKind.EDIT
    return Settlement.RUN_AGAIN if again else Settlement.TREAT_AS_DONE
