"""What a project declares, as rows to read: its workflows, its routes, and why one is taken."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.errors import Refused
from app.domain.project_report import FileReport, ProjectReport
from app.domain.request import Request, Risk
from app.domain.routing import RouteRule, RuleReport, score
from app.domain.toml_messages import not_among
from app.domain.workflow_shown import StepShown, WorkflowShown
from app.ui.marks import Mark
from app.ui.page import BLANK, Row, fact, heading, lines, row
from app.ui.widgets.queue import Pick

ROUTES = "routes"  # the row that stands for the routes
ON = Mark("✓", "on", "done")
OFF = Mark("–", "off", "calm")
BROKEN = Mark("✗", "broken", "bad")
_FIELDS = ("user", "channel", "task_type", "risk")


def project_picks(report: ProjectReport) -> list[Pick]:
    """The routes first, then every workflow file."""
    count = len(report.routes)
    default = f", default {report.default_workflow}" if report.default_workflow else ""
    text = f"routes · {count} rule{'s' * (count != 1)}{default}"
    first = Pick(ROUTES, BROKEN if report.problem else Mark("⇢", "", "live"), text)
    return [first, *(_file_pick(file) for file in report.files)]


def _file_pick(file: FileReport) -> Pick:
    if file.workflow is None:
        return Pick(file.source, BROKEN, file.source.rpartition("/")[2])
    shown = file.workflow
    count = len(shown.steps)
    mark = ON if shown.enabled else OFF
    return Pick(file.source, mark, shown.name, f"{count} step{'s' * (count != 1)}")


def file_rows(file: FileReport) -> list[Row]:
    """A workflow as a graph of steps; a broken file's one sentence."""
    if file.workflow is None:
        return [row((file.source, "strong")), BLANK, *lines(file.problem, tone="bad")]
    shown = file.workflow
    found = [*_head(shown), BLANK]
    for step in shown.steps:
        found += _step(step)
    found += [BLANK, *(r for note in shown.notes for r in lines(note, first="note: "))]
    return found[:-1] if found[-1] is BLANK else found


def _head(shown: WorkflowShown) -> Iterator[Row]:
    yield row((shown.name, "heading"), (f"  {shown.file}", "quiet"))
    if not shown.enabled:
        yield row(("switched off: enabled = true in its file lets it be used", "need"))
    if shown.description:
        yield from lines(shown.description, tone="quiet")
    for way in shown.routes or ("no route leads to it",):
        yield from lines(way, first="⇢ ", rest="  ", tone="quiet")


def _step(step: StepShown) -> Iterator[Row]:
    agents = f"  {', '.join(step.agents)}" if step.agents else ""
    needs = f"  after {', '.join(step.needs)}" if step.needs else ""
    yield row(
        ("● ", "label"),
        (step.name, "strong"),
        (f"  {step.kind.replace('_', ' ')}", "label"),
        agents,
        (needs, "quiet"),
    )
    more = [f"when {step.when}"] if step.when else []
    more += step.details
    more += [f"gate {gate}" for gate in step.gates]
    for line in more:
        yield from lines(line, first="    ", rest="      ", tone="quiet")


def route_rows(report: ProjectReport, request: Request) -> list[Row]:
    """Which workflow such a request gets, and how every rule fares with it."""
    found: list[Row] = [*lines(report.problem, tone="bad"), BLANK] if report.problem else []
    told = ", ".join(f"{name} {getattr(request, name)}" for name in _FIELDS)
    found += [heading("A request"), *lines(told), row(("e asks about another one", "quiet")), BLANK]
    choice = report.choose(request)
    if choice is None:
        words = "no rule matches and there is no default_workflow: it would be refused"
        found.append(row((words, "bad")))
    else:
        found.append(row(("gets  ", "label"), (choice.workflow, "good")))
        found += lines(choice.why, first="      ", rest="      ", tone="quiet")
    found += [BLANK, heading("Rules")]
    winner = choice.rule if choice is not None else None
    reports = report.explain(request)
    for rule, fared in zip(report.routes, reports, strict=True):
        found += _rule(rule, fared, wins=fared.index == winner)
    if not reports:
        found.append(row(("none: every request gets the default workflow", "quiet")))
    return found


def _rule(rule: RouteRule, fared: RuleReport, *, wins: bool) -> Iterator[Row]:
    mark, tone = ("✓", "good") if fared.matches else ("✗", "quiet")
    word = "taken" if wins else "matches" if fared.matches else "does not match"
    priority = f", priority {rule.priority}" if rule.priority else ""
    yield row(
        (f"{mark} {fared.index + 1}  ", tone),
        (fared.workflow, "strong"),
        (f"  {word} · score {score(rule)}{priority}", tone if wins else "quiet"),
    )
    if not fared.registered:
        yield row(("      there is no such workflow that is switched on: ignored", "need"))
    for one in fared.fields:
        if one.wanted == "*":
            continue
        fits = "✓" if one.matches else "✗"
        said = "" if one.matches else f"  (the request has {one.got})"
        tone = "good" if one.matches else "bad"
        yield row((f"      {fits} ", tone), f"{one.field} {one.wanted}", (said, "quiet"))


def request_text(request: Request) -> str:
    """What is asked about, one line a field, for a person to change."""
    return "\n".join(f"{name}: {getattr(request, name)}" for name in _FIELDS)


def parse_request(text: str) -> Request:
    """What a person made of `request_text`. Raises Refused with the line that cannot be read."""
    given: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = (part.strip() for part in line.partition(":"))
        name = name.replace("-", "_").replace(" ", "_").lower()
        if not colon or not value:
            raise Refused(f"“{line.strip()}” is not a field and its value, such as `user: ada`")
        if name not in _FIELDS:
            raise Refused(not_among(f'a request has no "{name}"', name, _FIELDS))
        given[name] = value
    risks = [str(risk) for risk in Risk]
    risk = given.pop("risk", str(Risk.MEDIUM)).lower()
    if risk not in risks:
        raise Refused(not_among(f'there is no risk "{risk}"', risk, risks))
    fields = {"text": "(any)", "risk": risk, "user": "operator", **given}
    return Request.model_validate(fields)


def declared_rows(report: ProjectReport) -> list[Row]:
    """For a project without any workflow."""
    return [
        *fact("project", report.root),
        *lines(report.problem or "it declares no workflow", tone="need"),
        row(("`longwatch init` writes a configuration and a first workflow", "quiet")),
    ]
