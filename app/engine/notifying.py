"""What notifications get of the engine: what waits, a project's `[notify]`, and its command run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.attention import AttentionItem, attention, rollout_attention
from app.domain.errors import ConfigError, LongwatchError
from app.domain.notify import NotifySection
from app.domain.seen import Call, Sighting, Waiting
from app.domain.text import one_line
from app.engine.capture import Captured, Keep
from app.engine.core import Core
from app.engine.environment import child_environment
from app.engine.gate_input import handed_over
from app.engine.project_names import CONFIG_FILE
from app.engine.redaction import Redaction
from app.observe.notifications import Notifications

if TYPE_CHECKING:
    from app.domain.config import Config

_log = logging.getLogger(__name__)
# Where the desktop of the person is: places, not secrets, and without them it cannot be reached.
DESKTOP = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
)
_KEEP = Keep(head=0, tail=4 * 1024)  # its last words, for who reads why it failed
_PURPOSE = "notify command"


class KnowsSeen:
    """The part of the supervisor that knows who has seen what."""

    _notices: Notifications

    async def seen(self, sightings: Sequence[Sighting]) -> None:
        """A screen has painted these, or a command has listed them."""
        self._notices.mark(sightings)

    async def waiting(self) -> Sequence[Waiting]:
        """All that waits for a person, most urgent of each run first, and whether it was seen."""
        return self._notices.waiting()


def make_notifications(
    core: Core, redaction: Redaction, changed: Callable[[], None]
) -> Notifications:
    """Notifications over this engine; they begin with `start`."""
    caller = _Caller(core, redaction)
    return Notifications(core.clock, caller.find, caller.settings, caller.ring, changed)


class _Caller:
    def __init__(self, core: Core, redaction: Redaction) -> None:
        self._core = core
        self._redaction = redaction
        self._configs: dict[str, Config | None] = {}
        self._stamps: dict[str, tuple[int, int]] = {}

    def find(self) -> Iterator[tuple[str, AttentionItem]]:
        """All that waits, with its project."""
        now, projection = self._core.clock.now(), self._core.journal.projection
        for state in list(projection.states.values()):
            for item in attention(state, now):
                yield state.run.project, item
        for rollout in list(projection.rollouts.values()):
            for item in rollout_attention(rollout):
                yield rollout.project, item

    async def settings(self, project: str) -> NotifySection | None:
        """As the file is now: who is to be called tonight is no part of what a run has pinned."""
        config = await asyncio.to_thread(self._config, project)
        return config.notify if config else None

    def _config(self, project: str) -> Config | None:
        """Blocking; the file is read again only once it has changed."""
        try:
            about = (Path(project) / CONFIG_FILE).stat()
        except OSError:
            return None  # the project has gone; its runs say so
        stamp = (about.st_mtime_ns, about.st_size)
        if self._stamps.get(project) != stamp:
            from app.engine.project import load_config  # once somebody may have to be called

            self._stamps[project] = stamp
            try:
                self._configs[project] = load_config(Path(project))
            except ConfigError as error:
                _log.warning("nobody is called for %s: %s", project, error)
                self._configs[project] = None
        return self._configs[project]

    async def ring(self, section: NotifySection, call: Call) -> str:
        """Run the command to its end; what went wrong, "" when nothing did."""
        program = one_line(section.command[0], 100)
        try:
            captured = await self._run(section, call)
        except LongwatchError as error:
            return self._clean(str(error))
        if captured.timed_out:
            return f"{_PURPOSE} {program}: ended, it took more than {section.timeout_seconds:g} s"
        if captured.returncode:
            said = (captured.stderr.text.strip() or captured.stdout.text.strip()).splitlines()
            why = f": {one_line(said[-1], 200)}" if said else ""
            return self._clean(f"{_PURPOSE} {program}: exit status {captured.returncode}{why}")
        return ""

    async def _run(self, section: NotifySection, call: Call) -> Captured:
        config = self._configs.get(call.project)
        env_file = str(Path(call.project) / config.env_file) if config and config.env_file else ""
        named = await asyncio.to_thread(self._core.variables.of, env_file)
        self._redaction.learn_names(section.env)
        data = self._clean(call.model_dump_json()).encode() + b"\n"
        async with handed_over(data, _PURPOSE, what="what waits") as file:
            return await self._core.processes.run_captured(
                [*section.command, self._clean(call.line)],
                cwd=call.project,
                env=child_environment((*DESKTOP, *section.env), named=named),
                purpose=_PURPOSE,
                timeout=section.timeout_seconds,
                stdin=file,
                keep=_KEEP,
            )

    def _clean(self, text: str) -> str:
        return self._redaction.clean(text)
