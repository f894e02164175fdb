"""What came with a prompt, as content that a model looks at: images, and the text of text files.

Other files lie in the workspace, where the prompt names them and the tools read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic_ai.messages import BinaryContent, ModelMessage, UserContent, UserPromptPart

from app.agents.protocol import AttachedFile

IMAGE_CHARACTERS = 6_000  # that an image counts as: some 1,600 tokens


def contents(
    text: str, files: Sequence[AttachedFile], clean: Callable[[str], str]
) -> str | list[UserContent]:
    """The content of a prompt; a text alone stays one."""
    shown: list[UserContent] = []
    for file in files:
        if file.data and file.attachment.is_image:
            shown.append(BinaryContent(file.data, media_type=file.attachment.media_type))
        elif file.data and file.attachment.is_text:
            words = clean(file.data.decode("utf-8", "replace"))
            shown.append(f"The content of {file.path}:\n\n{words}")
    return [text, *shown] if shown else text


def excess(messages: Sequence[ModelMessage]) -> int:
    """By how many characters images make messages longer as JSON than they are to a model."""
    sizes = (
        len(item.data) * 4 // 3 - IMAGE_CHARACTERS
        for message in messages
        for part in message.parts
        if isinstance(part, UserPromptPart) and not isinstance(part.content, str)
        for item in part.content
        if isinstance(item, BinaryContent)
    )
    return sum(sizes)
