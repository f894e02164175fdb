"""The card of an approval: what it would do, where, why it is risky, who asks. No Textual."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.domain.approval import Approval, ApprovalState
from app.domain.run import RunState
from app.domain.text import one_line
from app.domain.toolcall import ToolCall
from app.ui.diffrows import change_rows
from app.ui.page import BLANK, FOLDED, Row, fact, lines, row
from app.ui.rows import duration

_YES_OR_NO = {
    "acp": "deny it and say what to do instead: its protocol takes a yes or a no",
    "codex": "deny it and say what to do instead: Codex takes a yes or a no",
}
_ALIKE_NAMED = 4
NO_REASON = "it gave no reason"


def approval_rows(
    state: RunState, approval: Approval, alike: Sequence[tuple[RunState, Approval]] = ()
) -> list[Row]:
    """The whole card but its head line, which has the time. `alike`: further identical calls."""
    found = [*_call(approval.call), BLANK]
    if approval.state is ApprovalState.UNCERTAIN:
        found += [*_uncertain(approval), BLANK]
    found += [*_why(approval), *_alike(alike), *_where(state, approval)]
    if approval.call.changes:
        found.append(BLANK)
        for change in approval.call.changes:
            found += [*change_rows(change), BLANK]
    return found


def head(approval: Approval, now: datetime) -> str:
    """How long it has waited, in words."""
    waited = f"waits {duration(now - approval.requested_at)}"
    if approval.deadline is not None and approval.state is ApprovalState.PENDING:
        left = max(approval.deadline - now, timedelta(0))
        waited += f", times out in {duration(left)}"
    until = approval.snoozed_until
    return waited if until is None or until <= now else f"{waited}, put off until {_clock(until)}"


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M")


def _call(call: ToolCall) -> Iterator[Row]:
    if call.command is not None:
        yield from command_rows(call.command, first="$ ")
    elif call.changes:
        count = len(call.changes)
        yield row((f"change {count} file{'s' * (count != 1)}", "strong"))
        for change in call.changes:
            yield row((f"  {change.change:<7} {change.path}", "command"), tone="command")
    else:
        yield row((call.title or call.tool, "strong"), hang="  ")
    if call.arguments and call.command is None and not call.changes:
        yield from lines(_readable(call.arguments), tone="command", first="  ", rest="  ")


def command_rows(command: str, *, first: str = "  ") -> Iterator[Row]:
    """A command as it is; what the screen folds does not look like a line of the command."""
    return lines(command, tone="command", first=first, rest="  ", hang=FOLDED)


def _readable(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _why(approval: Approval) -> Iterator[Row]:
    for number, why in enumerate(approval.risk_reasons or ("no particular reason",)):
        yield from fact("why risky" if number == 0 else "", why)
    if approval.deciders > 1:
        yield from fact("needs", _persons(approval), tone="need")
    if approval.edited_by is not None and approval.original is not None:
        asked = approval.original.command or approval.original.title
        yield from fact("changed", f"by {approval.edited_by}; the agent asked for: {asked}")
    yield from fact("asked by", approval.rule or "no rule matches, so a person is asked")
    for number, note in enumerate(approval.call.notes):
        yield from fact("known" if number == 0 else "", note)
    said = approval.call.reason
    yield from fact("agent says", said or NO_REASON, tone="" if said else "quiet")


def _alike(alike: Sequence[tuple[RunState, Approval]]) -> Iterator[Row]:
    """Who else asks for the very same; `a` and `X` answer all of them."""
    for number, (state, approval) in enumerate(alike[:_ALIKE_NAMED]):
        what = f"{one_line(state.run.request.title, 60)}: {approval.step} ({approval.run_id})"
        yield from fact("also by" if number == 0 else "", what)
    if len(alike) > _ALIKE_NAMED:
        yield from fact("", f"and {len(alike) - _ALIKE_NAMED} more")
    if alike:
        yield from fact("", f"a allows these {len(alike) + 1}, X denies them", tone="need")


def _persons(approval: Approval) -> str:
    """Who has allowed it, and how many must."""
    names = ", ".join(str(by) for by in approval.supporters)
    so_far = f"; {names} allowed it" if names else ""
    return f"{approval.deciders} different persons must allow it{so_far}"


def _where(state: RunState, approval: Approval) -> Iterator[Row]:
    session = state.sessions.get(approval.session_id)
    workspace = session.workspace if session else ""
    cwd = approval.call.cwd
    if cwd and cwd != workspace:
        yield from fact("runs in", cwd)
    if workspace:
        same = " (and runs there)" if cwd == workspace else ""
        yield from fact("workspace", workspace + same)
    if session is not None and approval.editable is None and session.driver in _YES_OR_NO:
        yield from fact("to change", _YES_OR_NO[session.driver], tone="quiet")
    if session is not None and session.driver == "acp" and approval.offered:
        # In its own words: an agent's answers differ, and two can have one kind (Vibe's "always").
        yield from fact("it offers", " · ".join(approval.offered), tone="quiet")
    run = state.run
    yield from fact("run", f"{one_line(run.request.title, 200)} ({run.run_id})")
    step = f"{approval.step}, attempt {approval.attempt}, turn {approval.turn}"
    yield from fact("step", f"{step} · agent {approval.agent} · tool {approval.call.tool}")


def _uncertain(approval: Approval) -> Iterator[Row]:
    decision = approval.decision
    by = f" by {decision.by}" if decision else ""
    at = f" at {_clock(approval.permitted_at)}" if approval.permitted_at else ""
    yield row(("nobody knows whether this was done", "need"))
    told = f"It was allowed{by} and handed to the agent{at}. Then the connection to the agent was "
    yield from lines(told + "lost before it said how the call ended. It may have run, or in part.")
    yield BLANK
    yield row(("1  run again     ", "strong"), "the agent does it, perhaps for the second time")
    yield row(("2  treat as done ", "strong"), "the agent is told that it was done, and goes on")
    yield row(("3  abort         ", "strong"), "the run stops here, blocked, until you retry it")


def resolution(approval: Approval | None) -> str:
    """How a question was answered that no longer waits, for the line under its card."""
    if approval is None:
        return "no longer asked"
    if approval.settled_by is not None:
        return f"already answered by {approval.settled_by}: {approval.settlement}"
    if approval.state is ApprovalState.TIMED_OUT:
        return "timed out: nobody answered in time, and its agent was told so"
    if approval.decision is not None:
        return f"already answered by {approval.decision.by}: {approval.decision.action}"
    words = {
        ApprovalState.WITHDRAWN: "withdrawn: its agent no longer asks",
    }
    return words.get(approval.state, "no longer asked")
