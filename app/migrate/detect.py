"""Finding the homes of other systems on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from app.domain.migration import Installation

CONFIG_NAMES = ("openclaw.json", "clawdbot.json", "moldbot.json", "moltbot.json", "config.yaml")
_HOMES = (
    ".openclaw",
    ".clawdbot",
    ".moldbot",
    ".moltbot",
    "openclaw",
    ".config/openclaw",
)
_DATA = ("sessions", "memory", "agents")


def detect(environment: Mapping[str, str], home: Path) -> tuple[Installation, ...]:
    """Installations of OpenClaw (under all its names) and OpenFang, the likeliest first
    (blocking). A folder counts if a configuration or data of theirs is in it."""
    found: dict[Path, Installation] = {}
    for folder in _candidates(environment, home):
        installation = openclaw_at(folder)
        if installation is not None:
            found.setdefault(_real(folder), installation)
    for folder in _openfang(environment, home):
        installation = openfang_at(folder)
        if installation is not None:
            found.setdefault(_real(folder), installation)
    return tuple(found.values())


def config_in(folder: Path) -> str:
    """The name of the configuration file that counts in a folder; "" if it has none."""
    return next((name for name in CONFIG_NAMES if (folder / name).is_file()), "")


def openclaw_at(folder: Path) -> Installation | None:
    """The installation of OpenClaw in a folder, if there is one."""
    try:
        config = config_in(folder) if folder.is_dir() else ""
        data = [name for name in _DATA if (folder / name).is_dir()]
        names = list((folder / "agents").iterdir()) if "agents" in data else []
    except OSError:
        return None
    if not config and not {"sessions", "memory"} & set(data):
        return None
    parts = [config or "no configuration"]
    if names:
        parts.append(f"{len(names)} agent folder" + ("s" if len(names) > 1 else ""))
    parts += [name for name in data if name != "agents"]
    return Installation(system="openclaw", path=str(folder), detail=", ".join(parts))


def openfang_at(folder: Path) -> Installation | None:
    """The home of OpenFang in a folder, if it is one."""
    try:
        if not (folder / "config.toml").is_file() and not (folder / "agents").is_dir():
            return None
        agents = list((folder / "agents").iterdir()) if (folder / "agents").is_dir() else []
    except OSError:
        return None
    detail = f"config.toml, {len(agents)} agents" if agents else "config.toml"
    return Installation(system="openfang", path=str(folder), detail=detail)


def _candidates(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Where OpenClaw may be, in the order in which it is looked for."""
    if chosen := environment.get("OPENCLAW_STATE_DIR"):
        yield _path(chosen, home)
    yield from (home / name for name in _HOMES)
    yield from sorted(home.glob(".openclaw-*"))  # of its named profiles
    for variable in ("APPDATA", "LOCALAPPDATA"):
        if folder := environment.get(variable):
            yield _path(folder, home) / "openclaw"


def _openfang(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    if chosen := environment.get("OPENFANG_HOME"):
        yield _path(chosen, home)
    yield home / ".openfang"


def _path(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text)


def _real(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError):
        return folder
