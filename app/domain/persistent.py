"""A mapping that never changes: setting something in it makes another, and the two share what they
have in common. A run's state can hold thousands of entries, and each event changes one of them.
"""

from __future__ import annotations

from _collections_abc import dict_items, dict_keys, dict_values
from collections.abc import Iterable, Iterator, Mapping
from types import GenericAlias
from typing import Any, Generic, Self, TypeVar, get_args, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_K = TypeVar("_K")
_V = TypeVar("_V")
_D = TypeVar("_D")
_FEW = 8  # so many entries are copied as fast as one


class PersistentMap(Mapping[_K, _V], Generic[_K, _V]):
    """In the order of insertion and equal to a dict of the same entries, as a dict is; pydantic
    reads and writes it as one.

    Its entries are in two dicts that nobody changes: a large one, which versions share, and a
    small one of what was set since, also in place of something in the large one. Only the small
    one is copied to set something, until it is large enough to be merged into the other.
    """

    __slots__ = ("_newer", "_older")

    _older: dict[_K, _V]
    _newer: dict[_K, _V]

    def __init__(self, entries: Mapping[_K, _V] | Iterable[tuple[_K, _V]] = ()) -> None:
        self._older = dict(entries)
        self._newer = {}

    def set(self, key: _K, value: _V) -> Self:
        """This, with `value` under `key`: in its old place, or as the last."""
        older, newer = self._older, self._newer
        made: Self = object.__new__(type(self))
        if len(newer) < _FEW or len(newer) ** 2 < len(older):
            made._older, made._newer = older, {**newer, key: value}
        else:
            made._older, made._newer = {**older, **newer, key: value}, {}
        return made

    def changed_since(self, before: Mapping[_K, _V]) -> Iterable[tuple[_K, _V]]:
        """What is new or another object than in `before`, an earlier version of this."""
        shared = isinstance(before, PersistentMap) and before._older is self._older
        for key, value in (self._newer if shared else self._whole()).items():
            if before.get(key) is not value:
                yield key, value

    def _whole(self) -> dict[_K, _V]:
        """All entries in one dict, which is kept: the same in another form."""
        if self._newer:
            self._older = {**self._older, **self._newer}  # first, so that nobody misses any
            self._newer = {}
        return self._older

    def __getitem__(self, key: _K) -> _V:
        return self._newer[key] if key in self._newer else self._older[key]

    @overload
    def get(self, key: _K, /) -> _V | None: ...
    @overload
    def get(self, key: _K, /, default: _V | _D) -> _V | _D: ...
    def get(self, key: _K, /, default: Any = None) -> Any:
        return self._newer[key] if key in self._newer else self._older.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._newer or key in self._older

    def __len__(self) -> int:
        return len(self._older) + sum(key not in self._older for key in self._newer)

    def __iter__(self) -> Iterator[_K]:
        return iter(self._whole())

    def __reversed__(self) -> Iterator[_K]:
        return reversed(self._whole())

    def newest_first(self) -> Iterator[_V]:
        """The values, the last one set first: who finds it among those looks at no other."""
        older, newer = self._older, self._newer
        for key in reversed(newer):
            if key not in older:
                yield newer[key]
        for key in reversed(older):
            yield newer[key] if key in newer else older[key]

    def keys(self) -> dict_keys[_K, _V]:
        return self._whole().keys()

    def values(self) -> dict_values[_K, _V]:
        return self._whole().values()

    def items(self) -> dict_items[_K, _V]:
        return self._whole().items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PersistentMap):
            return self._whole() == other._whole()
        return self._whole() == other if isinstance(other, dict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._whole())

    @classmethod
    def _entries(cls, source: Any) -> Any:
        """The dict that pydantic reads and writes in place of this."""
        return GenericAlias(dict, get_args(source))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = handler.generate_schema(cls._entries(source))
        read = core_schema.no_info_after_validator_function(cls, entries)
        made = core_schema.is_instance_schema(cls)
        either = core_schema.union_schema([made, read], mode="left_to_right")
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=either,
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls._whole, return_schema=entries
            ),
        )
