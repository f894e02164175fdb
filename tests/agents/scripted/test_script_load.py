"""Scripts that cannot be played: one sentence each, with file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.agents.protocol import SessionSpec
from app.agents.scripted import ScriptedDriver, load_script
from app.domain.errors import ConfigError, DriverError
from app.domain.workflow import AgentConfig
from tests.support.processes import PlainProcessHost

GOOD = """\
[[turn]]
final = "end"
[[turn.event]]
kind = "thought"
text = "hm"
[[turn.event]]
kind = "shell"
command = "true"
on_deny = [{ kind = "message", text = "well" }]
"""


def load(tmp_path: Path, text: str, name: str = "s.toml") -> str:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_script(path)
    return str(caught.value).removeprefix(f"{path}")


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ('"hm"', '"hm', ":5: not valid TOML"),
        ('"hm"', "7", ":5: turn[0].event[0].text: must be a string, not 7"),
        ('text = "hm"', 'text = "hm"\ntxt = 1', ":6: turn[0].event[0].txt: unknown key"),
        ('text = "hm"', "", ":3: turn[0].event[0].text: this key is missing"),
        ('"thought"', '"thougt"', ':3: turn[0].event[0]: an event needs kind = "thought"'),
        ('kind = "thought"', "", ':3: turn[0].event[0]: an event needs kind = "thought"'),
        ('final = "end"', "", ":1: turn[0].final: this key is missing"),
        ('final = "end"', 'final = ""', ":2: turn[0].final: must not be empty"),
        (', text = "well"', "", ":9: turn[0].event[1].on_deny[0].text: this key is missing"),
        ('text = "hm"', 'text = "hm"\npause = -1', ":6: turn[0].event[0].pause: must be at least"),
        ("[[turn]]", "words_per_second = 0\n[[turn]]", ":1: words_per_second: must be greater"),
        (GOOD, "", ": turn: this key is missing"),
        (
            '"shell"\ncommand = "true"',
            '"edit"\npath = "f"',
            ":6: turn[0].event[1]: an edit has either `content` or `diff`",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, before: str, after: str, error: str
) -> None:
    assert load(tmp_path, GOOD.replace(before, after)).startswith(error)


def test_json_is_read_as_well(tmp_path: Path) -> None:
    script = {"turn": [{"final": "end", "event": [{"kind": "read", "path": "f"}]}]}
    path = tmp_path / "s.json"
    path.write_text(json.dumps(script))
    assert load_script(path).entry(1).events[0].kind == "read"
    assert load(tmp_path, '{\n "turn": [}', "t.json").startswith(":2: not valid JSON: ")
    assert load(tmp_path, '{"turn": []}', "t.json") == ": turn: needs at least one entry"
    assert load(tmp_path, "[" * 100_000, "t.json").endswith("nested too deeply")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_script(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"role = 'x'\n\xff")
    with pytest.raises(ConfigError, match=r"bytes\.toml:2: is not UTF-8 text"):
        load_script(tmp_path / "bytes.toml")
    (tmp_path / "big.toml").write_text("#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="4 MiB at most"):
        load_script(tmp_path / "big.toml")


async def test_the_driver_says_which_agent_has_the_bad_script(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("turn = 1")
    for script, error in (
        (str(tmp_path / "s.toml"), r"agent coder: .*s\.toml:1: turn: must be a list"),
        ("", "agent coder: no script is configured"),
    ):
        agent = AgentConfig(name="coder", driver="scripted", script=script)
        spec = SessionSpec("s-1", agent, str(tmp_path), {}, PlainProcessHost())
        with pytest.raises(DriverError, match=error):
            await ScriptedDriver().open(spec)
        with pytest.raises(DriverError, match=error):
            await ScriptedDriver().resume(spec, "scripted-s-1")
