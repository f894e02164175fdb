"""Routes: which agent answers whom. A rule never matches more than its binding did.

How a binding's conditions become those of a route rule:

- `user` is the peer: the id of the person, group or room on the other side.
- `channel` is the place: the channel's key, then, each after a slash, what narrows it: the account
  unless it is the channel's default one, `guild:ID`, `team:ID`, `role:ID`, and `direct`, `group` or
  `channel` where a binding means all peers of a kind. Whoever hands requests in names the narrowest
  place that a rule has. So a condition that rules know nothing of is part of a text that must be
  equal, and cannot be overlooked.
- The first binding for one user at one place wins, as in the source; narrower ones come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.domain.migration import ItemKind
from app.domain.routing import RouteRule
from app.migrate.openclaw.agents import Entry
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node

_MAX_RULES = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A route that a binding asks for. A smaller tier is more specific."""

    tier: int
    entry: Entry
    channel: str
    user: str | None
    node: Node
    account: str = ""  # channel and account, which narrower places of the same begin with
    marks: tuple[Node, ...] = ()  # the values it is made of, if that is not all of `node`


# From the most specific to the least; FALLBACK: the agent of a channel for everybody else.
PEER, ANY_PEER, ROLES, GUILD, TEAM, ACCOUNT, CHANNEL, FALLBACK = range(8)


class Routes:
    """Gathers routes in the order of the source and settles who is first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted: list[Wanted] = []

    def want(self, wanted: Wanted) -> None:
        if len(self._wanted) < _MAX_RULES:
            self._wanted.append(wanted)
        else:
            self._ledger.odd(wanted.node, f"is one of more than {_MAX_RULES:,} routes")

    def rules(self, default: str) -> list[RouteRule]:
        """The rules: the most specific first, of equal ones the first in the source. What a
        channel's own default agent answers needs none if that is the default workflow."""
        ordered = sorted(self._spread(), key=lambda wanted: wanted.tier)
        taken: dict[tuple[str, str | None], Wanted] = {}
        for wanted in ordered:
            key = (wanted.channel.lower(), wanted.user.lower() if wanted.user else None)
            first = taken.setdefault(key, wanted)
            if first is wanted:
                self._mapped(wanted, wanted)
            elif first.entry is not wanted.entry and first.tier == wanted.tier:
                who = f"{wanted.user} on {wanted.channel}" if wanted.user else wanted.channel
                self._ledger.refused(wanted.node, "a binding before it is for the same")
                self._ledger.warn(
                    wanted.node,
                    f"{who} is bound to {first.entry.ident} already, which counts",
                )
            else:
                self._mapped(wanted, first)
        needed = [w for w in taken.values() if w.tier != FALLBACK or w.entry.name != default]
        for wanted in needed:
            name = f"{wanted.channel} {wanted.user or '(anybody)'}"
            self._ledger.took(
                ItemKind.BINDING, name, f"longwatch.toml: route to {wanted.entry.name}"
            )
        return [_rule(wanted) for wanted in needed]

    def _mapped(self, wanted: Wanted, rule: Wanted) -> None:
        for node in wanted.marks or (wanted.node,):
            self._ledger.mapped(node, f"route: {_words(rule)}")

    def _spread(self) -> Iterator[Wanted]:
        """A peer's route holds at every narrower place of its account too: otherwise a rule for
        the guild would come before it there."""
        narrower: dict[str, list[str]] = {}
        for wanted in self._wanted:
            if wanted.account and wanted.channel != wanted.account:
                places = narrower.setdefault(wanted.account, [])
                if wanted.channel not in places:
                    places.append(wanted.channel)
        for wanted in self._wanted:
            yield wanted
            if wanted.tier == PEER and wanted.channel == wanted.account:
                for place in narrower.get(wanted.account, ()):
                    yield replace(wanted, channel=place, account="")


def _rule(wanted: Wanted) -> RouteRule:
    return RouteRule(workflow=wanted.entry.name, user=wanted.user, channel=wanted.channel)


def _words(wanted: Wanted) -> str:
    return f"{wanted.user or 'anybody'} on {wanted.channel} to {wanted.entry.name}"
