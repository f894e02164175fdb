"""What an apply would do to each file of a target: made, replaced, left alone, taken away, or
refused because something else is in the way. Reads, and writes nothing."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Refused
from app.domain.migration import PlannedCopy
from app.domain.moving import Compared, FileState, Standing
from app.migrate.copying import file_sha256, shown
from app.migrate.manifest import MadeFile, text_sha256
from app.migrate.prepare import Prepared, Wanted
from app.migrate.target import obstacle, read_there

_DIFF_LINES = 400
_DIFF_BYTES = 512 * 1024  # a larger text is compared, but its difference is not drawn
_STRANGER = "something else is there, which no migration has made: move it away"
_SESSION = re.compile(r"^\.longwatch/imported/[^/]+/sessions/")
_THEIRS = "it was changed here since it was made: yours stays"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is shown, and what the next manifest takes over from the last one."""

    compared: Compared
    kept: dict[str, MadeFile]  # by path: files that stay as the last migration made them


def compare(made: Prepared) -> Comparison:
    """Blocking. Raises Refused for what cannot be read."""
    files, kept = list[FileState](), dict[str, MadeFile]()
    before = made.before.by_path if made.before is not None else {}
    for path, wanted in sorted(made.texts.items()):
        files.append(_text(made, wanted, before.get(path)))
    for path, copy in sorted(made.copies.items()):
        files.append(_copy(made, copy, before.get(path)))
    for path, last in sorted(before.items()):
        if path not in made.texts and path not in made.copies:
            files += _left(made.target.root, last)
    for file in files:
        last_made = before.get(file.path)
        if last_made is not None and file.standing in (Standing.SAME, Standing.KEPT):
            kept[file.path] = last_made
    plan = made.plan
    compared = Compared(
        system=plan.system,
        generation=plan.generation,
        source=plan.source,
        target=str(made.target.root),
        fresh=made.target.fresh,
        files=tuple(sorted(files, key=lambda file: file.path)),
        warnings=(*plan.warnings, *made.notes),
    )
    return Comparison(compared, kept)


def _text(made: Prepared, wanted: Wanted, last: MadeFile | None) -> FileState:
    root = made.target.root
    state = FileState(
        path=wanted.path,
        standing=Standing.NEW,
        size=len(wanted.data),
        private=wanted.private,
        secret=wanted.secret,
    )
    if not made.target.exists:
        return state.model_copy(update={"diff": _diff(wanted, b"")})
    if problem := obstacle(root, wanted.path):
        return state.model_copy(update={"standing": Standing.IN_THE_WAY, "note": problem})
    there = read_there(root, wanted.path)
    if there is None:
        return state.model_copy(update={"diff": _diff(wanted, b"")})
    if there == wanted.data:
        return state.model_copy(update={"standing": Standing.SAME})
    diff = _diff(wanted, there)
    if wanted.merged or (last is not None and last.sha256 == text_sha256(there)):
        note = "put into what is there" if wanted.merged else ""
        changed = {"standing": Standing.CHANGED, "diff": diff, "note": note}
        return state.model_copy(update=changed)
    if last is None:
        blocked = {"standing": Standing.IN_THE_WAY, "note": _STRANGER, "diff": diff}
        return state.model_copy(update=blocked)
    kept = {"standing": Standing.KEPT, "note": _THEIRS, "diff": diff, "size": len(there)}
    return state.model_copy(update=kept)


def _diff(wanted: Wanted, there: bytes) -> str:
    """A unified difference; "" for a secret and for what is no text."""
    if wanted.secret or len(wanted.data) + len(there) > _DIFF_BYTES:
        return ""
    try:
        old, new = there.decode(), wanted.data.decode()
    except UnicodeDecodeError:
        return ""
    names = (f"a/{wanted.path}", f"b/{wanted.path}")
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm=""))
    if len(lines) > _DIFF_LINES:
        lines = [*lines[:_DIFF_LINES], f"… {len(lines) - _DIFF_LINES} more lines"]
    return "\n".join(lines)


def _copy(made: Prepared, copy: PlannedCopy, last: MadeFile | None) -> FileState:
    root = made.target.root
    state = FileState(path=copy.path, standing=Standing.NEW, size=copy.size, private=copy.private)
    if not made.target.exists:
        return state
    if problem := obstacle(root, copy.path):
        return state.model_copy(update={"standing": Standing.IN_THE_WAY, "note": problem})
    if not os.path.lexists(root / copy.path):
        return state
    if last is None:
        return _stranger(state, root, copy)
    ours = _is_as_made(root, last)
    if not ours:
        return state.model_copy(update={"standing": Standing.KEPT, "note": _THEIRS})
    same = _same_source(made, copy, last)
    return state.model_copy(update={"standing": Standing.SAME if same else Standing.CHANGED})


def _stranger(state: FileState, root: Path, copy: PlannedCopy) -> FileState:
    """A file that no migration made: fine if it is the very same."""
    same = not copy.redact and (root / copy.path).stat().st_size == copy.size
    if same and _sha256(root / copy.path) == _sha256(Path(copy.source)):
        return state.model_copy(update={"standing": Standing.SAME})
    return state.model_copy(update={"standing": Standing.IN_THE_WAY, "note": _STRANGER})


def _same_source(made: Prepared, copy: PlannedCopy, last: MadeFile) -> bool:
    try:
        about = os.lstat(copy.source)
    except OSError as error:
        raise Refused(f"{shown(Path(copy.source))}: {error.strerror}: run this again") from error
    before = made.before.scrubbed_by if made.before is not None else ""
    cleaned = not copy.redact or before == made.scrubbed_by
    file = (about.st_size, about.st_mtime_ns)
    return (
        cleaned
        and copy.redact == last.redacted
        and file == (last.source_size, last.source_mtime_ns)
    )


def _is_as_made(root: Path, last: MadeFile) -> bool:
    """By size and time; where the time differs, by content."""
    about = os.lstat(root / last.path)
    if about.st_size != last.size:
        return False
    return about.st_mtime_ns == last.mtime_ns or _sha256(root / last.path) == last.sha256


def _left(root: Path, last: MadeFile) -> list[FileState]:
    """A file of an earlier migration that this one does not make."""
    if last.shared or obstacle(root, last.path) or not os.path.lexists(root / last.path):
        return []
    state = FileState(path=last.path, standing=Standing.REMOVED, note="gone from the source")
    history = _SESSION.search(last.path) is not None
    if not history and _is_as_made(root, last):
        return [state]
    why = "but history stays" if history else "but changed here since: it stays"
    note = f"gone from the source, {why}"
    return [state.model_copy(update={"standing": Standing.KEPT, "note": note, "size": last.size})]


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise Refused(f"{shown(path)} cannot be read: {error.strerror}") from error
