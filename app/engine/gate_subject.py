"""What a gate is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from app.domain.run import Run


class Subject(Struct, frozen=True, kw_only=True):
    """One attempt's result: its output, and what was changed from commit `base` to `commit`.

    A command looks at it in `workspace`. One that is sandboxed finds the `hidden` folders empty,
    but for what is `visible` of them.
    """

    run: Run
    step: str
    output: str
    workspace: str
    base: str | None = None
    commit: str | None = None
    hidden: Sequence[str] = ()
    visible: Sequence[str] = ()
