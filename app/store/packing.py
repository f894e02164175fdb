"""How a text stands in the database: as it is, or compressed where that makes it shorter.

Events are short and alike. Alone, hardly one of them could be compressed; so what is compressed
may refer to samples of what events look like. Bytes in a store begin with the number of the
samples that they refer to. A file of samples must never change, or stores that were written with
it cannot be read; better ones are a further file with the next number.
"""

from __future__ import annotations

import sys
from importlib import resources

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_NUMBER = b"\x01"
_SAMPLES = zstd.ZstdDict(
    (resources.files("app.store") / "samples-1.jsonl").read_bytes(), is_raw=True
)
_MAGIC = b"\x28\xb5\x2f\xfd"  # begins every Zstandard frame: not kept
_LEAST = 32  # characters: what is shorter gains nothing
# The next levels gain 2 % on real text and take up to twice the time.
_LEVEL = 1


class Packer:
    """Makes texts small; to be used by one thread."""

    def __init__(self) -> None:
        # Kept for all texts: making one takes longer than compressing a line with it.
        self._compressor = zstd.ZstdCompressor(_LEVEL, zstd_dict=_SAMPLES.as_digested_dict)

    def pack(self, text: str) -> str | bytes:
        """The text, or bytes that are shorter."""
        if len(text) < _LEAST:
            return text
        plain = text.encode()
        frame = self._compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)
        if len(frame) - len(_MAGIC) + len(_NUMBER) >= len(plain):
            return text
        return _NUMBER + frame[len(_MAGIC) :]


def unpack(stored: object) -> str:
    """The text that `pack` was given. Raises ValueError for what it cannot have made."""
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, bytes) or not stored.startswith(_NUMBER):
        raise ValueError("a text is neither plain nor compressed in a way known here")
    try:
        return zstd.decompress(_MAGIC + stored[len(_NUMBER) :], _SAMPLES).decode()
    except zstd.ZstdError as error:
        raise ValueError(f"a compressed text is damaged: {error}") from error
