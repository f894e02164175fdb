"""A prompt as content blocks: a text, and the files that came with it as far as the agent says
that it takes such content. Any agent takes links to files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acp import image_block, resource_block, resource_link_block, schema, text_block

from app.agents.protocol import AttachedFile


def blocks(
    text: str, files: Sequence[AttachedFile], can: schema.PromptCapabilities | None
) -> list[Any]:
    """The content of `session/prompt`."""
    return [text_block(text), *(_block(file, can) for file in files)]


def _block(file: AttachedFile, can: schema.PromptCapabilities | None) -> Any:
    about, uri = file.attachment, Path(file.place).as_uri()
    if file.data and about.is_image and can is not None and can.image:
        return image_block(base64.b64encode(file.data).decode(), about.media_type, uri=uri)
    if file.data and about.is_text and can is not None and can.embedded_context:
        return resource_block(
            schema.TextResourceContents(
                uri=uri, text=file.data.decode("utf-8", "replace"), mime_type=about.media_type
            )
        )
    return resource_link_block(about.name, uri, mime_type=about.media_type, size=about.size)
