"""Rebuilds a store and kills itself at the N-th write: run as a program by tests.

    python -m tests.support.dying_rebuild STORE BOUNDARY before|after

Prints `boundaries N` if it lives to the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.store.mending import mend
from app.store.paths import StorePaths
from tests.support.dying_writer import Fate, arm


def main() -> None:
    store, boundary, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    fate = Fate(boundary, when)
    arm(fate)
    mend(StorePaths(store), dry_run=False, tell=lambda done, total: None)
    print(f"boundaries {fate.count}", flush=True)


if __name__ == "__main__":
    main()
