"""Where a path of a command lies, worked out from the text alone: no file is looked at."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from app.domain.request import Risk
from app.domain.risk.kept import NOTHING_OWN, OWN, Own
from app.domain.risk.names import guarded_inside, guarded_outside, is_quiet_device, is_secret
from app.domain.shell import Word

_HOME = "/home/~"  # the operator's home where the workspace does not tell it
_A_HOME = re.compile(r"(/(?:home|Users)/[^/]+|/root)(?:/|$)")
_WHOLE = re.compile(
    r"/(?:[^/]+)?$|/(?:home|Users)/[^/]+$|/usr/[^/]+$|/var/(?:lib|log|www)$|/usr/local/[^/]+$"
)
_NOT_WHOLE = re.compile(r"/tmp$|/scratch$|/work$|/data$|/app$|/repo$")
_OTHER_HOME = re.compile(r"~([A-Za-z_][\w-]*)(/[^$`]*)?")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Place:
    """A path. `known` is False where only the running command knows it.

    `whole`: the root, a home, a folder of the system, or the folder that holds the workspace.
    `top`: the workspace itself or everything in it. `wild`: the path ends in a pattern.
    """

    path: str
    known: bool = True
    inside: bool = False
    relative: str = ""
    whole: bool = False
    top: bool = False
    secret: bool = False
    quiet: bool = False
    guard: tuple[Risk, str] | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders by which paths are judged: the session's workspace, the operator's home, and
    the supervisor's own."""

    workspace: str
    home: str
    own: Own = NOTHING_OWN

    @classmethod
    def of(cls, workspace: str, own: Own = NOTHING_OWN) -> Folders:
        root = _normal(workspace)
        found = _A_HOME.match(root + "/")
        return cls(root, found[1] if found else _HOME, own)

    def start(self, cwd: str | None) -> str | None:
        """The folder a call starts in: the workspace unless it names another."""
        if not cwd:
            return self.workspace
        return self.enter(self.workspace, Word(text=cwd, home=cwd.startswith("~")))

    def enter(self, cwd: str | None, target: Word) -> str | None:
        """The folder after `cd target`; None where that is not known."""
        if target.dynamic or target.glob:
            return None
        return self._absolute(target, cwd)

    def place(self, word: Word, cwd: str | None) -> Place:
        """Where the file named by a word lies, seen from the folder `cwd`."""
        if word.near:
            word = Word(text=word.near, glob=True, home=word.near.startswith("~/"))
        if found := _OTHER_HOME.fullmatch(word.text) if word.dynamic else None:
            base = "/root" if found[1] == "root" else f"/home/{found[1]}"
            word = Word(text=base + (found[2] or ""), glob=word.glob)
        if word.dynamic:
            return Place(word.text, known=False, secret=is_secret(word.text))
        path = self._absolute(word, cwd)
        if path is None:
            return Place(word.text, known=False, secret=is_secret(word.text, glob=word.glob))
        if not (word.glob and _WILD.search(path)):
            return self._place(path, word.text)
        return self._pattern(path, word)

    def _pattern(self, path: str, word: Word) -> Place:
        """A pattern lies where the part before its first wildcard lies."""
        parts = path.split("/")
        first = next(index for index, part in enumerate(parts) if _WILD.search(part))
        base = self._place("/".join(parts[:first]) or "/", word.text)
        last = first == len(parts) - 1 and not parts[first].strip("*?.")
        named = self._place(path, word.text)
        return Place(
            path=word.text,
            inside=base.inside,
            relative=named.relative if named.inside else "",
            whole=base.whole,
            top=base.top and last,
            secret=is_secret(path, glob=True),
            guard=base.guard or named.guard,
        )

    def _absolute(self, word: Word, cwd: str | None) -> str | None:
        text = word.text
        if word.home or text == "~" or (text.startswith("~/") and word.home):
            return _normal(self.home + text[1:])
        if text.startswith("/"):
            return _normal(text)
        return None if cwd is None else _normal(f"{cwd}/{text}")

    def _place(self, path: str, text: str) -> Place:
        root = self.workspace
        if path == root or path.startswith(root.rstrip("/") + "/"):
            relative = path[len(root) :].strip("/")
            return Place(
                path=text,
                inside=True,
                relative=relative,
                top=relative == "",
                whole=path == "/",
                secret=is_secret(relative),
                guard=guarded_inside(relative),
            )
        guard = guarded_outside(path, self.home)
        if self.own.holds(path):
            guard = (Risk.CRITICAL, OWN)
        above = (root + "/").startswith(path.rstrip("/") + "/")
        whole = above or path in (self.home, "/root") or _is_whole(path)
        return Place(
            path=text,
            whole=whole,
            secret=is_secret(path),
            quiet=is_quiet_device(path),
            guard=guard,
        )


def _is_whole(path: str) -> bool:
    return _WHOLE.match(path) is not None and _NOT_WHOLE.match(path) is None


def _normal(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/")) if path else "/"
