"""Two configurations in one file: what is yours stays to the byte, names are never taken over."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Refused
from app.migrate.merge import all_entries, merge_config, renamed, taken_names
from app.migrate.toml_tables import read_pieces
from tests.support.moving import CONFIG

THEIRS = '''# mine
[[agent]]  # the coder
name = "coder"
instructions = """
[[agent]]
# not a comment
"""

[[route]]
workflow = "change"

# a second one
[[agent]]
name = "critic"
[agent.more]
key = 1

[approval]
critical_deciders = 2

# harmless
[[approval.rule]]
name = "harmless"
# the end
'''


def test_pieces_are_found_with_their_comments() -> None:
    pieces = read_pieces(THEIRS)
    assert [(p.table, p.name) for p in pieces] == [
        ("agent", "coder"),
        ("route", ""),
        ("agent", "critic"),
        ("approval.rule", "harmless"),
    ]
    assert pieces[2].text.startswith("# a second one\n[[agent]]") and "key = 1" in pieces[2].text
    assert pieces[3].bare == '[[approval.rule]]\nname = "harmless"\n'


def test_nothing_of_yours_is_touched() -> None:
    merged = merge_config(THEIRS, CONFIG, (), "Moved in.")
    assert merged.text.startswith('env_file = ".longwatch/secrets.env"\n' + THEIRS)
    data = tomllib.loads(merged.text)
    assert [agent["name"] for agent in data["agent"]] == ["coder", "critic", "scribe"]
    assert "default_workflow" not in data
    assert "default_workflow = 'scribe' was not taken over" in merged.notes[0].message


def test_what_moved_in_before_is_replaced_and_taken_out() -> None:
    first = merge_config(THEIRS, CONFIG, (), "Moved in.")
    again = merge_config(first.text, CONFIG, first.entries, "Moved in.")
    assert (again.text, again.entries) == (first.text, first.entries)
    other = CONFIG.replace("llama", "other").replace("telegram", "slack")
    changed = merge_config(first.text, other, first.entries, "Moved in.")
    assert (
        changed.text
        == first.text.replace("llama", "other").replace(
            '\n[[route]]\nworkflow = "scribe"\nchannel = "telegram"\n', ""
        )
        + '\n# Moved in.\n[[route]]\nworkflow = "scribe"\nchannel = "slack"\n'
    )
    gone = merge_config(first.text, "", first.entries, "Moved in.")
    assert tomllib.loads(gone.text) == {
        **tomllib.loads(THEIRS),
        "env_file": ".longwatch/secrets.env",
    }
    assert THEIRS in gone.text


def test_what_you_have_changed_since_stays() -> None:
    first = merge_config(THEIRS, CONFIG, (), "Moved in.")
    edited = first.text.replace("groq/llama", "groq/mine")
    again = merge_config(edited, CONFIG.replace("llama", "new"), first.entries, "Moved in.")
    assert again.text == edited
    assert 'agent "scribe" was changed here since; yours is kept' in str(again.notes)
    gone = merge_config(edited, "", first.entries, "Moved in.")
    assert "groq/mine" in gone.text and "it stays" in str(gone.notes)


def test_a_name_that_is_taken_is_told() -> None:
    theirs = '[[agent]]\nname = "scribe"\ndriver = "codex"\n'
    assert taken_names(theirs, CONFIG, ()) == {"agent": {"scribe"}}
    assert taken_names(theirs, CONFIG, all_entries(CONFIG)) == {}
    names = {"agent": {"scribe": "scribe-2"}, "workflow": {"scribe": "w"}, "mcp": {"m": "n"}}
    assert 'agent = "scribe-2"' in renamed(CONFIG, names)
    step = 'name = "scribe"\n[[step]]\nname = "scribe"\nby = ["scribe", "operator"]\n'
    assert renamed(step, names) == step.replace('name = "scribe"\n[[', 'name = "w"\n[[').replace(
        '["scribe"', '["scribe-2"'
    )
    tools = '[[agent]]\nname = "a"\nmcp = ["m"]\ntools = ["read", "mcp:m", "mcp:m/x"]\n'
    assert renamed(tools, names) == tools.replace('"m"', '"n"').replace("mcp:m", "mcp:n")


def test_line_ends_are_those_of_the_file() -> None:
    merged = merge_config(THEIRS.replace("\n", "\r\n"), CONFIG, (), "Moved in.")
    assert "\n" not in merged.text.replace("\r\n", "")


def test_a_file_to_which_no_table_can_be_added_is_refused() -> None:
    with pytest.raises(Refused, match=r"written in a way to which no table can be added"):
        merge_config('agent = [{name = "a", driver = "codex"}]\n', CONFIG, (), "Moved in.")


NAMES = st.sampled_from(["a", "b", "c", 'q"uote'])
TABLES = st.lists(
    st.tuples(st.sampled_from(["agent", "route", "approval.rule"]), NAMES, st.integers(0, 3)),
    max_size=6,
    unique_by=lambda t: (t[0], t[1]),
)


def written(tables: list[tuple[str, str, int]]) -> str:
    key = {"agent": "name", "route": "workflow", "approval.rule": "name"}
    quoted = {name: name.replace('"', '\\"') for _, name, _ in tables}
    return "".join(
        f'# about {n}\n[[{table}]]\n{key[table]} = "{quoted[name]}"\nn = {n}\n\n'
        for table, name, n in tables
    )


@given(TABLES, TABLES, TABLES)
def test_merging_is_stable_and_taking_out_leaves_what_was_there(
    theirs: list[tuple[str, str, int]],
    ours: list[tuple[str, str, int]],
    later: list[tuple[str, str, int]],
) -> None:
    taken = {(t, n) for t, n, _ in theirs}
    first_text = written([t for t in ours if t[:2] not in taken])
    later_text = written([t for t in later if t[:2] not in taken])
    first = merge_config(written(theirs), first_text, (), "Moved in.")
    assert merge_config(first.text, first_text, first.entries, "Moved in.").text == first.text
    then = merge_config(first.text, later_text, first.entries, "Moved in.")
    assert merge_config(then.text, later_text, then.entries, "Moved in.").text == then.text
    gone = merge_config(then.text, "", then.entries, "Moved in.")
    left = sorted((p.table, p.digest) for p in read_pieces(gone.text))
    assert left == sorted((p.table, p.digest) for p in read_pieces(written(theirs)))
