"""What a rollout asks for before a candidate may answer, while it does, and when it goes back."""

import re
from datetime import datetime, timedelta

from pydantic import Field

from app.domain.base import Model, trusted
from app.domain.gate import Text

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = (
    r"^(?P<from_day>[A-Za-z]{3}) (?P<from>\d{1,2}:\d{2}) ?- ?"
    r"(?P<to_day>[A-Za-z]{3}) (?P<to>\d{1,2}:\d{2})$"
)
_WEEK = 7 * 24 * 60  # minutes
# The reference's five, done by a rollback itself or by a person, and each ticked by a person.
ROLLBACK_CHECKLIST = (
    "freeze_candidate: nobody promotes the candidate any more",
    "switch_primary: requests are answered by the stable path again",
    "disable_shadow: shadowing is off until it is understood what happened",
    "verify_sli: success and failure rates are back, and traces show nothing odd",
    "capture_incident: time, operator and follow-up are written down",
)


class PromotionPolicy(Model):
    """`[rollout.promotion]`: what must hold before the candidate answers requests."""

    min_comparisons: int = Field(default=30, ge=1, le=100_000)
    # Lower end of the 95 % interval (Wilson) of the share of comparisons that agree.
    min_agreement: float = Field(default=0.9, ge=0, le=1)
    max_failure_ratio: float = Field(default=1.0, ge=0, allow_inf_nan=False)  # to stable's rate
    allowed_failure_percent: float = Field(default=0, ge=0, le=100)  # however low stable's is
    max_latency_ratio: float = Field(default=1.5, gt=0, allow_inf_nan=False)  # of the medians
    max_evidence_hours: float = Field(default=168, gt=0, le=24 * 365)  # older does not count
    checklist: tuple[Text, ...] = ()
    other_approver: bool = False  # who promotes must not be who put the candidate in place
    steps: tuple[int, ...] = (100,)  # per cent of the requests, rising to 100
    bake_minutes: float = Field(default=30, ge=0, le=7 * 24 * 60)  # of each step but the last
    min_requests: int = Field(default=5, ge=0, le=100_000)  # of the candidate, in each step
    auto_advance: bool = False  # go to the next step without a person when all is met
    frozen: tuple[Text, ...] = ()  # "Fri 16:00 - Mon 08:00": nothing is promoted then
    timezone: str = "UTC"  # of the frozen windows


class WatchPolicy(Model):
    """`[rollout.watch]`: bounds that the candidate must keep while it answers requests; outside
    them it is rolled back without a person."""

    window: int = Field(default=50, ge=1, le=60)  # the latest answers that are looked at
    min_requests: int = Field(default=5, ge=1, le=60)  # before anything is judged
    max_failure_percent: float = Field(default=20, ge=0, le=100)
    max_latency_ratio: float = Field(default=3, gt=0, allow_inf_nan=False)  # of the medians
    max_reject_percent: float = Field(default=50, ge=0, le=100)  # answers that were sent back
    auto_rollback: bool = True


class RollbackPolicy(Model):
    """`[rollout.rollback]`: how fast it should be, and what is to be ticked besides the five."""

    window_seconds: float = Field(default=300, gt=0, allow_inf_nan=False)
    checklist: tuple[Text, ...] = ()


class Policies(Model):
    """All of a rollout's rules, as they were when its candidate was put in place."""

    promotion: PromotionPolicy = trusted(PromotionPolicy)
    watch: WatchPolicy = trusted(WatchPolicy)
    rollback: RollbackPolicy = trusted(RollbackPolicy)


def frozen_until(policy: PromotionPolicy, now: datetime) -> datetime | None:
    """When the frozen window that `now` lies in ends; None outside of all."""
    if not policy.frozen:
        return None
    from zoneinfo import ZoneInfo  # not at start-up: few rollouts have a frozen window

    local = now.astimezone(ZoneInfo(policy.timezone))
    minute = (local.weekday() * 24 + local.hour) * 60 + local.minute
    ends = list[datetime]()
    for text in policy.frozen:
        start, end = parse_window(text)
        length = (end - start) % _WEEK or _WEEK
        since = (minute - start) % _WEEK
        if since < length:
            whole = local.replace(second=0, microsecond=0)
            ends.append(whole + timedelta(minutes=length - since))
    return max(ends) if ends else None


def parse_window(text: str) -> tuple[int, int]:
    """Start and end in minutes of the week, from Monday. Raises ValueError."""
    match = re.match(_WINDOW, text.strip())
    if match is None:
        raise ValueError(f'{text!r} is no window; write such as "Fri 16:00 - Mon 08:00"')
    return _minute(match["from_day"], match["from"]), _minute(match["to_day"], match["to"])


def _minute(day: str, time: str) -> int:
    hours, minutes = (int(part) for part in time.split(":"))
    if day.lower() not in _DAYS or hours > 23 or minutes > 59:
        raise ValueError(f'"{day} {time}" is no time of the week; write such as "Fri 16:00"')
    return (_DAYS.index(day.lower()) * 24 + hours) * 60 + minutes


def check_timezone(name: str) -> str:
    """What is wrong with a time zone's name; "" when it is known."""
    if name == "UTC":
        return ""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'no time zone "{name}" is known; write such as "Europe/Berlin" or "UTC"'
    return ""
