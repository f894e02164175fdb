"""The pinned versions: complete, usable anywhere, and what the tests run with."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN = re.compile(r"^[a-z0-9][a-z0-9-]*==[0-9][0-9A-Za-z.]*$")


@pytest.fixture
def pins(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert all(_PIN.match(line) for line in pinned)  # names and versions, no addresses
    found = dict(line.split("==") for line in pinned)
    assert list(found) == sorted(found)
    return found


def test_every_dependency_is_pinned_within_what_is_allowed(
    repository: Path, pins: dict[str, str]
) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_drawing_libraries_are_the_tested_ones(pins: dict[str, str]) -> None:
    for name in ("textual", "rich"):  # every snapshot depends on them
        assert version(name) == pins[name]


def test_the_readme_has_the_command_that_ci_runs(repository: Path) -> None:
    readme = (repository / "README.md").read_text("utf-8")
    _, _, after = readme.partition("<!-- .ci/run runs the next command -->\n```sh\n")
    command = after.partition("\n```")[0]
    assert "\n" not in command
    assert command.startswith("python3 -m venv .venv && ")
    assert ".venv/bin/pytest" in command
    assert r"ci\/run runs the next command" in (repository / ".ci" / "run").read_text("utf-8")
