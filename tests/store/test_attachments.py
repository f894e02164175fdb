"""Copies of attached files: whole, private, under their hash, of a size and type that may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.attachment import HEAD, MIB, AttachmentLimits, media_type, sized
from app.domain.config import parse_config
from app.domain.errors import ConfigError, NotFound, Refused, StoreError
from app.store.attachments import AttachmentStore

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
LIMITS = AttachmentLimits()


@pytest.fixture
def store(tmp_path: Path) -> AttachmentStore:
    return AttachmentStore(tmp_path / "kept")


def a_file(tmp_path: Path, data: bytes, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        ("grüße".encode(), "text/plain"),
        (b"", "text/plain"),
        (b"a\x00b", "application/octet-stream"),
        (b"\xff\xfe\xfa", "application/octet-stream"),
    ],
)
def test_a_type_is_told_from_content_never_from_a_name(head: bytes, kind: str) -> None:
    assert media_type(head, whole=True) == kind


@given(piece=st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=9))
def test_text_is_text_wherever_its_beginning_is_cut(piece: str) -> None:
    data = b"text " + piece.encode("utf-8", "replace") * HEAD
    for cut in range(4):
        assert media_type(data[: HEAD - cut], whole=False) == "text/plain"


def test_a_copy_is_private_and_kept_once(store: AttachmentStore, tmp_path: Path) -> None:
    found, fresh = store.keep(a_file(tmp_path, b"hello"), LIMITS)
    again, second = store.keep(a_file(tmp_path, b"hello", "b.txt"), LIMITS)
    assert (fresh, second) == (True, False)
    assert (found.name, again.name, found.sha256) == ("a.txt", "b.txt", again.sha256)
    assert str(found) == "a.txt (text/plain, 5 bytes)"
    assert store.read(found) == b"hello"
    (kept,) = (tmp_path / "kept").iterdir()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_may_not_be_attached_is_refused_and_leaves_nothing(
    store: AttachmentStore, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    small = AttachmentLimits(max_mb=0.001)
    only = AttachmentLimits(types=("image/*",))
    for path, limits, why in (
        (a_file(tmp_path, b"x" * 2000), small, r"larger than 0\.001 MiB \(max_mb"),
        (a_file(tmp_path, b"text", "fake.png"), only, "is of type text/plain; allowed: image"),
        (tmp_path / "pipe", LIMITS, "is not a file"),
        (tmp_path, LIMITS, "is not a file"),
        (tmp_path / "none", LIMITS, "No such file"),
        (Path("/a\x00b"), LIMITS, "cannot be attached"),
    ):
        with pytest.raises(Refused, match=why):
            store.keep(path, limits)
    assert not list((tmp_path / "kept").iterdir())


def test_a_copy_that_was_changed_is_not_used(store: AttachmentStore, tmp_path: Path) -> None:
    found, _ = store.keep(a_file(tmp_path, b"hello"), LIMITS)
    (tmp_path / "kept" / found.sha256).write_bytes(b"hallo")
    with pytest.raises(StoreError, match="was changed"):
        store.read(found)
    store.drop(found)
    with pytest.raises(NotFound, match="is gone"):
        store.read(found)


def test_what_a_crash_left_is_removed(store: AttachmentStore, tmp_path: Path) -> None:
    store.sweep()
    found, _ = store.keep(a_file(tmp_path, b"hello"), LIMITS)
    (tmp_path / "kept" / "new-0123").write_bytes(b"half")
    store.sweep()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [found.sha256]


def test_limits_are_configured() -> None:
    text = '[[agent]]\nname = "a"\ndriver = "codex"\n[attachments]\n'
    config = parse_config(text + 'max_mb = 1.5\ntypes = ["image/png"]\n', "longwatch.toml")
    assert config.attachments.max_bytes == int(1.5 * MIB)
    with pytest.raises(ConfigError, match="max_mb"):
        parse_config(text + "max_mb = 0\n", "longwatch.toml")
    assert [sized(n) for n in (9, 2048, 3 * MIB)] == ["9 bytes", "2 KiB", "3.0 MiB"]
