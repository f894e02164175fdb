"""Writing a workflow as the TOML file that reads as the same workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.domain.text import printable
from app.domain.workflow import Workflow

if TYPE_CHECKING:
    from tomlkit.items import Table

# Models' fields whose key in the file is another, as tables of their own: `[[step.gate]]`.
_TABLES = {"steps": "step", "gates": "gate", "branches": "branch"}
_WIDTH = 96  # of a comment line, after "# "


def workflow_toml(workflow: Workflow, comments: Sequence[str] = ()) -> str:
    """The text of a workflow file, `comments` before it. What is as by default is left out;
    what is not a workflow's own value never is (a step's kind, its needs)."""
    import tomlkit

    document = tomlkit.document()
    for comment in comments:
        for line in _wrapped(comment):
            document.add(tomlkit.comment(line))
    if comments:
        document.add(tomlkit.nl())
    data = workflow.model_dump(mode="json", exclude_defaults=True)
    _fill(document, data)
    return tomlkit.dumps(document)


def _fill(table: Any, data: Mapping[str, Any]) -> None:
    """Plain values first: in TOML all that follows a sub-table belongs to it."""
    import tomlkit

    later = dict[str, Any]()
    for key, value in data.items():
        if value is None:
            continue
        if isinstance(value, Mapping) or key in _TABLES:
            later[key] = value
        else:
            table.add(key, _item(value))
    for key, value in later.items():
        if not isinstance(value, Mapping):
            tables = tomlkit.aot()
            for one in value:
                tables.append(_table(one))
            table.add(_TABLES[key], tables)
        elif key == "json_schema":
            table.add(key, _item(value))
        else:
            table.add(key, _table(value))


def _table(data: Mapping[str, Any]) -> Table:
    import tomlkit

    made = tomlkit.table()
    _fill(made, data)
    return made


def _item(value: Any) -> Any:
    import tomlkit

    if isinstance(value, float) and value.is_integer():
        return tomlkit.item(int(value))
    if isinstance(value, str) and "\n" in value and _readable(value):
        return tomlkit.string(value, multiline=True)
    if isinstance(value, str) and '"' in value and "'" not in value and _readable(value):
        return tomlkit.string(value, literal=True)
    return tomlkit.item(value)


def _readable(text: str) -> bool:
    """Whether it can stand in several lines as it is: nothing in it is escaped there."""
    return (
        printable(text) == text
        and '"""' not in text
        and "\\" not in text
        and text[-1:] not in ('"', "\n")
    )


def _wrapped(comment: str) -> list[str]:
    import textwrap

    lines = [
        line for part in printable(comment).split("\n") for line in textwrap.wrap(part, _WIDTH)
    ]
    return lines or [""]
