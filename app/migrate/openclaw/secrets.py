"""Finding the secrets of a configuration, before anything else looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.domain.migration import Fate
from app.domain.providers import key_env
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.loading import Variables
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.tables import CHANNEL_SECRETS, channel_key
from app.migrate.openclaw.vault import looks_secret, ordinary, variable_name

_SECRET_KEY = re.compile(
    r"(?i)(?:token|secret|password|api[_-]?key)s?$"
    r"|(?:passwd|passphrase|passcode|private[_-]?key|access[_-]?key|signing[_-]?key"
    r"|encrypt(?:ion)?[_-]?key|aes[_-]?key|auth[_-]?key|service[_-]?account(?:[_-]?key)?"
    r"|credentials?|authorization|cookies?|jwt|bearer|mnemonic|seed[_-]?phrase|client[_-]?key"
    r"|storage[_-]?key|recovery[_-]?key|session[_-]?key|(?<![a-z])pin)$"
)
# Where these stand as keys, all texts below are secret: values of variables and of headers.
_SECRET_PARENTS = frozenset({"env", "headers", "header", "vars"})
_NO_SECRETS = frozenset({"shellEnv", "passEnv"})
_REFERENCE = frozenset({"source", "provider", "id"})
_FLAG = re.compile(
    r"(?i)^--?[a-z0-9-]*(?:token|secret|password|passwd|api-?key|access-?key|auth|credential)"
    r"[a-z0-9-]*(=.*)?$"
)
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_FILES = re.compile(r"(?i)(file|path|dir)$")

_PROSE = 4  # words

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Secrets:
    """Puts the secrets of a tree into the vault and marks their leaves."""

    ledger: Ledger
    variables: Variables
    _open: set[str] = field(default_factory=set)  # variables whose value must stand in the open
    _told: set[int] = field(default_factory=set)  # leaves that only tell where a secret is

    def declare(self, env: Node | None) -> None:
        """The variables that the configuration sets itself: `env` and `env.vars`."""
        for name, node in env.entries() if env is not None else []:
            if name == "vars":
                self.declare(node)
            elif isinstance(node.value, (str, int, float)) and not isinstance(node.value, bool):
                self.variables.declare(name, str(node.value))

    def collect(self, root: Node, at: Path = ()) -> None:
        """Mark every secret below `root`, which stands at a path of the configuration; open
        references to variables are filled in."""
        for path, node in _objects(root, at):
            if is_reference(node) and not node.hidden:
                self._reference(path, node)
        leaves = list(_walk(root, at))
        for path, leaf in leaves:
            self._note_open(path, leaf)
        # Variables first: they keep their own names.
        for path, leaf in sorted(leaves, key=lambda pair: not _sets_variable(pair[0])):
            self._leaf(path, leaf)

    def _note_open(self, path: Path, leaf: Node) -> None:
        """Variables that a model, an address or a path is made of."""
        if isinstance(leaf.value, str) and not is_secret(path, leaf.value):
            self._open |= {n for n in self.variables.names(leaf.value) if not named_secret(n)}

    def collect_rest(self) -> None:
        """Secrets of values that no longer count, such as those that a later file replaces."""
        for root in self.ledger.files:
            self.collect(root)

    def _leaf(self, path: Path, leaf: Node) -> None:
        value = leaf.value
        if value is None or isinstance(value, bool) or leaf.hidden or id(leaf) in self._told:
            return
        text = str(value)
        if isinstance(value, str) and not self.variables.names(value):
            text = self.variables.expand(value)  # `$${NAME}` is a text with `${NAME}` in it
        secret = is_secret(path, text)
        if not text.strip() or (not secret and isinstance(value, (int, float))):
            return
        if isinstance(value, str) and self.variables.names(value):
            self._refers(path, leaf, value, secret)
        elif secret and _VARIABLE_NAME.fullmatch(text) and self._names_variable(path, text):
            self._by_name(leaf, text)
        elif secret:
            name = secret_name(path)
            plain = _sets_variable(path) and not named_secret(name) and ordinary(text)
            shown = name in self._open and not looks_secret(text)
            kept = self.ledger.vault.keep(name, text, hide=not (plain or shown))
            self.ledger.secret(leaf, kept)

    def _refers(self, path: Path, leaf: Node, value: str, secret: bool) -> None:
        """A text with `${NAME}` in it. Variables hold secrets, unless where they are used must be
        open (a model, an address) and neither name nor value look like one."""
        whole = self.variables.alone(value)
        names = self.variables.names(value)
        full = self.variables.expand(value)
        unknown = [name for name in names if self.variables.value(name) is None]
        if whole is not None and (secret or named_secret(whole)):
            self._by_name(leaf, whole)
        elif unknown:
            self.ledger.odd(leaf, f"{', '.join(unknown)} is not set, so this has no value")
            leaf.hidden, leaf.variable = secret, unknown[0] if secret else ""
        elif secret or looks_secret(full) or any(map(named_secret, names)):
            for name in names:
                self._keep_variable(name)
            wanted = secret_name(path)
            self.ledger.secret(leaf, self.ledger.vault.keep(wanted, full))
        else:
            leaf.value = full

    def _by_name(self, leaf: Node, name: str) -> None:
        """A leaf that names the variable which holds its value."""
        if not self._keep_variable(name):
            self.ledger.warn(leaf, f"{name} is set nowhere: set it where Longwatch runs")
        self.ledger.secret(leaf, name)

    def _keep_variable(self, name: str) -> bool:
        value = self.variables.value(name)
        if value is not None:
            plain = name in self._open or (not named_secret(name) and ordinary(value))
            self.ledger.vault.keep(name, value, hide=not plain)
        return value is not None

    def _names_variable(self, path: Path, text: str) -> bool:
        """Whether a key in capitals is the name of a variable: one that is set, or that its
        provider's key usually has."""
        if self.variables.value(text) is not None:
            return True
        provider = str(path[-2]) if len(path) > 1 else ""
        return path[0] == "models" and text == key_env(provider)

    def _reference(self, path: Path, node: Node) -> None:
        """A secret that is told by where it is: `{source, provider, id}`."""
        fields = node.fields or {}
        source, name = fields["source"].value, str(fields["id"].value)
        if source == "env" and _VARIABLE_NAME.fullmatch(name):
            variable = name
            if not self._keep_variable(name):
                self.ledger.warn(node, f"{name} is set nowhere: set it where Longwatch runs")
        else:
            variable = secret_name(path)
            what = f"its value is kept elsewhere: put it into the file of secrets as {variable}"
            self.ledger.warn(node, what)
        for leaf in node.leaves():
            leaf.fate, leaf.to = Fate.MAPPED, variable
            self._told.add(id(leaf))
        node.hidden, node.variable = True, variable


def named_secret(name: str) -> bool:
    """Whether the name of a key or variable says that its value, or all below, is a secret."""
    return _SECRET_KEY.search(name) is not None and not _FILES.search(name)


def _sets_variable(path: Path) -> bool:
    lowered = [part.lower() for part in path[:-1] if isinstance(part, str)]
    return "env" in lowered


def is_reference(node: Node) -> bool:
    """Whether a value is a reference to a secret instead of the secret."""
    fields = node.fields
    return (
        fields is not None
        and {"source", "id"} <= fields.keys() <= _REFERENCE
        and all(isinstance(child.value, str) for child in fields.values())
    )


def is_secret(path: Path, text: str) -> bool:
    """Whether the text at a path is one that must not be seen."""
    names = [part for part in path if isinstance(part, str)]
    if not names or any(name in _NO_SECRETS for name in names):
        return _token(text)
    if _SECRET_PARENTS & {name.lower() for name in names[:-1]}:
        return True
    # The section `secrets` says where secrets are; it has none.
    if any(map(named_secret, names[names[0] == "secrets" :])) and not (
        text.isdigit() and len(text) < 4
    ):
        return True
    return _token(text) or (_FLAG.match(text) is not None and "=" in text)


def _token(text: str) -> bool:
    """Whether all of a text is a secret by its shape. In prose only the token is: it is taken out
    where the text is used."""
    return looks_secret(text) and len(text.split()) < _PROSE


def secret_name(path: Path) -> str:
    """The variable for the secret at a path of the configuration."""
    names = [part for part in path if isinstance(part, str)]
    last = names[-1] if names else "secret"
    lowered = [name.lower() for name in names]
    if names[:1] == ["channels"] and len(names) > 2:
        return _channel_secret(names)
    if names[:2] == ["models", "providers"] and len(names) > 3 and lowered[-1] == "apikey":
        return key_env(names[2]) or variable_name(names[2], "api_key")
    if "env" in lowered[:-1]:
        return last if last.isidentifier() and last.isascii() else variable_name(last)
    if names[:2] == ["mcp", "servers"] and len(names) > 2:
        return variable_name(names[2], *names[3:][-2:])
    if names[:2] == ["skills", "entries"] and len(names) > 2:
        return variable_name(names[2], last)
    return variable_name("openclaw", *names[-3:])


def _channel_secret(names: list[str]) -> str:
    """By the table for a channel's own; with the account's name for one of several."""
    channel, last = channel_key(names[1]), names[-1]
    wanted = CHANNEL_SECRETS.get((channel, last))
    account = names[3] if names[2] == "accounts" and len(names) > 4 else ""
    if wanted is None:
        return variable_name(channel, *names[2:])
    if not account or account.lower() == "default":
        return wanted
    return variable_name(channel, account, wanted.removeprefix(variable_name(channel) + "_"))


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if node.leaf:
        yield path, node
        return
    after_flag = False
    for key, child in node.fields.items() if node.fields is not None else ():
        yield from _walk(child, (*path, key))
    for i, child in enumerate(node.items or ()):
        # What follows `--token` in a command line is the token.
        inner = (*path, "token") if after_flag and child.leaf else (*path, i)
        yield from _walk(child, inner)
        word = child.value if isinstance(child.value, str) else ""
        after_flag = _FLAG.match(word) is not None and "=" not in word


def _objects(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if node.fields:
        yield path, node
    for key, child in node.fields.items() if node.fields is not None else ():
        yield from _objects(child, (*path, key))
    for i, child in enumerate(node.items or ()):
        yield from _objects(child, (*path, i))
