"""Commands about a repository: init, what it wrote explained, and the machine's state."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.agents.known import KNOWN
from tests.support.command_line import CommandLine


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "sub").mkdir()
    monkeypatch.chdir(root / "sub")
    return root


def test_init_writes_what_workflow_check_accepts(longwatch: CommandLine, project: Path) -> None:
    made = longwatch("init", "--json")
    assert made.code == 0, made.err
    assert made.json()["project"] == str(project)
    assert (project / "longwatch.toml").is_file()
    assert longwatch("workflow", "check").out == f"{project}: right\n"
    file = project / ".longwatch" / "workflows" / "change.toml"
    assert longwatch("workflow", "check", file).code == 0


def test_init_does_not_overwrite(longwatch: CommandLine, project: Path) -> None:
    assert longwatch("init").code == 0
    (project / "longwatch.toml").write_text("mine")
    again = longwatch("init")
    assert again.code == 1
    assert "--force" in again.err
    assert (project / "longwatch.toml").read_text() == "mine"
    assert longwatch("init", "--force").code == 0
    assert (project / "longwatch.toml").read_text() != "mine"


def test_outside_a_repository_is_one_sentence(
    longwatch: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["run", "x", "--headless"], ["workflow", "check"]):
        ran = longwatch(*command)
        assert ran.code == 1
        assert "not in a git repository" in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_plain_folder_becomes_a_project_and_is_told_of_its_copies(
    longwatch: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    made = longwatch("init")
    assert made.code == 0, made.err
    assert f"{tmp_path} is no git repository: each session works on a private copy" in made.out
    assert not (tmp_path / ".git").exists()
    monkeypatch.chdir(tmp_path / "sub")
    assert longwatch("workflow", "check").out == f"{tmp_path}: right\n"


def test_nobody_wants_copies_of_a_home_folder(
    longwatch: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ran = longwatch("init")
    assert ran.code == 1
    assert f"{tmp_path} is your home folder, and every session" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_without_configuration_a_run_says_init(longwatch: CommandLine, project: Path) -> None:
    ran = longwatch("run", "add a test", "--headless")
    assert ran.code == 1
    assert "longwatch init" in ran.err


def test_an_empty_request_is_wrong_usage(longwatch: CommandLine, project: Path) -> None:
    assert longwatch("run", "  ", "--headless").code == 2


def test_every_mistake_of_a_file_is_named(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    file = project / "bad.toml"
    file.write_text('name = "x"\n[[step]]\nname = "a"\nagent = 1\nprompt = "{{ nonsense }}"\n')
    ran = longwatch("workflow", "check", file)
    assert ran.code == 1
    assert f"{file}:4" in ran.err
    checked = longwatch("workflow", "check", file, project / "none.toml", "--json").json()
    assert [bool(one["problems"]) for one in checked] == [True, True]


def test_route_explain_says_which_and_why(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    ran = longwatch("route", "explain", "--task-type", "change")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("change: route 1 (task_type change) matches")
    other = longwatch("route", "explain", "--task-type", "question", "--json").json()
    assert other["choice"] == {
        "workflow": "change",
        "why": "no route matches: the default workflow",
        "rule": None,
    }
    assert other["routes"][0]["matches"] is False
    assert [f["field"] for f in other["routes"][0]["fields"] if not f["matches"]] == ["task_type"]


def test_route_explain_says_why_nothing_matches(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    config = project / "longwatch.toml"
    config.write_text(config.read_text().replace("default_workflow", "# default_workflow", 1))
    refused = longwatch("route", "explain", "--task-type", "question")
    assert refused.code == 1
    assert "task_type change (question)" in refused.out
    assert refused.out.endswith("there is no default workflow: it would be refused\n")
    told = longwatch("route", "explain", "--task-type", "question", "--json")
    assert (told.code, told.json()["choice"]) == (1, None)
    assert [r["matches"] for r in told.json()["routes"]] == [False]


def test_policy_explain_says_risk_rule_and_answer(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    harmless = longwatch("policy", "explain", "--shell", "git status", "--json").json()
    assert (harmless["risk"], harmless["action"]) == ("low", "allow")
    risky = longwatch("policy", "explain", "--shell", "git push --force")
    assert risky.code == 0
    assert risky.out.startswith("ask")
    denied = longwatch("policy", "explain", "--shell", "git push", "--agent", "planner").out
    assert denied.startswith("deny")
    config = project / "longwatch.toml"
    config.write_text(config.read_text().replace("[[agent]]", "[[agent]]\ntools = ['read']", 1))
    name = re.findall(r'^name = "(.*)"', config.read_text(), re.MULTILINE)[0]
    unlisted = longwatch("policy", "explain", "--shell", "git status", "--agent", name).out
    assert unlisted.startswith("deny, by agent's tool list")
    tool = longwatch("policy", "explain", "--tool", "mcp:docs/find", "--arguments", "{}").out
    assert tool.startswith("ask, by default: ask\n")
    assert "risk high\n  · what this tool of the MCP server docs does" in tool
    assert longwatch("policy", "explain", "--tool", "raed").code == 2
    unknown = longwatch("policy", "explain", "--shell", "ls", "--agent", "nobody")
    assert unknown.code == 1 and 'there is no agent "nobody"' in unknown.err


def test_doctor_tries_each_mcp_server(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    config = project / "longwatch.toml"
    script = Path(__file__).parents[1] / "support" / "bad_mcp_server.py"
    table = "[[mcp]]\nname = '{0}'\ncommand = ['{1}', '{2}', '{0}']\n"
    servers = [table.format(mode, sys.executable, script) for mode in ("plain", "dead")]
    config.write_text(config.read_text() + "".join(servers))
    ran = longwatch("doctor", "--json")
    found = {check["name"]: check for check in ran.json()}
    assert (found["mcp plain"]["result"], found["mcp plain"]["found"]) == ("ok", "its tools: go")
    assert found["mcp dead"]["result"] == "bad" and ran.code == 1
    assert found["mcp dead"]["fix"] == (
        "MCP server dead: it ended unexpectedly with exit status 3; its last words: no licence"
    )


def test_doctor_says_who_is_called(longwatch: CommandLine, project: Path) -> None:
    longwatch("init")
    config = project / "longwatch.toml"
    without = config.read_text()

    def told(section: str) -> dict[str, str]:
        config.write_text(without + section)
        checks = longwatch("doctor", "--json").json()
        found: dict[str, str] = next(check for check in checks if check["name"] == "notify")
        return found

    nobody = told("")
    assert nobody["result"] == "note" and "nobody is called" in nobody["fix"]
    there = told('\n[notify]\ncommand = ["sh", "-c", "true"]\nagain_seconds = 600\n')
    assert there["result"] == "ok"
    assert there["found"].endswith("/sh after 60 s unseen, again every 600 s")
    absent = told('\n[notify]\ncommand = ["./not-there"]\n')
    assert (absent["result"], absent["found"]) == ("bad", "./not-there: not found")


def test_policy_explain_shows_the_parts_and_who_speaks_of_each(
    longwatch: CommandLine, project: Path
) -> None:
    longwatch("init")
    config = project / "longwatch.toml"
    section = '[approval]\nnever = ["terraform destroy*"]\ncritical_deciders = 2\n'
    section += "deadline_seconds = 900\n"
    text = config.read_text()
    config.write_text(
        text.replace("[approval]\n", section) if "[approval]\n" in text else text + "\n" + section
    )
    command = (
        "git status && X=/tmp/x; bash -c 'sudo rm -rf \"$X\"' | tee 'a b.txt' > " + "long/" * 20
    )
    shown = longwatch("policy", "explain", "--shell", command).out
    assert all(len(line) <= 80 for line in shown.splitlines() if "long/long/" not in line)
    assert "inside | › bash -c › sudo" in shown
    assert "2 different persons must allow it" in shown
    assert "unanswered after 900 s it times out" in shown
    told = longwatch("policy", "explain", "--shell", command, "--json").json()
    parts = {part["text"]: part for part in told["commands"]}
    assert parts["git status"]["rule"] is None, "its rule is for texts of low risk"
    assert parts["git status"]["words"] == ["git", "status"]
    assert parts["sudo rm -rf $X"]["risk"] == "critical"
    assert (told["parsed"], told["deciders"]) == (True, 2)
    floor = longwatch("policy", "explain", "--shell", "terraform -chdir=a destroy").out
    assert floor.startswith("deny, by floor\n  never allowed, by any rule or person")
    own = longwatch("policy", "explain", "--shell", "longwatch approve ap-1").out
    assert own.startswith("deny, by floor")
    odd = longwatch("policy", "explain", "--shell", "if (").out
    assert "cannot be parsed as a whole: the shell grammar does not know this form" in odd


def test_doctor_looks_at_everything(
    longwatch: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "codex"
    fake.write_text("#!/bin/sh\necho codex-cli 9.9.9\n")
    fake.chmod(0o755)
    monkeypatch.setenv("LONGWATCH_CODEX", str(fake))
    ran = longwatch("doctor", "--json")
    found = {check["name"]: check for check in ran.json()}
    assert ran.code == 0
    machine = {"python", "sqlite", "git", "bwrap", "store", "supervisor", "terminal"}
    assert machine | {agent.name for agent in KNOWN} == set(found)
    assert found["codex"]["found"] == f"codex-cli 9.9.9 at {fake}"
    assert "git version" in found["git"]["found"]
    assert "none runs" in found["supervisor"]["found"]
    assert str(tmp_path) in found["store"]["found"]


def test_doctor_tells_what_confines_each_agent_and_gate(
    longwatch: CommandLine, project: Path
) -> None:
    agents = (
        'name = "a"\ndriver = "model"\nmodel = "openai/x"',
        'name = "b"\ndriver = "model"\nmodel = "openai/x"\nsandbox = "read-only"',
        'name = "c"\ndriver = "acp"\ncommand = ["x"]\nsandbox = "bubblewrap"',
        'name = "d"\ndriver = "codex"\nsandbox = "danger-full-access"',
        'name = "e"\ndriver = "codex"',
    )
    longwatch("init")
    text = "\n".join(f"[[agent]]\n{agent}\n" for agent in agents)
    (project / "longwatch.toml").write_text(f'default_workflow = "change"\n{text}')
    gates = ('name = "t"\nshell = "pytest"', 'name = "s"\nshell = "x"\nsandbox = "bubblewrap"')
    step = '[[step]]\nname = "work"\nagent = "a"\nprompt = "go"\n'
    text = step + "".join(f"[[step.gate]]\n{gate}\n" for gate in gates)
    (project / ".longwatch/workflows/change.toml").write_text(f'name = "change"\n{text}')
    found = {check["name"]: check for check in longwatch("doctor", "--json").json()}
    results = [found[f"agent {name}"]["result"] for name in "abcde"]
    assert results == ["note", "ok", "note", "note", "ok"]
    assert found["agent a"]["found"] == "no sandbox: what is allowed runs with your rights"
    assert "asks: untrusted" in found["agent e"]["found"]
    assert found["gate change/work/t"]["found"].startswith("no sandbox")
    assert found["gate change/work/s"]["result"] == "ok"


def test_the_agent_that_is_found_is_chosen_or_the_one_that_is_named(
    longwatch: CommandLine, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "git").symlink_to(str(shutil.which("git")))
    qwen = bin_folder / "qwen"
    qwen.write_text("#!/bin/sh\necho 9.9.9\n")
    qwen.chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.delenv("LONGWATCH_CODEX", raising=False)
    assert f"Agents: Qwen Code, found at {qwen}" in longwatch("init").out
    assert 'command = ["qwen", "--acp"]' in (project / "longwatch.toml").read_text()
    named = longwatch("init", "--force", "--agent", "opencode").out
    assert "OpenCode was not found on PATH" in named
    assert "`npm install -g opencode-ai`" in named
    found = {check["name"]: check for check in longwatch("doctor", "--json").json()}
    assert found["qwen"]["found"] == f"9.9.9 at {qwen}"
    assert found["codex"] == {**found["codex"], "result": "note", "fix": ""}


def test_doctor_tells_what_is_missing(
    longwatch: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LONGWATCH_CODEX", str(tmp_path / "gone"))
    ran = longwatch("doctor")
    assert ran.code == 1
    assert "git: install git" in ran.out
    assert "codex: no agent was found; one is enough: `npm install -g @openai/codex`" in ran.out


def test_doctor_tells_which_variables_the_project_here_needs(
    longwatch: CommandLine, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    longwatch("init")
    config = project / "longwatch.toml"
    agent = '[[agent]]\nname = "talker"\ndriver = "model"\nmodel = "groq/llama"\n'
    config.write_text(f'env_file = "keys.env"\n{config.read_text()}\n{agent}')
    keys = project / "keys.env"

    def check() -> dict[str, str]:
        found: list[dict[str, str]] = longwatch("doctor", "--json").json()
        return next(check for check in found if check["name"] in ("variables", "project"))

    assert check() == {
        "name": "variables",
        "result": "note",
        "found": f"0 of 1 set that {config} needs",
        "fix": f"set GROQ_API_KEY where the supervisor runs, or in {keys}",
    }
    keys.touch(0o644)
    assert (check()["result"], "chmod 600" in check()["fix"]) == ("bad", True)
    keys.chmod(0o600)
    keys.write_text("GROQ_API_KEY=x\n")
    assert check()["result"] == "ok"
