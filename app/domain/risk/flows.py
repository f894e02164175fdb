"""What commands of one text do together: a download that is run, a shell that hangs on a wire."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.risk.interpreters import INTERPRETERS
from app.domain.risk.model import Finding, critical
from app.domain.risk.network import DOWNLOADERS
from app.domain.risk.places import Folders
from app.domain.shell import Parsed, SimpleCommand, Word
from app.domain.shell.wrappers import SHELLS

_WIRES = frozenset({"nc", "ncat", "netcat", "socat", "telnet", "openssl"})
_TARGETS = ("-o", "--output", "-O", "--output-document")


def judge_together(parsed: Parsed, folders: Folders, cwd: str | None) -> list[Finding]:
    """Findings that no command of the text gives by itself."""
    findings = list[Finding]()
    fetched = set[str]()
    for command in parsed.commands:
        if command.name in _WIRES and any(
            parsed.commands[index].name in SHELLS for index in command.stdin_from
        ):
            findings.append(critical("gives another machine a shell here"))
        if fetched & set(_paths(_run(command), command, folders, cwd)):
            findings.append(critical("runs what it downloads"))
        if _downloads(command, parsed):
            fetched.update(_paths(_kept(command), command, folders, cwd))
    return findings


def _downloads(command: SimpleCommand, parsed: Parsed) -> bool:
    names = [command.name, *(parsed.commands[index].name for index in command.stdin_from)]
    return any(name in DOWNLOADERS for name in names)


def _kept(command: SimpleCommand) -> Iterator[Word]:
    """The files in which a command keeps what it is given."""
    yield from (redirect.target for redirect in command.redirects if redirect.writes)
    for position, word in enumerate(command.words):
        name, equals, value = word.text.partition("=")
        if equals and name in _TARGETS:
            yield word.model_copy(update={"text": value})
        elif word.text in _TARGETS or (word.text[-1:] in ("o", "O") and word.text[:1] == "-"):
            yield from command.words[position + 1 : position + 2]
        elif "://" in word.text:  # kept under its own name by -O, or by wget
            yield Word(text=word.text.partition("?")[0].rsplit("/", 1)[-1])
        elif command.name == "tee" and position and not word.text.startswith("-"):
            yield word


def _run(command: SimpleCommand) -> Iterator[Word]:
    """The files that a command runs, or may run."""
    name = command.name
    if name in SHELLS or name in ("source", ".") or INTERPRETERS.fullmatch(name):
        yield from command.words[1:]
        yield from (redirect.target for redirect in command.redirects if redirect.op == "<")
    elif "/" in name:
        yield command.words[0]


def _paths(
    words: Iterator[Word], command: SimpleCommand, folders: Folders, cwd: str | None
) -> Iterator[str]:
    """The absolute paths of files, in every folder the command may run in."""
    for word in words:
        for chain in command.cwds:
            folder = cwd
            for target in chain:
                folder = folders.enter(folder, target)
            if word.text and (path := folders.enter(folder, word)):
                yield path
