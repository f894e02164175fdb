"""Promotion: the interval, the three outcomes, the bounds, the frozen windows."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.base import RolloutId, RunId
from app.domain.path_name import PathName
from app.domain.promotion import (
    Advance,
    GoBack,
    Hold,
    Verdict,
    judge,
    next_move,
    sparkline,
    wilson,
)
from app.domain.rollout import (
    Answered,
    Evidence,
    HourCount,
    PathKind,
    PinnedPath,
    Rollout,
    Tick,
)
from app.domain.rollout_policy import (
    Policies,
    PromotionPolicy,
    RollbackPolicy,
    WatchPolicy,
    frozen_until,
    parse_window,
)
from tests.support.story import ADA, START

HOUR = timedelta(hours=1)


def answers(path: PathName, count: int, *, failed: int = 0, seconds: float = 1.0,
            rejects: int = 0, at: datetime = START) -> list[Answered]:  # fmt: skip
    return [
        Answered(
            run_id=RunId(f"{path}-{number}"),
            path=path,
            at=at + timedelta(seconds=number),
            ok=number >= failed,
            seconds=seconds,
            rejects=rejects,
        )
        for number in range(count)
    ]


def a_rollout(
    agreed: int = 0,
    disagreed: int = 0,
    unknown: int = 0,
    given: list[Answered] | None = None,
    promotion: dict[str, Any] | None = None,
    watch: dict[str, Any] | None = None,
    **fields: Any,
) -> Rollout:
    if given is None:
        given = answers(PathName.STABLE, 10) + answers(PathName.CANDIDATE, 10)
    hour = HourCount(
        hour=START.replace(minute=0), agreed=agreed, disagreed=disagreed, unknown=unknown
    )
    return Rollout(
        rollout_id=RolloutId("ro-1"),
        name="change",
        project="/p",
        stable=PinnedPath(kind=PathKind.WORKFLOW, title="a", recipe="a" * 64),
        candidate=PinnedPath(kind=PathKind.WORKFLOW, title="b", recipe="b" * 64),
        policies=Policies(
            promotion=PromotionPolicy(**(promotion or {})),
            watch=WatchPolicy(**(watch or {})),
            rollback=RollbackPolicy(),
        ),
        evidence=Evidence(answers=tuple(given), hours=(hour,)),
        author=ADA,
        since=START,
        opened_at=START,
        updated_at=START,
        **fields,
    )


def test_the_interval() -> None:
    assert wilson(5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)  # a textbook's example
    assert wilson(0, 10)[0] == 0 and wilson(10, 10)[1] == 1
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 400), st.integers(1, 400))
def test_its_ends_are_where_the_score_test_turns(agreed: int, more: int) -> None:
    """Wilson's definition: an end is the share of which the one seen is 1.96 errors away."""
    trials, share = agreed + more, agreed / (agreed + more)
    for end in wilson(agreed, trials):
        error = math.sqrt(end * (1 - end) / trials)
        assert abs(share - end) / error == pytest.approx(1.959964, abs=1e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_share_and_narrows(agreed: int, more: int) -> None:
    trials = agreed + more
    low, high = wilson(agreed, trials)
    assert 0 <= low <= high <= 1
    if trials:
        assert low <= agreed / trials <= high
        again_low, again_high = wilson(agreed * 4, trials * 4)
        assert again_high - again_low <= high - low + 1e-12


def test_enough_good_evidence_is_met() -> None:
    assert judge(a_rollout(agreed=60), START).verdict is Verdict.MET


@pytest.mark.parametrize(
    ("rollout", "verdict", "said"),
    [
        (a_rollout(agreed=29), Verdict.INCONCLUSIVE, "29 comparisons"),
        (a_rollout(agreed=58, disagreed=2), Verdict.INCONCLUSIVE, "58 of 60 agree"),
        (a_rollout(agreed=40, disagreed=40), Verdict.FAILED, "40 of 80 agree"),
        (a_rollout(agreed=60, given=[]), Verdict.INCONCLUSIVE, "nothing is known"),
        (
            a_rollout(
                agreed=60,
                given=answers(PathName.STABLE, 10) + answers(PathName.CANDIDATE, 10, failed=1),
            ),
            Verdict.FAILED,
            "failures: 10.0% of 10, stable 0.0%",
        ),
        (
            a_rollout(
                agreed=60,
                given=answers(PathName.STABLE, 9) + answers(PathName.CANDIDATE, 9, seconds=2),
            ),
            Verdict.FAILED,
            "latency: 2.00 times",
        ),
        (
            a_rollout(agreed=60, promotion={"checklist": ("docs",)}),
            Verdict.INCONCLUSIVE,
            "to be ticked: docs",
        ),
        (a_rollout(agreed=60, closed=True), Verdict.FAILED, "closed since its rollback"),
    ],
)
def test_what_is_missing_is_told(rollout: Rollout, verdict: Verdict, said: str) -> None:
    found = judge(rollout, START)
    assert found.verdict is verdict
    assert any(said in text for text in found.missing), found.missing


def test_old_evidence_does_not_count_and_unknown_is_no_agreement() -> None:
    rollout = a_rollout(agreed=60, unknown=500, promotion={"max_evidence_hours": 24})
    assert judge(rollout, START).verdict is Verdict.MET
    assert judge(rollout, START + 26 * HOUR).verdict is Verdict.INCONCLUSIVE


def test_a_tick_is_one_person_and_one_line() -> None:
    tick = Tick(item="docs", by=ADA, at=START)
    rollout = a_rollout(agreed=60, promotion={"checklist": ("docs", "call")}, ticks=(tick,))
    assert judge(rollout, START).missing == ("to be ticked: call",)


def stepping(**fields: Any) -> Rollout:
    promotion = {"steps": (25, 100), "bake_minutes": 60, "min_requests": 3}
    return a_rollout(
        agreed=60,
        share=25,
        step=0,
        step_since=START,
        promotion=promotion | fields.pop("promotion", {}),
        **fields,
    )


def test_nothing_moves_before_the_bake_time_is_over() -> None:
    assert next_move(stepping(), START + timedelta(minutes=59)) is None
    assert next_move(a_rollout(agreed=60, shadow=50), START + 99 * HOUR) is None


def test_after_it_a_person_is_asked_and_only_all_met_goes_on_by_itself() -> None:
    later = START + HOUR
    assert next_move(stepping(), later) == Hold(
        "all is met at 25 %: promote it to 100 % or roll it back"
    )
    auto = {"auto_advance": True}
    assert next_move(stepping(promotion=auto), later) == Advance("all is met at 25 %")
    few = answers(PathName.STABLE, 9) + answers(PathName.CANDIDATE, 2)
    move = next_move(stepping(promotion=auto, given=few), later)
    assert isinstance(move, Hold) and "inconclusive at 25 %" in move.why
    unticked = auto | {"checklist": ("docs",)}
    move = next_move(stepping(promotion=unticked), later)
    assert isinstance(move, Hold) and "docs" in move.why
    assert next_move(stepping(promotion=auto, held="wait"), later) is None


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (answers(PathName.CANDIDATE, 10, failed=3), "30 % of the candidate's last 10 answers"),
        (answers(PathName.CANDIDATE, 10, seconds=3.5), "3.5 times as long"),
        (answers(PathName.CANDIDATE, 10, rejects=1), "100 % of the candidate's last 10 answers"),
    ],
)
def test_out_of_bounds_it_goes_back_at_once(ours: list[Answered], said: str) -> None:
    given = answers(PathName.STABLE, 10) + ours
    move = next_move(stepping(given=given, held="by ada"), START)
    assert isinstance(move, GoBack) and said in move.why
    watch = {"auto_rollback": False}
    assert not isinstance(next_move(stepping(given=given, watch=watch), START), GoBack)
    assert next_move(stepping(given=given, closed=True), START) is None


def test_shadow_answers_and_those_before_the_step_do_not_roll_back() -> None:
    bad = answers(PathName.CANDIDATE, 10, failed=10)
    shadows = [a.model_copy(update={"shadow": True}) for a in bad]
    before = [a.model_copy(update={"at": START - HOUR}) for a in bad]
    for theirs in (shadows, before):
        stable = answers(PathName.STABLE, 9)
        assert next_move(stepping(given=stable + theirs), START) is None


def test_frozen_windows_in_a_time_zone() -> None:
    policy = PromotionPolicy(frozen=("Fri 16:00 - Mon 08:00",), timezone="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    friday = datetime(2026, 11, 27, 15, 59, tzinfo=berlin)
    assert frozen_until(policy, friday) is None
    end = frozen_until(policy, friday + timedelta(minutes=1))
    assert end == datetime(2026, 11, 30, 8, 0, tzinfo=berlin)
    assert frozen_until(policy, datetime(2026, 11, 30, 8, 0, tzinfo=berlin)) is None
    frozen = a_rollout(agreed=60, promotion={"frozen": policy.frozen, "timezone": policy.timezone})
    found = judge(frozen, datetime(2026, 11, 28, 12, tzinfo=berlin))
    assert found.verdict is Verdict.FAILED and "before Mon 30 Nov 08:00" in found.missing[-1]


@pytest.mark.parametrize("text", ["Fri 16:00", "Fry 16:00 - Mon 08:00", "Fri 25:00 - Mon 08:00"])
def test_a_window_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|time of the week"):
        parse_window(text)


def test_bars() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([]) == "" and sparkline([0, 0]) == "▁▁"
