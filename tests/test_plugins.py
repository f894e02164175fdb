"""Pydantic is kept from looking for plugins, unless somebody wants them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

_PROBE = """
from app.plugins import no_plugins
no_plugins()
from pydantic import BaseModel
class Point(BaseModel):
    x: int
print(Point(x="1").x)
"""
_PLUGIN = """
print("asked")
class Plugin:
    def new_schema_validator(self, *_):
        return None, None, None
plugin = Plugin()
"""


@pytest.mark.parametrize(
    ("chosen", "printed"),
    [
        pytest.param({}, ["1"], id="nothing is set"),
        pytest.param({"PYDANTIC_DISABLE_PLUGINS": ""}, ["asked", "1"], id="plugins are wanted"),
    ],
)
def test_no_plugins_are_looked_for_unless_somebody_wants_them(
    tmp_path: Path, chosen: dict[str, str], printed: list[str]
) -> None:
    (tmp_path / "probe_plugin.py").write_text(_PLUGIN)
    described = tmp_path / "probe_plugin-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: probe-plugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[pydantic]\nprobe = probe_plugin:plugin\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("PYDANTIC_DISABLE_PLUGINS", None)
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env={**environment, **chosen},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stdout.split() == printed
