"""How each driver shows its agent what came with a prompt; what it cannot show lies in a file."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from acp import schema
from pydantic_ai.messages import BinaryContent

from app.agents.acp.blocks import blocks
from app.agents.codex.inputs import inputs
from app.agents.model import ModelDriver
from app.agents.model.attached import contents, excess
from app.agents.model.conversation import Conversation
from app.agents.protocol import AttachedFile, Prompt
from app.domain.attachment import MIB, Attachment
from tests.agents.model.conftest import Spec, spec, workspace
from tests.agents.playing import end_of
from tests.support.model_server import ModelServer

__all__ = ["spec", "workspace"]
PNG = b"\x89PNG\r\n\x1a\n\x01"


def a_file(name: str, kind: str, data: bytes, size: int | None = None) -> AttachedFile:
    about = Attachment(
        name=name, media_type=kind, size=len(data) if size is None else size, sha256="a" * 64
    )
    shown = data if about.is_shown else b""
    return AttachedFile(about, f".longwatch/attachments/{name}", "/work", shown)


IMAGE = a_file("shot.png", "image/png", PNG)
TEXT = a_file("notes.md", "text/plain", b"remember")
OTHER = a_file("data.bin", "application/octet-stream", b"\x00")
HUGE = a_file("huge.png", "image/png", PNG, 6 * MIB)
ALL = (IMAGE, TEXT, OTHER, HUGE)
PLACE = "/work/.longwatch/attachments/"


def test_codex_reads_images_itself() -> None:
    text, image = inputs("look", ALL)
    assert text.model_dump() == {"type": "text", "text": "look"}
    assert image.model_dump() == {"type": "localImage", "path": f"{PLACE}shot.png"}


def test_an_acp_agent_gets_what_it_says_that_it_takes() -> None:
    able = schema.PromptCapabilities(image=True, embedded_context=True)
    text, image, notes, other, huge = blocks("look", ALL, able)
    assert (text.text, image.data) == ("look", base64.b64encode(PNG).decode())
    assert (notes.resource.text, notes.resource.uri) == ("remember", f"file://{PLACE}notes.md")
    assert other.uri == f"file://{PLACE}data.bin"
    assert huge.uri == f"file://{PLACE}huge.png"
    for unable in (None, schema.PromptCapabilities()):
        _, *links = blocks("look", ALL, unable)
        assert {link.type for link in links} == {"resource_link"}


def test_a_model_is_shown_images_and_texts_without_secrets() -> None:
    said = contents("look", ALL, lambda text: text.replace("remember", "[secret]"))
    assert isinstance(said, list)
    first, image, text = said
    assert first == "look"
    assert isinstance(image, BinaryContent)
    assert (image.data, image.media_type) == (PNG, "image/png")
    assert text == "The content of .longwatch/attachments/notes.md:\n\n[secret]"
    assert contents("look", (OTHER,), str) == "look"


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
async def test_an_image_reaches_the_model_and_survives_a_restart(
    spec: Spec, model: ModelServer, tmp_path: Path, api: str
) -> None:
    session = await ModelDriver().open(spec(api=api))
    prompt = Prompt("SAY: seen", 1, attachments=(IMAGE, TEXT))
    events = [event async for event in session.prompt(prompt)]
    assert end_of(events).text == "seen"
    await session.close()
    assert base64.b64encode(PNG).decode() in str(model.requests[-1])
    kept = Conversation.load(tmp_path / "session" / "conversation.jsonl", "")
    assert excess(kept.messages) == len(PNG) * 4 // 3 - 6_000
    session = await ModelDriver().resume(spec(api=api), "s-1")
    events = [event async for event in session.prompt(Prompt("SAY: again", 2))]
    assert base64.b64encode(PNG).decode() in str(model.requests[-1])
    await session.close()
