"""Attachments: files that come with a request, or with something that is said to an agent."""

from fnmatch import fnmatchcase

from pydantic import Field

from app.domain.base import Model
from app.domain.gate import Text

MIB = 1024 * 1024
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")  # what models look at
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_SHOWN_IMAGE = 5 * MIB  # larger ones are refused by the large providers
_SHOWN_TEXT = 64 * 1024
HEAD = 4096  # bytes of a file from which its type is told


class Attachment(Model):
    """A file as it was when it was attached. The store keeps its content under the hash."""

    name: str  # without folders, printable
    media_type: str
    size: int = Field(ge=0)  # bytes
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @property
    def is_image(self) -> bool:
        """Whether it is an image of a kind that models look at."""
        return self.media_type in _IMAGES

    @property
    def is_text(self) -> bool:
        return self.media_type.startswith("text/")

    @property
    def is_shown(self) -> bool:
        """Whether its content may go to a model as it is; any other is a file for its tools."""
        return self.size <= (_SHOWN_IMAGE if self.is_image else _SHOWN_TEXT if self.is_text else -1)

    def __str__(self) -> str:
        return f"{self.name} ({self.media_type}, {sized(self.size)})"


class AttachmentLimits(Model):
    """`[attachments]` of longwatch.toml: what may be attached, for each request or prompt."""

    max_mb: float = Field(default=20, gt=0, le=1024, allow_inf_nan=False)  # of one file, in MiB
    max_files: int = Field(default=20, ge=0, le=1000)
    types: tuple[Text, ...] = ("image/*", "text/*", "application/*")  # globs of media types

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * MIB)

    def problem(self, found: Attachment) -> str | None:
        """Why it may not be attached, in words; None when it may."""
        if found.size > self.max_bytes:
            return f"is larger than {self.max_mb:g} MiB (max_mb in [attachments])"
        if not any(fnmatchcase(found.media_type, pattern) for pattern in self.types):
            allowed = ", ".join(self.types) or "none"
            return f"is of type {found.media_type}; allowed: {allowed} (types in [attachments])"
        return None


def media_type(head: bytes, *, whole: bool) -> str:
    """What a file is, told from its first bytes, never from its name: PNG, JPEG, GIF, WebP, PDF,
    ZIP, gzip, UTF-8 text, or `application/octet-stream`. `whole`: it has no more bytes."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if b"\x00" in head:
        return "application/octet-stream"
    for cut in range(1 if whole else 4):  # a character may be cut at the end of what is looked at
        try:
            head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return "text/plain"
    return "application/octet-stream"


def sized(count: int) -> str:
    """A number of bytes for people."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < MIB else f"{count / MIB:.1f} MiB"
