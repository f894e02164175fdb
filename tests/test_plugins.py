"""Pydantic is kept from looking for plugins, and works as it would have."""

from __future__ import annotations

import json
import subprocess
import sys

_PROBE = """
import json, sys
from app.plugins import no_plugins
no_plugins()
from pydantic import BaseModel
class Point(BaseModel):
    x: int
made = Point(x="1").x
metadata = "importlib.metadata" in sys.modules
from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP, get_plugins
print(json.dumps([made, metadata, PYDANTIC_ENTRY_POINT_GROUP, list(get_plugins())]))
"""


def test_no_plugins_are_looked_for_and_what_else_the_loader_has_is_there() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(ran.stdout) == [1, False, "pydantic", []]
