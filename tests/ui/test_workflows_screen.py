"""Workflows and routes: what the project declares, why a request gets a workflow, pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commands import StartRun
from app.domain.config import parse_config
from app.domain.errors import Refused
from app.domain.project_report import FileReport, ProjectReport
from app.domain.request import Request, Risk
from app.domain.workflow_check import parse_workflow
from app.domain.workflow_shown import show_workflow
from app.ui.app import ControlRoom
from app.ui.declared import parse_request, request_text
from app.ui.screens.workflows import WorkflowsScreen
from app.ui.widgets.page import Page
from tests.ui import canned
from tests.ui.answering import press
from tests.ui.conftest import room_over
from tests.ui.driving import rest, settle
from tests.ui.fakes import FakeClient
from tests.ui.pictures import SIZES, Compare, in_run, utc

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")

CONFIG = """
default_workflow = "change"
[[agent]]
name = "coder"
driver = "codex"
[[agent]]
name = "critic"
driver = "codex"
[[route]]
workflow = "release"
task_type = "release"
allow_risks = ["low", "medium"]
[[route]]
workflow = "audit"
user = "mara"
priority = 2
[[route]]
workflow = "retired"
channel = "screen"
"""
CHANGE = """
name = "change"
description = "Plan, review, implement."
[[step]]
name = "plan"
agent = "coder"
prompt = "Plan: {{ request.text }}"
[[step]]
kind = "review"
name = "plan-review"
of = "plan"
by = ["critic", "operator"]
return_to = "plan"
[[step]]
name = "implement"
agent = "coder"
prompt = "Do: {{ outputs.plan }}"
[[step.gate]]
name = "tests"
shell = "pytest -q"
"""
AUDIT = """
name = "audit"
[[step]]
name = "list"
agent = "coder"
prompt = "List the modules."
[[step]]
kind = "fan_out"
name = "audit"
for_each = "list"
agent = "coder"
prompt = "Audit {{ item }}."
[[step]]
kind = "collect"
name = "report"
of = ["audit"]
[[step]]
name = "polish"
agent = "critic"
prompt = "Polish it."
when = "'unsafe' in input"
loop = { until = "'DONE' in output", max_iterations = 3 }
"""


def declared() -> ProjectReport:
    config = parse_config(CONFIG, "longwatch.toml")
    files = [
        FileReport(
            source=f"w/{name}", workflow=show_workflow(parse_workflow(t, name), config, name)
        )
        for name, t in (("audit.toml", AUDIT), ("change.toml", CHANGE))
    ]
    off = parse_workflow(CHANGE.replace('"change"', '"release"', 1), "r").model_copy(
        update={"enabled": False}
    )
    files.append(FileReport(source="w/release.toml", workflow=show_workflow(off, config, "r")))
    broken = 'w/torn.toml:4: step[0].agnet: unknown key "agnet"; did you mean "agent"?'
    files.append(FileReport(source="w/torn.toml", problem=broken))
    return ProjectReport(
        root="/home/mara/uploader",
        routes=config.route,
        default_workflow="change",
        files=tuple(files),
        targets=("audit", "change"),
    )


def client(report: ProjectReport | None = None) -> FakeClient:
    found = FakeClient(canned.running_run())
    found.declared = report or declared()
    return found


def reading(room: ControlRoom) -> str:
    return "\n".join(row.text for row in room.screen.query_one("#text", Page).rows)


async def test_the_routes_say_why_field_by_field() -> None:
    room = room_over(client(), screen="workflows")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await rest(pilot)
        text = reading(room)
        assert "gets  audit" in text
        assert "route 2 (user mara) matches with the highest score, 208" in text
        assert "✗ task_type release  (the request has change)" in text
        assert "there is no such workflow that is switched on: ignored" in text


async def test_another_request_is_asked_about_and_a_wrong_one_says_what_is_wrong() -> None:
    room = room_over(client(), screen="workflows")
    async with room.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await rest(pilot)
        await press(pilot, "e", *["backspace"] * 6, *"hihg", "enter")
        await rest(pilot)
        assert not isinstance(room.screen, WorkflowsScreen)
        await press(pilot, *["backspace"] * 4, *"high", "ctrl+j", *"user: bob", "enter")
        await rest(pilot)
        assert isinstance(room.screen, WorkflowsScreen)
        assert room.screen.request == Request(
            text="(any)", user="bob", channel="screen", risk=Risk.HIGH
        )
        assert "gets  change" in reading(room)
        assert "no route matches: the default workflow" in reading(room)


async def test_a_run_of_the_chosen_workflow_is_started() -> None:
    over = client()
    room = room_over(over, screen="workflows")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await rest(pilot)
        await press(pilot, "n", "j", "j", "j", "n", "j", "n")
        assert isinstance(room.screen, WorkflowsScreen), "not of routes, nor of what is off or torn"
        assert "did you mean" in reading(room)
        await press(pilot, "k", "k", "n", *"go", "enter")
        await rest(pilot)
        (command,) = over.commands
        assert isinstance(command, StartRun)
        assert (command.workflow, command.request.text) == ("change", "go")


async def test_what_cannot_be_read_says_why_and_is_read_again() -> None:
    over = client()
    over.refuse = Refused("/home/mara/uploader is not a git repository")
    room = room_over(over, screen="workflows")
    async with room.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await rest(pilot)
        assert "is not a git repository" in reading(room)
        await press(pilot, "j", "n", "e")
        over.refuse = None
        await press(pilot, "r")
        await rest(pilot)
        assert "gets  audit" in reading(room)


@given(text=st.text())
def test_any_text_is_a_request_or_has_a_sentence(text: str) -> None:
    try:
        request = parse_request(text)
    except Refused as error:
        assert str(error)
    else:
        assert parse_request(request_text(request)) == request


STATES: dict[str, tuple[ProjectReport | None, tuple[str, ...]]] = {
    "routes": (None, ()),
    "workflow": (None, ("j", "j")),
    "graph": (None, ("j",)),
    "off": (None, ("j", "j", "j")),
    "broken": (None, ("j", "j", "j", "j")),
    "why": (None, ("e",)),
    "empty": (ProjectReport(root="/home/mara/uploader", problem="no longwatch.toml in it"), ()),
}


@SIZES
@pytest.mark.parametrize("name", list(STATES))
def test_workflows(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    report, keys = STATES[name]
    room = room_over(client(report), screen="workflows")
    assert snap_compare(room, terminal_size=size, run_before=in_run(*keys))
