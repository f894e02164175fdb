"""Collecting simple commands, and opening the wrappers among them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from app.domain.shell.context import (
    MAX_COMMANDS,
    MAX_FILLED,
    MAX_SCRIPT_DEPTH,
    MAX_VALUES,
    UNKNOWN_FOLDER,
    Chain,
    Context,
    Folders,
    TooMuch,
    union,
)
from app.domain.shell.models import Redirect, SimpleCommand, Word
from app.domain.shell.nodes import MOVERS
from app.domain.shell.values import assigned, filled, positional
from app.domain.shell.wrappers import SHELLS, Inner, shell_script_index, unwrap

FILLED = "$…"  # in `via`: with variables replaced by what they may stand for
_EVALUATES = re.compile(r"\$\(|`")


class Collector(ABC):
    """The commands found so far, and the folders that the next one may run in."""

    def __init__(self) -> None:
        self.commands = list[SimpleCommand]()
        self.functions = list[str]()
        self.why = ""
        self.cut = ""  # the bound that was reached
        self.cwds: Folders = ((),)
        self.values = dict[str, list[Word]]()  # what the text itself gives to variables
        self.arrived: Folders = ((),)  # where the latest `cd` leads if it succeeds

    @abstractmethod
    def script(self, text: str, here: Context) -> None:
        """Parse and walk a text: the whole one, or the argument of `bash -c`."""

    def doubt(self, why: str) -> None:
        """Mark the text as one whose parts are not all known; the first reason is kept."""
        self.why = self.why or why

    def cut_off(self, why: str) -> None:
        """A bound was reached: there can be anything in what was not looked at."""
        self.cut = self.cut or why

    def emit(
        self,
        words: Chain,
        assignments: tuple[tuple[str, Word], ...],
        redirects: tuple[Redirect, ...],
        here: Context,
        *,
        more: bool = False,
    ) -> None:
        """Add a simple command, and the commands that it wraps."""
        feeds = tuple(i for r in redirects for i in r.target.commands)
        command = SimpleCommand(
            words=words,
            assignments=assignments,
            redirects=redirects,
            via=here.via,
            stdin_from=here.stdin + feeds,
            cwds=self.cwds,
            inside=here.inside,
            function=here.function,
            dynamic_arguments=more,
        )
        if any(_EVALUATES.search(value.text) for _, value in assignments if not value.dynamic):
            self.doubt("a variable is given a text with a substitution")
        self.remember(assignments)
        if command.name in ("export", "declare", "local", "readonly", "typeset"):
            self.remember(assigned(words))
        if command.name == "set" and any(word.text == "--" for word in words):
            given = words[[word.text for word in words].index("--") + 1 :]
            self.remember((n, value) for n, found in positional(given).items() for value in found)
        unwrapped = unwrap(command.name, words) if words and not words[0].dynamic else None
        bare = not command.effective_redirects and not assignments and not feeds
        if unwrapped is not None and unwrapped.transparent and bare:
            command = command.model_copy(update={"transparent": True})
        index = self.add(command)
        inners = list(unwrapped.inner) if unwrapped is not None else self._fed(command)
        for inner in inners + self._said_in(command):
            self._inner(inner, command.name, index, replace(here, stdin=here.stdin + feeds))
        self._move(command)
        self._fill(command, here)
        if command.name in self.functions:
            self._called(command, here)

    def _full(self, here: Context) -> bool:
        return len(here.filled) >= MAX_FILLED or len(self.commands) > MAX_COMMANDS // 2

    def _fill(self, command: SimpleCommand, here: Context) -> None:
        """The command with its variables replaced by what the text has given to them.

        One that comes about within itself (`x='eval "$x"'`) adds nothing. Where a bound is reached
        and a variable is what runs, that could be the worst of all; `rm $x` is judged as it is.
        """
        others = filled(command.words, self.values) if command.dynamic else []
        others = [words for words in others if words not in here.filled]
        if self._full(here):
            if others and command.words and command.words[0].dynamic:
                self.cut_off("variables that are run are replaced too deep")
            return
        for words in others:
            inside = replace(here.into(FILLED), filled=(*here.filled, words))
            more = command.dynamic_arguments
            self.emit(words, command.assignments, command.redirects, inside, more=more)

    def _called(self, call: SimpleCommand, here: Context) -> None:
        """A function that the text defines, with the arguments that it is called with here."""
        values = positional(call.words[1:])
        body = [
            c for c in self.commands if c.function == call.name and c.via.count(FILLED) < MAX_FILLED
        ]
        for command in body if values["@"] else ():
            for words in filled(command.words, values) if command.dynamic else ():
                if words in here.filled:
                    continue
                if self._full(here):
                    if command.words[0].dynamic:
                        self.cut_off("functions call each other too deep")
                        return
                    break
                inside = Context(
                    via=(*command.via, FILLED),
                    stdin=command.stdin_from,
                    depth=1,
                    filled=(*here.filled, words),
                )
                self.emit(words, command.assignments, command.redirects, inside)

    def remember(self, assignments: Iterable[tuple[str, Word]]) -> None:
        """Keep the known values of variables, to judge `$X` by what it may stand for.

        The latest comes first: where there are too many, the ones that it replaced give way.
        """
        for name, value in assignments:
            if not value.dynamic or value.commands:
                older = [other for other in self.values.get(name, []) if other != value]
                self.values[name] = [value, *older][:MAX_VALUES]

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A shell of its own: its folder and the values of its variables end with it.

        Its values are kept behind the others as far as there is room, since some shells run
        the last part of a pipe themselves.
        """
        cwds, values = self.cwds, dict(self.values)
        yield
        self.cwds = cwds
        for name, later in self.values.items():
            own = values.get(name, [])
            values[name] = [*own, *(v for v in later if v not in own)][:MAX_VALUES]
        self.values = values

    def add(self, command: SimpleCommand) -> int:
        if len(self.commands) >= MAX_COMMANDS:
            raise TooMuch(f"there are more than {MAX_COMMANDS} commands in it")
        self.commands.append(command)
        return len(self.commands) - 1

    def _inner(self, inner: Inner, name: str, index: int, here: Context) -> None:
        with nullcontext() if inner.same_shell else self.apart():
            self._opened(inner, name, index, here)

    def _opened(self, inner: Inner, name: str, index: int, here: Context) -> None:
        if inner.cwd is not None:
            self.cwds = tuple((*chain, inner.cwd) for chain in self.cwds)
        label = f"{name} -c" if name in SHELLS else name
        here = replace(here.into(label).deeper(), scripts=here.scripts + 1)
        if here.scripts > MAX_SCRIPT_DEPTH:
            raise TooMuch("commands are wrapped too deep")
        if inner.script is not None:
            self.script(inner.script, replace(here, inside=None))
        else:
            inside = replace(here, inside=index)
            self.emit(inner.words, inner.assignments, (), inside, more=inner.more)

    def _fed(self, command: SimpleCommand) -> list[Inner]:
        """Scripts that a shell reads from its input: here-documents, and what `echo` says."""
        if command.name not in SHELLS or shell_script_index(command.words)[0] is not None:
            return []
        scripts = [Inner(script=r.target.text) for r in command.redirects if r.is_text]
        for index in command.stdin_from:
            source = self.commands[index]
            scripts += _said(source)
            scripts += [Inner(script=r.target.text) for r in source.redirects if r.is_text]
        return scripts

    def _said_in(self, command: SimpleCommand) -> list[Inner]:
        """What `echo` or `printf` gives to `bash -c "$(…)"`, to `eval` or to `source <(…)`."""
        if command.name not in SHELLS and command.name not in ("eval", "source", "."):
            return []
        sources = [index for word in command.words[1:] for index in word.commands]
        return [inner for index in sources for inner in _said(self.commands[index])]

    def _move(self, command: SimpleCommand) -> None:
        """After a `cd` the folder is the new one, or the old one if it failed."""
        if command.name not in MOVERS:
            return
        args = [w for w in command.words[1:] if w.text == "-" or not w.text.startswith("-")]
        if command.name == "popd" or (args and args[0].text == "-"):
            target = UNKNOWN_FOLDER[0]
        else:
            target = args[0] if args else Word(text="~", home=True)
        self.arrived = tuple((*chain, target) for chain in self.cwds)
        self.cwds = union(self.arrived, self.cwds)


def _said(source: SimpleCommand) -> list[Inner]:
    """What `echo` or `printf` prints, as a script."""
    if source.name not in ("echo", "printf"):
        return []
    text = " ".join(word.text for word in source.words[1:] if word.text != "-e")
    return [Inner(script=text.replace("\\n", "\n"))]
