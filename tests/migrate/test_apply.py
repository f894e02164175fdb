"""Moving in: a new folder, an existing project, a second time, and all that is in the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.domain.errors import ConfigError, Refused
from app.domain.migration import PlannedText
from app.domain.moving import Progress, Standing
from app.engine.project import load_project
from app.migrate.apply import apply, dry_run, look
from app.migrate.disk import Disk
from app.migrate.intent import BACKUP, folders
from app.migrate.stage import Canceled
from tests.support.moving import (
    CONFIG,
    SECRET,
    SESSION,
    WORKFLOW,
    a_plan,
    a_project,
    a_source,
    fingerprint,
    git,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return a_source(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


def test_a_new_folder_is_a_project_that_works(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    planned = dry_run(a_plan(home), target)
    assert not target.exists()
    report = apply(a_plan(home), target)
    assert report.model_copy(update={"dry_run": True, "report_file": ""}) == planned
    project = load_project(target)
    assert project.recipe("scribe").agents[0].instructions.endswith("You write minutes.")
    assert git(target, "status", "--porcelain") == ""
    tracked = git(target, "ls-files")
    assert ".longwatch/agents/scribe/SOUL.md" in tracked and "longwatch.toml" in tracked
    assert "secrets" not in tracked and "imported" not in tracked and "moved" not in tracked
    modes = {p.name: p.stat().st_mode & 0o777 for p in target.rglob("*")}
    assert (modes["secrets.env"], modes["imported"], modes["s0.jsonl"]) == (0o600, 0o700, 0o600)
    assert sorted(p.name for p in target.parent.iterdir()) == ["home", "new"]


def test_secrets_are_in_one_file_only(home: Path, tmp_path: Path, project: Path) -> None:
    for target in (tmp_path / "new", project):
        report = apply(a_plan(home), target)
        assert SECRET not in report.model_dump_json()
        holders = [
            p for p in target.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()
        ]
        assert [p.name for p in holders] == ["secrets.env"]
        session = (target / SESSION.format("s0")).read_text()
        assert "token [redacted] here" in session


@pytest.mark.parametrize("kind", ["new", "empty", "project"])
def test_a_second_time_changes_nothing(
    home: Path, tmp_path: Path, project: Path, kind: str
) -> None:
    target = {"new": tmp_path / "new", "empty": tmp_path / "empty", "project": project}[kind]
    if kind == "empty":
        target.mkdir()
    first = apply(a_plan(home), target)
    assert not first.unchanged
    before = fingerprint(target)
    again = apply(a_plan(home), target)
    assert again.unchanged and again.changed == () and again.report_file == first.report_file
    assert fingerprint(target) == before
    assert look(a_plan(home), target).changes == ()
    load_project(target)


def test_what_is_yours_stays(home: Path, project: Path) -> None:
    before = fingerprint(project)
    config = (project / "longwatch.toml").read_text()
    report = apply(a_plan(home), project)
    assert config in (project / "longwatch.toml").read_text()
    after = fingerprint(project)
    touched = {path for path in before if before[path] != after.get(path)}
    assert touched == {".", ".longwatch", ".longwatch/workflows", "longwatch.toml"}
    assert 'your rule "harmless" names no agent' in str(report.warnings)
    assert load_project(project).config.agent_names == ("coder", "critic", "scribe")


def test_the_difference_is_shown_but_not_of_secrets(home: Path, project: Path) -> None:
    compared = look(a_plan(home), project)
    states = {file.path: file for file in compared.files}
    assert states["longwatch.toml"].standing is Standing.CHANGED
    assert '+name = "scribe"' in states["longwatch.toml"].diff
    assert states[".longwatch/secrets.env"].diff == ""
    assert SECRET not in compared.model_dump_json()


def test_a_changed_source_changes_what_it_made(home: Path, project: Path) -> None:
    apply(a_plan(home), project)
    (home / "sessions/s0.jsonl").write_text("other\n")
    (home / "sessions/s1.jsonl").unlink()
    plan = a_plan(home, soul="New.\n", config=CONFIG.replace("llama", "l2"))
    copies = tuple(copy for copy in plan.copies if not copy.path.endswith("soul.bin"))
    report = apply(plan.model_copy(update={"copies": copies}), project)
    assert {(file.path, file.standing) for file in report.changed} == {
        (".longwatch/agents/scribe/SOUL.md", Standing.CHANGED),
        (SESSION.format("s0"), Standing.CHANGED),
        (SESSION.format("s1"), Standing.KEPT),
        (".longwatch/agents/scribe/soul.bin", Standing.REMOVED),
        ("longwatch.toml", Standing.CHANGED),
    }
    assert not (project / ".longwatch/agents/scribe/soul.bin").exists()
    assert (project / SESSION.format("s1")).exists(), "history stays, whatever the source forgets"
    assert (project / SESSION.format("s0")).read_text() == "other\n"
    assert "groq/l2" in (project / "longwatch.toml").read_text()
    assert len(folders(project, BACKUP)) == 2


def test_what_you_have_changed_since_stays_yours(home: Path, project: Path) -> None:
    apply(a_plan(home), project)
    switched = project / ".longwatch/workflows/scribe.toml"
    switched.write_text(WORKFLOW + "# mine\n")
    (project / SESSION.format("s0")).write_text("mine\n")
    secrets = project / ".longwatch/secrets.env"
    secrets.write_text("TELEGRAM_BOT_TOKEN=renewed-token\nMORE=1\n")
    later = a_plan(home, workflow=WORKFLOW + "# theirs\n", soul="New.\n")
    report = apply(later, project)
    kept = {file.path for file in report.changed if file.standing is Standing.KEPT}
    assert kept == {".longwatch/workflows/scribe.toml", SESSION.format("s0")}
    assert switched.read_text().endswith("# mine\n")
    assert secrets.read_text() == "TELEGRAM_BOT_TOKEN=renewed-token\nMORE=1\n"
    assert "TELEGRAM_BOT_TOKEN has a value here already" in str(report.warnings)
    assert apply(later, project).unchanged


def test_what_you_wrote_beside_your_secrets_stays(home: Path, project: Path) -> None:
    secrets = project / ".longwatch/secrets.env"
    secrets.parent.mkdir(exist_ok=True)
    secrets.write_text('# renew in May\nMINE="a b"')
    secrets.chmod(0o600)
    apply(a_plan(home), project)
    head, _, rest = secrets.read_text().partition('"a b"\n')
    assert head == "# renew in May\nMINE=" and rest.startswith("TELEGRAM_BOT_TOKEN=")
    assert apply(a_plan(home), project).unchanged


def test_names_that_are_taken_are_changed_and_stay_so(home: Path, project: Path) -> None:
    config = project / "longwatch.toml"
    config.write_text('[[agent]]\nname = "scribe"\ndriver = "codex"\n' + config.read_text())
    (project / ".longwatch/workflows/mine.toml").write_text(
        'name = "scribe"\n[[step]]\nname = "do"\nagent = "scribe"\nprompt = "p"\n'
    )
    report = apply(a_plan(home), project)
    loaded = load_project(project)
    assert loaded.config.agent_names == ("scribe", "coder", "critic", "scribe-openclaw")
    assert loaded.recipe("scribe-openclaw").agents[0].model == "groq/llama"
    assert loaded.recipe("scribe").agents[0].driver == "codex"
    assert loaded.config.route[-1].workflow == "scribe-openclaw"
    assert (project / ".longwatch/imported/scribe-openclaw/sessions/s0.jsonl").exists()
    assert 'agent "scribe" is here already: the one that moves in is "scribe-openclaw"' in str(
        report.warnings
    )
    assert apply(a_plan(home), project).unchanged


def test_the_project_keeps_its_own_place_of_secrets(home: Path, project: Path) -> None:
    config = project / "longwatch.toml"
    config.write_text('env_file = "keys.env"\n' + config.read_text())
    (project / "keys.env").touch(0o600)
    (project / "keys.env").write_text("# mine\nA=1\n")
    apply(a_plan(home), project)
    assert (project / "keys.env").read_text() == f"# mine\nA=1\nTELEGRAM_BOT_TOKEN={SECRET}\n"
    assert not (project / ".longwatch/secrets.env").exists()
    assert apply(a_plan(home), project).unchanged
    config.write_text(config.read_text().replace('"keys.env"', '"../keys.env"'))
    with pytest.raises(
        Refused, match=r"is \.\./keys\.env, outside of the project: secrets are not"
    ):
        apply(a_plan(home), project)


@pytest.mark.parametrize("there", ["file", "folder", "link", "parent link", "config link"])
def test_what_is_in_the_way_stops_it(home: Path, project: Path, there: str) -> None:
    place = project / ".longwatch/agents/scribe/SOUL.md"
    if there == "config link":
        (project / "longwatch.toml").rename(project / "real.toml")
        (project / "longwatch.toml").symlink_to("real.toml")
    elif there == "parent link":
        place.parent.parent.symlink_to(project / "src")
    else:
        place.parent.mkdir(parents=True)
        match there:
            case "file":
                place.write_text("mine")
            case "folder":
                place.mkdir()
            case "link":
                place.symlink_to("/etc/passwd")
    before = fingerprint(project)
    with pytest.raises(Refused) as caught:
        apply(a_plan(home), project)
    assert str(caught.value).endswith("nothing was changed") or "cannot be read" in str(
        caught.value
    )
    assert fingerprint(project) == before


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", ".longwatch/../../x", ".longwatch//x", "src/x", ".longwatch/moved/x", ""],
)
def test_paths_stay_in_their_places(home: Path, tmp_path: Path, path: str) -> None:
    plan = a_plan(home)
    bad = plan.model_copy(update={"texts": (*plan.texts, PlannedText(path=path, text="x"))})
    with pytest.raises(Refused, match="in a place that is not for it"):
        apply(bad, tmp_path / "new")


def test_a_file_in_the_way_of_a_folder_is_told_by_a_dry_run_too(home: Path, tmp_path: Path) -> None:
    texts = [PlannedText(path=f".longwatch/imported/x{end}", text="") for end in ("", "/y/z")]
    bad = a_plan(home).model_copy(update={"texts": texts})
    with pytest.raises(Refused, match="both as a file and as a folder"):
        dry_run(bad, tmp_path / "new")


def test_no_project_no_move(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("a")
    with pytest.raises(
        Refused, match=r"is no git repository, on which agents could work: run `git"
    ):
        apply(a_plan(home), tmp_path / "notes")
    with pytest.raises(Refused, match="is a file: name a folder"):
        apply(a_plan(home), tmp_path / "notes/a.txt")
    with pytest.raises(Refused, match="is inside the home: choose another --to"):
        apply(a_plan(home), home / "new")
    with pytest.raises(ConfigError, match="agent"):
        apply(a_plan(home, config="[[agent]]\n"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_configuration_that_cannot_be_read_is_named(home: Path, project: Path) -> None:
    (project / "longwatch.toml").write_text("[[agent")
    with pytest.raises(
        ConfigError, match=r"longwatch\.toml: cannot be read, so nothing can be put"
    ):
        apply(a_plan(home), project)


class Full(Disk):
    """A disk that is full at the third file."""

    def __init__(self) -> None:
        self.count = 0

    def write_new(self, path: Path, data: bytes, mode: int) -> None:
        self.count += 1
        if self.count == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().write_new(path, data, mode)


class Stuck(Disk):
    """A disk that lets nothing change places any more, half-way."""

    def rename_new(self, old: Path, new: Path) -> None:
        if new.name == "imported":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(new))
        super().rename_new(old, new)


@pytest.mark.parametrize("disk", [Full(), Stuck()], ids=["full", "stuck"])
def test_a_disk_that_fails_leaves_what_was_there(home: Path, project: Path, disk: Disk) -> None:
    before = fingerprint(project)
    with pytest.raises(Refused, match="nothing was changed"):
        apply(a_plan(home), project, disk=disk)
    assert fingerprint(project) == before


def test_a_full_disk_leaves_no_new_folder(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No space left"):
        apply(a_plan(home), tmp_path / "new", disk=Full())
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_source_that_has_gone_leaves_what_was_there(home: Path, project: Path) -> None:
    plan = a_plan(home)
    (home / "sessions/s1.jsonl").unlink()
    before = fingerprint(project)
    with pytest.raises(Refused, match=r"s1\.jsonl.*gone since it was looked at"):
        apply(plan, project)
    assert fingerprint(project) == before


def test_progress_is_told_and_it_can_be_stopped(home: Path, project: Path) -> None:
    said = list[Progress]()
    before = fingerprint(project)
    with pytest.raises(Canceled):
        apply(a_plan(home), project, canceled=lambda: len(said) > 1, tell=said.append)
    assert fingerprint(project) == before
    said.clear()
    apply(a_plan(home), project, tell=said.append)
    assert said[-1].phase == "done"
    copying = [p for p in said if p.path]
    assert copying[-1].done == copying[-1].total


def test_without_exchange_two_renames_do(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Disk, "exchange", lambda self, one, other: False)
    apply(a_plan(home), project)
    assert apply(a_plan(home), project).unchanged
