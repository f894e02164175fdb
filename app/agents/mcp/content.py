"""What a tool gave, as text for a model: bounded, printable."""

from __future__ import annotations

import json

import mcp_types as types

from app.domain.text import one_line, printable

_CAP = 1024 * 1024  # characters of one result that are looked at


def text_of(result: types.CallToolResult) -> str:
    """The whole result; what is no text is named, not shown."""
    parts = [_block(block) for block in result.content]
    if not any(parts) and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return printable("\n".join(parts)[:_CAP]) or "[nothing]"


def _block(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent(text=text):
            return text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type}, {one_line(block.mime_type, 60)}: not shown]"
        case types.ResourceLink():
            return f"[resource {one_line(block.name, 100)}: {one_line(str(block.uri), 300)}]"
        case types.EmbeddedResource(resource=types.TextResourceContents(text=text)):
            return text
    return f"[resource {one_line(str(block.resource.uri), 300)}: not text]"
