"""A rollout as rows to read: how its paths stand to each other, and what is to be done."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from datetime import datetime

from app.domain.path_name import PathName
from app.domain.promotion import Verdict, agreement, judge, next_share, sparkline
from app.domain.rollout import Answered, Phase, Rollback, Rollout, ShadowResult, Tick
from app.ui.diffrows import difference_rows
from app.ui.marks import Mark
from app.ui.page import BLANK, Row, fact, heading, lines, row
from app.ui.rows import duration
from app.ui.widgets.queue import Pick

PHASES = {
    Phase.ALONE: Mark("–", "alone", "calm"),
    Phase.READY: Mark("○", "ready", "calm"),
    Phase.SHADOW: Mark("◐", "shadow", "live"),
    Phase.STEPPING: Mark("●", "step", "live"),
    Phase.PROMOTED: Mark("✓", "promoted", "done"),
    Phase.ROLLED_BACK: Mark("■", "rolled back", "bad"),
}
HELD = Mark("◆", "held", "need")
_VERDICTS = {
    Verdict.MET: ("✓ ", "good"),
    Verdict.FAILED: ("✗ ", "bad"),
    Verdict.INCONCLUSIVE: ("? ", "need"),
}
_AGREES = {True: ("✓ ", "good"), False: ("✗ ", "bad"), None: ("? ", "need")}
_BARS = 40  # answers of a sparkline
_LISTED = 12  # mismatches on the overview


def rollout_pick(rollout: Rollout, now: datetime) -> Pick:
    """One line of the list, with the figures that matter as the second."""
    mark = HELD if rollout.held else PHASES[rollout.phase]
    found = agreement(rollout, now)
    figures = f"shadow {rollout.shadow} %"
    if found.trials:
        interval = f"{found.low:.0%}-{found.high:.0%}"
        figures += f" · {found.agreed}/{found.trials} agree ({interval})"
    right = f"{rollout.share} %" if rollout.candidate else ""
    return Pick(rollout.rollout_id, mark, rollout.title, right, sub=figures)


def overview(rollout: Rollout, mismatches: Sequence[ShadowResult], now: datetime) -> list[Row]:
    """Paths, evidence, what is missing, checklists and rollbacks, most urgent first."""
    found = list[Row]()
    if rollout.rollback is not None:
        found += [*_rollback(rollout.rollback, now), BLANK]
    if rollout.held:
        found += [*lines(f"held: {rollout.held}", tone="need"), BLANK]
    if rollout.override:
        found += [*lines(f"promoted AGAINST its policy: {rollout.override}", tone="bad"), BLANK]
    found += _paths(rollout, now)
    if rollout.has_open_candidate:
        found += [BLANK, *_needed(rollout, now)]
    if mismatches:
        found += [BLANK, *_mismatches(mismatches, now)]
    if rollout.ticks:
        found += [BLANK, heading("Ticked"), *(r for t in rollout.ticks for r in _tick(t, now))]
    earlier = [b for b in reversed(rollout.rollbacks) if not b.open]
    if earlier:
        found += [BLANK, heading("Rollbacks"), *(r for b in earlier for r in _past(b, now))]
    return found


def _paths(rollout: Rollout, now: datetime) -> Iterator[Row]:
    yield heading("Paths", f"version {rollout.version}")
    yield from fact("stable", f"{rollout.stable.kind}  {rollout.stable}")
    yield from _answers("", rollout.evidence.of(PathName.STABLE))
    if rollout.candidate is None:
        yield from fact("candidate", "none: declare one, or edit the stable workflow, then O")
        return
    yield from fact("candidate", f"{rollout.candidate.kind}  {rollout.candidate}")
    yield from _answers("", rollout.evidence.of(PathName.CANDIDATE))
    yield from fact(
        "", f"put in place by {rollout.author}, {duration(now - rollout.since)} ago", tone="quiet"
    )
    closed = "  closed: it gets no request" if rollout.closed else ""
    yield row(
        ("answers     ", "label"),
        (f"{rollout.share} % of the requests", "strong"),
        f", shadows {rollout.shadow} % of the rest",
        (closed, "bad"),
    )
    if rollout.shadows:
        many = len(rollout.shadows)
        words = "1 shadow run is" if many == 1 else f"{many} shadow runs are"
        yield from fact("", f"{words} not compared yet")


def _answers(label: str, answers: Sequence[Answered]) -> Iterator[Row]:
    if not answers:
        yield from fact(label, "nothing is known of it yet", tone="quiet")
        return
    failed = sum(not a.ok for a in answers)
    newest = answers[-_BARS:]
    marks = "".join("·" if a.ok else "✗" for a in newest)
    yield row(
        (label.ljust(12), "label"),
        (sparkline([a.seconds for a in newest]), "quiet"),
        f"  up to {max(a.seconds for a in newest):.1f} s",
    )
    yield row((" " * 12), (marks, "quiet"), f"  {failed} of {len(answers)} failed")


def _needed(rollout: Rollout, now: datetime) -> Iterator[Row]:
    share, found = next_share(rollout), judge(rollout, now)
    what = f"To promote it to {share} %" if share else "The evidence"
    yield heading(what, str(found.verdict))
    for requirement in found.requirements:
        glyph, tone = _VERDICTS[requirement.verdict]
        yield from lines(requirement.text, first=glyph, rest="  ", tone=tone)


def _mismatches(results: Sequence[ShadowResult], now: datetime) -> Iterator[Row]:
    yield heading("Mismatches", "v shows them")
    for result in results[:_LISTED]:
        glyph, tone = _AGREES[result.comparison.agrees]
        when = duration(now - result.at)
        why = result.comparison.why or result.comparison.outcome
        yield row((glyph, tone), (f"{result.shadow}  {when:>5}  ", "quiet"), why, hang="  ")
    if len(results) > _LISTED:
        yield row((f"… {len(results) - _LISTED} more", "quiet"))


def _rollback(rollback: Rollback, now: datetime) -> Iterator[Row]:
    yield row((f"ROLLED BACK {duration(now - rollback.at)} ago by {rollback.by}", "bad"))
    yield from lines(rollback.why, first="  ", rest="  ")
    yield from _took(rollback)
    if rollback.frozen:
        names = ", ".join(rollback.frozen)
        words = f"frozen: {names}; on each: x cancels it, u lets it finish in shadow"
        yield from lines(words, first="  ", rest="  ", tone="need")
    done = {tick.item: tick for tick in rollback.ticks}
    for item in rollback.checklist:
        if item in done:
            yield from _tick(done[item], now)
        else:
            yield from lines(item, first="· ", rest="  ", tone="need")


def _took(rollback: Rollback) -> Iterator[Row]:
    said = f"from {rollback.from_path} ({rollback.share_before} %) to {rollback.to_path}"
    if rollback.seconds is None:
        yield from lines(f"{said}; its runs are being stopped", first="  ", rest="  ")
        return
    late = "" if rollback.within_window else f", OUTSIDE its {rollback.window_seconds:g} s"
    words = f"{said}; all stopped after {rollback.seconds:.2f} s{late}"
    yield from lines(words, first="  ", rest="  ", tone="bad" if late else "quiet")


def _past(rollback: Rollback, now: datetime) -> Iterator[Row]:
    yield row(
        (f"{rollback.number}  ", "label"),
        f"{duration(now - rollback.at)} ago by {rollback.by}: {rollback.why}",
    )
    yield from _took(rollback)


def _tick(tick: Tick, now: datetime) -> Iterator[Row]:
    said = f": {tick.note}" if tick.note else ""
    words = f"{tick.item}  ({tick.by}, {duration(now - tick.at)} ago{said})"
    yield from lines(words, first="✓ ", rest="  ", tone="good")


# -- one comparison


def comparison_head(result: ShadowResult, number: int, count: int) -> list[Row]:
    """What a comparison says, above its texts."""
    comparison = result.comparison
    glyph, tone = _AGREES[comparison.agrees]
    told = {True: "agrees", False: "differs", None: "cannot be told"}[comparison.agrees]
    found = [
        row(
            (f"{number} of {count}  {'← →  ' if count > 1 else ''}", "label"),
            (f"{glyph}{told}", tone),
            (f"  by {comparison.by}, {comparison.outcome}", "quiet"),
        )
    ]
    if comparison.why:
        found += lines(comparison.why)
    found += fact("stable", f"{result.of or 'recorded'}  {_seconds(result.stable_seconds)}")
    found += fact("candidate", f"{result.shadow}  {_seconds(result.candidate_seconds)}")
    if comparison.first_mismatch_index is not None:
        found += fact("differs", f"from character {comparison.first_mismatch_index} on")
    for difference in comparison.differences:
        found.append(
            row(
                (f"{difference.path}  ", "strong"),
                (difference.stable, "remove-word"),
                " → ",
                (difference.candidate, "add-word"),
                hang="  ",
            )
        )
    if comparison.more_differences:
        found.append(row((f"… {comparison.more_differences} more", "quiet")))
    return found


def inline(result: ShadowResult) -> list[Row]:
    """Both texts as one difference."""
    if result.stable_text == result.candidate_text:
        return list(lines(result.stable_text, tone="code"))
    return difference_rows(result.stable_text, result.candidate_text)


def side_by_side(result: ShadowResult) -> tuple[list[Row], list[Row]]:
    """Both texts line by line beside each other; what has no counterpart leaves a blank."""
    one, other = result.stable_text.splitlines(), result.candidate_text.splitlines()
    left, right = [heading("stable")], [heading("candidate")]
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=len(one) + len(other) > 2000)
    for tag, a, b, c, d in matcher.get_opcodes():
        same = tag == "equal"
        rows = max(b - a, d - c)
        left += _column(one[a:b], rows, "" if same else "remove")
        right += _column(other[c:d], rows, "" if same else "add")
    return left, right


def _column(texts: Sequence[str], rows: int, tone: str) -> Iterator[Row]:
    for text in texts:
        yield row(text, tone=tone)
    yield from [BLANK] * (rows - len(texts))


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
