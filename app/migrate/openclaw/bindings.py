"""`bindings`: which agent answers on a channel, an account, in a guild, to a peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from app.domain.migration import ItemKind
from app.migrate.openclaw.access import access, enabled, paired_users
from app.migrate.openclaw.agents import Entry, Roster
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.routes import (
    ACCOUNT,
    ANY_PEER,
    CHANNEL,
    GUILD,
    PEER,
    ROLES,
    TEAM,
    Routes,
    Wanted,
)
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.tables import channel_key

_KINDS = {"direct": "direct", "dm": "direct", "group": "group", "channel": "channel"}
_MATCHED = frozenset({"channel", "accountId", "peer", "guildId", "teamId", "roles"})

_OLDER = {"provider": "channel", "accountID": "accountId"}  # what conditions were called at first


def _key(match: Node, key: str) -> str:
    """What a condition is called here: by its name, else by the one that it had before."""
    older = next((old for old, new in _OLDER.items() if new == key), key)
    return older if match.get(key) is None and match.get(older) is not None else key


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a binding applies: the account's text, and what narrows it."""

    account: str
    tier: int


class Refusal(Exception):
    """Why a binding cannot be taken over, in a clause."""


class Bindings:
    """Reads bindings into routes."""

    def __init__(
        self,
        ledger: Ledger,
        roster: Roster,
        routes: Routes,
        channels: Mapping[str, Node],
        source: Source,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._roster = roster
        self._routes = routes
        self._channels = {channel_key(name).lower(): node for name, node in channels.items()}

    def read(self, node: Node | None) -> None:
        if node is None or node.null:
            return
        if node.items is None:
            self._ledger.odd(node, "is no list of bindings")
            return
        for i, binding in enumerate(node.items):
            try:
                marks = [binding.get(key) for key in ("agentId", "agent", "match", "type")]
                used = tuple(node for node in marks if node is not None)
                for wanted in self._wanted(binding):
                    self._routes.want(replace(wanted, marks=used))
            except Refusal as why:
                self._ledger.refused(binding, str(why))
                self._ledger.warn(
                    binding, f"was not taken over: {why}; a broader one may answer in its place"
                )
                self._ledger.left(ItemKind.BINDING, f"number {i + 1}", str(why))

    def _wanted(self, binding: Node) -> Iterator[Wanted]:
        if binding.fields is None:
            raise Refusal("it is no object")
        entry = self._agent(binding)
        kind = self._ledger.text(binding.get("type"))
        if binding.get("type") is not None and kind not in ("route", "acp"):
            raise Refusal("its type is not known")
        match = binding.get("match")
        if match is None or match.fields is None:
            raise Refusal("it has no match")
        for key, condition in match.entries():
            if key not in _MATCHED and key != _key(match, _OLDER.get(key, "")):
                raise Refusal(f"its condition {key} has no counterpart ({condition.key})")
        name = self._required(match, "channel")
        channel = channel_key(name).lower()
        section = self._channels.get(channel)
        if section is not None and not enabled(section, self._ledger):
            raise Refusal(f"the channel {name} is switched off")
        for place in self._accounts(match, channel, section):
            yield from self._narrowed(binding, match, place, entry, section)

    def _agent(self, binding: Node) -> Entry:
        ident = self._ledger.text(binding.get("agentId", "agent"), numbers=True)
        if ident is None:
            raise Refusal("it names no agent")
        entry = self._roster.find(ident)
        if entry is None:
            raise Refusal(f'there is no agent "{ident}"')
        return entry

    def _required(self, match: Node, key: str) -> str:
        text = self._ledger.text(match.get(_key(match, key)), numbers=True)
        if text is None:
            raise Refusal(f"its {key} is missing or odd")
        return text

    def _accounts(self, match: Node, channel: str, section: Node | None) -> list[_Place]:
        """The accounts a binding is for: without one the channel's default, with `*` each."""
        default = self._default_account(section)
        if match.get(_key(match, "accountId")) is None:
            return [_Place(channel, ACCOUNT)]
        account = self._required(match, "accountId")
        if account != "*":
            if self._is_off(section, account):
                raise Refusal(f"the account {account} is switched off")
            own = account.lower() in (default, "default")
            return [_Place(channel if own else f"{channel}/{account.lower()}", ACCOUNT)]
        accounts = section.get("accounts") if section is not None else None
        names = [n.strip().lower() for n in (accounts.fields or {})] if accounts is not None else []
        others = [
            name
            for name in names
            if name and name not in (default, "default") and not self._is_off(section, name)
        ]
        return [_Place(text, CHANNEL) for text in (channel, *(f"{channel}/{o}" for o in others))]

    def _is_off(self, section: Node | None, account: str) -> bool:
        return not enabled(_account(section, account), self._ledger)

    def _default_account(self, section: Node | None) -> str:
        node = section.get("defaultAccount") if section is not None else None
        return (self._ledger.text(node) or "default").lower()

    def _narrowed(
        self, binding: Node, match: Node, place: _Place, entry: Entry, section: Node | None
    ) -> Iterator[Wanted]:
        texts, tier = [place.account], place.tier
        if match.get("teamId") is not None:
            texts, tier = [f"{texts[0]}/team:{self._required(match, 'teamId')}"], TEAM
        if match.get("guildId") is not None:
            texts, tier = [f"{texts[0]}/guild:{self._required(match, 'guildId')}"], GUILD
        roles_node = match.get("roles")
        if roles_node is not None:
            if match.get("guildId") is None:
                raise Refusal("its roles belong to no guild")
            roles = [role for _, role in self._ledger.texts(roles_node, numbers=True)]
            if not roles:
                raise Refusal("its roles are empty or odd")
            texts, tier = [f"{texts[0]}/role:{role}" for role in roles], ROLES
        user, kind = self._peer(match)
        if user is None and kind is not None:
            texts, tier = [f"{text}/{kind}" for text in texts], ANY_PEER
        for text in texts:
            if user is not None:
                yield Wanted(PEER, entry, text, user, binding, place.account)
            else:
                yield from self._open(
                    binding, Wanted(tier, entry, text, None, binding, place.account), section
                )

    def _peer(self, match: Node) -> tuple[str | None, str | None]:
        """The peer's id and its kind; no id where a binding means all peers of a kind."""
        peer = match.get("peer")
        if peer is None:
            return None, None
        if peer.fields is None:
            raise Refusal("its peer is no object")
        odd = [key for key, _ in peer.entries() if key not in ("kind", "id")]
        if odd:
            raise Refusal(f"its condition peer.{odd[0]} has no counterpart")
        ident = self._required(peer, "id")
        kind = self._ledger.text(peer.get("kind"))
        if peer.get("kind") is not None and _KINDS.get((kind or "").lower()) is None:
            raise Refusal("its peer's kind is not known")
        if ident != "*":
            return ident, None
        if kind is None:
            raise Refusal("it is for every peer of no kind")
        return None, _KINDS[kind.lower()]

    def _open(self, binding: Node, wanted: Wanted, section: Node | None) -> Iterator[Wanted]:
        """A route for anybody, if the channel lets anybody in; else one for each who is named."""
        if section is None:
            yield wanted
            return
        channel, _, name = wanted.account.partition("/")
        own = _account(section, name)
        sections = [one for one in (own, section) if one is not None and one.fields is not None]
        who = access(sections, self._ledger, paired_users(self._source, channel, name))
        if who.anybody:
            yield wanted
            return
        if not who.ids:
            raise Refusal("its channel lets nobody in who is named")
        self._ledger.warn(binding, "is for those whom its channel names, not for anybody")
        for ident in who.ids:
            yield Wanted(wanted.tier, wanted.entry, wanted.channel, ident, binding, "")


def _account(section: Node | None, name: str) -> Node | None:
    """The section of one of a channel's accounts, whatever the case of its name."""
    accounts = section.get("accounts") if section is not None else None
    found = accounts.entries() if accounts is not None else []
    return next((node for key, node in found if key.strip().lower() == name.lower()), None)
