"""A model that is away: the switch is in the journal, in the transcript, and over with the turn."""

from __future__ import annotations

from pathlib import Path

from app.domain import events as ev
from app.engine.supervisor import Supervisor
from app.ui.widgets.panes import pane_content
from tests.support.model_server import ModelServer
from tests.support.puppet import a_project
from tests.support.runs import start, until

CONFIG = """
default_workflow = "change"

[[agent]]
name = "coder"
driver = "model"
model = "local/first"
fallbacks = ["local/second"]
base_url = "{url}"
api = "chat"
"""


async def test_a_switch_is_journaled_and_shown(tmp_path: Path) -> None:
    with ModelServer() as model:
        model.errors["first"] = 401
        project = a_project(tmp_path / "p", config=CONFIG.format(url=model.base_url))
        supervisor = await Supervisor.open(tmp_path / "store")
        try:
            run_id = await start(supervisor, project, "now\nSAY: hello")
            state = await until(supervisor, run_id, lambda s: s.run.state.terminal)
            events = [event.payload for event in await supervisor.events(run_id)]
            (switched,) = [one for one in events if isinstance(one, ev.ModelSwitched)]
            assert (switched.before, switched.model) == ("local/first", "local/second")
            assert switched.why.startswith("model local/first: ")
            (session,) = state.sessions.values()
            assert "on local/second" in pane_content(state, session).about
            transcript = await supervisor.transcript(run_id, session.session_id)
            (said,) = [c.text for c in transcript if "going on with local/second" in c.text]
            assert said.endswith("going on with local/second for this turn")
            assert (await supervisor.verify()).ok
        finally:
            await supervisor.close()
