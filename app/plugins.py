"""Pydantic without plugins: the program has none, and looking for some costs each start."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

_LOADER = "pydantic.plugin._loader"


def no_plugins() -> None:
    """Have pydantic look for no plugins, to be called before its first model is made ready.

    It would read the metadata of all that is installed beside us, and load the standard library's
    reader of it: a twentieth of a start. Its own switch is an environment variable, which
    saves only the reading, and which every child would inherit. With a pydantic that keeps its
    loader elsewhere this does nothing, and one that wants more of its loader gets it.
    """
    sys.modules.setdefault(_LOADER, _NoLoader(_LOADER))


class _NoLoader(ModuleType):
    """In the loader's place."""

    get_plugins = tuple

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what the import system asks a module for
            raise AttributeError(name)
        sys.modules.pop(_LOADER, None)
        return getattr(import_module(_LOADER), name)
