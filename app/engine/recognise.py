"""Which command runs a repository's tests, told from the files that lie at its top."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.engine.plain_folder import is_plain

_NO_TEST = "no test specified"  # what `npm init` writes: a script that only fails
_MAKE_TEST = re.compile(r"^test\s*:(?!=)", re.MULTILINE)
_PYTEST_TABLE = re.compile(r"^\[(?:tool:)?pytest\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TestCommand:
    """A way to run the tests, and what in the repository speaks for it.

    `line` is for /bin/sh in a fresh worktree; `glob` matches the call an agent would make.
    """

    __test__ = False

    line: str
    why: str
    glob: str


def recognise_tests(root: Path) -> list[TestCommand]:
    """All that were recognised, the likeliest first (blocking)."""
    return [*_python(root), *_node(root), *_rust(root), *_go(root), *_make(root)]


def _python(root: Path) -> Iterator[TestCommand]:
    tests = next((f"{name}/" for name in ("tests", "test") if (root / name).is_dir()), "")
    if not tests and any(root.glob("test_*.py")):
        tests = "test_*.py"
    beside = next((name for name in _PYTHON_FILES if _configures_python(root / name)), "")
    if not tests or not beside:
        return
    runner = next((words for file, words in _PYTHONS.items() if (root / file).exists()), "python3")
    if is_plain(root):  # sessions work on copies, and the folder is no copy's main checkout
        name = runner.removeprefix(_MAIN).removesuffix('"')
        runner = shlex.quote(f"{root}{name}") if name != runner else runner
    # `-m` puts the worktree itself first on the path of imports, before any installed copy.
    why = f"there are {tests} and {beside}"
    yield TestCommand(f"{runner} -m pytest -q", why, "python3 -m pytest*")


_PYTHON_FILES = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py")

# A worktree has no virtual environment of its own: the one of the main checkout is used.
_MAIN = '"$(git rev-parse --path-format=absolute --git-common-dir)/..'
_PYTHONS = {
    "uv.lock": "uv run python",
    "poetry.lock": "poetry run python",
    ".venv/bin/python": f'{_MAIN}/.venv/bin/python"',
    "venv/bin/python": f'{_MAIN}/venv/bin/python"',
}


def _configures_python(path: Path) -> bool:
    if path.name in ("setup.cfg", "tox.ini"):
        return bool(_PYTEST_TABLE.search(_text(path)))
    return path.is_file()


def _node(root: Path) -> Iterator[TestCommand]:
    try:
        script = json.loads(_text(root / "package.json"))["scripts"]["test"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if not isinstance(script, str) or not script.strip() or _NO_TEST in script:
        return
    for lock, (manager, install) in _NODE_MANAGERS.items():
        if (root / lock).is_file():
            # A fresh worktree has no node_modules.
            line = f"{{ [ -d node_modules ] || {install}; }} && {manager} test"
            why = f"package.json has a test script, and there is {lock}"
            yield TestCommand(line, why, f"{manager} test*")
            return
    yield TestCommand("npm test", "package.json has a test script", "npm test*")


_NODE_MANAGERS = {
    "package-lock.json": ("npm", "npm ci"),
    "pnpm-lock.yaml": ("pnpm", "pnpm install --frozen-lockfile"),
    "yarn.lock": ("yarn", "yarn install --frozen-lockfile"),
}


def _rust(root: Path) -> Iterator[TestCommand]:
    if (root / "Cargo.toml").is_file():
        yield TestCommand("cargo test", "there is a Cargo.toml", "cargo test*")


def _go(root: Path) -> Iterator[TestCommand]:
    if (root / "go.mod").is_file():
        yield TestCommand("go test ./...", "there is a go.mod", "go test*")


def _make(root: Path) -> Iterator[TestCommand]:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        if _MAKE_TEST.search(_text(root / name)):
            yield TestCommand("make test", f"{name} has the target test", "make test*")
            return


def _text(path: Path) -> str:
    """A file's text; empty when it cannot be read, which then only means: not recognised."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
