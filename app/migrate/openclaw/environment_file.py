"""The source's `.env`: every value of it is a secret, kept under its own name."""

from __future__ import annotations

import io

from app.migrate.openclaw.ledger import Ledger
from app.migrate.openclaw.loading import Variables
from app.migrate.openclaw.nodes import Node
from app.migrate.openclaw.source import Source

ENV_FILE = ".env"


def read_env_file(source: Source, ledger: Ledger, variables: Variables) -> Node | None:
    """Declare the variables of `.env`; its lines as a tree, None if there is no such file."""
    from dotenv.parser import parse_stream

    path = source.file(ENV_FILE)
    if path is None:
        return None
    try:
        text = source.text(path)
    except (OSError, ValueError):
        ledger.warn(ENV_FILE, "cannot be read, so its variables are missing")
        return None
    found: dict[str, str] = {}
    bad = 0
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is not None and binding.value is not None and not binding.error:
            found[binding.key] = binding.value
        elif binding.error:
            bad += 1
    if bad:
        ledger.warn(ENV_FILE, f"{bad} of its lines are not NAME=value and were left out")
    for name, value in found.items():
        variables.declare(name, value)
    return ledger.add(found, ENV_FILE)
