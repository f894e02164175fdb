"""A process that checks an output against a JSON Schema: run as a file, with `python -I`.

In a process of its own because nothing within one can end an expression that takes for ever.
Reads {"schema": …, "output": …} on stdin, prints what it found, and exits with one of the
numbers below.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FITS, DOES_NOT_FIT, NOT_USABLE = 0, 3, 4


def main() -> int:
    """Do what the module says."""
    # `-I` keeps the work folder, which an agent writes, out of the path: only ours is added.
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from app.domain.gate_schema import check_schema

    given = json.loads(sys.stdin.buffer.read())
    found = check_schema(given["schema"], given["output"])
    sys.stdout.buffer.write(found.log.encode("utf-8", "replace"))
    if found.usable:
        return FITS if found.passed else DOES_NOT_FIT
    return NOT_USABLE


if __name__ == "__main__":
    sys.exit(main())
