"""Redaction of text that comes in pieces: a secret may be split over any number of them.

What could still become part of a secret is held back until more has come, or the text ends.
"""

from __future__ import annotations

from collections.abc import Callable

from app.domain.late_pattern import LatePattern
from app.domain.redact import REDACTED

_WORDS = 8  # held back: a header's name and scheme before its token, a secret of several words
_MOST = 4096  # characters held back at most, but for a private key
_KEY_MOST = 64 * 1024  # of a private key whose end has not come
_KEY = LatePattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = LatePattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


class StreamCleaner:
    """One text on its way; `clean` takes secrets out of a whole one."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._held = ""
        self._in_key = False  # the beginning of a private key is out, as redacted

    @property
    def holds(self) -> bool:
        """Whether anything is held back."""
        return bool(self._held)

    def add(self, text: str) -> None:
        """The next piece; `take` gives what of all so far can be shown."""
        self._held += text

    def take(self, *, words: int = _WORDS) -> str:
        """What cannot be part of a secret any more, with `words` words held back."""
        text = self._held
        if not text or not self._past_key():
            return ""
        text = self._held
        key = _KEY.compiled.search(text)
        end = len(text) if key is None or _KEY_END.compiled.search(text, key.end()) else key.start()
        if key is not None and not end and len(text) > _KEY_MOST:
            self._held, self._in_key = "", True
            return REDACTED
        return self._cut(min(end, _start_of_last(text, words)))

    def end(self) -> str:
        """The rest: the text is over, or its writer is gone."""
        if not self._past_key():
            self._held = ""
        text, self._held, self._in_key = self._held, "", False
        return self._clean(text)

    def _past_key(self) -> bool:
        """Drop what belongs to a private key whose beginning is out; whether it is over."""
        if self._in_key:
            found = _KEY_END.compiled.search(self._held)
            if found is None:
                self._held = self._held[-100:]  # its end may come in pieces too
                return False
            self._held, self._in_key = self._held[found.end() :], False
        return True

    def _cut(self, at: int) -> str:
        """Give out what stands before `at`, or less where a secret lies across it."""
        text = self._held
        whole = self._clean(text)
        if whole == text:
            self._held = text[at:]
            return text[:at]
        while at and self._clean(text[:at]) + self._clean(text[at:]) != whole:
            at = _start_of_last(text[:at], 1)
        self._held = text[at:]
        return self._clean(text[:at])


def _start_of_last(text: str, words: int) -> int:
    """Where the last words of a text begin, at most `_MOST` characters before its end."""
    floor = max(0, len(text) - _MOST)
    last = text[floor:].rsplit(None, words)[-words:]
    if len(last) < words:
        return floor
    start = len(text)
    for word in reversed(last):
        start = text.rindex(word, floor, start)
    return start
