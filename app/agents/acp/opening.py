"""The first words with an ACP agent: who it is, which conversation, which model and mode."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from acp import PROTOCOL_VERSION, RequestError, schema
from pydantic import ValidationError

from app.agents.acp.failures import AUTH_REQUIRED, login_words, words
from app.agents.acp.servers import Server, servers_of
from app.agents.acp.session import AcpSession
from app.agents.protocol import SessionSpec
from app.agents.unreadable import unreadable
from app.domain.errors import DriverError, MissingCredentials
from app.domain.session import Continuity
from app.domain.text import one_line
from app.domain.toml_messages import not_among
from app.version import VERSION

T = TypeVar("T")
State = schema.NewSessionResponse | schema.LoadSessionResponse | schema.ResumeSessionResponse
METHOD_NOT_FOUND = -32601
_CAPABILITIES = schema.ClientCapabilities(
    fs=schema.FileSystemCapabilities(read_text_file=True, write_text_file=True), terminal=True
)


class NoAnswer(DriverError):
    """The agent's process is there, and says nothing."""


async def shake_hands(session: AcpSession, spec: SessionSpec, native_id: str | None) -> None:
    """Open or take up a conversation, and choose model and mode.

    Raises DriverError, RequestError, or ConnectionError when the agent is gone.
    """
    within = spec.agent.start_seconds
    agent = session.agent
    about = schema.Implementation(name="longwatch", title="Longwatch", version=VERSION)
    hello = await _answer("initialize", within, agent.initialize(
        protocol_version=PROTOCOL_VERSION, client_capabilities=_CAPABILITIES, client_info=about
    ))  # fmt: skip
    if hello.protocol_version != PROTOCOL_VERSION:
        raise DriverError(
            f"it speaks version {hello.protocol_version} of the protocol, Longwatch "
            f"{PROTOCOL_VERSION}; update the older of the two"
        )
    can = hello.agent_capabilities
    session.takes = can.prompt_capabilities if can is not None else None
    try:
        if spec.agent.auth:
            signing = agent.authenticate(method_id=spec.agent.auth)
            await _answer("authenticate", within, signing)
        state = await _conversation(session, spec, native_id, hello)
    except RequestError as error:
        if error.code != AUTH_REQUIRED:
            raise
        raise MissingCredentials(
            f"{words(error)}; {login_words(hello.auth_methods or ())}"
        ) from error
    await _choose(session, spec, state)


async def _conversation(
    session: AcpSession,
    spec: SessionSpec,
    native_id: str | None,
    hello: schema.InitializeResponse,
) -> State:
    within, agent, where = spec.agent.start_seconds, session.agent, spec.workspace
    notes = []
    servers = await servers_of(spec, hello)
    if native_id is not None:
        try:
            state = await _take_up(session, spec, native_id, hello, servers)
        except RequestError as error:
            if error.code == AUTH_REQUIRED:
                raise
            notes.append(f"it cannot take up its session {native_id}: {words(error)}")
        else:
            if state is not None:
                session.attach(native_id, Continuity.RESUMED, notes)
                return state
            notes.append("it has no way to take up an earlier session")
    made = await _answer("session/new", within, agent.new_session(cwd=where, mcp_servers=servers))
    session.attach(made.session_id, Continuity.RESTARTED if notes else Continuity.FRESH, notes)
    return made


async def _take_up(
    session: AcpSession,
    spec: SessionSpec,
    native_id: str,
    hello: schema.InitializeResponse,
    servers: list[Server],
) -> State | None:
    """Without a replay where the agent can do that; None if it cannot at all."""
    can = hello.agent_capabilities or schema.AgentCapabilities()
    agent, within = session.agent, spec.agent.start_seconds
    if can.session_capabilities is not None and can.session_capabilities.resume is not None:
        resuming = agent.resume_session(
            session_id=native_id, cwd=spec.workspace, mcp_servers=servers
        )
        try:
            return await _answer("session/resume", within, resuming)
        except RequestError as error:
            # Qwen Code 0.15 says that it can, and does not know the method.
            if error.code != METHOD_NOT_FOUND or not can.load_session:
                raise
    if can.load_session:
        loading = agent.load_session(session_id=native_id, cwd=spec.workspace, mcp_servers=servers)
        return await _answer("session/load", within, loading)
    return None


async def _choose(session: AcpSession, spec: SessionSpec, state: State) -> None:
    """Model and mode of the configuration, by the agent's own names or ids."""
    for wanted, category in ((spec.agent.model, "model"), (spec.agent.mode, "mode")):
        option = _option(state, category)
        if option is not None:
            choices = _choices(option)
            if wanted and (value := _find(category, wanted, choices)) != option.current_value:
                setting = session.agent.set_config_option(option.id, session.native_id, value)
                await _answer("session/set_config_option", spec.agent.start_seconds, setting)
            if category == "mode":
                session.tell_mode(value if wanted else option.current_value, choices)
        elif category == "mode" and state.modes is not None:
            modes = [(mode.id, mode.name) for mode in state.modes.available_modes]
            current = state.modes.current_mode_id
            if wanted and (value := _find(category, wanted, modes)) != current:
                moving = session.agent.set_session_mode(session.native_id, value)
                await _answer("session/set_mode", spec.agent.start_seconds, moving)
            session.tell_mode(value if wanted else current, modes)
        elif wanted:
            raise DriverError(
                f"it offers no choice of {category}; remove `{category}` from its configuration "
                "and choose it in the agent's own"
            )


def _option(state: State, category: str) -> schema.SessionConfigOptionSelect | None:
    for option in state.config_options or ():
        if isinstance(option, schema.SessionConfigOptionSelect) and (
            option.category == category or (option.category is None and option.id == category)
        ):
            return option
    return None


def _choices(option: schema.SessionConfigOptionSelect) -> list[tuple[str, str]]:
    """Value and name of each choice, groups taken apart."""
    found = []
    for entry in option.options:
        inner = entry.options if isinstance(entry, schema.SessionConfigSelectGroup) else [entry]
        found += [(choice.value, choice.name) for choice in inner]
    return found


def _find(category: str, wanted: str, choices: Sequence[tuple[str, str]]) -> str:
    """The value of a choice, by value or name. Raises DriverError."""
    for value, name in choices:
        if wanted == value or wanted.lower() == name.lower():
            return value
    values = [one_line(value, 60) for value, _ in choices[:40]]
    raise DriverError(not_among(f"it has no {category} {wanted!r}", wanted, values))


async def _answer(method: str, within: float, asking: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(within):
            return await asking
    except TimeoutError:
        raise NoAnswer(f"did not answer {method} within {within:g} s") from None
    except ValidationError as error:
        raise DriverError(f"its reply cannot be read: {unreadable(method, error)}") from error
