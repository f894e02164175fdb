"""Files of NAME=value lines: what is written is read back, by us and by python-dotenv."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from app.domain.env_text import read_env, write_env
from app.domain.errors import ConfigError

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.dictionaries(NAMES, VALUES | st.text("ab \\'\"\n#$=", max_size=12), max_size=6))
def test_every_value_survives(values: dict[str, str]) -> None:
    try:
        text = write_env(values)
    except ValueError:
        assert any(value.endswith("\\") for value in values.values())
        return
    assert read_env(text, "f") == values
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == values


def test_plain_values_are_written_as_they_are() -> None:
    assert write_env({"A": "sk-1", "B": "a b\\n", "C": "", "D": "it's"}) == (
        "A=sk-1\nB=a b\\n\nC=''\nD='it\\'s'\n"
    )


def test_what_is_no_variable_is_not_written() -> None:
    with pytest.raises(ValueError, match="'a-b' is not the name"):
        write_env({"a-b": "x"})
    with pytest.raises(ValueError, match=r"^B cannot be written"):
        write_env({"A": "x", "B": "x\0y"})


def test_what_people_write_is_read() -> None:
    text = "# keys\n\nexport A=1\nB = \"two\\nlines\" # why\nC=it's #1\nD='it''s'\n"
    with pytest.raises(ConfigError, match=r"^f:6: is not NAME=value$"):
        read_env(text, "f")
    assert read_env(text.partition("D=")[0], "f") == {"A": "1", "B": "two\nlines", "C": "it's"}


@pytest.mark.parametrize("line", ["NAME", "sk-secret", "a-b=sk-secret", "=sk-secret"])
def test_a_line_that_is_none_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_env(f"A=1\n{line}\n", "secrets.env")
    assert str(caught.value).startswith("secrets.env:2: ") and "sk-secret" not in str(caught.value)
