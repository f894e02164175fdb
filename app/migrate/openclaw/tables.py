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

# Why the keys of a section that nobody read have no effect here.
UNUSED: Mapping[str, str] = {
    "auth": "sign-ins are not taken over: sign in again",
    "browser": "Longwatch drives no browser",
    "canvasHost": "Longwatch has no canvas",
    "commands": "chat commands of OpenClaw's",
    "cron": "Longwatch has no scheduler; jobs are workflows that are started from one",
    "discovery": "Longwatch has no gateway",
    "gateway": "Longwatch has no gateway",
    "hooks": "Longwatch has no hooks of that kind; see gates and notices",
    "logging": "Longwatch keeps its own journal",
    "memory": "there is no memory search here",
    "messages": "how answers are sent on channels is not Longwatch's to say",
    "meta": "OpenClaw's own bookkeeping",
    "plugins": "plug-ins of OpenClaw's do not run here",
    "session": "sessions are a run's own here",
    "skills": "skills are installed again",
    "talk": "Longwatch does not speak",
    "tts": "Longwatch does not speak",
    "ui": "Longwatch has its own screens",
    "update": "OpenClaw's own bookkeeping",
    "web": "Longwatch has no gateway",
    "wizard": "OpenClaw's own bookkeeping",
}

# What an endpoint speaks; what is not here cannot be spoken by the built-in agent.
APIS: Mapping[str, Api] = {
    "openai-completions": "chat",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
}
