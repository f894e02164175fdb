"""`longwatch rollout`, `shadow` and `compare`: the whole way from the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.rollouts import PROMOTION, a_rollout_project
from tests.support.waiting import PATIENCE

PATHS = """
[rollout.stable]
command = ["tr", "a-z", "A-Z"]
[rollout.candidate]
command = ["sh", "-c", "tr a-z A-Z | sed s/3/three/"]
"""


@pytest.fixture
def longwatch(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    more = PROMOTION.replace("steps = [50, 100]", "steps = [100]")
    project = a_rollout_project(tmp_path / "project", PATHS, more)
    monkeypatch.chdir(project)
    monkeypatch.setenv("LONGWATCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("LONGWATCH_USER", "ada")
    return CommandLine(capsys)


def test_the_whole_way(longwatch: CommandLine) -> None:
    ran = longwatch("run", "hello 1", "--headless")
    assert (ran.code, "HELLO 1" in ran.out) == (0, True)
    refused = longwatch("rollout", "promote", "change")
    assert refused.code == 1 and "what is missing:\n  - 0 comparisons" in refused.err
    assert longwatch("rollout", "shadow", "change", "100").code == 0
    for number in (2, 3):
        assert longwatch("run", f"hello {number}", "--headless").code == 0
    # The shadow runs that the commands left under way are taken up by whoever hosts next.
    longwatch("run", "hello 4", "--headless")
    shown = longwatch("rollout", "show", "change").out
    assert "shadow" in shown and "stable     command  tr a-z A-Z@" in shown
    assert longwatch("rollout", "promote", "change", "--override", "now").code == 0
    listed = longwatch("rollout").out
    assert "promoted" in listed and "100 %" in listed
    ran = longwatch("run", "and 3", "--headless", "--json")
    assert json.loads(ran.out)["run"]["path"] == "candidate"
    drill = longwatch("rollout", "drill", "change", "--json").json()
    assert (drill["from_share"], drill["requests"], drill["on_stable"]) == (100, 100, 100)
    back = longwatch("rollout", "back", "change", "--reason", "it says three")
    assert back.code == 0 and "is rolled back" in back.out
    ran = longwatch("run", "and 3 again", "--headless")
    assert "AND 3 AGAIN" in ran.out
    assert "ROLLBACK OPEN: 5 lines" in longwatch("rollout", "show", "change").out
    ticked = longwatch("rollout", "tick", "change", "verify_sli", "--note", "all fine")
    assert "ticked: verify_sli" in ticked.out
    (record,) = longwatch("rollout", "history", "change", "--json").json()
    assert record["why"] == "it says three" and record["ticks"][0]["note"] == "all fine"
    assert longwatch("verify").code == 0


def test_comparisons_are_listed_and_shown(longwatch: CommandLine, tmp_path: Path) -> None:
    longwatch("rollout", "open", "change")
    file = tmp_path / "asked.jsonl"
    lines = [{"input": "a 3", "answer": "A 3"}, {"input": "b", "answer": "B"}]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    replayed = longwatch("shadow", "replay", "change", "--file", file)
    assert "2 requests are replayed" in replayed.out
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        longwatch("run", "wait", "--headless")  # who hosts brings the shadows to their end, too
        if len(longwatch("shadow", "list", "change", "--json").json()) == 2:
            break
    listed = longwatch("shadow", "list", "change").out
    assert "agrees" in listed and "DIFFERS" in listed
    (missed,) = longwatch("shadow", "list", "change", "--mismatches", "--json").json()
    shown = longwatch("shadow", "show", "change", missed["shadow"])
    assert "-A 3" in shown.out and "+A three" in shown.out
    assert longwatch("shadow", "show", "change", "r-nothing").code == 1


def test_what_is_not_there_is_one_sentence(longwatch: CommandLine) -> None:
    assert "no store here yet" in longwatch("rollout").err
    longwatch("run", "x", "--headless")
    missing = longwatch("rollout", "show", "other")
    assert missing.code == 1 and "(change)" in missing.err
    assert longwatch("shadow", "replay", "change").code == 2
    assert longwatch("rollout", "shadow", "change", "101").code == 2
    assert "never rolled back" in longwatch("rollout", "history", "change").out


def test_two_files_are_compared(longwatch: CommandLine, tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_text("Processed: X")
    other.write_text("Processed:  X\n")
    told = longwatch("compare", one, other, "--json")
    assert told.code == 0
    found = told.json()
    assert (found["matches"], found["normalized_matches"]) == (False, True)
    assert (found["first_mismatch_index"], found["outcome_token"]) == (
        11,
        "shadow_normalized_match",
    )
    assert longwatch("compare", one, other, "--by", "exact").code == 1
    one.write_text('{"a": 1.0, "t": 1}')
    other.write_text('{"t": 2, "a": 1}')
    assert longwatch("compare", one, other, "--by", "json").code == 1
    assert longwatch("compare", one, other, "--by", "json", "--ignore", "t").code == 0
    one.write_text("no json")
    assert longwatch("compare", one, other, "--by", "json").code == 3
    assert longwatch("compare", one, tmp_path / "none").code == 1
    assert longwatch("compare", one, other, "--ignore", "t").code == 2
