"""Finding many literal texts at once, at a cost that hardly grows with their number."""

from __future__ import annotations

from collections.abc import Iterable

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

# Names and values of the environment can hold bytes that are no UTF-8, as lone surrogates.
_ERRORS = "surrogatepass"


def to_bytes(text: str) -> bytes:
    """The text in UTF-8, lone surrogates included."""
    return text.encode("utf-8", _ERRORS)


class Literals:
    """A set of literal texts; of those that begin at the same place the longest counts."""

    def __init__(self, texts: Iterable[str]) -> None:
        patterns = sorted(map(to_bytes, texts))
        # Not the automaton's fastest form: it takes kilobytes for each character of a long secret.
        self._find = BytesAhoCorasick(
            patterns,
            matchkind=MatchKind.LeftmostLongest,
            implementation=Implementation.ContiguousNFA,
        ).find_matches_as_indexes

    def replaced(self, text: str, by: str) -> str:
        """The text with each of the literals replaced; the same object where there is none."""
        data = to_bytes(text)
        found = self._find(data)
        if not found:
            return text
        parts, at, mark = list[bytes](), 0, to_bytes(by)
        for _, start, end in found:
            parts += (data[at:start], mark)
            at = end
        parts.append(data[at:])
        return b"".join(parts).decode("utf-8", _ERRORS)


class Anchors:
    """Finds each place where one of some literals begins, overlapping ones included. They are
    given in small letters; in the text the case of ASCII letters does not count."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)
        patterns = [to_bytes(text) for text in self._texts]
        # The quick one tells whether there is any: most texts need no more. It is several times
        # as fast as the one that finds them all.
        self._quick = BytesAhoCorasick(
            patterns, matchkind=MatchKind.LeftmostLongest
        ).find_matches_as_indexes
        self._each = BytesAhoCorasick(
            patterns, matchkind=MatchKind.Standard, implementation=Implementation.DFA
        ).find_matches_as_indexes

    def find(self, text: str) -> list[tuple[str, int]]:
        """The literals found, each with the index of its first character, by where they end."""
        data = to_bytes(text).lower()
        if not self._quick(data):
            return []
        found = self._each(data, overlapping=True)
        if len(data) == len(text):
            return [(self._texts[which], start) for which, start, _ in found]
        places, index, before = list[tuple[str, int]](), 0, 0
        for which, _, end in found:
            # Bytes to characters, each byte once.
            index, before = index + len(data[before:end].decode("utf-8", _ERRORS)), end
            places.append((self._texts[which], index - len(self._texts[which])))
        return places
