"""Reading a script file: TOML or JSON, with the place of everything that is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from app.agents.scripted.script import Script
from app.domain.errors import ConfigError
from app.domain.toml_messages import problems_of
from app.domain.toml_source import FileErrors, Problem, key_text, load_toml

_LIMIT_BYTES = 4 * 1024 * 1024


def load_script(path: Path) -> Script:
    """The script in `path` (blocking). Raises ConfigError with file, line and key."""
    source = str(path)
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ConfigError("a script may have 4 MiB at most", source=source)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"the script cannot be read: {why}", source=source) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("is not UTF-8 text; save it as UTF-8", source=source, line=line) from None
    if path.suffix.lower() == ".json":
        return _from_json(text, source)
    return load_toml(text, source, Script)


def _from_json(text: str, source: str) -> Script:
    try:
        json.loads(text)  # for its line number; pydantic's message has none of its own
        return Script.model_validate_json(text, strict=True)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg} (column {error.colno})"
        raise ConfigError(message, source=source, line=error.lineno) from error
    except RecursionError as error:
        raise ConfigError("not valid JSON: nested too deeply", source=source) from error
    except ValidationError as error:
        found = problems_of(error.errors(), Script)
        problems = tuple(Problem(what, key_text(path)) for path, what in found)
        raise FileErrors(source, problems) from error
