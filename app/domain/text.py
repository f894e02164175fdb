"""What is printable: the one place where text from agents, tools and files becomes harmless.

Terminals obey what they are sent, and readers believe what they see. So controls become
pictures, and characters that only hide or reorder others become a replacement sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from app.domain.late_pattern import LatePattern

_REPLACEMENT = "\ufffd"

# Colour and erase-to-end-of-line sequences carry no words and fill the output of every build
# tool: they are dropped whole. Every other sequence stays visible, with its ESC as a picture.
_COLOUR = LatePattern(r"\x1b\[[0-9;:]{0,64}[mK]")

# Ranges of invisible characters: first and last, inclusive.
_HIDDEN = (
    (0x7F + 1, 0x9F),  # C1 controls; 0x9B alone starts a control sequence
    (0xAD, 0xAD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers, drawn as nothing
    (0x17B4, 0x17B5),  # Khmer inherent vowels, drawn as nothing
    (0x180B, 0x180F),  # Mongolian selectors and vowel separator
    (0x200B, 0x200F),  # zero-width space, joiners, direction marks
    (0x2028, 0x2029),  # line and paragraph separator (made newlines below)
    (0x202A, 0x202E),  # bidirectional embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidirectional isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xDFFF),  # surrogates: not characters, cannot be written as UTF-8
    (0xFE00, 0xFE0D),  # variation selectors but the two that emoji use
    (0xFEFF, 0xFEFF),  # zero-width no-break space
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF9, 0xFFFB),  # interlinear annotation
    (0xFFFE, 0xFFFF),  # not characters
    (0x1D173, 0x1D17A),  # invisible musical marks
    (0xE0000, 0xE0FFF),  # tags and variation selectors that smuggle text
)


@cache
def _table() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
    table[0x7F] = "\u2421"
    for first, last in _HIDDEN:
        table.update(dict.fromkeys(range(first, last + 1), _REPLACEMENT))
    table.update({0x0D: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"})
    return table


_PLAIN = b"\t\n" + bytes(range(0x20, 0x7F))
_UNSAFE = LatePattern(
    "[\x00-\x08\x0b-\x1f\x7f"
    + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _HIDDEN)
    + "]"
)

# What terminals draw in different widths, so that the rest of its row would stand elsewhere than
# who draws it thinks: the sign that asks for a picture, skin tones, characters of later Unicode.
_SELECTORS = "\ufe0e\ufe0f"
_TONES = "\U0001f3fb-\U0001f3ff"
_NEW = (
    "\U0001f6dc\U0001fa75-\U0001fa77\U0001fa89\U0001fa8f\U0001faad-\U0001faaf\U0001fabb-\U0001fabf"
    "\U0001fac6\U0001face\U0001facf\U0001fada-\U0001fadf\U0001fae8\U0001fae9\U0001faf7\U0001faf8"
)
_TONED = "\u261d\u26f9\u270a-\u270d\U0001f385-\U0001faff"  # what a skin tone can stand after
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff"
_UNSTEADY = LatePattern(f"[{_SELECTORS}]|(?<=[{_TONED}])[{_TONES}]")
_UNKNOWN = LatePattern(f"[{_TONES}{_NEW}]")
_JOINED = LatePattern(f"([{_EMOJI}])(?:[\u200d\ufffd][{_EMOJI}])+")

_HALVES = LatePattern("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Text that can be sent to a terminal: of controls only newline and tab are left.

    C0 controls become pictures (ESC is `␛`), C1 controls and characters that hide or reorder
    others become U+FFFD, every kind of line end becomes a newline, colour sequences vanish.
    Idempotent. A sequence or a CR LF that is split over two calls is treated as its parts.
    """
    if _is_printable(text):
        return text
    if "\x1b" in text:
        text = _COLOUR.compiled.sub("", text)
    return text.replace("\r\n", "\n").translate(_table())


def steady(text: str) -> str:
    """Text that is as wide in every terminal as it is counted: an emoji is its plain form, without
    skin tone, and one that older terminals do not know is U+FFFD."""
    if text.isascii():
        return text
    plain = _UNSTEADY.compiled.sub("", text)
    return _UNKNOWN.compiled.sub(_REPLACEMENT, plain)


def writable(text: str) -> str:
    """Text that can be written as UTF-8: half of a surrogate pair that stands alone (JSON can spell
    one) becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _HALVES.compiled.sub(_REPLACEMENT, text)
    return text


def _is_printable(text: str) -> bool:
    data = text.encode("utf-8", "surrogatepass")
    if 2 * (len(data) - len(text)) > len(text):
        return _UNSAFE.compiled.search(text) is None
    # To drop what is plain takes a tenth of the time of a search, and most texts are little else.
    rest = data.translate(None, _PLAIN)
    return not rest or _UNSAFE.compiled.search(rest.decode("utf-8", "surrogatepass")) is None


def one_line(text: str, limit: int) -> str:
    """A single printable line of at most `limit` characters, for lists and titles.

    Runs of blanks become one; lines are joined by `↵`, so that a second command cannot pass
    for an argument of the first; what does not fit ends in `…`. Of emoji that are joined to one
    picture the first is left, so that no column moves.
    """
    if limit <= 0:
        return ""
    parts = list[str]()
    length = 0
    for line in _lines(text, limit):
        words = " ".join(line.split())
        if not words:
            continue
        parts.append(words)
        length += len(words) + 3
        if length > limit + 3:
            break
    whole = " ↵ ".join(parts)
    if not whole.isascii():
        whole = _JOINED.compiled.sub(r"\1", steady(whole))
    return whole if len(whole) <= limit else whole[: limit - 1].rstrip() + "…"


def _lines(text: str, limit: int) -> Iterator[str]:
    """Printable lines of the text's start: enough of it to fill `limit`, not a megabyte."""
    start = text.lstrip()
    bound = 16 * limit + 4096
    yield from printable(start[:bound]).split("\n")
    if len(start) > bound:
        yield "…"


def clip(text: str, limit_bytes: int) -> str:
    """At most `limit_bytes` of UTF-8: head and tail, and between them how much was left out.

    Characters stay whole. With a limit too small for the remark only the head is kept.
    """
    if len(text) * 4 <= limit_bytes:
        return text
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit_bytes:
        return text
    room = limit_bytes - len(_left_out(len(data)).encode())
    if room < 2:
        return _head(data, max(limit_bytes, 0))
    head, tail = _head(data, (room + 1) // 2), _tail(data, room // 2)
    kept = len(head.encode("utf-8", "surrogatepass")) + len(tail.encode("utf-8", "surrogatepass"))
    return head + _left_out(len(data) - kept) + tail


def _left_out(count: int) -> str:
    return f"\n… {count:,} bytes left out …\n"


def _head(data: bytes, size: int) -> str:
    while 0 < size < len(data) and data[size] & 0xC0 == 0x80:
        size -= 1
    return data[:size].decode("utf-8", "surrogatepass")


def _tail(data: bytes, size: int) -> str:
    start = len(data) - size
    while start < len(data) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:].decode("utf-8", "surrogatepass")


def spell(length: timedelta) -> str:
    """A length of time in words, to the unit that a person would say: `30 s`, `45 min`, `2 h`."""
    seconds = length.total_seconds()
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.3g} {unit}" if seconds != 86_400 else "1 day"
    return f"{seconds:.3g} s"
