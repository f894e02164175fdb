"""Who a channel lets in. Policies that are not known let nobody in who is not named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.tables import DM_POLICIES, GROUP_POLICIES

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Access:
    """`anybody`, or the ids of those who are let in."""

    anybody: bool
    ids: tuple[str, ...] = ()


def enabled(channel: Node | None, ledger: Ledger) -> bool:
    """Whether a channel is switched on: it is, unless it says otherwise."""
    flag = channel.get("enabled") if channel is not None else None
    if flag is None:
        return True
    if isinstance(flag.value, str):
        return flag.value.strip().lower() in ("true", "yes", "on", "1")
    return ledger.flag(flag) is True


def access(sections: Sequence[Node], ledger: Ledger, paired: Sequence[str] = ()) -> Access:
    """Who may write, by the first of these sections (account, then channel) that says it;
    `paired` are those who were let in by pairing."""
    policy = policy_of(sections, "dmPolicy", DM_POLICIES, ledger)
    groups = policy_of(sections, "groupPolicy", GROUP_POLICIES, ledger)
    listed = _ids(sections, ("allowFrom",), ledger)
    if listed is None:
        listed = _ids(sections, ("dm", "allowFrom"), ledger)
    closed = any(_is_off(section.dig("dm", "enabled")) for section in sections)
    closed = closed or _said(sections, "dmPolicy") == "disabled"
    if policy is None and groups is None and listed is None and not closed:
        return Access(anybody=True)
    everyone = policy in (None, "respond") if listed is None else "*" in listed
    if policy in ("ignore", _UNKNOWN) and not (listed and "*" in listed):
        everyone = False
    people = () if closed else (*(listed or ()), *paired)
    rooms = () if _said(sections, "groupPolicy") == "disabled" else _rooms(sections)
    ids = tuple(dict.fromkeys(ident for ident in (*people, *rooms) if ident != "*"))
    return Access((everyone and not closed) or groups == "respond", ids)


def policy_of(
    sections: Sequence[Node], key: str, table: Mapping[str, str], ledger: Ledger
) -> str | None:
    """What a policy means by its table; "unknown" for one that is not in it."""
    for section in sections:
        node = section.get(key)
        if node is not None:
            known = table.get((ledger.text(node) or "").lower())
            if known is None:
                ledger.warn(node, "is no policy that is known: nobody is let in who is not named")
            return known or _UNKNOWN
    return None


def paired_users(source: Source, channel: str, account: str) -> tuple[str, ...]:
    """Whom the pairing store of a channel's account has; none where it cannot be read."""
    name = f"{channel}-{account}" if account else channel
    path = source.file(f"credentials/{name}-allowFrom.json") if "/" not in name else None
    try:
        data = json.loads(source.text(path)) if path is not None else None
    except (OSError, ValueError, RecursionError):
        return ()
    listed = data.get("allowFrom") if isinstance(data, dict) else data
    found = listed if isinstance(listed, list) else []
    return tuple(one for one in found if isinstance(one, str) and one.strip())


def _said(sections: Sequence[Node], key: str) -> str:
    node = next((found for one in sections if (found := one.get(key)) is not None), None)
    return node.value.strip().lower() if node is not None and isinstance(node.value, str) else ""


def _ids(sections: Sequence[Node], path: tuple[str, ...], ledger: Ledger) -> tuple[str, ...] | None:
    for section in sections:
        node = section.dig(*path)
        if node is not None:
            return tuple(text for _, text in ledger.texts(node, numbers=True))
    return None


def _rooms(sections: Sequence[Node]) -> tuple[str, ...]:
    groups = [section.get("groups") for section in sections]
    return tuple(key for node in groups if node is not None for key in node.fields or ())


def _is_off(node: Node | None) -> bool:
    return node is not None and node.value is False
