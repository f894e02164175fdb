"""Shell text taken apart: words, wrappers, redirections, folders, bounds."""

from __future__ import annotations

import pytest

from app.domain.shell import Parsed, parse


def texts(command: str) -> list[str]:
    return [found.text for found in parse(command).commands]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls -la", ["ls -la"]),
        ("a | b && c || d; e & f", ["a", "b", "c", "d", "e", "f"]),
        ("/usr/bin/git status", ["git status"]),
        ("\"ls\" '-l' a\\ b", ["ls -l 'a b'"]),
        ("r''m $'\\x2drf' /", ["rm -rf /"]),
        ("(a; b); { c; }; ! d", ["a", "b", "c", "d"]),
        ("if a; then b; elif c; then d; else e; fi", ["a", "b", "c", "d", "e"]),
        ("for i in x; do a; done; while b; do c; done", ["a", "b", "c"]),
        ("case x in x) a;; *) b;; esac", ["a", "b"]),
        ("f() { a; }; f", ["a", "f"]),
        ("echo $(a `b`) <(c)", ["b", "a `b`", "c", "echo $(a `b`) <(c)"]),
        ("x=$(a) y=1", ["a", "x=$(a) y=1"]),
        ("mkdir a/{b,c}{1..2}", ["mkdir a/b1 a/b2 a/c1 a/c2"]),
        ("echo hi > out.txt", ["echo hi > out.txt"]),
        ("echo hi > out arg", ["echo hi arg > out"]),
        ("ls > /dev/null 2>&1", ["ls"]),
        ("a && b > out", ["a", "b > out"]),
        ("cat ~/x $HOME/y", ["cat ~/x ~/y"]),
        ("cat '~/x'", ["cat '~/x'"]),
        ("FOO=1 make", ["FOO=1 make"]),
        ("ls # rm -rf /", ["ls"]),
        ("cat <<EOF | sh\nrm x\nEOF", ["cat << 'rm x\n'", "sh", "rm x"]),
        ("cat <<'EOF'\n$(a)\nEOF", ["cat << '$(a)\n'"]),
        ("[ -f $(a) ]", ["a", "test -f $(a)"]),
    ],
)
def test_simple_commands(command: str, expected: list[str]) -> None:
    parsed = parse(command)
    assert not parsed.unparsable, parsed.why
    assert [found.text for found in parsed.commands] == expected


@pytest.mark.parametrize(
    ("command", "inner"),
    [
        ("bash -c 'rm x'", "rm x"),
        ("bash -lc 'rm x'", "rm x"),
        ("/bin/bash --norc -e -c 'rm x' name", "rm x"),
        ("zsh -ic 'rm x'", "rm x"),
        ("eval rm x", "rm x"),
        ("eval 'rm x'", "rm x"),
        ("trap 'rm x' EXIT", "rm x"),
        ("sudo rm x", "rm x"),
        ("sudo -nu bob -- rm x", "rm x"),
        ("sudo --user=bob A=1 rm x", "A=1 rm x"),
        ("env -i A=1 rm x", "A=1 rm x"),
        ("env -S 'rm x'", "rm x"),
        ("nohup rm x &", "rm x"),
        ("timeout -k 5 10 rm x", "rm x"),
        ("nice -n 5 rm x", "rm x"),
        ("time rm x", "rm x"),
        ("command rm x", "rm x"),
        ("exec rm x", "rm x"),
        ("stdbuf -oL rm x", "rm x"),
        ("flock /l rm x", "rm x"),
        ("flock /l -c 'rm x'", "rm x"),
        ("watch -n 1 rm x", "rm x"),
        ("xargs -n1 -I {} rm x", "rm x"),
        ("find . -exec rm x \\;", "rm x"),
        ("ssh -p 22 host 'rm x'", "rm x"),
        ("ssh host rm x", "rm x"),
        ("uv run --python 3.12 rm x", "rm x"),
        ("poetry run rm x", "rm x"),
        ("git submodule foreach 'rm x'", "rm x"),
        ("git rebase --exec 'rm x' main", "rm x"),
        ("bash <<< 'rm x'", "rm x"),
        ("bash <<EOF\nrm x\nEOF", "rm x"),
        ("echo 'rm x' | sh", "rm x"),
        ("bash -c \"bash -c 'rm x'\"", "rm x"),
        ("X=rm; $X x", "rm x"),
        ("for f in x y; do rm $f; done", "rm x"),
    ],
)
def test_wrappers_are_opened(command: str, inner: str) -> None:
    assert inner in texts(command)


def test_what_is_unknown_is_marked() -> None:
    (command,) = parse('$CMD "$x" *.py plain').commands
    assert [word.dynamic for word in command.words] == [True, True, False, False]
    assert [word.glob for word in command.words] == [False, False, True, False]
    (inner,) = [c for c in parse("ls | xargs rm").commands if c.name == "rm"]
    assert inner.dynamic


def test_pipes_and_ways_are_told() -> None:
    commands = parse("curl x | tee y | sudo sh").commands
    by_name = {command.name: command for command in commands}
    assert [commands[i].name for i in by_name["sh"].stdin_from] == ["curl", "tee"]
    assert by_name["sh"].via == ("|", "sudo")
    assert by_name["sh"].inside == commands.index(by_name["sudo"])


def folders(parsed: Parsed, name: str) -> list[list[str]]:
    command = next(c for c in parsed.commands if c.name == name)
    return [[word.text for word in chain] for chain in command.cwds]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rm x", [[]]),
        ("cd a && rm x", [["a"]]),
        ("cd a && cd b && rm x", [["a", "b"]]),
        ("cd a; rm x", [["a"], []]),
        ("(cd a); rm x", [[]]),
        ("cd a | b; rm x", [[]]),
        ("cd && rm x", [["~"]]),
        ("cd -; rm x", [["$OLDPWD"], []]),
        ("bash -c 'cd a'; rm x", [[]]),
        ("eval 'cd a'; rm x", [["a"], []]),
        ("builtin cd a && rm x", [["a"], []]),
        ("while a; do rm x; cd ..; done", [[], ["$OLDPWD"]]),
        ("f() { rm x; }; cd a; f", [["$OLDPWD"]]),
        ("env -C a rm x", [["a"]]),
    ],
)
def test_the_folder_a_command_runs_in(command: str, expected: list[list[str]]) -> None:
    assert folders(parse(command), "rm") == expected


@pytest.mark.parametrize(
    "command",
    [
        "if true; then",
        "echo 'open",
        "ls\x00 -la",
        "ls\u00a0-la",
        "r\\\nm -rf x",
        "echo ${x@P}",
        "X='$(rm y)'",
        "echo " + "x" * 70_000,
        "echo " + "$(" * 40 + "ls" + ")" * 40,
        "nohup " * 12 + "ls",
        "; ".join(["ls"] * 500),
        "ls \ud800",
    ],
)
def test_what_cannot_be_trusted_is_unparsable(command: str) -> None:
    parsed = parse(command)
    assert parsed.unparsable
    assert parsed.why


def test_a_continued_line_is_one_command() -> None:
    assert texts("ls \\\n  -la") == ["ls -la"]


def test_a_fork_bomb_is_seen_as_a_function_that_calls_itself() -> None:
    parsed = parse(":(){ :|:& };:")
    assert parsed.functions == (":",)
    assert [command.function for command in parsed.commands] == [":", ":", ""]


def test_characters_beyond_ascii_are_parts_of_words() -> None:
    assert texts("echo {\U00031840} Grüße") == ["echo '{\U00031840}' Grüße"]
    assert texts("é=1") == ["é=1"]
    assert parse("é=1").commands[0].words  # a shell takes this for a program, not a variable
    assert parse("{\U00031840").unparsable
    assert parse("cat <<é\nx\né").unparsable


def test_pieces_of_a_text_that_is_not_understood_are_looked_at() -> None:
    assert "rm -rf /" in texts("echo $((rm -rf /); ls)")
    assert "rm -rf /" in texts("if rm -rf /")
    assert "rm -rf /" in texts("r\\\nm -rf /")
