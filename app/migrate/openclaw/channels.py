"""Channels: kept as a table for whoever brings their messages here; their tokens by name only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.migration import ItemKind
from app.migrate.openclaw.access import enabled, policy_of
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.source import Source
from app.migrate.openclaw.tables import (
    DM_POLICIES,
    GROUP_POLICIES,
    GROUP_POLICY_CHANNELS,
    KNOWN_CHANNELS,
    NO_ALLOWED_USERS,
    NO_CHANNEL,
    channel_key,
)

CHANNELS_FILE = ".longwatch/imported/channels.toml"
CREDENTIALS = ".longwatch/credentials"
# Fields that are texts or lists of them, by channel: the source's key, and ours.
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "telegram": {"allowFrom": "allowed_users"},
    "whatsapp": {"allowFrom": "allowed_users"},
    "signal": {"httpUrl": "api_url", "account": "phone_number"},
    "matrix": {"homeserver": "homeserver_url", "userId": "user_id", "rooms": "rooms"},
    "teams": {"appId": "app_id", "tenantId": "tenant_id"},
    "irc": {
        "host": "server",
        "port": "port",
        "nick": "nickname",
        "tls": "use_tls",
        "channels": "channels",
    },
    "mattermost": {"baseUrl": "server_url"},
    "feishu": {"appId": "app_id", "domain": "domain"},
}
_SECRETS: Mapping[str, Mapping[str, str]] = {
    "telegram": {"botToken": "bot_token_env"},
    "discord": {"token": "bot_token_env"},
    "slack": {"botToken": "bot_token_env", "appToken": "app_token_env"},
    "matrix": {"accessToken": "access_token_env"},
    "teams": {"appPassword": "app_password_env"},
    "irc": {"password": "password_env"},
    "mattermost": {"botToken": "bot_token_env"},
    "feishu": {"appSecret": "app_secret_env"},
}


@dataclass(frozen=True, slots=True)
class Credential:
    """A file or folder of secrets that is copied privately."""

    source: Path
    destination: str
    what: str


@dataclass(slots=True)
class Channels:
    """Reads the channels of a configuration; `tables` is what the channels' file will hold."""

    ledger: Ledger
    source: Source
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: list[Credential] = field(default_factory=list)

    def read(self, name: str, node: Node) -> None:
        """One channel, by its key in the configuration."""
        key = channel_key(name)
        if node.fields is None:
            self.ledger.odd(node, "is no channel")
            return
        if not enabled(node, self.ledger):
            self.ledger.archived(node, "the channel is switched off")
            self.ledger.left(ItemKind.CHANNEL, name, "it is switched off")
            return
        if key in NO_CHANNEL or key not in KNOWN_CHANNELS:
            why = NO_CHANNEL.get(key, "no channel of that name is known")
            self.ledger.archived(node, why)
            self.ledger.left(ItemKind.CHANNEL, name, why)
            return
        table = self._table(key, node, CREDENTIALS)
        accounts = node.get("accounts")
        for account, section in self.ledger.fields(accounts):
            if section.fields is not None and not self.ledger.vault.shows(account):
                inner = self._table(key, section, f"{CREDENTIALS}/{len(self.credentials) + 1}")
                table.setdefault("accounts", {})[account] = inner
        self.tables[key] = table
        self.ledger.took(ItemKind.CHANNEL, key, f"{CHANNELS_FILE}: channels.{key}")

    def _table(self, key: str, node: Node, folder: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        to = f"{CHANNELS_FILE}: channels.{key}"
        for theirs, ours in _SECRETS.get(key, {}).items():
            secret = node.get(theirs)
            if secret is not None and secret.variable:
                table[ours] = secret.variable
        for theirs, ours in _FIELDS.get(key, {}).items():
            value = self._value(node.get(theirs), f"{to}.{ours}")
            if value is not None:
                table[ours] = value
        if key == "signal" and "api_url" not in table:
            host = self.ledger.text(node.get("httpHost")) or "localhost"
            port = self.ledger.text(node.get("httpPort"), numbers=True) or "8080"
            for one in ("httpHost", "httpPort"):
                self.ledger.mapped(node.get(one), f"{to}.api_url")
            table["api_url"] = f"http://{host}:{port}"
        self._files(key, node, table, folder)
        overrides = self._overrides(key, node, to)
        if overrides:
            table["overrides"] = overrides
        return table

    def _value(self, node: Node | None, to: str) -> Any:
        if node is None:
            return None
        if node.items is not None:
            found = [(leaf, text) for leaf, text in self.ledger.texts(node, numbers=True)]
            for leaf, _ in found:
                self.ledger.mapped(leaf, to)
            return [text for _, text in found]
        if isinstance(node.value, (bool, int)) and not node.hidden:
            self.ledger.mapped(node, to)
            return node.value if abs(node.value) < 2**63 else str(node.value)
        text = self.ledger.text(node)
        if text is not None:
            self.ledger.mapped(node, to)
        return text

    def _overrides(self, key: str, node: Node, to: str) -> dict[str, Any]:
        """Who may write, in our words. A policy that is not known ignores people."""
        found: dict[str, Any] = {}
        dm = policy_of([node], "dmPolicy", DM_POLICIES, self.ledger)
        if dm is not None:
            found["dm_policy"] = "ignore" if dm == "unknown" else dm
            self.ledger.mapped(node.get("dmPolicy"), f"{to}.overrides.dm_policy")
        if key in GROUP_POLICY_CHANNELS:
            group = policy_of([node], "groupPolicy", GROUP_POLICIES, self.ledger)
            if group is not None:
                found["group_policy"] = "ignore" if group == "unknown" else group
                self.ledger.mapped(node.get("groupPolicy"), f"{to}.overrides.group_policy")
        if key not in NO_ALLOWED_USERS:
            users = self._value(node.get("allowFrom"), f"{to}.overrides.allowed_users")
            if users:
                found["allowed_users"] = users if isinstance(users, list) else [str(users)]
        return found

    def _files(self, key: str, node: Node, table: dict[str, Any], folder: str) -> None:
        """Files with secrets that a channel names: copied privately, if they are inside."""
        for theirs, name, ours in (
            ("authDir", "whatsapp", ""),
            ("serviceAccountFile", "google_chat_sa.json", "GOOGLE_CHAT_SA_FILE"),
            ("tokenFile", f"{key}_token", ""),
        ):
            leaf = node.get(theirs)
            path = self.ledger.text(leaf)
            if leaf is None or path is None:
                continue
            found = self.source.moved(path)
            if found is None or not found.exists():
                self.ledger.odd(leaf, "names nothing inside the source: copy it by hand")
                continue
            destination = f"{folder}/{name}"
            self.credentials.append(Credential(found, destination, f"{key} {theirs}"))
            self.ledger.mapped(leaf, destination)
            if ours:
                table["service_account_env"] = self.ledger.vault.keep(ours, destination, hide=False)
            elif theirs == "tokenFile":
                table["token_file"] = destination
            else:
                table["access_token_env"] = "WHATSAPP_ACCESS_TOKEN"
                self.ledger.warn(leaf, "WhatsApp has to be signed in again after the migration")


def channels_text(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """The file that keeps what was said of channels."""
    import tomlkit

    document = tomlkit.document()
    for line in (
        "The channels that these agents answered on, for whoever brings their messages here with",
        "`longwatch run --user … --channel …`. Longwatch does not read this file; variables are in",
        "the file of secrets.",
    ):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    document.add("channels", tomlkit.item({key: dict(table) for key, table in tables.items()}))
    return tomlkit.dumps(document)
