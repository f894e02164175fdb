"""Reading one file of an OpenFang home into the accounts."""

from __future__ import annotations

import io
import tomllib

from dotenv.parser import parse_stream

from app.domain.migration import ItemKind
from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.source import Source

SECRETS = "secrets.env"


def read_toml(source: Source, ledger: Ledger, place: str, kind: ItemKind, name: str) -> Node | None:
    """A TOML file's tree; None where there is none, or one that cannot be read, which is told."""
    path = source.file(place)
    if path is None:
        return None
    why = ""
    try:
        data = tomllib.loads(source.text(path))
    except OSError as error:
        why = f"it cannot be opened ({error.strerror})"
    except tomllib.TOMLDecodeError:
        why = "it is not valid TOML"  # its words could quote a secret
    except (ValueError, RecursionError):
        why = "it cannot be read: too long, or nested too deep"
    if why:
        ledger.warn(place, f"{why}; nothing of it was taken")
        ledger.left(kind, name, why)
        return None
    return ledger.add(data, place)


def read_secrets(source: Source, ledger: Ledger) -> None:
    """`secrets.env`: each of its lines is a secret, under its own name."""
    path = source.file(SECRETS)
    if path is None:
        return
    try:
        text = source.text(path)
    except (OSError, ValueError):
        ledger.warn(SECRETS, "cannot be read: copy its values by hand")
        return
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            ledger.warn(f"{SECRETS}: line {binding.original.line}", "is not NAME=value")
        elif binding.key is not None and binding.value is not None:
            if binding.key.isidentifier() and binding.key.isascii():
                found[binding.key] = binding.value
            else:
                ledger.warn(f"{SECRETS}: line {binding.original.line}", "does not name a variable")
    root = ledger.add(found, SECRETS)
    for name, node in root.fields.items() if root.fields is not None else ():
        if found[name]:
            ledger.secret(node, ledger.vault.keep(name, found[name]))
        else:
            ledger.archived(node, "is empty")
