"""Our decision as one of the options that an ACP agent offers with its question.

Chosen by the option's kind, never by its id or place. An agent's own "always" would take later
calls out of our sight, so where it can be told to go on once it is told that: sessions' and
lasting rules are Longwatch's, visible and removable.
"""

from __future__ import annotations

from collections.abc import Sequence

from acp import schema

from app.agents.protocol import Answer
from app.domain.approval import Action, Scope
from app.domain.errors import DriverError
from app.domain.text import one_line


def choose(answer: Answer, options: Sequence[schema.PermissionOption]) -> str | None:
    """The id of the option that says our answer; None: it has to be told as `cancelled`.

    Raises DriverError when the agent cannot be told to go on in this way.
    """
    by_kind = {option.kind: option.option_id for option in reversed(options)}
    if answer.action is Action.DENY:
        return by_kind.get("reject_once") or by_kind.get("reject_always")
    if "allow_once" in by_kind:
        return by_kind["allow_once"]
    if answer.scope is not Scope.ONCE and "allow_always" in by_kind:
        return by_kind["allow_always"]
    raise DriverError(
        f"the agent does not let this call be approved {answer.scope}; "
        f"it offers: {', '.join(names(options)) or 'nothing'}"
    )


def names(options: Sequence[schema.PermissionOption]) -> tuple[str, ...]:
    """The agent's own names for its options."""
    return tuple(one_line(option.name, 80) or option.option_id for option in options)
