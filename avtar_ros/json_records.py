"""JSON documents as data classes: fields, nesting and types must be those of the class."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from avtar_ros.errors import AvtarError

Record = TypeVar("Record")


class RecordError(AvtarError):
    """A document that does not say what it must; the message begins with the path of the field at fault."""


def read_json(text: str | bytes, what: str) -> Any:
    """The document in `text`; raises RecordError if it is none, of which `what` is the name."""
    try:
        return json.loads(text)
    except ValueError as error:  # also an integer of more digits than Python reads
        raise RecordError(f"{what} is not JSON ({error}).") from error
    except RecursionError as error:
        raise RecordError(f"{what} is nested too deeply.") from error


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


def _float(number: int, where: str) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise RecordError(f"{where} is too large a number.") from error


def _is_text(text: str) -> bool:
    """Not so of halves of a character, which JSON can write and nothing can print."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    if origin in (dict, Mapping) and isinstance(raw, dict):
        return {key: _value(inner[1], item, f"{where}.{key}") for key, item in raw.items()}
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return _float(raw, where)
    if kind is str and isinstance(raw, str) and not _is_text(raw):
        raise RecordError(f"{where} holds what is no text: {raw!r}.")
    # On Python 3.10, tuple[int, ...] counts as a type, of which nothing can be an instance.
    if origin is None and isinstance(kind, type) and isinstance(raw, kind) and isinstance(raw, bool) == (kind is bool):
        return raw
    raise RecordError(f"{where} has the wrong type: {raw!r}.")
