"""`engine_worker`, begun as `longwatch` begins: with what the program does before it imports more.

python -m tests.benchmarks.start_worker crash --store DIR --effects FILE
"""

from __future__ import annotations

import sys

from app.garbage import collect_seldom
from app.plugins import no_plugins


def main() -> None:
    collect_seldom()
    no_plugins()
    from tests.benchmarks.engine_worker import main

    main(sys.argv[1:])


if __name__ == "__main__":
    main()
