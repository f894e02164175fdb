"""Over plans and targets of any kind: a second apply does nothing, an undo restores every byte, and
what is refused changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import ConfigError, Refused
from app.domain.migration import MigrationPlan, PlannedCopy, PlannedText
from app.migrate.apply import apply, dry_run
from app.migrate.undo import undo
from tests.support.moving import SECRET, fingerprint

NAMES = ("a", "b", "scribe")
WORDS = st.sampled_from(["", "one\n", f"the token is {SECRET}\n", "ä 'quoted' \\ \"\n"])
SOME = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)


def configuration(agents: list[str], model: str) -> str:
    head = 'env_file = ".longwatch/secrets.env"\n'
    tables = [
        f'\n# {name}\n[[agent]]\nname = "{name}"\ndriver = "model"\nmodel = "groq/{model}"\n'
        f'\n[[route]]\nworkflow = "{name}"\nchannel = "c-{model}"\n'
        f'\n[[approval.rule]]\nname = "{name}-rule"\nagent = "{name}"\naction = "deny"\n'
        for name in agents
    ]
    return head + "".join(tables)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, object]:
    return {
        "agents": draw(SOME.filter(bool)),
        "model": draw(st.sampled_from(["x", "y"])),
        "texts": draw(st.dictionaries(st.sampled_from(["SOUL.md", "d/USER.md"]), WORDS)),
        "files": draw(st.dictionaries(st.sampled_from(["1.jsonl", "2.jsonl", "é x"]), WORDS)),
        "redact": draw(st.booleans()),
        "private": draw(st.booleans()),
        "secret": draw(st.sampled_from([SECRET, "another-secret-value"])),
    }


@st.composite
def targets(draw: st.DrawFn) -> dict[str, str] | None:
    """What is there: None for nothing at all, "->…" for a link."""
    if draw(st.booleans()):
        return draw(st.sampled_from([None, {}]))
    found = {".git/HEAD": "ref: refs/heads/main\n", "src/x.py": "x\n", "link": "->src/x.py"}
    if draw(st.booleans()):
        theirs = draw(SOME)
        if theirs:
            found["longwatch.toml"] = configuration(theirs, draw(st.sampled_from(["x", "mine"])))
        for name in theirs:
            found[f".longwatch/workflows/{name}.toml"] = workflow(name)
    if draw(st.booleans()):
        found[".longwatch/secrets.env"] = "MINE=1\n"
    if draw(st.booleans()):
        found[".longwatch/.gitignore"] = "/mine"
    if draw(st.integers(0, 5)) == 0:
        found[".longwatch/agents/a/SOUL.md"] = draw(st.sampled_from(["one\n", "->/etc/passwd"]))
    return found


def workflow(name: str) -> str:
    return f'name = "{name}"\n[[step]]\nname = "s"\nagent = "{name}"\nprompt = "p"\n'


def planned(home: Path, drawn: dict[str, object]) -> MigrationPlan:
    agents, texts, files = drawn["agents"], drawn["texts"], drawn["files"]
    assert isinstance(agents, list) and isinstance(texts, dict) and isinstance(files, dict)
    found = [PlannedText(path="longwatch.toml", text=configuration(agents, str(drawn["model"])))]
    found += [PlannedText(path=f".longwatch/workflows/{n}.toml", text=workflow(n)) for n in agents]
    found += [PlannedText(path=f".longwatch/agents/a/{n}", text=t) for n, t in texts.items()]
    found.append(
        PlannedText(
            path=".longwatch/secrets.env",
            text=f"TOKEN={drawn['secret']}\n",
            private=True,
            secret=True,
        )
    )
    copies = []
    for name, text in files.items():
        source = home / name
        if not source.exists() or source.read_text() != text:
            source.write_text(text)
        copies.append(
            PlannedCopy(
                path=f".longwatch/imported/a/sessions/{name}",
                source=str(source),
                size=source.stat().st_size,
                redact=bool(drawn["redact"]),
                private=bool(drawn["private"]),
            )
        )
    return MigrationPlan(
        system="openclaw",
        generation="x",
        source=str(home),
        texts=tuple(found),
        copies=tuple(copies),
    )


def fill(target: Path, content: dict[str, str] | None) -> None:
    if content is None:
        return
    target.mkdir(mode=0o750)
    for number, (path, text) in enumerate(content.items()):
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            place.symlink_to(text[2:])
        else:
            place.write_text(text)
            place.chmod(0o600 if path.endswith(".env") else 0o640)
            os.utime(place, ns=(number, 1_000_000_000 * number + 7))


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(first=plans(), second=plans(), there=targets())
def test_again_is_nothing_and_back_is_everything(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, object],
    second: dict[str, object],
    there: dict[str, str] | None,
) -> None:
    folder = tmp_path_factory.mktemp("move")
    home, target = folder / "home", folder / "target"
    home.mkdir()
    fill(target, there)
    states = [fingerprint(target)]
    for drawn in (first, second):
        plan = planned(home, drawn)
        try:
            told = dry_run(plan, target)
            done = apply(plan, target)
        except (Refused, ConfigError):
            assert fingerprint(target) == states[-1]
            continue
        assert done.model_copy(update={"dry_run": True}) == told.model_copy(
            update={"report_file": done.report_file, "next_steps": done.next_steps}
        )
        if not done.unchanged:
            states.append(fingerprint(target))
        assert apply(plan, target).unchanged
        assert fingerprint(target) == states[-1]
    if len(states) > 1 and first["redact"] and second["redact"] and first["secret"] == SECRET:
        holders = [p for p in (target / ".longwatch/imported").rglob("*") if p.is_file()]
        assert not any(SECRET in path.read_text() for path in holders) or second["secret"] != SECRET
    while len(states) > 1:
        states.pop()
        undo(target)
        assert fingerprint(target) == states[-1]
