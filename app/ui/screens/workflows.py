"""Workflows and routes: what the project declares, and which workflow a request would get."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from app.domain.commands import StartRun
from app.domain.errors import LongwatchError, Refused
from app.domain.project_report import FileReport, ProjectReport
from app.domain.request import Request
from app.domain.text import one_line
from app.ui.declared import (
    ROUTES,
    declared_rows,
    file_rows,
    parse_request,
    project_picks,
    request_text,
    route_rows,
)
from app.ui.keys import beside, reading_keys
from app.ui.page import Row, row
from app.ui.run_actions import ATTACHES
from app.ui.screens.dialogs import AskText
from app.ui.screens.listing import ListScreen
from app.ui.theme import style
from app.ui.typed import split_attached
from app.ui.view import Changes
from app.ui.widgets.page import Page
from app.ui.widgets.queue import PickList

_HINT = "Enter asks · Ctrl+J new line · Esc back"


class WorkflowsScreen(ListScreen):
    """The list on the left (or on top) chooses what the text is about: the routes, a workflow."""

    CSS_PATH = [style("dialogs"), style("approvals"), style("workflows")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "full", "Full", id="flows.full"),
        Binding("e", "why", "Why this route", id="flows.why"),
        Binding("n", "new_run", "New run of it", id="flows.new"),
        Binding("r", "reload", "Read again", id="flows.reload"),
        *reading_keys("flows"),
    ]
    LIST = "files"
    MARK_CELLS = 9

    def __init__(self) -> None:
        super().__init__()
        self._report: ProjectReport | None = None
        self._problem = ""
        self._chosen = ROUTES
        self._request: Request | None = None

    def on_mount(self) -> None:
        self.action_reload()

    # -- reading and drawing

    def view_changed(self, changes: Changes) -> None:
        if not self.is_mounted:
            return
        self.draw_status()
        if self._report is None and not self._problem:
            self.action_reload()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.action_reload()  # the files may have been edited meanwhile

    def action_reload(self) -> None:
        if self.client is not None:
            self.run_worker(self._read(), group="project", exclusive=True)

    async def _read(self) -> None:
        if self.client is None:
            return
        try:
            self._report = await self.client.project(str(self.room.project))
            self._problem = ""
        except LongwatchError as error:
            self._report, self._problem = None, str(error)
        self._draw()

    @property
    def request(self) -> Request:
        """What the routes are asked about."""
        return self._request or Request(text="(any)", user=self.me.name, channel="screen")

    def _draw(self) -> None:
        report = self._report
        picks = project_picks(report) if report is not None else []
        if self._chosen not in [pick.item_id for pick in picks]:
            self._chosen = ROUTES
        self.query_one("#files", PickList).show(picks, self._chosen)
        place = one_line(report.root if report is not None else str(self.room.project), 200)
        self.query_one("#head", Static).update(Content.styled(place, "#98a2ac"))
        name = (self._chosen, self.request)
        self.query_one("#text", Page).show(self._rows(report), name=name)
        self.refresh_bindings()

    def _rows(self, report: ProjectReport | None) -> list[Row]:
        if report is None:
            return [row((self._problem or "reading…", "bad" if self._problem else "quiet"))]
        if not report.files:
            return declared_rows(report)
        file = self._file()
        return file_rows(file) if file is not None else route_rows(report, self.request)

    def _file(self) -> FileReport | None:
        """The chosen workflow file; None for the routes."""
        files = self._report.files if self._report is not None else ()
        return next((file for file in files if file.source == self._chosen), None)

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "new_run" and self.is_mounted:
            file = self._file()
            return file is not None and file.workflow is not None and file.workflow.enabled
        if action == "why":
            return self._report is not None and bool(self._report.files)
        return super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        if self._report is None:
            return
        rows = [pick.item_id for pick in project_picks(self._report)]
        self._chosen = beside(rows, self._chosen, by)
        self._draw()

    def on_pick_list_picked(self, message: PickList.Picked) -> None:
        self._chosen = message.item_id
        self._draw()

    def action_why(self) -> None:
        async def ask(text: str) -> bool:
            try:
                self._request = parse_request(text)
            except Refused as error:
                self.notify(str(error), severity="error", markup=False)
                return False
            self._chosen = ROUTES
            self._draw()
            return True

        self.room.drafts.setdefault("why", request_text(self.request))
        title = "Which workflow does such a request get?"
        self.app.push_screen(AskText(title, _HINT, ask, draft="why"))

    def action_new_run(self) -> None:
        file = self._file()
        if file is None or file.workflow is None:
            return
        workflow = file.workflow.name

        async def start(text: str) -> bool:
            project = self.room.project
            text, files = split_attached(text, project)
            request = Request(text=text, user=self.me.name, channel="screen")
            command = StartRun(
                request=request, project=str(project), workflow=workflow, attach=files
            )
            done = await self.send(command)
            if done is not None and done.run_id is not None:
                # Once this dialog is gone: it must not wait under the run.
                self.app.call_later(self.room.open_run, done.run_id)
            return done is not None

        title = f"New run of workflow {workflow}: what is to be done?"
        self.app.push_screen(AskText(title, ATTACHES, start, draft=f"new-run-{workflow}"))
