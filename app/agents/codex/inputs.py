"""What codex is told in one piece: a text, and the images that came with it.

Other files lie in the workspace, where the text names them.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.agents.codex.models import LocalImageInput, TextInput, UserInput
from app.agents.protocol import AttachedFile


def inputs(text: str, files: Sequence[AttachedFile] = ()) -> tuple[UserInput, ...]:
    """Input items of `turn/start` and `turn/steer`."""
    images = [file.place for file in files if file.attachment.is_image and file.data]
    return (TextInput(text=text), *(LocalImageInput(path=place) for place in images))
