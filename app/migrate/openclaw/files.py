"""The files of an installation: what agents know, where they worked, what they said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.migration import ItemKind, PlannedCopy, PlannedText
from app.domain.openfang_names import slug
from app.migrate.openclaw.agents import Agent, Roster
from app.migrate.openclaw.beside import folder_beside, texts_in
from app.migrate.openclaw.channels import CREDENTIALS, Credential
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.output import AGENTS, IMPORTED
from app.migrate.openclaw.source import Found, Source, Tree

# The files of a workspace that OpenClaw put into every prompt, in its order. BOOTSTRAP.md and
# HEARTBEAT.md were for occasions that do not come here.
PROMPT_FILES = ("AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md", "MEMORY.md")
_PROMPT_LIMIT = 128 * 1024  # bytes of one that is put into prompts
_PROMPTS_LIMIT = 512 * 1024  # of all of an agent's together
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico")
_SOUNDS = (".mp3", ".mp4", ".ogg", ".wav")
_PACKED = (".zip", ".gz", ".tar", ".7z", ".pdf", ".sqlite", ".db", ".woff2")
_BINARY = frozenset({*_IMAGES, *_SOUNDS, *_PACKED})

# A session, or one that was put aside when its conversation was begun anew.
_SESSION = re.compile(r"\.jsonl(\.(reset|deleted)\.[^/]+)?$")
# Files of a workspace that are secrets by their names, but for patterns of such files.
_SECRET_FILE = re.compile(
    r"(?i)(^|/)(\.env(\.(?!example$|sample$|template$|dist$)[^/]*)?|\.netrc|\.pgpass"
    r"|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)|auth-profiles\.json"
    r"|secrets?\.(env|json|ya?ml|toml)|[^/]+\.(pem|key|p12|pfx))$"
)


@dataclass(slots=True)
class Files:
    """Plans the copies of an installation's files."""

    source: Source
    ledger: Ledger
    roster: Roster
    copies: list[PlannedCopy] = field(default_factory=list)
    texts: list[PlannedText] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    _room: int = 0  # bytes that may still be put into the prompts of an agent

    def agent(self, agent: Agent, sections: list[Node], others: frozenset[Path]) -> None:
        """An agent's workspace and memory; `others` are the workspaces of other agents."""
        self._room = _PROMPTS_LIMIT
        workspace = self._workspace(agent, sections)
        if workspace is not None:
            self._copy_workspace(agent, workspace, others - {workspace})
        self._memory(agent)

    def workspace_of(self, agent: Agent, sections: list[Node]) -> Path | None:
        """Where an agent worked, if that is inside the source."""
        ident = agent.entry.ident
        own = agent.entry.node.get("workspace") if agent.entry.node is not None else None
        for node in sections:
            text = node.value if isinstance(node.value, str) and not node.hidden else None
            found = self.source.moved(text) if text else None
            if found is None or not found.is_dir():
                continue
            inner = found / ident
            if node is not own and len(self.roster.entries) > 1 and not self._default(agent):
                return inner if _is_plain(ident) and self.source.folder(inner) else None
            return found
        for place in (f"workspaces/{ident}", f"agents/{ident}/workspace", f"workspace-{ident}"):
            if _is_plain(ident) and (folder := self.source.folder(place)) is not None:
                return folder
        return self.source.folder("workspace") if self._default(agent) else None

    def _default(self, agent: Agent) -> bool:
        default = self.roster.default
        return default is agent.entry or (default is None and agent.entry.ident == "main")

    def _workspace(self, agent: Agent, sections: list[Node]) -> Path | None:
        found = self.workspace_of(agent, sections)
        own = agent.entry.node.get("workspace") if agent.entry.node is not None else None
        taken = found is not None
        for node in sections:
            if not isinstance(node.value, str):
                self.ledger.odd(node, "is not a text")
            elif found is not None:
                self.ledger.mapped(node, f"{AGENTS}/{agent.name}/workspace")
            elif not taken and self._beside(agent, node, own=node is own):
                taken = True
            elif node is own:
                self.ledger.archived(node, "there is no such folder inside the source")
                self.ledger.left(
                    ItemKind.WORKSPACE, agent.entry.ident, "its folder is not inside the source"
                )
        return found

    def _beside(self, agent: Agent, node: Node, *, own: bool) -> bool:
        """A workspace beside the source: what stood in prompts is taken, the rest is told of."""
        ident = agent.entry.ident
        inner = "" if own or len(self.roster.entries) == 1 or self._default(agent) else ident
        if not isinstance(node.value, str) or node.hidden or (inner and not _is_plain(inner)):
            return False
        folder = folder_beside(self.source, node.value, inner)
        if folder is None:
            return False
        to = f"{AGENTS}/{agent.name}/workspace"
        for name, text in texts_in(folder, PROMPT_FILES, _PROMPT_LIMIT):
            size = len(text.encode())
            if size <= self._room:
                self._room -= size
                path = self.free(f"{to}/{name}")
                self.texts.append(PlannedText(path=path, text=self.ledger.vault.clean(text)))
                self.ledger.took(ItemKind.MEMORY, f"{ident}/{name}", path)
                agent.files.append(path)
        self.ledger.mapped(node, to)
        rest = "lies beside the source: only what stood in its prompts was taken, copy the rest"
        self.ledger.left(ItemKind.WORKSPACE, ident, rest)
        return True

    def _copy_workspace(self, agent: Agent, folder: Path, others: frozenset[Path]) -> None:
        tree = self._without_secrets(
            self.source.walk(folder, without=others), folder, agent.entry.ident, agent.name
        )
        to = f"{AGENTS}/{agent.name}/workspace"
        at = {file.relative: self._copy(f"{to}/{file.relative}", file) for file in tree.files}
        self._told(ItemKind.WORKSPACE, agent.entry.ident, to, tree)
        by_name = {file.relative: file for file in tree.files}
        for name in PROMPT_FILES:
            file = by_name.get(name)
            if file is not None and self._prompts(file):
                agent.files.append(at[name])

    def _without_secrets(self, tree: Tree, folder: Path, ident: str, name: str) -> Tree:
        """A workspace without its files of secrets, which are kept privately."""
        secret = tuple(file for file in tree.files if _SECRET_FILE.search(file.relative))
        if not secret:
            return tree
        apart = f"{CREDENTIALS}/workspaces/{name}"
        for file in secret:
            self._copy(f"{apart}/{file.relative}", file, secret=True)
        self._told(ItemKind.CREDENTIAL, f"{ident}: secrets of its workspace", apart, Tree(secret))
        self.ledger.warn(
            self.source.relative(folder),
            f"has files of secrets in it ({', '.join(f.relative for f in secret[:5])}): they are in"
            f" {apart}, not in the workspace, which goes into version control",
        )
        paths = {file.path for file in secret}
        return Tree(tuple(file for file in tree.files if file.path not in paths), tree.left)

    def _memory(self, agent: Agent) -> None:
        """`memory/AGENT/` before the older `agents/AGENT/`; a blank one is none."""
        ident = agent.entry.ident
        if not _is_plain(ident):
            return
        copied = ""
        for place in (f"memory/{ident}", f"agents/{ident}"):
            path = self.source.file(f"{place}/MEMORY.md")
            if path is None:
                continue
            file = Found(path, "MEMORY.md", path.stat().st_size)
            if self._blank(file):
                self.ledger.left(ItemKind.MEMORY, ident, f"{place}/MEMORY.md is blank")
                continue
            if copied:
                why = f"of {place}/MEMORY.md: a newer one counts"
                self.ledger.left(ItemKind.MEMORY, ident, why)
                continue
            to = f"{AGENTS}/{agent.name}/MEMORY.md"
            copied = self._copy(to, file)
            self.ledger.took(ItemKind.MEMORY, ident, copied)
            if self._prompts(file):
                agent.files.append(copied)
        folder = self.source.folder(f"memory/{ident}")
        if folder is not None:
            tree = self.source.walk(folder)
            rest = tuple(file for file in tree.files if file.relative != "MEMORY.md")
            for file in rest:
                self._copy(f"{AGENTS}/{agent.name}/memory/{file.relative}", file)
            self._told(ItemKind.MEMORY, f"{ident}/memory", f"{AGENTS}/{agent.name}/memory",
                       Tree(rest, tree.left))  # fmt: skip

    def credentials(self, named: list[Credential]) -> None:
        """Files of secrets: those that channels name, and the folder `credentials`."""
        for one in named:
            if one.source.is_dir():
                tree = self.source.walk(one.source)
                for file in tree.files:
                    self._copy(f"{one.destination}/{file.relative}", file, secret=True)
                self._told(ItemKind.CREDENTIAL, one.what, one.destination, tree)
            else:
                file = Found(one.source, one.source.name, one.source.stat().st_size)
                self._copy(one.destination, file, secret=True)
                self.ledger.took(ItemKind.CREDENTIAL, one.what, one.destination)
        folder = self.source.folder("credentials")
        if folder is not None:
            tree = self.source.walk(folder)
            for file in tree.files:
                self._copy(f"{CREDENTIALS}/{file.relative}", file, secret=True)
            self._told(ItemKind.CREDENTIAL, "credentials", CREDENTIALS, tree)

    def folder(self, kind: ItemKind, place: str, name: str, to: str) -> int:
        """A folder that is kept in the archive; how many files it has."""
        found = self.source.folder(place)
        if found is None:
            return 0
        tree = self.source.walk(found)
        if kind is ItemKind.WORKSPACE:
            tree = self._without_secrets(tree, found, name, to.split("/")[-2])
        for file in tree.files:
            self._copy(f"{to}/{file.relative}", file)
        self._told(kind, name, to, tree)
        return len(tree.files)

    def sessions(self, place: str, agent: str, ident: str) -> None:
        """The sessions of an agent, as they are."""
        folder = self.source.folder(place)
        if folder is None:
            return
        tree = self.source.walk(folder)
        to = f"{IMPORTED}/{agent}/sessions"
        lines = tuple(file for file in tree.files if _SESSION.search(file.relative))
        for file in lines:
            self._copy(f"{to}/{_flat(file.relative)}", file, private=True)
        for file in tree.files:
            if file.relative == "sessions.json":
                self._copy(f"{to}/{file.relative}", file, private=True)
        count = f"{len(lines):,} session file" + ("" if len(lines) == 1 else "s")
        self._told(ItemKind.SESSION, ident, to, Tree(lines, tree.left), count)

    def _told(self, kind: ItemKind, name: str, to: str, tree: Tree, what: str = "") -> None:
        if tree.files:
            many = what or f"{len(tree.files):,} file" + ("" if len(tree.files) == 1 else "s")
            self.ledger.took(kind, name, to, f"{many}, {_size(tree.size)}")
        for line in tree.left[:20]:
            self.ledger.left(kind, f"{name}: {line.partition(': ')[0]}", line.partition(": ")[2])
        if len(tree.left) > 20:
            self.ledger.left(kind, f"{name}: {len(tree.left) - 20} more", "links or folders")

    def _copy(self, to: str, file: Found, *, private: bool = False, secret: bool = False) -> str:
        """Plan the copy of a file; where it will be. A secret one is copied as it is."""
        path = self.free(to)
        self.copies.append(
            PlannedCopy(
                path=path,
                source=str(file.path),
                size=file.size,
                private=private or secret,
                redact=not secret and file.path.suffix.lower() not in _BINARY,
            )
        )
        return path

    def free(self, path: str) -> str:
        """A path that no other copy has, upper and lower case being the same; no secret in it, and
        no file where another path has a folder."""
        parts = [_printable(self.ledger.vault.clean(part)) for part in path.split("/")]
        folder = ""
        for part in parts[:-1]:
            inner, number = folder + part, 2
            while inner.lower() in self._taken:
                inner, number = f"{folder}{part}-{number}", number + 1
            self._folders.add(inner.lower())
            folder = f"{inner}/"
        wanted = free = folder + parts[-1]
        number = 2
        while free.lower() in self._taken or free.lower() in self._folders:
            stem, dot, suffix = wanted.rpartition(".")
            free = (
                f"{stem}-{number}.{suffix}" if dot and "/" not in suffix else f"{wanted}-{number}"
            )
            number += 1
        self._taken.add(free.lower())
        return free

    def _prompts(self, file: Found) -> bool:
        """Whether a file is put into prompts: text, not too long, not blank."""
        if self._blank(file):
            return False
        why = "it is too long to stand in every prompt" if file.size > _PROMPT_LIMIT else ""
        if not why and file.size > self._room:
            why = "with the others it is too long to stand in every prompt"
        try:
            why = why or ("" if file.path.read_bytes().decode("utf-8") else "it is blank")
        except (OSError, UnicodeDecodeError):
            why = "it is not UTF-8 text"
        if why:
            self.ledger.warn(self.source.relative(file.path), f"was copied, but {why}")
            return False
        self._room -= file.size
        return True

    def _blank(self, file: Found) -> bool:
        try:
            return file.size <= _PROMPT_LIMIT and not file.path.read_bytes().strip()
        except OSError:
            return True


def _is_plain(ident: str) -> bool:
    """Whether an agent's id can be looked for as the name of a folder."""
    return ident not in ("", ".", "..") and not set(ident) & set("/\\\0:") and len(ident) < 200


def _flat(name: str) -> str:
    return name.replace("/", "_")


def _printable(part: str) -> str:
    """A part of a path that every system takes; most stay as they are."""
    if part.isprintable() and part not in ("", ".", "..") and not set(part) & set('\\:*?"<>|\0'):
        return part
    stem, _, suffix = part.rpartition(".")
    if stem and re.fullmatch(r"[A-Za-z0-9]{1,10}", suffix):  # what kind of file it is
        return f"{slug(stem, 'file')}.{suffix}"
    return slug(part, "file")


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
