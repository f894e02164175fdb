"""Tables of OpenClaw's own names: channels, policies, tools, profiles, APIs."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.providers import Api

# Channels: the keys of `channels`, and the name each has in what we write.
_CHANNEL_ALIASES = {
    "googleChat": "google_chat",
    "googlechat": "google_chat",
    "msteams": "teams",
    "msTeams": "teams",
}
KNOWN_CHANNELS = (
    "telegram",
    "discord",
    "slack",
    "whatsapp",
    "signal",
    "matrix",
    "google_chat",
    "teams",
    "irc",
    "mattermost",
    "feishu",
)
NO_CHANNEL: Mapping[str, str] = {
    "imessage": "it works on macOS only; set it up by hand",
    "bluebubbles": "there is no adapter for it",
}
# The plug-in channels of OpenClaw that have the common shape of a channel.


def channel_key(name: str) -> str:
    """A channel's canonical key. The snake form `google_chat` is none that OpenClaw reads."""
    if name == "google_chat":
        return "unknown:google_chat"
    return _CHANNEL_ALIASES.get(name, name)


CHANNEL_SECRETS: Mapping[tuple[str, str], str] = {
    ("telegram", "botToken"): "TELEGRAM_BOT_TOKEN",
    ("discord", "token"): "DISCORD_BOT_TOKEN",
    ("slack", "botToken"): "SLACK_BOT_TOKEN",
    ("slack", "appToken"): "SLACK_APP_TOKEN",
    ("matrix", "accessToken"): "MATRIX_ACCESS_TOKEN",
    ("teams", "appPassword"): "TEAMS_APP_PASSWORD",
    ("irc", "password"): "IRC_PASSWORD",
    ("mattermost", "botToken"): "MATTERMOST_TOKEN",
    ("feishu", "appSecret"): "FEISHU_APP_SECRET",
}

DM_POLICIES: Mapping[str, str] = {
    "open": "respond",
    "allowlist": "allowed_only",
    "allow_list": "allowed_only",
    "pairing": "ignore",
    "disabled": "ignore",
}
GROUP_POLICIES: Mapping[str, str] = {
    "open": "respond",
    "mention": "mention_only",
    "mention_only": "mention_only",
    "disabled": "ignore",
    "allowlist": "ignore",
    "allow_list": "ignore",
}
GROUP_POLICY_CHANNELS = frozenset({"telegram", "discord", "slack", "whatsapp"})
NO_ALLOWED_USERS = frozenset({"google_chat", "feishu"})

# What an endpoint speaks; what is not here cannot be spoken by the built-in agent.
APIS: Mapping[str, Api] = {
    "openai-completions": "chat",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
}
