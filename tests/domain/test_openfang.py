"""Workflows of OpenFang: every mode and both spellings load, and mean here what they meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import ConfigError
from app.domain.openfang import Imported, import_openfang
from app.domain.prompt_context import PromptContext
from app.domain.prompts import holds, render_agent_prompt
from app.domain.request import Request
from app.domain.step import AgentStep, CollectStep, Loop, ReviewStep
from app.domain.toml_source import FileErrors
from app.domain.workflow_check import parse_workflow
from app.domain.workflow_toml import workflow_toml

AGENTS = ("coder", "reviewer")
SOURCE = "ship.json"


def step(name: str, prompt: str = "{{input}}", mode: Any = "sequential", **more: Any) -> Any:
    return {
        "name": name,
        "agent": {"name": "coder"},
        "prompt_template": prompt,
        "mode": mode,
        "timeout_secs": 60,
        "error_mode": "fail",
        **more,
    }


def review(name: str, back: str, **more: Any) -> Any:
    mode = {"review": {"reject_if_contains": "REJECT", "return_to_step": back, **more}}
    return step(name, "Judge: {{input}}", mode, agent={"name": "reviewer"})


def load(*steps: Any, **more: Any) -> Imported:
    text = json.dumps({"name": "ship", "description": "", "steps": steps, **more})
    found = import_openfang(text, SOURCE, AGENTS)
    again = parse_workflow(workflow_toml(found.workflow, found.notes), "ship.toml", AGENTS)
    assert again == found.workflow
    return found


def agent_step(found: Imported, name: str) -> AgentStep:
    made = found.workflow.step(name)
    assert isinstance(made, AgentStep)
    return made


def asked(found: Imported, name: str, input: str = "in", iteration: int = 0, **outputs: str) -> str:
    names = {s.name: "" for s in found.workflow.steps}
    context = PromptContext(
        request=Request(text="the request", user="ada"),
        input=input,
        outputs=names | outputs,
        iteration=iteration,
    )
    return render_agent_prompt(agent_step(found, name), context).strip()


def when(found: Imported, name: str, input: str) -> bool:
    context = PromptContext(request=Request(text="r", user="ada"), input=input)
    return holds(agent_step(found, name).when, "when", context, name)


def until(found: Imported, name: str, output: str) -> bool:
    loop = agent_step(found, name).loop
    assert loop is not None
    context = PromptContext(request=Request(text="r", user="ada"), output=output)
    return holds(loop.until, "until", context, name)


def test_sequential_steps_follow_each_other() -> None:
    found = load(step("one", "1 {{input}}"), step("two", "2 {{input}}"))
    assert found.workflow.needs() == {"one": (), "two": ("one",)}
    assert asked(found, "two", "x") == "2 x"
    assert agent_step(found, "one").timeout_seconds == 60
    assert found.notes == ()


def test_a_fan_out_is_parallel_steps_and_the_next_sees_its_last_branch() -> None:
    found = load(
        step("plan"),
        step("a", mode="fan_out"),
        step("b", mode="fan_out"),
        step("after", "got {{input}}"),
    )
    assert found.workflow.needs() == {
        "plan": (),
        "a": ("plan",),
        "b": ("plan",),
        "after": ("a", "b"),
    }
    assert asked(found, "after", "joined", a="A", b="B") == "got B"


def test_the_input_of_a_skipped_last_branch_is_the_one_before() -> None:
    found = load(
        step("plan"),
        step("a", mode="fan_out"),
        step("b", mode="fan_out", error_mode="skip"),
        step("after", "got {{input}}"),
    )
    assert asked(found, "after", a="A", b="") == "got A"


def test_a_collect_joins_the_group_before_it() -> None:
    found = load(
        step("plan"),
        step("a", mode="fan_out"),
        step("b", mode="fan_out"),
        step("sum", mode="collect", output_var="all"),
        step("end", "{{input}} and {{all}}"),
    )
    made = found.workflow.step("sum")
    assert isinstance(made, CollectStep)
    assert (made.of, made.take, made.template) == (("a", "b"), "all", "")
    assert asked(found, "end", "joined", sum="S") == "joined and S"


def test_a_collect_without_a_group_joins_all_since_the_last_one() -> None:
    found = load(
        step("a", mode="fan_out"),
        step("b", mode="fan_out"),
        step("between"),
        step("sum", mode="collect"),
        step("more"),
        step("sum2", mode="collect"),
    )
    first, second = found.workflow.step("sum"), found.workflow.step("sum2")
    assert isinstance(first, CollectStep) and isinstance(second, CollectStep)
    assert first.of == ("a", "b", "between")
    assert second.of == ("sum", "more")


def test_a_collect_of_nothing_is_left_out_and_told() -> None:
    found = load(step("sum", mode="collect", output_var="v"), step("one", "{{v}}"))
    assert [s.name for s in found.workflow.steps] == ["one"]
    assert "steps[0]: there is nothing to collect yet: left out" in found.notes
    assert asked(found, "one") == "the request"


def test_a_run_that_ends_in_a_fan_out_has_its_last_branchs_output() -> None:
    found = load(step("a", mode="fan_out"), step("b", mode="fan_out"))
    last = found.workflow.steps[-1]
    assert isinstance(last, CollectStep)
    assert (last.of, last.template) == (("a", "b"), '{{ outputs["b"] }}')


def test_a_condition_is_contained_whatever_its_case() -> None:
    found = load(step("one"), step("fix", mode={"conditional": {"condition": 'Err"or\n'}}))
    assert when(found, "fix", 'an eRR"OR\n here')
    assert not when(found, "fix", "fine")


def test_an_empty_condition_always_holds() -> None:
    found = load(step("one"), step("fix", mode={"conditional": {"condition": ""}}))
    assert agent_step(found, "fix").when == ""


def test_a_loop_ends_at_a_word() -> None:
    found = load(step("grow", mode={"loop": {"max_iterations": 3, "until": "DONE"}}))
    loop = agent_step(found, "grow").loop
    assert isinstance(loop, Loop)
    assert loop.max_iterations == 3
    assert until(found, "grow", "it is done")
    assert not until(found, "grow", "not yet")


def test_a_loop_without_a_word_ends_at_once() -> None:
    found = load(step("grow", mode={"loop": {"max_iterations": 3, "until": ""}}))
    assert until(found, "grow", "")


def test_a_loop_of_no_iterations_is_never_run() -> None:
    found = load(step("grow", mode={"loop": {"max_iterations": 0, "until": "x"}}), step("end"))
    assert not when(found, "grow", "anything")
    assert agent_step(found, "grow").loop is None


def test_a_loop_after_a_fan_out_takes_its_own_last_output() -> None:
    found = load(
        step("a", mode="fan_out"),
        step("b", mode="fan_out"),
        step("grow", "{{input}}", {"loop": {"max_iterations": 2, "until": "x"}}),
    )
    assert asked(found, "grow", "joined", 1, b="B") == "B"
    assert asked(found, "grow", "mine", 2, b="B") == "mine"


def test_a_review_judges_the_step_before_and_goes_back_by_name_in_any_case() -> None:
    found = load(step("Plan it"), step("do"), review("check", "PLAN IT", max_rejects=2))
    made = found.workflow.step("check")
    assert isinstance(made, ReviewStep)
    assert (made.of, made.by, made.return_to) == ("do", ("reviewer",), "Plan-it")
    assert (made.reject_if_contains, made.max_rejects) == ("REJECT", 2)
    assert made.prompt == "Judge: {{ artefact }}"
    assert load(step("a"), review("r", "a")).workflow.step("r").max_rejects == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("back", ["nowhere", "check", "later"])
def test_a_review_must_go_back_to_a_step_before(back: str) -> None:
    with pytest.raises(ConfigError, match=r"ship\.json.*return_to_step.*not a step before"):
        load(step("plan"), review("check", back), step("later"))


def test_a_review_of_what_may_be_skipped_judges_what_flowed_on() -> None:
    found = load(
        step("plan"),
        step("fix", mode={"conditional": {"condition": "x"}}),
        review("check", "plan"),
        step("end"),
    )
    made = found.workflow.step("check")
    assert isinstance(made, ReviewStep)
    bridge = found.workflow.step(made.of)
    assert isinstance(bridge, CollectStep)
    assert bridge.template == '{{ (outputs["fix"] or outputs["plan"]) }}'


def test_a_review_may_go_back_to_a_branch_beside_the_one_that_flows_on() -> None:
    found = load(
        step("a", mode="fan_out"),
        step("b", mode="fan_out"),
        review("first", "b"),
        review("second", "a"),
    )
    made = found.workflow.step("second")
    assert isinstance(made, ReviewStep)
    assert found.workflow.step(made.of).kind == "collect"
    assert any("only branch a is made again" in note for note in found.notes)


def test_a_collect_of_a_skipped_fan_out_joins_what_was_there_before() -> None:
    found = load(
        step("one"),
        step("a", mode="fan_out", error_mode="skip"),
        step("sum", mode="collect"),
        review("check", "one"),
    )
    made = found.workflow.step("check")
    assert isinstance(made, ReviewStep) and made.of == "sum"
    collect = found.workflow.step("sum")
    assert isinstance(collect, CollectStep)
    assert (collect.of, collect.on_error) == (("one", "a"), "fail")
    assert collect.template.startswith('{{ ([outputs["a"]] | select | join(')


def test_what_a_review_says_reaches_an_earlier_step_by_its_variable() -> None:
    check = review("check", "plan") | {"output_var": "feedback"}
    found = load(step("plan", "{{input}} {{feedback}}"), check)
    context = PromptContext(Request(text="r", user="u"), input="in", reasons=("do X",))
    assert render_agent_prompt(agent_step(found, "plan"), context) == "in do X\n"


@pytest.mark.parametrize(
    ("spelling", "on_error", "retries"),
    [
        ({"error_mode": "fail"}, "fail", 0),
        ({"error_mode": "skip"}, "skip", 0),
        ({"error_mode": None}, "fail", 0),
        ({"error_mode": {"fail": None}}, "fail", 0),
        ({"error_mode": "retry", "max_retries": 2}, "block", 2),
        ({"error_mode": "retry"}, "block", 3),
        ({"error_mode": {"retry": {"max_retries": 4}}}, "block", 4),
        ({"error_mode": {"retry": {}}}, "block", 3),
        ({"error_mode": {"retry": 7}}, "block", 7),
    ],
)
def test_both_spellings_of_the_error_mode(spelling: Any, on_error: str, retries: int) -> None:
    made = agent_step(load(step("one", **spelling)), "one")
    assert (made.on_error, made.retry.max_retries) == (on_error, retries)
    if on_error == "block":
        wanted = {"rate_limit", "overloaded", "broken_pipe", "timeout", "protocol"}
        assert set(made.retry.on) == wanted


def test_the_flat_form_of_the_api_means_the_same() -> None:
    flat: list[Any] = [
        {"name": "plan", "agent_name": "coder", "prompt": "P {{input}}"},
        {"name": "fix", "agent_name": "coder", "mode": "conditional", "condition": "bad"},
        {"name": "grow", "agent_name": "coder", "mode": "loop", "until": "ok"},
        {
            "name": "check",
            "agent_name": "reviewer",
            "mode": "review",
            "reject_if_contains": "no",
            "return_to_step": "plan",
        },
    ]
    found = load(*flat)
    assert agent_step(found, "plan").timeout_seconds == 120
    assert asked(found, "fix", "x") == "x"
    assert when(found, "fix", "BAD")
    loop = agent_step(found, "grow").loop
    assert loop is not None and loop.max_iterations == 5
    assert isinstance(found.workflow.step("check"), ReviewStep)


@pytest.mark.parametrize(
    "text",
    [
        'a { "b": {"c": 1} }',
        "{% if x %}{% endif %}",
        "{# no comment #}",
        "{{ input }} {{ request.text }}",
        "{{{{}}}}",
        '{{ "{" }}',
        "%}{{",
        "# line\n## line",
        '\\n \\ \'q\' "q" """q',
    ],
)
def test_braces_stay_what_they_are(text: str) -> None:
    found = load(step("one", text + "|{{input}}"))
    assert asked(found, "one", "{{var}} {% x %}") == text + "|{{var}} {% x %}"


def test_only_exact_placeholders_are_replaced_and_in_one_pass() -> None:
    found = load(
        step("one", output_var="v"),
        step("two", "{{{v}}} {{input}} {{ v }} {{w}}"),
    )
    assert asked(found, "two", "{{v}}", one="{{input}}") == "{{{input}}} {{v}} {{ v }} {{w}}"
    assert any("{{w}}" in note for note in found.notes)


def test_a_variable_of_a_skipped_step_keeps_the_value_before() -> None:
    found = load(
        step("one", output_var="v"),
        step("two", output_var="v", error_mode="skip"),
        step("three", "{{v}} {{u}}", error_mode="skip", output_var="u"),
        step("four", "{{v}} {{u}}"),
    )
    assert asked(found, "four", one="1", two="", three="") == "1 {{u}}"
    assert asked(found, "four", one="1", two="2", three="3") == "2 3"


def test_names_become_ours_are_unique_and_their_originals_are_kept() -> None:
    found = load(step("Größe prüfen!"), step("grosse-prufen"), step("1st"), step("1st"), id="7f")
    names = [s.name for s in found.workflow.steps]
    assert names == ["Groe-prufen", "grosse-prufen", "step-1st", "step-1st-2"]
    assert "step Groe-prufen: Größe prüfen!" in found.workflow.description
    assert '"ship" (7f)' in found.workflow.description


def test_unknown_keys_are_told() -> None:
    odd = step("one", mode={"loop": {"max_iterations": 1, "until": "x", "foo": 1}}, bar=2)
    found = load(odd, baz=3)
    said = " ".join(found.notes)
    assert all(key in said for key in ("steps[0].mode.loop.foo", "steps[0].bar", "baz"))


def test_an_agent_that_does_not_exist_is_a_clear_sentence() -> None:
    for agent in ({"name": "codr"}, {"id": "6f1"}):
        with pytest.raises(FileErrors) as caught:
            load(step("one", agent=agent))
        assert 'ship.json:1: steps[0].agent: no agent "' in str(caught.value)
        assert "longwatch.toml" in str(caught.value)


def test_the_operator_is_no_agent() -> None:
    text = json.dumps({"name": "x", "steps": [step("one", agent={"name": "operator"})]})
    with pytest.raises(ConfigError, match='no agent "operator"'):
        import_openfang(text, SOURCE)


def test_every_mistake_is_told_with_its_place() -> None:
    text = """{"name": "x", "steps": [
  {"name": "a", "agent": {"name": "coder"}, "mode": "sequental"},
  {"name": "b", "mode": {"loop": []},
   "timeout_secs": 0}
]}"""
    with pytest.raises(FileErrors) as caught:
        import_openfang(text, SOURCE, AGENTS)
    places = {(p.line, p.key) for p in caught.value.problems}
    assert places == {
        (2, "steps[0].mode"),
        (3, "steps[1].mode.loop"),
        (3, "steps[1].agent"),
        (4, "steps[1].timeout_secs"),
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"error_mode": {"retry": []}}, "error_mode.retry: must be an object, not a list"),
        ({"error_mode": {"retry": ""}}, 'error_mode.retry: must be an object, not ""'),
        ({"error_mode": {"retry": False}}, "error_mode.retry: must be an object, not false"),
        ({"error_mode": {"retry": {"max_retries": -1}}}, "must be at least 0, not -1"),
        ({"mode": {"loop": []}}, "mode.loop: must be an object, not a list"),
        ({"mode": [None]}, "mode: a list is no mode"),
    ],
)
def test_a_setting_of_another_type_is_never_taken_for_a_default(
    changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load({**step("one"), **changed})
    assert says in str(caught.value)


def test_a_number_without_end_is_one_sentence() -> None:
    text = '{"name": "x", "steps": ' + "9" * 5000 + "}"
    with pytest.raises(ConfigError, match=r"^ship\.json: a number has too many digits$"):
        import_openfang(text, SOURCE, AGENTS)


def test_a_mode_of_null_is_none_at_all() -> None:
    (made,) = load(step("one", mode=None)).workflow.steps
    assert isinstance(made, AgentStep)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "9" * 5000, "NaN", '{"a":1,"a":2}', '"\\ud800"', "[]", "null", "{}"],
)
def test_what_is_no_workflow_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^ship\.json"):
        import_openfang(text, SOURCE, AGENTS)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_words = st.sampled_from(["input", "v", "{{input}}", "{{v}}", "{{", "{%", "{#", "}}", '"', "\\"])
_text = st.lists(_words | st.text(max_size=4), max_size=5).map("".join)
_modes = st.one_of(
    st.sampled_from(["sequential", "fan_out", "collect"]),
    st.fixed_dictionaries({"conditional": st.fixed_dictionaries({"condition": _text})}),
    st.builds(
        lambda n, word: {"loop": {"max_iterations": n, "until": word}},
        st.integers(0, 2000),
        _text,
    ),
    st.builds(
        lambda word, back: {"review": {"reject_if_contains": word, "return_to_step": back}},
        _text,
        st.sampled_from(["a", "B", "c d", "e"]),
    ),
)
_steps = st.builds(
    step,
    st.sampled_from(["a", "b", "C D", "é", ""]),
    _text.map(lambda text: f"p{text}"),
    _modes,
    output_var=st.none() | st.sampled_from(["v", "input", "w"]),
    error_mode=st.sampled_from(["fail", "skip", "retry", {"retry": {"max_retries": 1}}]),
)
_workflows = st.builds(
    lambda steps, name: {"name": name, "steps": steps},
    st.lists(_steps, min_size=1, max_size=6),
    _text,
)


def _loads_or_is_refused(value: Any) -> bool:
    try:
        found = import_openfang(json.dumps(value), SOURCE, AGENTS)
    except ConfigError as error:
        assert str(error).startswith(SOURCE)
        return False
    again = parse_workflow(workflow_toml(found.workflow, found.notes), "ship.toml", AGENTS)
    assert again == found.workflow
    return True


@settings(max_examples=200, deadline=None)
@given(_workflows, st.data())
def test_what_openfang_would_run_loads_and_goes_through_toml(value: Any, data: Any) -> None:
    steps, working = list[Any](), list[str]()
    for number, one in enumerate(value["steps"]):
        one["name"] += f" {number}"
        mode = one["mode"]
        if isinstance(mode, dict) and "review" in mode:
            if not working:
                continue
            mode["review"]["return_to_step"] = data.draw(st.sampled_from(working))
        elif mode != "collect":
            working.append(one["name"])
        steps.append(one)
    assert _loads_or_is_refused(value | {"steps": steps}) is bool(working)


@settings(max_examples=200, deadline=None)
@given(_workflows, _json, st.data())
def test_any_value_anywhere_is_a_workflow_or_a_clear_refusal(
    value: Any, odd: Any, data: st.DataObject
) -> None:
    places = list(_places(value))
    owner, key = data.draw(st.sampled_from(places))
    owner[key] = odd
    assert _loads_or_is_refused(value) in (True, False)


def _places(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
