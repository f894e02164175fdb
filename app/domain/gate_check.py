"""What a gate finds in an output, without running anything; and the number that a log ends with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from app.domain.text import one_line

if TYPE_CHECKING:
    from regex import Match

SHOWN = 20  # how many errors or lines a log names
_WIDTH = 300

# A sign only where no number or word ends: "10-20" is two numbers, "v2" is none.
_NUMBER = r"(?<![\w.])[-+−]?(?<![0-9.])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"


class Finding(Struct, frozen=True):
    """What a check says, in sentences that an agent can act on; raw, not yet printable.

    `usable` is False when the gate itself is at fault, which no agent can mend.
    """

    passed: bool
    log: str
    usable: bool = True
    timed_out: bool = False


def score(log: str) -> float | None:
    """The last number of a gate's last line that is not blank; None if there is none.

    A decimal point, no thousands separators; what is not finite is no score.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    found = re.findall(_NUMBER, lines[-1]) if lines else []
    value = float(found[-1].replace("−", "-")) if found else math.inf
    return value if math.isfinite(value) else None


def pattern_problem(expression: str) -> str:
    """Why an expression cannot be used, in a few words; "" when it can."""
    import regex

    try:
        regex.compile(expression, regex.MULTILINE)
    except regex.error as error:
        return str(error)
    return ""


def check_patterns(pattern: str, forbid: str, output: str, seconds: float) -> Finding:
    """Look for one expression that must be there and one that must not; "" is not looked for.

    `^` and `$` are those of a line. Blocks for at most about `seconds`: an expression can take
    for ever on an output that was made for it.
    """
    import regex

    text = output.replace("\r\n", "\n")
    problem = pattern_problem(pattern) or pattern_problem(forbid)
    if problem:
        return Finding(False, f"the gate's expression cannot be used: {problem}", usable=False)
    wanted, unwanted = (regex.compile(x, regex.MULTILINE) for x in (pattern, forbid))
    try:
        if wanted.search(text, timeout=seconds) is None:
            shown = one_line(pattern, _WIDTH)
            return Finding(False, f"nothing in the output matches {shown}, which must be there")
        lines = _matching(unwanted.finditer(text, timeout=seconds), text) if forbid else []
    except TimeoutError:
        what = f"the gate's expression took more than {seconds:g} s on this output and was ended"
        return Finding(False, f"{what}: make the output shorter or plainer", timed_out=True)
    if lines:
        return Finding(False, _forbidden(forbid, lines, text))
    return Finding(True, "the output matches as it must" if pattern else "nothing forbidden found")


def _matching(matches: Iterator[Match[str]], text: str) -> list[int]:
    """The numbers of the lines that matches start on, one more than are shown at most."""
    lines = list[int]()
    start, number = 0, 1
    for match in matches:
        number += text.count("\n", start, match.start())
        start = match.start()
        if lines[-1:] != [number]:
            lines.append(number)
        if len(lines) > SHOWN:
            break
    return lines


def _forbidden(forbid: str, lines: list[int], text: str) -> str:
    every = text.split("\n")
    said = [f"  line {number}: {one_line(every[number - 1], _WIDTH)}" for number in lines[:SHOWN]]
    more = ["  and more lines"] if len(lines) > SHOWN else []
    what = f"the output must not match {one_line(forbid, _WIDTH)}, and does:"
    return "\n".join([what, *said, *more])
