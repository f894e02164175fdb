"""How a text stands in the database: as it is, or compressed where that makes it shorter.

Events are short and alike. Alone, hardly one of them could be compressed; so what is compressed
may refer to samples of what events look like. Bytes in a store begin with the number of the
samples that they refer to. A file of samples must never change, or stores that were written with
it cannot be read; better ones are a further file with the next number.
"""

from __future__ import annotations

import threading
from pathlib import Path

import zstandard

_NUMBER = b"\x01"
_SAMPLES = zstandard.ZstdCompressionDict(
    Path(__file__).with_name("samples-1.jsonl").read_bytes(),
    dict_type=zstandard.DICT_TYPE_RAWCONTENT,
)
_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS  # without the four bytes that files begin with
_LEAST = 32  # characters: what is shorter gains nothing
# The next levels gain 2 % on real text and take up to twice the time.
_LEVEL = 1
_OF_THREAD = threading.local()


class Packer:
    """Makes texts small; to be used by one thread."""

    def __init__(self) -> None:
        # Kept for all texts: making one takes longer than compressing a line with it.
        self._compressor = zstandard.ZstdCompressor(
            dict_data=_SAMPLES,
            compression_params=zstandard.ZstdCompressionParameters(
                format=_FORMAT, compression_level=_LEVEL, write_content_size=1
            ),
        )

    def pack(self, text: str) -> str | bytes:
        """The text, or bytes that are shorter."""
        if len(text) < _LEAST:
            return text
        plain = text.encode()
        packed = _NUMBER + self._compressor.compress(plain)
        return packed if len(packed) < len(plain) else text


def unpack(stored: object) -> str:
    """The text that `pack` was given. Raises ValueError for what it cannot have made."""
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, bytes) or not stored.startswith(_NUMBER):
        raise ValueError("a text is neither plain nor compressed in a way known here")
    try:
        return _decompressor().decompress(stored[len(_NUMBER) :]).decode()
    except (zstandard.ZstdError, MemoryError) as error:  # a damaged size may be a huge one
        raise ValueError(f"a compressed text is damaged: {error}") from error


def _decompressor() -> zstandard.ZstdDecompressor:
    """This thread's: two threads must not use one at once, and making one takes ten times as long
    as reading an event with it."""
    found: zstandard.ZstdDecompressor | None = getattr(_OF_THREAD, "decompressor", None)
    if found is None:
        found = zstandard.ZstdDecompressor(dict_data=_SAMPLES, format=_FORMAT)
        _OF_THREAD.decompressor = found
    return found
