"""Pydantic without plugins: the program has none, and looking for some costs each start."""

from __future__ import annotations

import os


def no_plugins() -> None:
    """Have pydantic look for no plugins; to be called before the first model is made.

    It would read the metadata of all that is installed beside us. Whoever has set pydantic's
    switch already keeps what they have set. Agents do not inherit it: their environment has only
    what their configuration names.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
