"""Reading TOML: lines are found, and every kind of mistake has its exact sentence."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import ConfigError
from app.domain.toml_lines import KeyPath, key_lines, line_of
from app.domain.toml_source import FileErrors, load_toml
from app.domain.workflow import Workflow

STEP = '[[step]]\nname = "a"\nagent = "x"\nprompt = "p"\n'

BROKEN = [
    ("name = ", "f.toml:1: not valid TOML: Invalid value"),
    ('name = "x', "f.toml:1: not valid TOML: Unterminated string"),
    ("a = 1\nb = = 2\n", "f.toml:2: not valid TOML: Invalid value (column 5)"),
    ("a = " + "[" * 3000, "f.toml: tables or lists are nested too deep"),
    ("step = [\n1,\n", "f.toml:2: not valid TOML: Invalid value"),
    ('name = "a"\nname = "b"', "f.toml:2: not valid TOML: Cannot overwrite a value"),
    (STEP, "f.toml: name: this key is missing"),
    ('name = "w"', "f.toml: step: this key is missing"),
    ('name = "w"\nstep = []', "f.toml:2: step: needs at least one entry"),
    ('name = "w"\nstep = 3', "f.toml:2: step: must be a list in [ ], not 3"),
    ('name = "w"\nstep = ["a"]', 'f.toml:2: step[0]: must be a table, not "a"'),
    ("name = 1979-05-27\n" + STEP, "f.toml:1: name: a date or time has no place here; for text,"),
    (
        'name = "9 lives"\n' + STEP,
        'f.toml:1: name: "9 lives" is not a name: a letter, then letters, digits, _ or -, up to 64',
    ),
    (
        'name = "w"\ndescripton = "d"\n' + STEP,
        'f.toml:2: descripton: unknown key; did you mean "description"? '
        "Allowed: description, enabled, enforce, max_cost_usd, max_parallel, max_tokens, name, "
        "step, timeout_seconds",
    ),
    (
        'name = "w"\n' + STEP + 'promt = "p"\n',
        'f.toml:6: step[0].promt: unknown key; did you mean "prompt"? '
        "Allowed: agent, gate, kind, loop, name, needs",
    ),
    (
        'name = "w"\n' + STEP + "zzz = 1\n",
        "f.toml:6: step[0].zzz: unknown key. Allowed: agent, gate, kind, loop, name, needs",
    ),
    (
        'name = "w"\n' + STEP + 'kind = "reviw"\n',
        'f.toml:6: step[0].kind: "reviw" is not allowed; did you mean "review"? '
        "Allowed: agent, fan_out, collect, review, gate, question, workflow",
    ),
    (
        'name = "w"\n' + STEP + 'kind = ["review"]\n',
        'f.toml:6: step[0].kind: a list is not allowed; did you mean "review"? '
        "Allowed: agent, fan_out, collect, review, gate, question, workflow",
    ),
    (
        'name = "w"\n' + STEP + "timeout_seconds = 0\n",
        "f.toml:6: step[0].timeout_seconds: must be greater than 0, not 0",
    ),
    (
        'name = "w"\n' + STEP + 'timeout_seconds = "600"\n',
        'f.toml:6: step[0].timeout_seconds: must be a number, not "600"',
    ),
    (
        'name = "w"\n' + STEP + "timeout_seconds = inf\n",
        "f.toml:6: step[0].timeout_seconds: must be a finite number, not inf",
    ),
    (
        'name = "w"\n' + STEP.replace('"p"', '""'),
        "f.toml:5: step[0].prompt: must not be empty",
    ),
    (
        'name = "w"\n' + STEP.replace('"p"', "true"),
        "f.toml:5: step[0].prompt: must be a string, not true",
    ),
    (
        'name = "w"\n' + STEP + '\n[[step.gate]]\nname = "g"\nshell = "x"\nmax_returns = 101\n',
        "f.toml:10: step[0].gate[0].max_returns: must be at most 100, not 101",
    ),
    (
        'name = "w"\n' + STEP + '\n[[step.gate]]\nname = "g"\nshell = "x"\nmax_returns = 1.5\n',
        "f.toml:10: step[0].gate[0].max_returns: must be a whole number, not 1.5",
    ),
    (
        'name = "w"\n' + STEP + '\n[[step.gate]]\nname = "g"\nshell = "x"\non_failure = "blok"\n',
        'f.toml:10: step[0].gate[0].on_failure: "blok" is not allowed; did you mean "block"? '
        "Allowed: return, block, fail",
    ),
    (
        'name = "w"\n' + STEP + '[[step]]\nkind = "review"\nname = "r"\nby = ["x"]\nof = "a"\n',
        "f.toml:6: step[1].return_to: this key is missing",
    ),
    (
        'name = "w"\n' + STEP + '[step.gate]\nname = "g"\n',
        "f.toml:6: step[0].gate: must be a list in [ ], not a table",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN, ids=[s[:60] for _, s in BROKEN])
def test_a_broken_file_has_one_exact_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_toml(text, "f.toml", Workflow)
    assert str(caught.value).startswith(sentence)


def test_all_problems_of_a_file_are_counted_and_kept_by_line() -> None:
    text = 'name = "w"\n[[step]]\nname = "a"\nagnet = "x"\ntimeout_seconds = -1\n'
    with pytest.raises(FileErrors) as caught:
        load_toml(text, "f.toml", Workflow)
    assert str(caught.value) == (
        "f.toml:2: step[0].agent: this key is missing (and 3 more problems in this file)"
    )
    assert [(p.line, p.key) for p in caught.value.problems] == [
        (2, "step[0].agent"),
        (2, "step[0].prompt"),
        (4, "step[0].agnet"),
        (5, "step[0].timeout_seconds"),
    ]
    assert (caught.value.source, caught.value.line, caught.value.key) == (
        "f.toml",
        2,
        "step[0].agent",
    )


def test_an_escape_sequence_in_a_file_does_not_reach_the_terminal() -> None:
    text = 'name = "\\u001b[2J"\n"\\u001b]0;x" = 1\n' + STEP
    with pytest.raises(FileErrors) as caught:
        load_toml(text, "f.toml", Workflow)
    told = [str(caught.value), *(p.key + p.message for p in caught.value.problems)]
    assert len(told) == 3
    assert not any("\x1b" in words for words in told)


def test_an_agent_step_need_not_name_its_kind() -> None:
    workflow = load_toml('name = "w"\n' + STEP, "f.toml", Workflow)
    assert workflow.steps[0].kind == "agent"


def test_lines_are_found_past_strings_comments_arrays_and_nested_tables() -> None:
    text = '''\
a = """
[not.a.table]
b = 1 \\""" ""\"""
c = [  # [x]
  "]", '#', {d = 1},
]
"quoted key".sub = 'it''s'
[[t]]
x = 1
[[t.u]]
y = 2
[t.v]
z = \'\'\'
[[t]]
\'\'\'
[[t]]
[[t.u]]
[[t.u]]
y = 3
'''
    text = text.replace("'it''s'", "'it'").replace('""\\"""', '"""')
    text = text.replace('b = 1 \\""" """', 'b = 1 \\"\\"\\" """')
    assert tomllib.loads(text)["t"][1]["u"][1]["y"] == 3
    lines = key_lines(text)
    expected: dict[KeyPath, int] = {
        ("a",): 1,
        ("c",): 4,
        ("quoted key", "sub"): 7,
        ("t", 0, "x"): 9,
        ("t", 0, "u", 0): 10,
        ("t", 0, "u", 0, "y"): 11,
        ("t", 0, "v", "z"): 13,
        ("t", 1): 16,
        ("t", 1, "u", 1, "y"): 19,
    }
    assert {path: lines.get(path) for path in expected} == expected
    assert ("b",) not in lines
    assert line_of(lines, ("c", 2, "d")) == 4
    assert line_of(lines, ("nowhere",)) is None


def test_windows_line_ends_do_not_move_the_lines() -> None:
    assert key_lines('a = 1\r\nb = """\r\nx\r\n"""\r\nc = 2\r\n') == {
        ("a",): 1,
        ("b",): 2,
        ("c",): 5,
    }


_KEYS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
_VALUES = st.sampled_from(
    [
        "1",
        '"a # b"',
        "'['",
        '"""\n[x]\ny = 1\n"""',
        "'''\n\"\n'''",
        "[1, [2,\n 3] # ]\n]",
        "{k = 1}",
    ]
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=8), st.lists(_VALUES, max_size=4))
def test_every_key_stands_on_the_line_that_is_named(top: dict[str, str], tables: list[str]) -> None:
    statements = [f"{key} = {value}" for key, value in top.items()]
    statements += [f"[[T]]\nkey = {value}" for value in tables]
    text = "\n\n".join(statements) + "\n"
    data: dict[str, Any] = tomllib.loads(text)
    source, lines = text.split("\n"), key_lines(text)
    for key in top:
        assert source[lines[(key,)] - 1].startswith(f"{key} = ")
    for number in range(len(data.get("T", []))):
        assert source[lines[("T", number)] - 1] == "[[T]]"
        assert lines[("T", number, "key")] == lines[("T", number)] + 1


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(FileErrors) as caught:
        load_toml(text, "f.toml", Workflow)
    assert caught.value.problems
    assert isinstance(key_lines(text), dict)
