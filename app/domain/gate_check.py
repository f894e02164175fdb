"""What a gate finds in an output or in a set of changes, without running anything."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.domain.text import one_line

SHOWN = 20  # how many errors or lines a log names
_WIDTH = 300

# A sign only where no number or word ends: "10-20" is two numbers, "v2" is none.
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?<![0-9.])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says, in sentences that an agent can act on; raw, not yet printable.

    `usable` is False when the gate itself is at fault, which no agent can mend.
    """

    passed: bool
    log: str
    usable: bool = True
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file: its path in the repository, or the old and the new one; lines."""

    paths: tuple[str, ...]
    added: int
    removed: int

    @property
    def lines(self) -> int:
        """A change without lines (of a mode, of a name) is a change all the same: one."""
        return max(self.added + self.removed, 1)


def score(log: str) -> float | None:
    """The last number of a gate's last line that is not blank; None if there is none.

    A decimal point, no thousands separators; what is not finite is no score.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    found = _NUMBER.findall(lines[-1]) if lines else []
    value = float(found[-1].replace("−", "-")) if found else math.inf
    return value if math.isfinite(value) else None


def check_patterns(pattern: str, forbid: str, output: str, seconds: float) -> Finding:
    """Look for one expression that must be there and one that must not; "" is not looked for.

    `^` and `$` are those of a line. Blocks for at most about `seconds`: an expression can take
    for ever on an output that was made for it.
    """
    import regex

    text = output.replace("\r\n", "\n")
    try:
        if pattern and regex.search(pattern, text, regex.MULTILINE, timeout=seconds) is None:
            shown = one_line(pattern, _WIDTH)
            return Finding(False, f"nothing in the output matches {shown}, which must be there")
        return Finding(True, _found(pattern)) if not forbid else _check_forbidden(forbid, text, seconds)
    except regex.error as error:
        return Finding(False, f"the expression cannot be used: {error}", usable=False)
    except TimeoutError:
        what = f"the expression took more than {seconds:g} s on this output and was ended"
        return Finding(False, f"{what}: write it shorter, or plainer", timed_out=True)


def _found(pattern: str) -> str:
    return f"the output has a match of {one_line(pattern, _WIDTH)}" if pattern else ""


def _check_forbidden(forbid: str, text: str, seconds: float) -> Finding:
    import regex

    shown = one_line(forbid, _WIDTH)
    lines = list[int]()
    start, number = 0, 1
    for match in regex.finditer(forbid, text, regex.MULTILINE, timeout=seconds):
        number += text.count("\n", start, match.start())
        start = match.start()
        if lines[-1:] != [number]:
            lines.append(number)
        if len(lines) > SHOWN:
            break
    if not lines:
        return Finding(True, f"nothing in the output matches {shown}")
    every = text.split("\n")
    said = [f"line {n} matches {shown}: {one_line(every[n - 1], _WIDTH)}" for n in lines[:SHOWN]]
    more = ["more lines match"] if len(lines) > SHOWN else []
    return Finding(False, "\n".join(["the output must not have a match:", *said, *more]))


def check_changes(
    changes: Sequence[FileChange], allow: Sequence[str], limit: int | None
) -> Finding:
    """Whether all changes lie within the globs `allow` (none: anywhere), and are few enough.

    A file that got a new name counts under both.
    """
    lines = sum(change.lines for change in changes)
    outside = [
        path for change in changes for path in change.paths if allow and not within(path, allow)
    ]
    said = list[str]()
    if outside:
        count = _count(len(outside), "changed path lies", "changed paths lie")
        said += [f"{count} outside of {one_line(', '.join(allow), _WIDTH)}; take the change back:"]
        said += [f"  {one_line(path, _WIDTH)}" for path in outside]
    if limit is not None and lines > limit:
        said += [f"{_count(lines, 'line', 'lines')} changed, at most {limit} may be:"]
        said += [_file(change) for change in sorted(changes, key=lambda c: -c.lines)]
    if said:
        return Finding(False, "\n".join(said))
    files = _count(len(changes), "file", "files")
    return Finding(True, f"{_count(lines, 'line', 'lines')} changed in {files}, as allowed")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _file(change: FileChange) -> str:
    return f"  +{change.added} -{change.removed} {one_line(' -> '.join(change.paths), _WIDTH)}"


def within(path: str, globs: Sequence[str]) -> bool:
    """Whether a path, relative to the repository's root, matches one of the globs.

    `*`, `?` and `[…]` stay within one name, hidden names included; `**` stands for any number
    of folders, at the end for everything below; `docs/` is `docs/**`. Case counts.
    """
    names = path.split("/")
    return any(_matches(_parts(glob), names) for glob in globs)


def _parts(glob: str) -> list[str]:
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if glob.endswith("/"):
        parts.append("**")
    if parts[-1:] == ["**"]:
        parts.append("*")  # below a folder, and not the folder's own name
    return parts


def _matches(parts: list[str], names: list[str]) -> bool:
    """All positions that can be reached at once: the time is the product of both lengths."""
    reached = _open(parts, {0})
    for name in names:
        step = {at for at in reached if parts[at : at + 1] == ["**"]}
        step |= {
            at + 1 for at in reached if at < len(parts) and fnmatchcase(name, parts[at])
        }
        reached = _open(parts, step)
    return len(parts) in reached


def _open(parts: list[str], reached: set[int]) -> set[int]:
    """With the positions behind a `**`, which may stand for nothing."""
    found = set(reached)
    for at, part in enumerate(parts):
        if at in found and part == "**":
            found.add(at + 1)
    return found
