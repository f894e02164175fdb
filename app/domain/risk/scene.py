"""A simple command as its judge sees it: options, operands, and where its paths lie."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from app.domain.request import Risk
from app.domain.risk.kept import OWN
from app.domain.risk.model import Finding, critical, high, low, medium, shown
from app.domain.risk.places import Folders, Place
from app.domain.shell import Parsed, SimpleCommand, Word

_BEFORE = re.compile(r"[^$`{(*?\[]*")  # what of a word is known before it runs
_MIN_ABBREVIATION = 5  # "--for" may be any option, "--forc" is --force


@dataclass(frozen=True, slots=True)
class Options:
    """Arguments sorted into options and operands."""

    given: tuple[tuple[str, Word | None], ...]
    operands: tuple[Word, ...]

    def has(self, *names: str) -> bool:
        """Whether one of the options is given, in a cluster or abbreviated too."""
        return any(_same(option, name) for option, _ in self.given for name in names)

    def values(self, *names: str) -> list[Word]:
        """The values given to these options."""
        return [
            value
            for option, value in self.given
            if value is not None and any(_same(option, name) for name in names)
        ]


def _same(given: str, name: str) -> bool:
    if given == name:
        return True
    return name.startswith("--") and len(given) >= _MIN_ABBREVIATION and name.startswith(given)


def read_options(args: Iterable[Word], values: str = "", long_values: str = "") -> Options:
    """Sort arguments as getopt does: `values` are the short options that take a value,
    `long_values` the long ones (blank-separated, without dashes) whose value is the next word."""
    given, operands = list[tuple[str, Word | None]](), list[Word]()
    todo = list(args)
    long_names = long_values.split()
    while todo:
        word = todo.pop(0)
        text = word.text
        if text == "--":
            operands.extend(todo)
            break
        if not text.startswith("-") or text == "-":
            operands.append(word)
        elif text.startswith("--"):
            name, equals, value = text.partition("=")
            found = word.model_copy(update={"text": value}) if equals else None
            if found is None and name[2:] in long_names and todo:
                found = todo.pop(0)
            given.append((name, found))
        else:
            given.extend(_cluster(word, values, todo))
    return Options(tuple(given), tuple(operands))


def _cluster(word: Word, values: str, todo: list[Word]) -> list[tuple[str, Word | None]]:
    given: list[tuple[str, Word | None]] = [(word.text, None)] if len(word.text) > 2 else []
    for index, char in enumerate(word.text[1:], start=2):
        if char in values:
            rest = word.text[index:]
            value = word.model_copy(update={"text": rest}) if rest else None
            given.append((f"-{char}", value or (todo.pop(0) if todo else None)))
            break
        given.append((f"-{char}", None))
    return given


@dataclass(frozen=True)
class Scene:
    """One simple command in one folder it may run in (`cwd` is None where that is unknown)."""

    command: SimpleCommand
    parsed: Parsed
    folders: Folders
    cwd: str | None
    depth: int = 0  # of shell text found inside other languages
    renamed: str = field(default="")  # judged under this name (`.venv/bin/pip` is `pip`)

    @property
    def name(self) -> str:
        return self.renamed or self.command.name

    @property
    def args(self) -> tuple[Word, ...]:
        return self.command.words[1:]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.args)

    @property
    def vague(self) -> bool:
        """Whether arguments are unknown: any option may be among them."""
        unknown = any(word.dynamic and not self.near(word) for word in self.args)
        return unknown or (self.command.dynamic_arguments and not self.fed_files)

    @cached_property
    def fed_files(self) -> str:
        """For xargs: a pattern that the files fit which another command lists for it."""
        from app.domain.risk.readers import listed_files  # imports this module

        found = [listed_files(self.parsed.commands[i]) for i in self.command.stdin_from]
        return found[0] if len(found) == 1 else ""

    def options(self, values: str = "", long_values: str = "") -> Options:
        return read_options(self.args, values, long_values)

    def near(self, word: Word) -> str:
        """A pattern that a word fits which is only known when it runs; empty if there is none."""
        return word.near or (self.fed_files if word.fed else "")

    def place(self, word: Word) -> Place:
        if word.fed and self.fed_files:
            word = word.model_copy(update={"near": self.fed_files})
        return self.folders.place(word, self.cwd)

    def around(self, word: Word) -> Place | None:
        """Where the known folder lies in which an unknown name is: `/etc` for `/etc/$name`."""
        folder, slash, _ = _BEFORE.match(word.text)[0].rpartition("/")  # type: ignore[index]
        if not slash:
            return None
        known = word.model_copy(update={"text": folder or "/", "dynamic": False, "glob": False})
        return self.folders.place(known, self.cwd)

    @property
    def fed_texts(self) -> list[str]:
        """What the text itself writes to the command's input."""
        sources = [self.parsed.commands[index] for index in self.command.stdin_from]
        found = [r.target.text for c in (self.command, *sources) for r in c.redirects if r.is_text]
        says = [source for source in sources if source.name in ("echo", "printf")]
        return found + [" ".join(word.text for word in source.words[1:]) for source in says]

    @property
    def fed_words(self) -> tuple[Word, ...]:
        """The word that stands for arguments which come from elsewhere."""
        if not self.command.dynamic_arguments:
            return ()
        return (Word(text="(from its input)", dynamic=True, near=self.fed_files),)

    @property
    def here(self) -> Place:
        """The folder the command runs in."""
        return self.place(Word(text="."))

    # --- what reading and writing a path means ---------------------------------------------

    def reads(self, words: Iterable[Word]) -> list[Finding]:
        # What a process substitution gives is the output of commands that are judged themselves.
        listed = [w for w in words if not w.is_pipe]
        found = [self._read(self.place(word)) for word in listed]
        for index in (index for word in listed for index in word.commands):
            named = (w for w in self.parsed.commands[index].words if self.place(w).secret)
            found += [high(f"reads what may be a secret: {shown(word.text)}") for word in named]
        if self.cwd is None:
            found.append(medium("reads in a folder that is only known when it runs"))
        elif not self.here.inside:
            found.append(medium(f"works outside the workspace: {shown(self.cwd)}"))
        return found

    def sweeps(self, words: Iterable[Word]) -> list[Finding]:
        """Findings for folders read with all that is in them: a home holds keys, too."""
        found = list[Finding]()
        for word in words:
            near = self.near(word)
            text = (near or word.text).rstrip("*") or "."
            home = near.startswith("~/") if near else word.home
            dynamic = word.dynamic and not near
            plain = Word(text=text, home=home, dynamic=dynamic)
            folder = self.folders.enter(self.cwd, plain)
            if folder is not None and f"{self.folders.home}/".startswith(f"{folder.rstrip('/')}/"):
                found.append(high(f"reads all of {shown(word.text)}, and what is secret in it"))
        return found

    def _read(self, place: Place) -> Finding:
        if place.secret:
            return high(f"reads what may be a secret: {shown(place.path)}")
        if not place.known:
            return medium(f"reads what is only known when it runs: {shown(place.path)}")
        if place.inside or place.quiet:
            return low("reads in the workspace")
        if place.guard is not None and place.guard[1] == "a device":
            return high(f"reads a device: {shown(place.path)}")
        return medium(f"reads outside the workspace: {shown(place.path)}")

    def writes(self, words: Iterable[Word], verb: str = "writes") -> list[Finding]:
        """Findings for files that are created, changed or removed."""
        return [self.write(word, verb) for word in words]

    def write(self, word: Word, verb: str = "writes") -> Finding:
        place = self.place(word)
        path = shown(place.path)
        if not place.known:
            around = self.around(word)
            if around is not None and around.guard is not None:
                risk, what = around.guard
                return Finding(risk, f"{verb} {what}: {path}", floor=what == OWN)
            return high(f"{verb} files that are only known when it runs: {path}")
        if place.whole and (word.glob or word.near or word.fed):
            return critical(f"{verb} everything in {path}")
        if place.quiet:
            return low("writes to a device that keeps nothing")
        if place.guard is not None:
            risk, what = place.guard
            device = what == "a device"
            floor = (device and verb == "overwrites") or what == OWN
            return Finding(risk, f"{verb} {what}: {path}", floor)
        if place.inside:
            return medium(f"{verb} files in the workspace: {path or '.'}")
        return high(f"{verb} files outside the workspace: {path}")

    def removes_tree(self, word: Word) -> Finding:
        """Finding for a folder that is removed with all that is in it."""
        place = self.place(word)
        path = shown(place.path)
        if not place.known:
            text = word.text.rstrip("*")
            if text.endswith("/") and text.startswith("$"):
                return critical(f"removes everything from the root on if {path} is empty")
            around = self.around(word)
            if around is not None and not around.inside:
                return critical(f"removes a folder outside the workspace: {path}")
            return high(f"removes a folder that is only known when it runs: {path}")
        own = place.guard is not None and place.guard[1] == OWN
        if place.whole or own:
            return critical(f"removes {path} and everything in it", floor=True)
        if not place.inside:
            return critical(f"removes a folder outside the workspace: {path}")
        if place.top:
            return high("removes the whole workspace")
        if place.guard is not None:
            risk, what = place.guard
            return Finding(risk, f"removes {what}: {path}")
        return medium(f"removes a folder in the workspace: {path}")

    def changes_tree(self, words: Iterable[Word], what: str) -> list[Finding]:
        """Findings for a change of owner or mode that goes down into folders."""
        found = list[Finding]()
        for word in words:
            place = self.place(word)
            if place.whole:
                found.append(critical(f"{what}: {shown(place.path)}", floor=True))
            elif place.known and not place.inside:
                found.append(critical(f"{what} outside the workspace: {shown(place.path)}"))
            else:
                found.append(high(f"{what}: {shown(place.path)}"))
        return found


def worst(findings: Iterable[Finding]) -> Risk:
    """The highest of the findings' risks; low where there are none."""
    return max((f.risk for f in findings), key=lambda risk: risk.rank, default=Risk.LOW)
