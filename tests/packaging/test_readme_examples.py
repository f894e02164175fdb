"""The README's examples of configuration and workflows are ones that load."""

from __future__ import annotations

import re
from pathlib import Path

from app.domain.config import parse_config
from app.domain.workflow_check import parse_workflow

_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_example_loads(repository: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    kinds = {"config": 0, "workflow": 0}
    for found in _BLOCK.finditer(text):
        source = f"README.md, after line {text.count(chr(10), 0, found.start()) + 1}"
        if "[[agent]]" in found[1]:
            parse_config(found[1], source)
            kinds["config"] += 1
        else:
            parse_workflow(found[1], source)
            kinds["workflow"] += 1
    assert kinds == {"config": 2, "workflow": 2}
