"""What the walk through a shell text carries along, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.domain.shell.models import Word

MAX_COMMANDS = 400
MAX_NODE_DEPTH = 60
MAX_SCRIPT_DEPTH = 6
MAX_FOLDERS = 6
MAX_VALUES = 4
MAX_FILLED = 3  # times that variables are replaced within what variables gave

Chain = tuple[Word, ...]  # `cd` targets, one after the other
Folders = tuple[Chain, ...]  # the folders a command may run in
UNKNOWN_FOLDER: Chain = (Word(text="$OLDPWD", dynamic=True),)


class TooMuch(Exception):
    """A bound was reached; what was found so far is kept."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where the walk is: what stands around, what a pipe feeds in, how deep it went."""

    via: tuple[str, ...] = ()
    stdin: tuple[int, ...] = ()
    function: str = ""
    depth: int = 0  # of syntax nodes
    scripts: int = 0  # of scripts and wrappers within each other
    inside: int | None = None
    filled: tuple[Chain, ...] = ()  # commands with their variables replaced that it stands in

    def into(self, label: str) -> Context:
        return replace(self, via=(*self.via, label))

    def deeper(self) -> Context:
        if self.depth > MAX_NODE_DEPTH:
            raise TooMuch("the command is nested too deep")
        return replace(self, depth=self.depth + 1)


def union(first: Folders, second: Folders) -> Folders:
    """Both sets of folders; too many of them, and it is unknown."""
    both = tuple(dict.fromkeys((*first, *second)))
    return both if len(both) <= MAX_FOLDERS else (UNKNOWN_FOLDER,)
