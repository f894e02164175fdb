"""Agent output is hostile: forms that parse markup, or draw raw text, are not to be found."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.ui

FOLDER = Path(app.ui.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
MARKUP_BY_DEFAULT = {
    "Static",
    "Label",
    "Button",
    "Option",
    "OptionList",
    "SelectionList",
    "RichLog",
}
FORBIDDEN = {"from_markup", "Markdown", "MarkdownViewer", "Checkbox", "RadioButton", "Collapsible"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Attribute):
                yield name.attr, node
            elif isinstance(name, ast.Name):
                yield name.id, node


def plain(call: ast.Call) -> bool:
    return any(
        keyword.arg == "markup"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_markup_is_off_everywhere(path: Path) -> None:
    for name, call in calls(path):
        where = f"{path.name}:{call.lineno}: {name}"
        assert name not in FORBIDDEN, f"{where} parses markup"
        if name in MARKUP_BY_DEFAULT or name == "notify":
            assert plain(call), f"{where} without markup=False"


def test_subclasses_of_static_turn_markup_off() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            bases = {b.id for b in getattr(node, "bases", []) if isinstance(b, ast.Name)}
            if isinstance(node, ast.ClassDef) and bases & MARKUP_BY_DEFAULT:
                source = ast.unparse(node)
                assert "markup=False" in source, f"{path.name}: {node.name}"
