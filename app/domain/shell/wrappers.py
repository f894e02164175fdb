"""Commands that run another command: where in their arguments it is.

The options are those of the programs' manual pages (GNU coreutils, findutils, sudo, util-linux,
OpenSSH, bash). An option that is not known is taken to have no value: then its value is judged
as the name of a program, which errs on the careful side.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from app.domain.shell.models import Word
from app.domain.shell.prefixes import PREFIXES, Prefix, skip_options

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Inner:
    """A command inside a command: as words, or as a script to be parsed."""

    words: tuple[Word, ...] = ()
    script: str | None = None
    assignments: tuple[tuple[str, Word], ...] = ()
    more: bool = False  # further arguments are appended that are not known
    same_shell: bool = False  # the script runs in the shell itself: its `cd` stays in force
    cwd: Word | None = None  # the folder the wrapper changes to first


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What a wrapper runs. `transparent`: the inner commands say all there is to say."""

    inner: tuple[Inner, ...]
    transparent: bool = False


def unwrap(name: str, words: tuple[Word, ...]) -> Unwrapped | None:
    """What the command `words` (its program is `name`) would run; None if it is no wrapper."""
    if name in SHELLS:
        return _shell(words)
    if special := _SPECIAL.get(name):
        return special(words)
    if prefix := PREFIXES.get(name):
        return _prefixed(name, prefix, words)
    return None


def _prefixed(name: str, prefix: Prefix, words: tuple[Word, ...]) -> Unwrapped | None:
    if name == "env" and (split := _split_string(words)):
        return split
    rest, cwd, looked_up = skip_options(prefix, words[1:])
    if looked_up:
        return None
    if prefix.subcommand:
        if not rest or rest[0].text != prefix.subcommand:
            return None
        rest, inner_cwd, _ = skip_options(prefix, rest[1:])
        cwd = cwd or inner_cwd
        if rest and rest[0].text.endswith(".py"):
            rest = (Word(text="python"), *rest)
    assignments = list[tuple[str, Word]]()
    while prefix.assignments and rest and (found := _ASSIGNMENT.match(rest[0].text)):
        value = rest[0].model_copy(update={"text": found[2]})
        assignments.append((found[1], value))
        rest = rest[1:]
    rest = rest[prefix.positionals :]
    if not rest:
        return None
    if name == "xargs":
        rest = _fed(rest, words[: len(words) - len(rest)])
    inner = Inner(
        words=rest,
        assignments=tuple(assignments),
        more=prefix.more,
        same_shell=name in ("builtin", "command", "time"),
        cwd=cwd,
    )
    return Unwrapped((inner,), prefix.transparent)


_XARGS_REPLACES = re.compile(
    r"--replace(?:=(?P<long>.*))?|-[0prtxo]*(?:I(?P<must>.*)|i(?P<may>.*))"
)


def _fed(words: tuple[Word, ...], options: tuple[Word, ...]) -> tuple[Word, ...]:
    """The command of `xargs -I{}`: in its words `{}` stands for a line of the input."""
    stands = ""
    for position, option in enumerate(options):
        if found := _XARGS_REPLACES.fullmatch(option.text):
            following = options[position + 1].text if position + 1 < len(options) else ""
            given = found["long"] or found["may"] or found["must"]
            stands = given or (following if found["must"] is not None else "{}")
    if not stands:
        return words
    return tuple(_line(word, stands) if stands in word.text else word for word in words)


def _line(word: Word, stands: str) -> Word:
    """A word with a line of the input in it: a file beside it, or nobody knows what."""
    beside = word.text.startswith(stands) and "/" not in word.text[len(stands) :]
    return word.model_copy(update={"dynamic": True, "fed": beside})


def _split_string(words: tuple[Word, ...]) -> Unwrapped | None:
    """`env -S 'cmd args'`: the string is split into a command."""
    for index, word in enumerate(words[1:], start=1):
        for option in ("-S", "--split-string=", "-vS"):
            if word.text.startswith(option):
                first = word.text[len(option) :]
                rest = [w.shown for w in words[index + 1 :]]
                if not first and rest:
                    first, rest = words[index + 1].text, rest[1:]
                return Unwrapped((Inner(script=" ".join([first, *rest])),), True)
        if not word.text.startswith("-"):
            break
    return None


def shell_script_index(words: tuple[Word, ...]) -> tuple[int | None, bool]:
    """For `bash …`: the index of the script or script file, and whether it follows `-c`."""
    is_command, index = False, 1
    while index < len(words):
        text = words[index].text
        if text == "--":
            index += 1
            break
        if text[:1] not in ("-", "+") or text == "-":
            break
        if not text.startswith("--"):
            is_command |= text.startswith("-") and "c" in text
            if text.startswith("-") and "s" in text and not is_command:
                return None, False  # reads its script from the input
            index += text[-1] in "oO"
        elif text in ("--rcfile", "--init-file"):
            index += 1
        index += 1
    return (index if index < len(words) else None), is_command


def _shell(words: tuple[Word, ...]) -> Unwrapped | None:
    index, is_command = shell_script_index(words)
    if index is None or not is_command:
        return None
    plain = not words[index].dynamic and all(
        word.text in ("-c", "-lc", "-cl", "-l", "-e", "-ec", "-x") for word in words[1:index]
    )
    return Unwrapped((Inner(script=words[index].text),), transparent=plain)


def _join(words: tuple[Word, ...]) -> str | None:
    """Words as a script; a dynamic one stays as its source, so that it stays dynamic."""
    return " ".join(word.text for word in words) if words else None


def _eval(words: tuple[Word, ...]) -> Unwrapped | None:
    script = _join(words[1:])
    if script is None:
        return None
    known = not any(word.dynamic for word in words)
    return Unwrapped((Inner(script=script, same_shell=True),), transparent=known)


def _trap(words: tuple[Word, ...]) -> Unwrapped | None:
    args = [word for word in words[1:] if word.text != "--"]
    if len(args) < 2 or args[0].text.startswith("-"):
        return None
    script = Inner(script=args[0].text, same_shell=True)
    return Unwrapped((script,), transparent=not args[0].dynamic)


def _ssh(words: tuple[Word, ...]) -> Unwrapped | None:
    rest, _, _ = skip_options(Prefix("BbcDEeFIiJLlmOopQRSWw"), words[1:])
    after, _, _ = skip_options(Prefix("BbcDEeFIiJLlmOopQRSWw"), rest[1:])
    script = _join(after)
    return Unwrapped((Inner(script=script),)) if script else None


def _option_script(options: tuple[str, ...]) -> Callable[[tuple[Word, ...]], Unwrapped | None]:
    """Wrappers that take a script as the value of an option: `su -c`, `script -c`."""

    def find(words: tuple[Word, ...]) -> Unwrapped | None:
        found = list[Inner]()
        for option, value in pairwise(words):
            if option.text in options or _clustered(option.text, options):
                found.append(Inner(script=value.text))
        for word in words[1:]:
            name, _, text = word.text.partition("=")
            if text and name in options:
                found.append(Inner(script=text))
        return Unwrapped(tuple(found)) if found else None

    return find


def _clustered(text: str, options: tuple[str, ...]) -> bool:
    """Whether a cluster such as `-qc` ends with one of the short options."""
    return re.fullmatch(r"-[A-Za-z]{2,}", text) is not None and f"-{text[-1]}" in options


def _all_as_script(words: tuple[Word, ...]) -> Unwrapped | None:
    """`watch -n 1 cmd`, `parallel cmd`: the rest of the line goes to a shell."""
    rest, _, _ = skip_options(Prefix("nqjNaS", ("interval", "jobs")), words[1:])
    script = _join(rest)
    return Unwrapped((Inner(script=script, more=True),)) if script else None


def _flock(words: tuple[Word, ...]) -> Unwrapped | None:
    rest, _, _ = skip_options(Prefix("wE", ("timeout", "wait", "conflict-exit-code")), words[1:])
    if len(rest) >= 3 and rest[1].text in ("-c", "--command"):
        return Unwrapped((Inner(script=rest[2].text),))
    return Unwrapped((Inner(words=rest[1:]),)) if len(rest) > 1 else None


def _find(words: tuple[Word, ...]) -> Unwrapped | None:
    """`find … -exec cmd {} ;` and `fd -x cmd`: each such command, `{}` being a file found."""
    found, current = list[Inner](), list[Word]()
    running, near = False, found_files(words)
    for word in words[1:]:
        if not running:
            running = word.text in ("-exec", "-execdir", "-ok", "-okdir", *_FD_EXEC)
        elif word.text == ";" or (word.text == "+" and current and current[-1].text == "{}"):
            found.append(Inner(words=_placeholders(current, near)))
            running, current = False, []
        else:
            current.append(word)
    if current:  # fd appends the file itself where no {} stands for it
        found.append(Inner(words=_placeholders(current, near), more=True))
    return Unwrapped(tuple(found)) if found else None


_FD_EXEC = ("-x", "-X", "--exec", "--exec-batch")


def found_files(words: tuple[Word, ...]) -> str:
    """A pattern that every file named by a `find` fits; empty if there is no such pattern."""
    starts = list[Word]()
    for word in words[1:]:
        if word.text[:1] in ("-", "(", "!"):
            break
        starts.append(word)
    if len(starts) > 1 or any(w.dynamic for w in starts) or words[0].text[-4:] != "find":
        return ""
    texts = [word.text for word in words]
    names = [b for a, b in pairwise(texts) if a in ("-name", "-iname", "-path", "-ipath")]
    start = starts[0].text if starts else "."
    if len(names) != 1 or not {"-o", "-or", "-not", "!"}.isdisjoint(texts):
        return f"{start}/*"
    return f"{start}/*/{names[0].rsplit('/', 1)[-1]}"


def _placeholders(words: list[Word], near: str) -> tuple[Word, ...]:
    return tuple(
        w.model_copy(update={"dynamic": True, "near": near if w.text == "{}" else ""})
        if "{}" in w.text
        else w
        for w in words
    )


def _git(words: tuple[Word, ...]) -> Unwrapped | None:
    """`git bisect run cmd`, `git submodule foreach cmd`, `git rebase --exec cmd`."""
    texts = [word.text for word in words]
    for first, second in (("bisect", "run"), ("submodule", "foreach")):
        if first in texts and second in texts[texts.index(first) :]:
            rest, _, _ = skip_options(Prefix(), words[texts.index(second) + 1 :])
            if second == "run" and rest:
                return Unwrapped((Inner(words=rest),))
            script = _join(rest)
            return Unwrapped((Inner(script=script),)) if script else None
    if "rebase" in texts:
        return _option_script(("-x", "--exec"))(words)
    if "filter-branch" in texts:
        kinds = ("env", "tree", "index", "parent", "msg", "commit", "tag-name")
        return _option_script(tuple(f"--{kind}-filter" for kind in kinds))(words)
    return None


_SPECIAL: dict[str, Callable[[tuple[Word, ...]], Unwrapped | None]] = {
    "eval": _eval,
    "trap": _trap,
    "mapfile": _option_script(("-C",)),
    "readarray": _option_script(("-C",)),
    "ssh": _ssh,
    "su": _option_script(("-c", "--command")),
    "runuser": _option_script(("-c", "--command")),
    "script": _option_script(("-c", "--command")),
    "watch": _all_as_script,
    "parallel": _all_as_script,
    "flock": _flock,
    "find": _find,
    "gfind": _find,
    "fd": _find,
    "fdfind": _find,
    "git": _git,
}
