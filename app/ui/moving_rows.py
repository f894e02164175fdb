"""Moving in, as rows: homes that were found, the tree of what would be made, what was done. No
Textual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.migration import Installation
from app.domain.moving import Compared, FileState, MoveReport, Progress, Standing, Undone
from app.domain.text import one_line
from app.ui.diffrows import diff_rows
from app.ui.marks import Mark
from app.ui.page import BLANK, Row, fact, heading, row
from app.ui.widgets.queue import Pick

SUMMARY, UNDO = ".", "undo"  # rows that are no file; no path of a plan is called so
_FEW = 12  # files of one folder that get rows of their own
_MANY = 500  # lines of each kind in the text
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))
MARKS = {
    Standing.NEW: Mark("+", "new", "live"),
    Standing.CHANGED: Mark("~", "changed", "need"),
    Standing.SAME: Mark("=", "same", "done"),
    Standing.KEPT: Mark("•", "kept", "calm"),
    Standing.REMOVED: Mark("−", "removed", "bad"),
    Standing.IN_THE_WAY: Mark("✗", "in way", "bad"),
}
_FOUND, _BACK, _ALL = Mark("⌂", "home", "live"), Mark("↶", "undo", "calm"), Mark("≡", "all", "calm")
_FOLDER = Mark("▸", "folder", "calm")
_ABOUT = {
    Standing.NEW: "is made",
    Standing.CHANGED: "is changed",
    Standing.SAME: "is as it would be made",
    Standing.KEPT: "stays as it is",
    Standing.REMOVED: "is taken away",
    Standing.IN_THE_WAY: "is in the way: nothing can be moved in",
}


def home_picks(homes: Sequence[Installation], undo: Undone | None) -> list[Pick]:
    """The homes, and the migration that can be taken back."""
    found = [Pick(h.path, _FOUND, one_line(h.path, 200), right=h.system) for h in homes]
    if undo is not None:
        found.append(Pick(UNDO, _BACK, f"the migration from {one_line(undo.source, 200)}"))
    return found


def home_rows(home: Installation, target: str) -> list[Row]:
    """About a home that was found, before it is read."""
    return [
        heading(one_line(home.path, 300)),
        BLANK,
        *fact("system", home.system),
        *fact("there", home.detail or "?"),
        *fact("moves to", target),
        BLANK,
        row("Enter reads it and shows what would be made. Nothing is changed by that.", hang=""),
    ]


def nothing_rows() -> list[Row]:
    """No home was found."""
    return [
        heading("No home of OpenClaw or OpenFang was found on this machine."),
        BLANK,
        row("Looked for ~/.openclaw, ~/.clawdbot, ~/.moldbot, ~/.moltbot, ~/openclaw,"),
        row("~/.config/openclaw and ~/.openfang, and where OPENCLAW_STATE_DIR points."),
        BLANK,
        row(("h", "command"), " names a folder that is one; so does"),
        row(("longwatch migrate openclaw DIR", "command"), " in a shell."),
    ]


def plan_picks(compared: Compared) -> list[Pick]:
    """What an apply touches as a tree; folders of many files are one row."""
    found = [Pick(SUMMARY, _ALL, "all of it", right=f"{len(compared.changes):,} files")]
    folders: dict[str, list[FileState]] = {}
    for file in compared.files:
        folders.setdefault(file.path.rpartition("/")[0], []).append(file)
    shown = set[str]()
    for folder, files in sorted(folders.items()):
        depth = len(folder.split("/")) if folder else 0
        if len(files) > _FEW:
            found += _parents(folder.rpartition("/")[0], shown)
            name = folder.rpartition("/")[2] or "."
            lead = "  " * max(depth - 1, 0)
            right = f"{len(files):,} files"
            found.append(Pick(f"{folder}/", _worst(files), f"{name}/", right=right, lead=lead))
            shown.add(folder)
            continue
        found += _parents(folder, shown)
        for file in files:
            name = one_line(file.path.rpartition("/")[2], 200)
            found.append(
                Pick(
                    file.path,
                    MARKS[file.standing],
                    name,
                    right=size_text(file.size),
                    lead="  " * depth,
                    quiet=file.standing is Standing.SAME,
                )
            )
    return found


def _parents(folder: str, shown: set[str]) -> Iterator[Pick]:
    parts = folder.split("/") if folder else []
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        if path not in shown:
            shown.add(path)
            name = one_line(parts[end - 1], 200)
            yield Pick(f"{path}/", _FOLDER, f"{name}/", lead="  " * (end - 1), quiet=True)


def _worst(files: Sequence[FileState]) -> Mark:
    order = (
        Standing.IN_THE_WAY,
        Standing.REMOVED,
        Standing.CHANGED,
        Standing.NEW,
        Standing.KEPT,
        Standing.SAME,
    )
    return MARKS[min((file.standing for file in files), key=order.index)]


def plan_rows(compared: Compared, report: MoveReport, chosen: str) -> list[Row]:
    """The text about one row of the tree."""
    if chosen == SUMMARY:
        return summary_rows(compared, report)
    if chosen.endswith("/"):
        return _folder_rows(compared, chosen)
    file = next((file for file in compared.files if file.path == chosen), None)
    return [] if file is None else _file_rows(file)


def summary_rows(compared: Compared, report: MoveReport) -> list[Row]:
    """Warnings first, then what moves in, what stays out, and what to do next."""
    head = heading(f"From {one_line(report.source, 200)}", report.generation)
    rows = [head, row(("to ", "label"), one_line(report.target, 300)), BLANK]
    for file in compared.in_the_way[:_MANY]:
        rows.append(row((f"✗ {file.path}: {file.note}", "bad"), hang="  "))
    if compared.in_the_way:
        rows += [row(("Nothing can be moved in until that is out of the way.", "bad")), BLANK]
    if report.unchanged:
        rows += [row(("Everything is as it would be made: there is nothing to do.", "good")), BLANK]
    rows += _warnings(report)
    rows += _imported(report)
    rows += _left(report)
    rows += _keys(report)
    return rows


def _warnings(report: MoveReport) -> Iterator[Row]:
    if not report.warnings:
        return
    yield heading("Warnings", str(len(report.warnings)))
    for warning in report.warnings[:_MANY]:
        where = f"{warning.where}: " if warning.where else ""
        yield row(("! ", "need"), (where, "label"), warning.message, hang="  ")
    yield from _more(len(report.warnings))
    yield BLANK


def _imported(report: MoveReport) -> Iterator[Row]:
    if not report.imported:
        return
    yield heading("Moves in", str(len(report.imported)))
    for item in report.imported[:_MANY]:
        detail = f"  {item.detail}" if item.detail else ""
        kind = item.kind.value.ljust(11)
        yield row(
            (kind, "label"), item.name, (f"  → {item.destination}{detail}", "quiet"), hang="  "
        )
    yield from _more(len(report.imported))
    yield BLANK


def _left(report: MoveReport) -> Iterator[Row]:
    if not report.skipped:
        return
    yield heading("Stays out", str(len(report.skipped)))
    for left in report.skipped[:_MANY]:
        yield row((left.kind.value.ljust(11), "label"), left.name, (f"  {left.reason}", "quiet"))
    yield from _more(len(report.skipped))
    yield BLANK


def _keys(report: MoveReport) -> Iterator[Row]:
    keys = report.keys
    yield heading("Keys of its configuration", str(keys.total))
    for word, number in (
        ("counterpart", keys.mapped),
        ("secret", keys.secret),
        ("archived", keys.archived),
        ("refused", keys.refused),
    ):
        yield from fact(word, f"{number:>5}")
    if report.secrets:
        yield row(
            ("secrets go to one private file: ", "label"), ", ".join(report.secrets), hang="  "
        )
    refused = [key for key in report.unused if key.fate == "refused"]
    for key in refused[:_MANY]:
        yield row(("refused ", "need"), f"{key.file}: {key.key}", (f"  {key.reason}", "quiet"))


def _more(count: int) -> Iterator[Row]:
    if count > _MANY:
        yield row((f"… {count - _MANY:,} more, in the report", "quiet"))


def _file_rows(file: FileState) -> list[Row]:
    rows = [
        heading(file.path),
        row(_ABOUT[file.standing], (f"; {file.note}" if file.note else "", "quiet"), hang="  "),
        row((f"{size_text(file.size)}" + (", private" if file.private else ""), "quiet")),
        BLANK,
    ]
    if file.secret:
        rows.append(row(("It holds secrets: its content is never shown.", "need")))
    elif file.diff:
        rows += diff_rows(file.diff)
    elif file.standing is not Standing.SAME:
        rows.append(
            row(
                (
                    "Its text is not shown: it is a copy, without the secrets that are known.",
                    "quiet",
                )
            )
        )
    return rows


def _folder_rows(compared: Compared, folder: str) -> list[Row]:
    files = [file for file in compared.files if file.path.startswith(folder)]
    size = sum(file.size for file in files)
    rows = [heading(folder, f"{len(files):,} files, {size_text(size)}"), BLANK]
    for standing, mark in MARKS.items():
        number = sum(file.standing is standing for file in files)
        if number:
            rows += fact(mark.word, f"{number:>6,}")
    rows.append(BLANK)
    for file in files[:_MANY]:
        mark = MARKS[file.standing]
        name = file.path.removeprefix(folder)
        rows.append(row((f"{mark.glyph} ", "label"), name, (f"  {size_text(file.size)}", "quiet")))
    rows += _more(len(files))
    return rows


def done_rows(report: MoveReport) -> list[Row]:
    """After an apply: what to do next."""
    if report.unchanged:
        first = row(("Nothing was changed: everything is as it would be made.", "good"))
    else:
        first = row((f"✓ Moved in: {report.touched:,} files.", "good"))
    rows = [first, row(("in ", "label"), one_line(report.target, 300))]
    if report.report_file:
        rows.append(row(("report ", "label"), report.report_file))
    rows += [BLANK, heading("Next")]
    steps = (f"cd {one_line(report.target, 300)} && longwatch", *report.next_steps)
    for number, step in enumerate(steps, 1):
        rows.append(row((f"{number}. ", "label"), step, hang="   "))
    rows += [BLANK, *_warnings(report)]
    rows.append(row(("u", "command"), " takes all of it back."))
    return rows


def failed_rows(problem: str) -> list[Row]:
    """What was begun could not be done; `problem` says why, in a sentence."""
    return [
        row(("It was not done.", "bad")),
        BLANK,
        row(problem, hang="  "),
        BLANK,
        row(("r", "command"), " looks again."),
    ]


def undo_rows(found: Undone) -> list[Row]:
    """What taking a migration back does, or did."""
    would = "would be " if found.dry_run else ""
    rows = [heading(f"The migration from {one_line(found.source, 200)}")]
    rows += [row(("in ", "label"), one_line(found.target, 300)), BLANK]
    if found.whole_folder and not found.kept_in:
        rows.append(row(f"{would}removed: the whole folder, as it was made by the migration"))
    rows += [row((f"{would}removed  ", "label"), path) for path in found.removed[:_MANY] if path]
    rows += [row((f"{would}restored ", "label"), path) for path in found.restored[:_MANY]]
    if found.changed:
        rows += [BLANK, row(("Changed since:", "need"))]
        rows += [row("  ", path) for path in found.changed[:_MANY]]
        told = f"kept in {found.kept_in}" if found.kept_in else "these would be kept aside"
        rows.append(row((told, "quiet"), hang="  "))
    return rows


def progress_rows(progress: Progress, width: int) -> list[Row]:
    """A bar, and what is under way."""
    rows = [row((f"{progress.phase}…", "strong"))]
    if progress.total:
        share = min(progress.done / progress.total, 1.0)
        full = int(share * width)
        bar = "█" * full + "░" * (width - full)
        amount = f"{size_text(progress.done)} of {size_text(progress.total)}"
        rows += [row((bar, "good"), f" {share:4.0%}"), row((amount, "quiet"))]
        rows.append(row((one_line(progress.path, 300), "quiet")))
    rows += [BLANK, row(("x", "command"), " stops it; before it is in place nothing of it stays.")]
    return rows


def size_text(size: int) -> str:
    """In the largest unit that fits."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
