"""Which drivers there are."""

from __future__ import annotations

from collections.abc import Mapping

from app.agents.protocol import Driver


def default_drivers() -> Mapping[str, Driver]:
    """Every driver this program has, by the name agents use in the configuration."""
    from app.agents.acp import AcpDriver
    from app.agents.codex import CodexDriver
    from app.agents.model import ModelDriver
    from app.agents.scripted import ScriptedDriver

    drivers = (AcpDriver(), CodexDriver(), ModelDriver(), ScriptedDriver())
    return {driver.name: driver for driver in drivers}
