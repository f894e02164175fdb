"""Where changes may lie, and how many there may be."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gate_changes import FileChange, check_changes, within


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        ("src/**", ("src/a.py", "src/a/b/c", "src/.env"), ("src", "a/src/b", "srcs/a", "SRC/a")),
        ("src/", ("src/a.py", "src/a/b"), ("src", "b/src/a")),
        ("*.py", ("a.py", ".py"), ("src/a.py", "a.pyc")),
        ("**/*.py", ("a.py", "src/a.py", "a/b/c.py"), ("a.txt", "a.py/b")),
        ("**", ("a", "a/b/c", ".git/x"), ()),
        ("docs/*/index.md", ("docs/a/index.md",), ("docs/index.md", "docs/a/b/index.md")),
        ("a/**/z", ("a/z", "a/b/z", "a/b/c/z"), ("a/b", "z", "a/zz")),
        ("./README.md", ("README.md",), ("docs/README.md",)),
        ("/README.md", ("README.md",), ("readme.md",)),
        ("file[0-9]?.txt", ("file1a.txt",), ("filea1.txt", "file1/.txt")),
        ("[!a]", ("b",), ("a", "/")),
        ("a b\n*", ("a b\nc",), ("a b",)),
        ("../x", (), ("x", "a/x")),
        ("", (), ("a",)),
    ],
)
def test_globs_are_relative_to_the_root(
    glob: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    assert [path for path in inside if not within(path, [glob])] == []
    assert [path for path in outside if within(path, [glob])] == []


_NAMES = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name != ".")
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_PARTS = st.sampled_from(["**", "*", "a", "b*", "?", "[ab]", "*.a", "a*b"])


def _by_hand(parts: list[str], names: list[str]) -> bool:
    """The same by trying how many folders each `**` stands for."""
    if not parts:
        return not names
    if parts == ["**"]:
        return bool(names)
    if parts[0] == "**":
        return any(_by_hand(parts[1:], names[n:]) for n in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _by_hand(parts[1:], names[1:])


@given(st.lists(_PARTS, min_size=1, max_size=5), _PATHS)
def test_a_glob_matches_as_trying_everything_does(parts: list[str], path: str) -> None:
    assert within(path, ["/".join(parts)]) is _by_hand(parts, path.split("/"))


def test_no_glob_takes_for_ever() -> None:
    path = "/".join(["a" * 250] * 500)
    assert not within(path, ["/".join(["**", "*a*a*a*a*"] * 20) + "/b"])


def test_all_outside_paths_are_named_and_a_new_name_counts_twice() -> None:
    changes = [
        FileChange(("src/a.py",), 3, 1),
        FileChange(("src/b.py", "secrets/b.py"), 0, 0),
        FileChange(("logo.png",), 7, 0),
    ]
    found = check_changes(changes, ("src/**", "docs/"), None)
    assert not found.passed
    assert found.log.splitlines() == [
        "2 changed paths lie outside of src/**, docs/; take the change back:",
        "  secrets/b.py",
        "  logo.png",
    ]


def test_lines_are_counted_and_a_change_without_lines_is_one() -> None:
    changes = [FileChange(("a",), 3, 1), FileChange(("run.sh",), 0, 0)]
    assert check_changes(changes, (), 5).passed
    found = check_changes(changes, (), 4)
    assert found.log.splitlines() == [
        "5 lines changed, at most 4 may be:",
        "  +3 -1 a",
        "  +0 -0 run.sh",
    ]
    assert not check_changes(changes[1:], (), 0).passed
    assert check_changes([], ("src/**",), 0).passed


_CHANGES = st.lists(
    st.builds(
        FileChange,
        st.one_of(st.tuples(_PATHS), st.tuples(_PATHS, _PATHS)),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=6,
)


@given(_CHANGES, st.lists(_PATHS, max_size=3), st.none() | st.integers(0, 40))
def test_it_passes_exactly_when_nothing_is_wrong(
    changes: list[FileChange], allow: list[str], limit: int | None
) -> None:
    paths = set(itertools.chain.from_iterable(change.paths for change in changes))
    placed = not allow or paths <= set(allow)
    small = limit is None or sum(max(c.added + c.removed, 1) for c in changes) <= limit
    found = check_changes(changes, allow, limit)
    assert found.passed is (placed and small)
    assert found.usable and found.log
