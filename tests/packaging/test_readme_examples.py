"""The README's examples of configuration and workflows are ones that load."""

from __future__ import annotations

import re
from pathlib import Path

from app.domain.config import check_routes, parse_config
from app.domain.workflow_check import parse_workflow

_AGENT = '[[agent]]\nname = "coder"\ndriver = "codex"\n'
_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_example_loads(repository: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    kinds = {"config": 0, "rollout": 0, "workflow": 0}
    for found in _BLOCK.finditer(text):
        source = f"README.md, after line {text.count(chr(10), 0, found.start()) + 1}"
        if "[[agent]]" in found[1]:
            parse_config(found[1], source)
            kinds["config"] += 1
        elif "[notify]" in found[1]:
            parse_config(f"{_AGENT}{found[1]}", source)
            kinds["config"] += 1
        elif "[[rollout]]" in found[1]:
            config = parse_config(f"{_AGENT}{found[1]}", source)
            assert not list(check_routes(config, ("change", "change-2")))
            kinds["rollout"] += 1
        else:
            parse_workflow(found[1], source)
            kinds["workflow"] += 1
    assert kinds == {"config": 4, "rollout": 1, "workflow": 2}
