"""What a migration did or would do, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from app.domain.migration import Fate, MigrationPlan
from app.domain.moving import Compared, FileState, MoveReport, Standing, counts
from app.domain.text import one_line

_CELL = 400  # characters
_ROWS = 500  # of a table; the JSON report has all
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_SPECIAL_IN_STEPS = re.compile(r"([\\\[\]<>|&])")  # they have commands in `these`
_WORDS = {
    Standing.NEW: "made",
    Standing.CHANGED: "changed",
    Standing.REMOVED: "taken away",
    Standing.KEPT: "kept as it is",
    Standing.SAME: "as it is",
    Standing.IN_THE_WAY: "in the way",
}


def make_report(plan: MigrationPlan, compared: Compared, *, dry_run: bool) -> MoveReport:
    """Everything that is told of a migration, in one value."""
    unused = (Fate.ARCHIVED, Fate.REFUSED)
    told = [file for file in compared.files if file.standing is not Standing.SAME]
    return MoveReport(
        system=plan.system,
        generation=plan.generation,
        source=plan.source,
        target=compared.target,
        dry_run=dry_run,
        unchanged=not compared.changes,
        imported=plan.imported,
        changed=tuple(file.model_copy(update={"diff": ""}) for file in told),
        skipped=plan.skipped,
        unused=tuple(key for key in plan.keys if key.fate in unused),
        warnings=compared.warnings,
        next_steps=plan.next_steps,
        secrets=plan.secrets,
        keys=counts(plan.keys, plan.key_count),
    )


def markdown(report: MoveReport) -> str:
    """The report as a page. Words of the source are escaped: they cannot become links, tables or
    HTML."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: MoveReport) -> Iterator[str]:
    yield f"# Moving in from {_text(report.system)}" + (" (dry run)" if report.dry_run else "")
    yield ""
    yield f"- From: {_text(report.source)} ({_text(report.generation)})"
    yield f"- To: {_text(report.target)}"
    if report.unchanged:
        yield "- Everything is as it would be made: nothing was changed."
    keys = report.keys
    yield (
        f"- Keys of its configuration: {keys.total}, of which {keys.mapped} have a counterpart,"
        f" {keys.secret} are secrets, {keys.archived} are archived, {keys.refused} are refused"
    )
    sections = (
        ("Warnings", [f"- {_place(w.where)}{_text(w.message)}" for w in report.warnings]),
        (
            "Imported",
            _table(
                ("kind", "name", "where", "detail"),
                ((i.kind, i.name, i.destination, i.detail) for i in report.imported),
            ),
        ),
        ("Changed", _table(("file", "what", "note"), map(_file, report.changed))),
        (
            "Skipped",
            _table(("kind", "name", "why"), ((s.kind, s.name, s.reason) for s in report.skipped)),
        ),
        (
            "Unused",
            _table(
                ("file", "key", "fate", "why"),
                ((k.file, k.key, k.fate, k.reason) for k in report.unused),
            ),
        ),
        ("Secrets (names)", [f"- {_text(name)}" for name in report.secrets]),
        ("Next steps", [f"{n}. {_step(s)}" for n, s in enumerate(report.next_steps, 1)]),
    )
    for title, lines in sections:
        if lines:
            yield from ("", f"## {title}", "", *lines)


def _file(file: FileState) -> tuple[str, str, str]:
    return file.path, _WORDS[file.standing], file.note


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = [f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows]
    if not found:
        return []
    more = len(found) - _ROWS
    rest = [f"| … {more} more, in the JSON report |{' |' * (len(head) - 1)}"] if more > 0 else []
    rule = f"|{'---|' * len(head)}"
    return [f"| {' | '.join(head)} |", rule, *found[:_ROWS], *rest]


def _place(where: str) -> str:
    return f"{_text(where)}: " if where else ""


def _step(text: str) -> str:
    return _SPECIAL_IN_STEPS.sub(r"\\\1", one_line(text, _CELL))


def _text(text: str) -> str:
    """One line in which nothing is Markdown."""
    return _SPECIAL.sub(r"\\\1", one_line(str(text), _CELL))
