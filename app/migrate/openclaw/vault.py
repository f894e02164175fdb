"""The secrets of a source: kept by name, and kept out of everything else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.domain.redact import REDACTED, Redactor

_SURE = 6  # a value of so many characters is found inside longer words too
_SHORT = 3  # a shorter one only where it is all there is


def variable_name(*parts: str) -> str:
    """A name for a variable out of words: `OPENCLAW_GATEWAY_TOKEN` of gateway and token."""
    words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part) for part in parts]
    name = re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper()).strip("_")
    if not name or name[0].isdigit():
        name = f"V_{name}".rstrip("_")
    return name[:120]


def _found_in(value: str) -> str:
    """The pattern that finds a value: a short one only where it stands by itself."""
    plain = re.escape(value)
    return plain if len(value) >= _SURE else rf"(?<![A-Za-z0-9]){plain}(?![A-Za-z0-9])"


class Vault:
    """Secrets by the name of the variable that will hold them."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._hidden: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    @property
    def values(self) -> dict[str, str]:
        return dict(sorted(self._values.items()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._values))

    def keep(self, wanted: str, value: str, *, hide: bool = True) -> str:
        """Keep a value, under `wanted` or, if that holds another one, a name with a number; the
        name that it has now. Without `hide` it may stand elsewhere too: an ordinary word."""
        value = value.replace("\0", "")  # no variable can hold it
        name, number = wanted, 2
        while self._values.get(name, value) != value:
            name, number = f"{wanted}_{number}", number + 1
        self._values[name] = value
        if hide:
            self.hide(value)
        return name

    def value(self, name: str) -> str | None:
        return self._values.get(name)

    def hide(self, *values: str) -> None:
        """Values that must not be seen, whether or not the file of secrets will hold them."""
        for value in values:
            forms = {value, value.strip(), *(line.strip() for line in value.splitlines())}
            self._hidden |= {form for form in forms if form}
        self._pattern = None

    def _known(self) -> re.Pattern[str] | None:
        if self._pattern is None and self._hidden:
            ordered = sorted(self._hidden, key=lambda value: (-len(value), value))
            parts = [_found_in(v) for v in ordered if len(v) >= _SHORT]
            self._pattern = re.compile("|".join(parts) or r"(?!)")
        return self._pattern

    def shows(self, text: str) -> bool:
        """Whether a text holds a secret."""
        pattern = self._known()
        return text in self._hidden or (pattern is not None and pattern.search(text) is not None)

    def clean(self, text: str) -> str:
        """The text without any secret, known or of a well-known shape."""
        if text in self._hidden:
            return REDACTED
        pattern = self._known()
        if pattern is not None:
            text = pattern.sub(REDACTED, text)
        return _shapes(text)

    def scrubbed(self, text: str, ours: str = "") -> str:
        """The text without any secret that is long enough not to stand in it by chance; one that
        is a word of `ours`, the words we write ourselves, is left: it tells nothing there."""
        for value in self._hidden:
            if len(value) >= _SURE and value in text and value not in ours:
                text = text.replace(value, REDACTED)
        return text

    def cleaned(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.clean(text) for text in texts)


_SHAPES = Redactor(())
_ORDINARY = re.compile(r"[A-Za-z]+|\d{1,5}|[~.]?/[\w./ -]*|https?://[^@\s?]*")


def ordinary(value: str) -> bool:
    """Whether a variable's value is a plain word, number, path or address, such as `production`:
    it is kept by its name, but must not blank out the same word everywhere."""
    return _ORDINARY.fullmatch(value.strip()) is not None


_QUERY = re.compile(
    r"([?&](?:api[_-]?key|access[_-]?token|auth|key|password|pwd|secret|sig|signature|token)=)"
    r"[^&#\s\"']{3,}",
    re.IGNORECASE,
)


def looks_secret(text: str) -> bool:
    """Whether a text has the shape of a token, or an address with a password in it."""
    return _shapes(text) != text


def _shapes(text: str) -> str:
    return _QUERY.sub(lambda found: found[1] + REDACTED, _SHAPES.clean(text))
