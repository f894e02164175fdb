"""Where a demonstration lives, and that it is found again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from app.demo.place import interrupted, temporary_place, usual_folder


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_same_place_is_given_again_but_never_twice_at_once() -> None:
    first, second = temporary_place(), temporary_place()
    assert first.lock is not None and second.lock is None
    assert first.folder != second.folder
    os.close(first.lock)
    third = temporary_place()
    assert third.folder == first.folder and third.lock is not None
    os.close(third.lock)


def test_an_interrupted_one_is_found_once_it_is_there() -> None:
    assert interrupted() is None
    place = temporary_place()
    assert place.lock is not None
    assert interrupted() is None
    (place.folder / "store").mkdir(parents=True)
    (place.folder / "store/longwatch.db").write_bytes(b"")
    assert interrupted() == (place.folder / "store", place.folder / "uploader")
    os.close(place.lock)


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    usual_folder().symlink_to(tmp_path / "elsewhere")
    place = temporary_place()
    assert place.lock is None and not place.folder.is_relative_to(tmp_path / "elsewhere")
