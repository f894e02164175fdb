"""Approvals: the pending question about a tool call, and the decision that answers it."""

from datetime import datetime
from enum import StrEnum

from app.domain.base import ApprovalId, Model, RuleId, RunId, SessionId
from app.domain.request import Risk
from app.domain.toolcall import ToolCall, ToolOutcome


class ActorKind(StrEnum):
    """What kind of thing decided: provenance of every decision."""

    PERSON = "person"
    RULE = "rule"
    AGENT = "agent"
    TIMEOUT = "timeout"
    SYSTEM = "system"


class Actor(Model):
    """Who or what did something."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is ActorKind.PERSON else f"{self.kind}:{self.name}"


class Action(StrEnum):
    """What policy or a person answers. `ask` is policy's way to leave it to a person."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


class Scope(StrEnum):
    """How far an approval reaches."""

    ONCE = "once"
    SESSION = "session"
    ALWAYS = "always"


class Decision(Model):
    """The answer to an approval. `interrupt` with deny also ends the agent's turn."""

    action: Action  # allow or deny
    scope: Scope = Scope.ONCE
    reason: str = ""
    interrupt: bool = False
    by: Actor
    at: datetime


class ApprovalState(StrEnum):
    """Requested, permitted and executed are three facts.

    pending -> approved (decided while no agent was there to hear it) -> permitted (committed,
    then handed to the agent) -> executed | failed; pending -> denied | timed_out | withdrawn;
    permitted and never heard of again -> uncertain -> settled.
    """

    PENDING = "pending"
    APPROVED = "approved"
    PERMITTED = "permitted"
    EXECUTED = "executed"
    FAILED = "failed"
    DENIED = "denied"
    TIMED_OUT = "timed_out"
    WITHDRAWN = "withdrawn"
    UNCERTAIN = "uncertain"
    SETTLED = "settled"

    @property
    def refused(self) -> bool:
        """Whether the agent hears a no: a person's, a rule's, or that nobody answered."""
        return self in (ApprovalState.DENIED, ApprovalState.TIMED_OUT)

    @property
    def needs_person(self) -> bool:
        return self in (ApprovalState.PENDING, ApprovalState.UNCERTAIN)


class Settlement(StrEnum):
    """An operator's answer about a tool call whose outcome nobody knows."""

    RUN_AGAIN = "run_again"
    TREAT_AS_DONE = "treat_as_done"
    ABORT = "abort"


class Approval(Model):
    """One question about one tool call; lives in the journal, not in the agent's process."""

    approval_id: ApprovalId
    revision: int = 1  # moves when what is asked changes; an answer names the one it read
    run_id: RunId
    session_id: SessionId
    step: str
    attempt: int
    turn: int
    agent: str
    call: ToolCall
    editable: str | None = None  # what of it a person may change before allowing it
    original: ToolCall | None = None  # as its agent asked for it, where a person has changed it
    edited_by: Actor | None = None
    risk: Risk
    risk_reasons: tuple[str, ...] = ()
    rule: str = ""  # the policy rule that decided to ask, allow or deny, in words
    offered: tuple[str, ...] = ()  # the agent's own names for the answers it accepts
    deciders: int = 1  # how many different persons must allow it
    supporters: tuple[Actor, ...] = ()  # who has allowed it while more must
    state: ApprovalState = ApprovalState.PENDING
    epoch: int  # the supervisor start in which the agent is waiting for the answer
    requested_at: datetime
    deadline: datetime | None = None  # unanswered by then it times out; None: it waits
    decision: Decision | None = None
    told: bool = False  # the decision was handed to the agent
    permitted_at: datetime | None = None
    outcome: ToolOutcome | None = None
    settlement: Settlement | None = None
    settled_by: Actor | None = None
    snoozed_until: datetime | None = None

    @property
    def asked(self) -> ToolCall:
        """The call as its agent asked for it."""
        return self.original or self.call


class RuleMatch(Model):
    """Conditions of an approval rule; all that are set must hold. Patterns are shell globs."""

    tool: str | None = None  # tool name or kind, e.g. "shell", "edit", "mcp:docs/*"
    command: str | None = None  # each simple command of the shell text, e.g. "git status*"
    command_exact: str | None = None  # the whole shell text, literally
    path: str | None = None  # every file path the call touches, relative to the workspace
    agent: str | None = None  # the configured agent that asks
    session: SessionId | None = None  # one session only (made by "approve for session")
    max_risk: Risk | None = None
    min_risk: Risk | None = None


class ApprovalRule(Model):
    """First match wins. Critical risk is allowed only by a rule whose `risk_named` says so."""

    name: str
    match: RuleMatch
    action: Action
    reason: str = ""  # told to the agent on deny
    allow_critical: bool = False


class StoredRule(Model):
    """A rule an operator made by answering "always" or "for this session"."""

    rule_id: RuleId
    project: str
    rule: ApprovalRule
    by: Actor
    at: datetime
    from_approval: ApprovalId
