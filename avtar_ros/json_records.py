"""JSON documents as data classes: fields, nesting and types must be those of the class."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from avtar_ros.errors import AvtarError

Record = TypeVar("Record")


class RecordError(AvtarError):
    """A document that does not say what it must; the message begins with the path of the field at fault."""


def parse_record(record: type[Record], raw: Any, what: str, path: str = "") -> Record:
    """`raw`, out of JSON, as the data class `record`; fields with a default may be missing, and none may be unknown.

    Raises RecordError, in which `what` stands for the document and fields have their names after `path`; or what the
    class itself raises.
    """
    if not isinstance(raw, Mapping):
        raise RecordError(f"{what} has the wrong type: {raw!r}; it must be an object.")
    fields: Sequence[dataclasses.Field[Any]] = dataclasses.fields(record)  # type: ignore[arg-type]
    if unknown := set(raw) - {field.name for field in fields}:
        raise RecordError(f"{what} has unknown fields: {', '.join(sorted(map(str, unknown)))}.")
    required = {field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING}
    if missing := required - set(raw):
        raise RecordError(f"{what} lacks: {', '.join(sorted(missing))}.")
    kinds = get_type_hints(record)
    return record(**{name: _value(kinds[name], value, path + name) for name, value in raw.items()})


def _value(kind: Any, raw: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return parse_record(kind, raw, where, f"{where}.")  # type: ignore[arg-type]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return None if raw is None else _value(inner[0], raw, where)
    if origin is tuple and isinstance(raw, list):
        if inner[1:] != (...,) and len(raw) != len(inner):
            raise RecordError(f"{where} must be {len(inner)} values, not {len(raw)}.")
        numbered = dataclasses.is_dataclass(inner[0])
        return tuple(_value(inner[0], item, f"{where}[{i}]" if numbered else where) for i, item in enumerate(raw))
    if origin is dict and isinstance(raw, dict):
        return {key: _value(inner[1], item, f"{where}.{key}") for key, item in raw.items()}
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if isinstance(kind, type) and isinstance(raw, kind) and isinstance(raw, bool) == (kind is bool):
        return raw
    raise RecordError(f"{where} has the wrong type: {raw!r}.")
