"""Copies: known secrets never get through, whatever the pieces; links are never followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Refused
from app.domain.migration import PlannedCopy
from app.migrate import copying
from app.migrate.copying import Copied, Scrubber, SourceTree, copy_file, file_sha256
from app.migrate.disk import Disk

OPEN = Path("/proc/self/fd")  # empty where there is none
SECRETS = ("hunter22", "hunter22-and-more", 'quo"te\\d', "ünïcode-sécret")


@given(
    st.lists(st.sampled_from([*SECRETS, "hunt", "er22", "-and", "x", '"', "\\"]), max_size=12),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_pieces_make_no_difference(words: list[str], cuts: list[int]) -> None:
    data = "".join(words).encode()
    scrubber = Scrubber(SECRETS)
    whole = scrubber.clean(data)
    feed = scrubber.stream()
    places = sorted({min(cut, len(data)) for cut in cuts})
    bounds = zip([0, *places], [*places, len(data)], strict=True)
    found = b"".join(feed(data[a:b], False) for a, b in bounds) + feed(b"", True)
    assert found == whole
    assert not any(secret.encode() in whole for secret in SECRETS)


def test_secrets_are_found_as_they_stand_in_json_and_addresses() -> None:
    clean = Scrubber(SECRETS).clean
    assert clean(b'{"a": "quo\\"te\\\\d"}') == b'{"a": "[redacted]"}'
    assert clean(b"\\u00fcn\\u00efcode-s\\u00e9cret") == b"[redacted]"
    assert clean(b"/?t=%C3%BCn%C3%AFcode-s%C3%A9cret&x=hunter22") == b"/?t=[redacted]&x=[redacted]"
    assert clean(rb'{"arguments": "{\"a\": \"quo\\\"te\\\\d\"}"}') == (
        rb'{"arguments": "{\"a\": \"[redacted]\"}"}'
    )
    assert clean(b"hunter22-and-more") == b"[redacted]"
    assert Scrubber(["short", ""]).clean(b"short") == b"short"


def copied(root: Path, to: Path, *, redact: bool = True, **options: object) -> Copied:
    source = root / "a/b.jsonl"
    planned = PlannedCopy.model_validate(
        {"path": "x", "source": str(source), "size": source.stat().st_size, "redact": redact}
        | options
    )
    with SourceTree(root) as tree:
        return copy_file(Disk(), tree, planned, to, Scrubber(SECRETS), lambda size: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "home"
    (root / "a").mkdir(parents=True)
    (root / "a/b.jsonl").write_bytes(b"1 hunter22 2\n" * 1000)
    os.utime(root / "a/b.jsonl", ns=(5_000_000_000, 7_000_000_007))
    return root


def test_a_copy_has_the_time_and_a_sane_mode(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a/b.jsonl").chmod(0o777)
    monkeypatch.setattr(copying, "CHUNK", 7)
    made = copied(root, tmp_path / "to")
    data = (tmp_path / "to").read_bytes()
    assert data == b"1 [redacted] 2\n" * 1000
    about = (tmp_path / "to").stat()
    assert (about.st_mode & 0o777, about.st_mtime_ns) == (0o755, 7_000_000_007)
    assert (made.size, made.sha256) == (len(data), file_sha256(tmp_path / "to"))
    copied(root, tmp_path / "private", private=True)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        copied(root, tmp_path / "to")


@pytest.mark.parametrize("by_kernel", [True, False])
def test_what_is_not_scrubbed_is_the_very_same(
    root: Path, tmp_path: Path, by_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_kernel:
        monkeypatch.delattr(os, "copy_file_range")
    made = copied(root, tmp_path / "to", redact=False)
    assert (tmp_path / "to").read_bytes() == (root / "a/b.jsonl").read_bytes()
    assert made.sha256 == file_sha256(root / "a/b.jsonl")


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (root / "a").rename(outside)
    (root / "a").symlink_to(outside)
    with pytest.raises(Refused, match="link or a file where a folder was: it is not followed"):
        copied(root, tmp_path / "to")
    (root / "a").unlink()
    (root / "a").mkdir()
    (root / "a/b.jsonl").symlink_to(outside / "b.jsonl")
    with pytest.raises(Refused, match="it is not followed"):
        copied(root, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_file_that_grows_or_goes_is_noticed(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"b\.jsonl has changed \(5 to 13,000 bytes\): stop what"):
        copied(root, tmp_path / "to", size=5)
    source = root / "a/b.jsonl"
    planned = PlannedCopy(path="x", source=str(source), size=13_000)

    def meanwhile(size: int) -> None:
        with source.open("ab") as file:
            file.write(b"more")

    def copy(wanted: PlannedCopy, to: Path) -> None:
        with SourceTree(root) as tree:
            copy_file(Disk(), tree, wanted, to, Scrubber(()), meanwhile)

    with pytest.raises(Refused, match="has changed"):
        copy(planned, tmp_path / "to")
    source.unlink()
    os.mkfifo(source)
    with pytest.raises(Refused, match="is not a file any more"):
        copy(planned, tmp_path / "other")
    source.unlink()
    with pytest.raises(Refused, match="it is gone since it was looked at"):
        copy(planned, tmp_path / "other")
    away = planned.model_copy(update={"source": str(tmp_path / "elsewhere")})
    with pytest.raises(Refused, match="is outside of"):
        copy(away, tmp_path / "other")


def test_folders_that_were_walked_stay_open_but_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_MOST_OPEN", 6)
    for number in range(20):
        folder = tmp_path / f"{number}/deep/er"
        folder.mkdir(parents=True)
        (folder / "f").write_text(str(number))
    before = len(list(OPEN.glob("*")))
    with SourceTree(tmp_path) as tree:
        for number in [*range(20), *range(20)]:
            fd = tree.open(str(tmp_path / f"{number}/deep/er/f"))
            assert os.read(fd, 10) == str(number).encode()
            os.close(fd)
    assert len(list(OPEN.glob("*"))) == before
