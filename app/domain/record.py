"""Frozen values that the engine makes and reads at every step.

A `Model` would do as well, but it takes several times as long to make one, and ten times as long
to look at one of its fields.
"""

from functools import cache
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, asdict, fields
from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema


class Record(Struct, frozen=True, kw_only=True):
    """A value that is made of what is valid already: nothing of it is checked or converted.
    Changing one means `msgspec.structs.replace`.

    Where it comes in or goes out pydantic reads and writes it as it would a model: all of it is
    checked, unknown keys are refused.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        known = {field.name: _field(field, handler) for field in fields(cls)}
        entries = core_schema.typed_dict_schema(known, extra_behavior="forbid")
        read = core_schema.no_info_after_validator_function(lambda found: cls(**found), entries)
        made = core_schema.is_instance_schema(cls)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([made, read], mode="left_to_right"),
            serialization=core_schema.plain_serializer_function_ser_schema(
                asdict, return_schema=entries
            ),
        )


def _field(field: FieldInfo, handler: GetCoreSchemaHandler) -> core_schema.TypedDictField:
    schema = handler.generate_schema(field.type)
    if field.default is not NODEFAULT:
        schema = core_schema.with_default_schema(schema, default=field.default)
    elif field.default_factory is not NODEFAULT:
        schema = core_schema.with_default_schema(schema, default_factory=field.default_factory)
    return core_schema.typed_dict_field(schema, required=field.required)


@cache
def _adapter(kind: type[Record]) -> TypeAdapter[Record]:
    return TypeAdapter(kind)


def plain(value: Any) -> Any:
    """What pydantic is to write for a record that it meets where it knows of no type. Raises
    TypeError for what is none."""
    if not isinstance(value, Record):
        raise TypeError(f"{type(value).__name__} is no record")
    return _adapter(type(value)).dump_python(value, mode="json")
