"""The scripted agent: a real driver that plays a script file with typed events and pacing."""

from app.agents.scripted.driver import ScriptedDriver
from app.agents.scripted.load import load_script

__all__ = ["ScriptedDriver", "load_script"]
