"""Checks of names and addresses that stand in more than one part of the configuration."""

from __future__ import annotations

import re

from app.domain.late_pattern import LatePattern

_HEADER = LatePattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_URL = LatePattern(r"https?://[^\s/]+", re.IGNORECASE)


def variable_problem(name: str) -> str:
    """What is wrong with the name of an environment variable; "" when nothing is."""
    return "" if name.isidentifier() else f'"{name}" is not the name of an environment variable'


def header_problem(name: str) -> str:
    """What is wrong with the name of an HTTP header; "" when nothing is."""
    return "" if _HEADER.compiled.fullmatch(name) else f"{name!r} is not the name of a header"


def inside_problem(path: str) -> str:
    """What is wrong with a path that must stay inside the project; "" when nothing is."""
    if path.startswith("/") or ".." in path.split("/") or not path.strip("./"):
        return f'"{path}" does not name a file inside the project'
    return ""


def address_problem(url: str) -> str:
    """What is wrong with the address of an endpoint; "" when nothing is."""
    return "" if _URL.compiled.match(url) else f"{url!r} is not an http or https address"
