"""Rows of the database in, domain values out, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sqlalchemy import RowMapping

T = TypeVar("T")

_AS_THEY_ARE = frozenset(
    {str, int, float, bool}
)  # looked up first: a search revives twenty passages


def revive(kind: type[T], row: Mapping[str, Any] | RowMapping) -> T:
    """Build a frozen value from a row or a JSON object; names that the value lacks are left out."""
    hints = _hints(cast(Any, kind))
    return kind(**{name: _value(hint, row[name]) for name, hint in hints.items() if name in row})


def plain(value: Any) -> Any:
    """The same value as JSON can hold it: mappings, lists, strings, numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [plain(item) for item in value]
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    if value is None or hint in _AS_THEY_ARE:
        return value
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return _value(next(arg for arg in get_args(hint) if arg is not type(None)), value)
    if origin is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in value)
    if origin is Mapping:
        return {key: _value(get_args(hint)[1], item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return revive(hint, value)
    return value
