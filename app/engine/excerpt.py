"""The readable part of a command's output: printable, trimmed, bounded, honest about the rest."""

from __future__ import annotations

from app.domain.text import printable
from app.engine.capture import Output

_REMARK_BYTES = 64
# Width of a UTF-8 character by the smallest lead byte that has it.
_WIDTHS = ((0xF0, 4), (0xE0, 3), (0xC0, 2), (0x00, 1))


def excerpt(output: Output, limit: int) -> str:
    """A stream's text in at most `limit` bytes: all of it, or head, remark and tail."""
    room = limit
    while True:
        text = _excerpt(output, room)
        if size_of(text) <= limit or room == 0:
            return text
        # Broken UTF-8 and controls take up to three times their room once they are printable.
        room //= 2


def size_of(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text.encode())


def _excerpt(output: Output, room: int) -> str:
    if not output.cut and output.size <= room:
        return printable(output.text).strip()
    half = max(room - _REMARK_BYTES, 0) // 2
    stored = output.head + output.tail
    head = _whole_end((output.head if output.cut else stored)[:half])
    tail = _whole_start((output.tail if output.cut else stored)[-half:] if half else b"")
    left_out = output.size - len(head) - len(tail)
    start = printable(head.decode("utf-8", "replace")).lstrip()
    end = printable(tail.decode("utf-8", "replace")).rstrip()
    return f"{start}\n… {left_out:,} bytes left out …\n{end}".strip()


def _whole_end(head: bytes) -> bytes:
    """Without the piece of a character that a cut has left at its end."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte & 0xC0 != 0x80:
            width = next(width for lead, width in _WIDTHS if byte >= lead)
            return head[:-back] if width > back else head
    return head


def _whole_start(tail: bytes) -> bytes:
    """Without the piece of a character that a cut has left at its start."""
    for start in range(min(4, len(tail))):
        if tail[start] & 0xC0 != 0x80:
            return tail[start:]
    return tail
