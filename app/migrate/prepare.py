"""From a plan and a target to what exactly would be there: names that are taken are changed, files
that are shared are merged, and what a person has changed since stays. Nothing is written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from app.domain.config import check_routes, parse_config
from app.domain.env_text import read_env, write_env
from app.domain.errors import ConfigError, Refused
from app.domain.migration import MigrationPlan, PlannedCopy, PlannedText, Warned
from app.domain.text import one_line
from app.domain.toml_source import refuse
from app.domain.workflow_check import parse_workflow
from app.migrate.manifest import MadeEntry, Manifest, read_manifest, text_sha256
from app.migrate.merge import CONFIG, all_entries, merge_config, renamed, taken_names
from app.migrate.target import Target, read_there

WORKFLOWS = ".longwatch/workflows/"
IMPORTED = ".longwatch/imported/"
IGNORE = ".longwatch/.gitignore"
_PLACES = (CONFIG, ".longwatch/", ".gitignore")
_Names = dict[str, dict[str, str]]


@dataclass(slots=True)
class Wanted:
    """A text that is to be there. `planned` is the digest of what the plan wanted by itself."""

    path: str
    data: bytes
    private: bool
    secret: bool
    planned: str
    merged: bool = False  # it holds what was there, too


@dataclass(slots=True)
class Prepared:
    """A plan that fits its target."""

    plan: MigrationPlan
    target: Target
    before: Manifest | None
    texts: dict[str, Wanted] = field(default_factory=dict)
    copies: dict[str, PlannedCopy] = field(default_factory=dict)
    entries: tuple[MadeEntry, ...] = ()
    variables: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()  # values, to be taken out of copies
    scrubbed_by: str = ""
    notes: list[Warned] = field(default_factory=list)

    def note(self, where: str, message: str) -> None:
        self.notes.append(Warned(where=where, message=message))


def prepare(plan: MigrationPlan, target: Target) -> Prepared:
    """Blocking. Raises Refused or ConfigError when no project could be made of it."""
    _check_paths(plan)
    if Path(plan.source) in (target.root, *target.root.parents):
        raise Refused(f"{one_line(str(target.root), 300)} is inside the home: choose another --to")
    before = read_manifest(target.root, plan.system, plan.source)
    made = Prepared(plan, target, before)
    texts, copies = _with_free_names(plan, target, before, made)
    for text in texts.values():
        data = text.text.encode("utf-8", "replace")
        made.texts[text.path] = Wanted(
            text.path, data, text.private or text.secret, text.secret, text_sha256(data)
        )
    made.copies = copies
    _merge_config(made)
    _merge_secrets(made)
    _ignore_private(made)
    _check_project(made)
    return made


def _check_paths(plan: MigrationPlan) -> None:
    seen = set[str]()
    for path in plan.paths:
        parts = path.split("/")
        bad = not all(parts) or "\0" in path or "\\" in path or {".", ".."} & set(parts)
        if bad or not path.startswith(_PLACES) or path.startswith(".longwatch/moved/"):
            raise Refused(
                f"the plan has a file in a place that is not for it: {one_line(path, 200)}"
            )
        if path in seen:
            raise Refused(f"the plan has the file {one_line(path, 200)} twice")
        seen.add(path)
    folders = {str(folder) for path in seen for folder in PurePosixPath(path).parents}
    if clash := folders & seen:
        raise Refused(f"the plan has {one_line(min(clash), 200)} both as a file and as a folder")


def _with_free_names(
    plan: MigrationPlan, target: Target, before: Manifest | None, made: Prepared
) -> tuple[dict[str, PlannedText], dict[str, PlannedCopy]]:
    texts = {text.path: text for text in plan.texts}
    copies = {copy.path: copy for copy in plan.copies}
    there = _config_text(target)
    ours = texts.get(CONFIG)
    names: _Names = {}
    if there is not None and ours is not None:
        entries = before.entries if before is not None else ()
        names = _free_names(there, ours.text, entries, plan.system)
    workflows, foreign = _taken_workflows(_with_names(texts, names), target, before)
    in_use = set(_workflow_names(texts).values()) | foreign
    if workflows:
        taken = sorted(set(workflows.values()))
        names["workflow"] = {name: _free(name, plan.system, in_use) for name in taken}
    if not names:
        return texts, copies
    for table, changed in names.items():
        for old, new in changed.items():
            made.note(CONFIG, f'{table} "{old}" is here already: the one that moves in is "{new}"')
    return _rename_all(texts, copies, names, workflows)


def _free_names(there: str, ours: str, before: Sequence[MadeEntry], system: str) -> _Names:
    """New names for those of our tables that somebody else's have. A table in which a mention had
    to change may itself be in somebody's way then, so it is looked at again."""
    names: _Names = {}
    while taken := taken_names(there, renamed(ours, names), before):
        for table, found in taken.items():
            mine = {entry.name for entry in before if entry.table == table}
            own = names.setdefault(table, {})
            in_use = (_names(there, table) - mine) | _names(ours, table) | set(own.values())
            own |= {name: _free(name, system, in_use) for name in sorted(found)}
    return names


def _with_names(
    texts: Mapping[str, PlannedText], names: Mapping[str, Mapping[str, str]]
) -> dict[str, PlannedText]:
    """The texts in TOML with other names in them."""
    found = dict(texts)
    for path, text in texts.items():
        toml = path == CONFIG or path.startswith(WORKFLOWS)
        if names and toml and path.endswith(".toml"):
            found[path] = text.model_copy(update={"text": renamed(text.text, names)})
    return found


def _rename_all(
    texts: dict[str, PlannedText],
    copies: dict[str, PlannedCopy],
    names: Mapping[str, Mapping[str, str]],
    workflows: Mapping[str, str],
) -> tuple[dict[str, PlannedText], dict[str, PlannedCopy]]:
    """Every mention of a name, and the places that carry it."""

    def place(path: str) -> str:
        if path in workflows:
            return f"{WORKFLOWS}{names['workflow'][workflows[path]]}.toml"
        for old, new in names.get("agent", {}).items():
            if path.startswith(f"{IMPORTED}{old}/"):
                return f"{IMPORTED}{new}/{path.removeprefix(f'{IMPORTED}{old}/')}"
        return path

    changed = dict[str, PlannedText]()
    for text in _with_names(texts, names).values():
        moved = text.model_copy(update={"path": place(text.path)})
        changed[moved.path] = moved
    moved_copies = [copy.model_copy(update={"path": place(path)}) for path, copy in copies.items()]
    return changed, {copy.path: copy for copy in moved_copies}


def _config_text(target: Target) -> str | None:
    data = read_there(target.root, CONFIG) if target.exists else None
    if data is None:
        return None
    try:
        text = data.decode("utf-8")
        tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"cannot be read, so nothing can be put into it: {error}",
            source=str(target.root / CONFIG),
        ) from None
    return text


def _names(text: str, table: str) -> set[str]:
    data: object = tomllib.loads(text)
    for part in table.split("."):
        data = data.get(part, []) if isinstance(data, dict) else []
    items = data if isinstance(data, list) else []
    return {str(item.get("name", "")) for item in items if isinstance(item, dict)}


def _free(name: str, system: str, in_use: set[str]) -> str:
    new, number = f"{name}-{system}", 2
    while new in in_use:
        new, number = f"{name}-{system}-{number}", number + 1
    in_use.add(new)
    return new


def _workflow_names(texts: Mapping[str, PlannedText]) -> dict[str, str]:
    """By path, the name that a workflow of ours declares."""
    found = {}
    for path, text in texts.items():
        if path.startswith(WORKFLOWS) and path.endswith(".toml"):
            found[path] = str(tomllib.loads(text.text).get("name", ""))
    return found


def _taken_workflows(
    texts: Mapping[str, PlannedText], target: Target, before: Manifest | None
) -> tuple[dict[str, str], set[str]]:
    """By path, the names of our workflows that somebody else's file has, or whose file's place
    is taken; and all names that are somebody else's."""
    if not target.exists:
        return {}, set()
    mine = set(before.by_path) if before is not None else set()
    theirs = dict[str, bytes]()
    folder = target.root / WORKFLOWS
    if folder.is_dir() and not folder.is_symlink():
        for file in sorted(folder.iterdir()):
            path = f"{WORKFLOWS}{file.name}"
            if path not in mine and file.suffix in (".toml", ".json") and file.is_file():
                theirs[path] = read_there(target.root, path) or b""
    names = {_declared(data, path) for path, data in theirs.items()}
    found = {}
    for path, name in _workflow_names(texts).items():
        same = theirs.get(path) == texts[path].text.encode()
        if not same and (path in theirs or name in names):
            found[path] = name
    return found, names


def _declared(data: bytes, path: str) -> str:
    import json

    try:
        text = data.decode()
        loaded = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
        return str(loaded.get("name", "")) if isinstance(loaded, dict) else ""
    except (ValueError, RecursionError):
        return ""  # not ours to tell


def _merge_config(made: Prepared) -> None:
    ours = made.texts.get(CONFIG)
    if ours is None:
        return
    there = _config_text(made.target)
    text = ours.data.decode()
    if there is None:
        made.entries = tuple(all_entries(text))
        return
    before = made.before.entries if made.before is not None else ()
    title = f"Moved in from {made.plan.system} by `longwatch migrate`."
    merged = merge_config(there, text, before, title)
    made.entries = tuple(merged.entries)
    made.notes += merged.notes
    made.texts[CONFIG] = replace(ours, data=merged.text.encode(), merged=True)
    _warn_of_broad_rules(made, merged.text, {e.name for e in merged.entries})


def _warn_of_broad_rules(made: Prepared, text: str, ours: set[str]) -> None:
    rules = tomllib.loads(text).get("approval", {}).get("rule", [])
    for rule in rules:
        if rule.get("action") == "allow" and "agent" not in rule and rule.get("name") not in ours:
            made.note(
                CONFIG,
                f'your rule "{rule.get("name")}" names no agent: it allows the agents that move in'
                " what it allows",
            )


def _merge_secrets(made: Prepared) -> None:
    """The values go where the project keeps its own, if it does."""
    secret = next((text for text in made.texts.values() if text.secret), None)
    if secret is None:
        return
    values = read_env(secret.data.decode(), secret.path)
    made.secrets = tuple(values.values())
    made.scrubbed_by = secret.planned
    path = _secrets_place(made, secret.path)
    there = read_there(made.target.root, path) if made.target.exists else None
    before = _untouched_variables(made, path, there)
    mine = dict(values)
    if there is not None:
        known = read_env(there.decode("utf-8", "replace"), str(made.target.root / path))
        kept = {name: value for name, value in known.items() if name not in before}
        for name in values.keys() & kept.keys():
            mine.pop(name)
            if kept[name] != values[name]:
                made.note(path, f"{name} has a value here already: it stays, and is used")
        data = _with_values(there, known, {**kept, **mine})
    else:
        data = secret.data
    del made.texts[secret.path]
    made.texts[path] = replace(secret, path=path, data=data, merged=there is not None)
    made.variables = tuple(sorted(mine))


def _with_values(there: bytes, known: Mapping[str, str], wanted: Mapping[str, str]) -> bytes:
    """A file of secrets with these values. What a person wrote in it stays if nothing in it has
    to change, comments too."""
    if known == wanted:
        return there
    new = {name: value for name, value in wanted.items() if name not in known}
    end = b"" if not there or there.endswith(b"\n") else b"\n"
    data = there + end + write_env(new).encode()
    if read_env(data.decode("utf-8", "replace"), "secrets") == wanted:
        return data
    return write_env(dict(wanted)).encode()


def _untouched_variables(made: Prepared, path: str, there: bytes | None) -> set[str]:
    """Those that an earlier migration wrote, if nobody has changed the file since: a key that
    was renewed here must not be put back."""
    last = made.before.by_path.get(path) if made.before is not None else None
    if made.before is None or last is None or there is None:
        return set()
    return set(made.before.variables) if last.sha256 == text_sha256(there) else set()


def _secrets_place(made: Prepared, planned: str) -> str:
    config = made.texts.get(CONFIG)
    named = tomllib.loads(config.data.decode()).get("env_file", planned) if config else planned
    if named == planned:
        return planned
    parts = str(named).split("/")
    if not named or named.startswith("/") or ".." in parts:
        raise Refused(
            f"env_file in {CONFIG} is {one_line(str(named), 200)}, outside of the project: secrets"
            " are not written there; choose another --to, or move that file into the project"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _ignore_private(made: Prepared) -> None:
    """What is private must not get into version control."""
    paths = [text.path for text in made.texts.values() if text.private]
    paths += [copy.path for copy in made.copies.values() if copy.private]
    inside = {path.split("/")[1] for path in paths if path.startswith(".longwatch/")}
    # What was said elsewhere, and how that was configured, is nobody's who clones this.
    lines = ["/moved/", *(f"/{name}" for name in sorted({"imported", *inside}))]
    planned = made.texts.get(IGNORE)
    own = planned.data.decode().splitlines() if planned is not None else []
    wanted = list(dict.fromkeys([*own, *lines]))
    there = read_there(made.target.root, IGNORE) if made.target.exists else None
    have = there.decode("utf-8", "replace") if there is not None else ""
    missing = [line for line in wanted if line not in have.splitlines()]
    head = have if not have or have.endswith("\n") else have + "\n"
    data = (head + "".join(f"{line}\n" for line in missing)).encode()
    digest = text_sha256("\n".join(wanted).encode())
    made.texts[IGNORE] = Wanted(IGNORE, data, False, False, digest, merged=there is not None)


def _check_project(made: Prepared) -> None:
    """What would be there must load. Raises ConfigError."""
    config = made.texts.get(CONFIG)
    if config is None:
        return
    text = config.data.decode()
    parsed = parse_config(text, CONFIG)
    names = list[str]()
    for path, wanted in made.texts.items():
        if path.startswith(WORKFLOWS) and path.endswith(".toml"):
            names.append(parse_workflow(wanted.data.decode(), path, parsed.agent_names).name)
    if not config.merged:  # else some workflows are not ours to read
        refuse(text, CONFIG, check_routes(parsed, names))
