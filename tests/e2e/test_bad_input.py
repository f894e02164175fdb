"""Bad projects and bad agents, end to end: one sentence with place and fix, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.store.paths import StorePaths
from tests.support.asked import Person, Said, a_codex_project, write_config
from tests.support.waiting import PATIENCE

FAKE = Path(__file__).resolve().parents[1] / "agents/codex/fake_app_server.py"
WORKFLOW = ".longwatch/workflows/change.toml"


BROKEN = [
    (
        "longwatch.toml",
        'driver = "codex"',
        "driver = codex",
        "longwatch.toml:5: not valid TOML: Invalid value (column 10)",
    ),
    (
        "longwatch.toml",
        'driver = "codex"',
        'driver = "codex"\nmodle = "x"',
        'longwatch.toml:6: agent[0].modle: unknown key; did you mean "model"? Allowed: ',
    ),
    (
        "longwatch.toml",
        'driver = "codex"',
        'driver = "codex"\nstart_seconds = "5"',
        "longwatch.toml:6: agent[0].start_seconds: ",
    ),
    (
        "longwatch.toml",
        '"change"',
        '"chnage"',
        'longwatch.toml:1: default_workflow: no workflow "chnage"; did you mean "change"?',
    ),
    (
        "longwatch.toml",
        "[[agent]]",
        '[[route]]\nworkflow = "none"\n[[agent]]',
        'longwatch.toml:4: route[0].workflow: no workflow "none"',
    ),
    (
        WORKFLOW,
        '"coder"',
        '"codr"',
        f'{WORKFLOW}:5: step[0].agent: no agent "codr" in longwatch.toml; did you mean "coder"?',
    ),
    (
        WORKFLOW,
        "request.text",
        "reqest.text",
        f'{WORKFLOW}:6: step[0].prompt: template line 1: unknown variable "reqest"; '
        'did you mean "request"?',
    ),
    (WORKFLOW, "name", "\xff", f"{WORKFLOW}:1: is not UTF-8 text; save it as UTF-8"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "says"), BROKEN)
def test_a_broken_file_is_named_by_line_and_key(
    tmp_path: Path, file: str, right: str, wrong: str, says: str
) -> None:
    person = Person(a_codex_project(tmp_path / "p"), tmp_path / "store")
    path = person.folder / file
    path.write_bytes(path.read_text().replace(right, wrong, 1).encode("latin-1"))
    assert person("run", "x", "--headless").complaint.startswith(says)


def test_outside_a_project_it_says_what_to_do(tmp_path: Path) -> None:
    person = Person(tmp_path, tmp_path / "store")
    said = person("run", "x", "--headless").complaint
    assert said.startswith(f"{person.folder}: not in a git repository; change into one")
    assert not person.store.exists()
    subprocess.run(["git", "init", "-q"], cwd=person.folder, check=True)
    said = person("run", "x", "--headless").complaint
    assert said == f"no longwatch.toml in {person.folder}; run `longwatch init` there"


def test_without_a_commit_the_run_waits_and_goes_on_after_one(tmp_path: Path) -> None:
    person = Person(a_codex_project(tmp_path / "p"), tmp_path / "store")
    shutil.rmtree(person.folder / ".git")
    subprocess.run(["git", "init", "-q"], cwd=person.folder, check=True)
    said = blocked(person("run", "x", "--headless"))
    assert said.startswith(f"{person.folder} has no commit yet: commit something first")


def test_uncommitted_changes_are_pointed_out_and_harm_nothing(tmp_path: Path) -> None:
    person = Person(a_codex_project(tmp_path / "p", fake("big_line")), tmp_path / "store")
    write_config(person.folder, fake("big_line"), model='"x"')
    clean = person("run", "x", "--headless")
    assert "not committed" not in clean.err, "the configuration is read from the checkout"
    (person.folder / "seen by nobody.txt").write_text("")
    ran = person("run", "x", "--headless")
    assert ran.code == 0
    assert ran.err.startswith(f"note: 1 file has changes in {person.folder} that are not committed")


def fake(mode: str) -> tuple[str, ...]:
    return (sys.executable, str(FAKE), mode)


def blocked(ran: Said) -> str:
    """Why a headless run stands still; what it printed says how to go on."""
    assert ran.code == 1, ran.err
    first, *rest = ran.out.splitlines()
    run_id, _, why = first.partition("  blocked: ")
    assert why, ran.out
    assert f"    longwatch retry {run_id} | longwatch cancel {run_id}" in rest
    return why


def test_without_codex_the_run_waits_and_retry_goes_on_once_it_is_there(
    tmp_path: Path,
) -> None:
    person = Person(a_codex_project(tmp_path / "p"), tmp_path / "store")
    git = str(Path(shutil.which("git") or "/usr/bin/git").parent)
    ran = person("run", "x", "--headless", PATH=git)
    assert blocked(ran) == (
        "agent coder: codex is not on PATH; install it with `npm install -g @openai/codex`, "
        "or set LONGWATCH_CODEX to its path"
    )
    named = blocked(person("run", "x", "--headless", PATH=git, LONGWATCH_CODEX="/no/codex"))
    assert "LONGWATCH_CODEX names '/no/codex', which is not a program" in named
    installed = tmp_path / "bin" / "codex"
    installed.parent.mkdir()
    installed.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" big_line\n')
    installed.chmod(0o755)
    path = f"{installed.parent}:{os.environ['PATH']}"
    run_id = ran.out.split()[0]
    up = subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "up"],
        env={**person.environment, "PATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert up.stdout is not None
        assert "hosts" in up.stdout.readline()
        assert person("retry", run_id).code == 0
        assert _until_done(person, run_id)
    finally:
        up.terminate()
        up.communicate(timeout=PATIENCE)


def _until_done(person: Person, run_id: str) -> bool:
    begun = time.monotonic()
    while not (found := person("show", run_id).out.startswith(f"{run_id}  done")):
        if time.monotonic() - begun > PATIENCE:
            break
    return found


AGENTS = [
    ("closes", "codex was stopped because it closed its output"),
    ("dies", "codex ended unexpectedly with exit status 7; its last words: thread 'main'"),
    ("too_big_line", "codex was stopped because it sent a line beyond the limit of 16 MiB"),
    ("fails", "agent coder: codex ended unexpectedly with exit status 1; its last words: Error:"),
    (
        "silent",
        "agent coder: codex did not answer initialize within 0.5 s; is it codex? Then "
        "`start_seconds` of the agent gives it more time",
    ),
    (
        "babbles",
        "agent coder: codex did not answer initialize within 5 s; it printed: "
        "'Usage: codex [OPTIONS]'",
    ),
    ("other_words", "agent coder: codex's reply cannot be read: thread/start: thread"),
]


@pytest.mark.parametrize(("mode", "says"), AGENTS)
def test_an_agent_that_breaks_blocks_the_run_with_one_sentence(
    tmp_path: Path, mode: str, says: str
) -> None:
    # It may take a while until it is there to babble.
    seconds = {"silent": 0.5, "babbles": 5.0}.get(mode, PATIENCE)
    person = Person(
        a_codex_project(tmp_path / "p", fake(mode), start_seconds=seconds), tmp_path / "store"
    )
    ran = person("run", "x", "--headless")
    assert blocked(ran).startswith(says)
    assert "\x1b" not in ran.out + ran.err


def test_an_agent_that_prints_garbage_is_heard_out(tmp_path: Path) -> None:
    person = Person(a_codex_project(tmp_path / "p", fake("garbage")), tmp_path / "store")
    ran = person("run", "x", "--headless")
    assert ran.code == 0
    log = person("log", ran.out.split()[0]).out
    assert "still here" in log
    assert "\x1b" not in log


def test_lines_of_a_mebibyte_are_kept_whole(tmp_path: Path) -> None:
    person = Person(a_codex_project(tmp_path / "p", fake("big_line")), tmp_path / "store")
    ran = person("run", "x", "--headless", "--json")
    assert ran.code == 0
    assert '"' + "y" * 1_048_576 + '"' in ran.out, "the attempt's result"
    log = person("log", "r-").out
    assert log.count("x" * 1_048_576) == 1, "what was streamed"


@pytest.mark.parametrize("name", ["a b ünï ☃", "new\nline", "-'quote\" a%20?x#y"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    person = Person(a_codex_project(tmp_path / name, fake("garbage")), tmp_path / name / "st ore")
    ran = person("run", "x", "--headless", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["run"]["project"] == str(person.folder)


def test_a_folder_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for command in (["init"], ["run", "x", "--headless"]):
        said = Person(folder, tmp_path / "store")(*command).complaint
        assert said.endswith("the path is not UTF-8 text; rename the folder")
    assert not StorePaths(tmp_path / "store").database.exists()
