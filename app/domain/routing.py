"""Routing: which workflow answers a request, and why.

Every field that a rule sets must equal the request's (ASCII case does not count), and its risk
condition must hold. The highest score wins, the earliest rule on a tie:
`priority*100 + 8 (user) + 4 (channel) + 2 (task type) + 1 (a risk condition)`.
"""

import string
from collections.abc import Collection, Sequence

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Name, Text
from app.domain.request import Request, Risk

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_WEIGHTS = {"user": 8, "channel": 4, "task_type": 2}
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class RouteRule(Model):
    """A rule that sends requests to a workflow; a field that is left out matches everything."""

    workflow: Name
    user: Text | None = None
    channel: Text | None = None
    task_type: Text | None = None
    max_risk: Risk | None = None  # this risk or lower
    allow_risks: tuple[Risk, ...] | None = None  # one of these; not together with max_risk
    priority: int = Field(default=0, ge=_LOWEST, le=_HIGHEST)

    @property
    def any_risk(self) -> bool:
        return self.max_risk is None and self.allow_risks is None


class FieldReport(Model):
    """One condition of a rule beside what the request has."""

    field: str
    wanted: str  # "*" when the rule leaves it open
    got: str
    matches: bool


class RuleReport(Model):
    """How a rule fares with a request. `index` is its place in the file, from 0."""

    index: int
    workflow: str  # or a rollout
    registered: bool  # False: there is none that is switched on, the rule is ignored
    fields: tuple[FieldReport, ...]
    matches: bool  # registered, and every field does
    score: int


NOTHING = "no route matches and there is no default workflow: it would be refused"


class RouteChoice(Model):
    """The workflow for a request and the reason in one sentence; `rule` is None for a default."""

    workflow: str
    why: str
    rule: int | None = None


def score(rule: RouteRule) -> int:
    """The rule's rank, in 32-bit arithmetic that stops at its ends instead of wrapping round."""
    total = _saturate(rule.priority * 100)
    for name, weight in _WEIGHTS.items():
        if getattr(rule, name) is not None:
            total = _saturate(total + weight)
    return total if rule.any_risk else _saturate(total + 1)


def explain(
    request: Request, rules: Sequence[RouteRule], workflows: Collection[str]
) -> tuple[RuleReport, ...]:
    """Every rule, field by field, in the order of the file."""
    return tuple(_report(i, rule, request, workflows) for i, rule in enumerate(rules))


def choose(
    request: Request,
    rules: Sequence[RouteRule],
    workflows: Collection[str],
    default: str | None = None,
) -> RouteChoice | None:
    """The best rule's workflow, else the default; None when there is neither."""
    best: RuleReport | None = None
    for report in explain(request, rules, workflows):
        if report.matches and (best is None or report.score > best.score):
            best = report
    if best is not None:
        return RouteChoice(workflow=best.workflow, why=_why(best), rule=best.index)
    if default:
        return RouteChoice(workflow=default, why="no route matches: the default workflow")
    return None


def _report(
    index: int, rule: RouteRule, request: Request, workflows: Collection[str]
) -> RuleReport:
    texts = (_text_field(name, getattr(rule, name), getattr(request, name)) for name in _WEIGHTS)
    fields, registered = (*texts, _risk_field(rule, request.risk)), rule.workflow in workflows
    return RuleReport(
        index=index,
        workflow=rule.workflow,
        registered=registered,
        fields=fields,
        matches=registered and all(field.matches for field in fields),
        score=score(rule),
    )


def _text_field(name: str, wanted: str | None, got: str) -> FieldReport:
    matches = wanted is None or wanted.translate(_FOLD) == got.translate(_FOLD)
    return FieldReport(
        field=name, wanted="*" if wanted is None else wanted, got=got, matches=matches
    )


def _risk_field(rule: RouteRule, risk: Risk) -> FieldReport:
    wanted, matches = "*", True
    if rule.allow_risks is not None:
        wanted, matches = " or ".join(rule.allow_risks), risk in rule.allow_risks
    elif rule.max_risk is not None:
        wanted, matches = f"at most {rule.max_risk}", risk.rank <= rule.max_risk.rank
    return FieldReport(field="risk", wanted=wanted, got=risk, matches=matches)


def _why(report: RuleReport) -> str:
    named = [f"{field.field} {field.wanted}" for field in report.fields if field.wanted != "*"]
    about = ", ".join(named) or "every request"
    return f"route {report.index + 1} ({about}) matches with the highest score, {report.score}"


def _saturate(number: int) -> int:
    return max(_LOWEST, min(_HIGHEST, number))
