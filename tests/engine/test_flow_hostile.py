"""What flows through a run is made by agents: hostile or odd, it stops no run for ever."""

from __future__ import annotations

import json

from app.domain.flow import final_output
from app.domain.task_state import TaskState
from tests.engine.test_flow import Making, agent, world

__all__ = ["world"]


def each(prompt: str) -> str:
    return (
        '[[step]]\nname = "each"\nkind = "fan_out"\nagent = "coder"\nfor_each = "list"\n'
        f'prompt = "{prompt}"\n'
    )


async def test_half_a_surrogate_pair_in_a_list_is_shown_as_such(world: Making) -> None:
    listed = json.dumps(["a\ud800b", {"\udfff": "x"}])
    w = world(lambda spec, prompt: listed if "list" in prompt.text else prompt.text.strip())
    w.workflow(agent("list", "list") + each("{{ item }}"))
    state = await w.to_the_end()
    assert state.run.state is TaskState.DONE, state.run.reason
    assert final_output(state).startswith("a\ufffdb\n\n---\n\n{")
