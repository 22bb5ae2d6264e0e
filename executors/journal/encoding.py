"""The JSON that rows of the journal hold; what is large in it stands apart, under its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from executors.events import StepError
from workflows.model import Workflow

__all__ = ["LIMIT", "Blob", "Packed", "dumps", "pack", "plain", "prune", "referred", "unpack", "workflow_blob"]

LIMIT = 65_536
"""Bytes of JSON that one row holds at most; what makes it more is kept apart."""
_APART = "@"
"""Ends the name of a field whose value is the digest of a blob."""
_KNOWN_WORKFLOWS = 64


@dataclass(frozen=True, slots=True)
class Blob:
    """JSON that is kept once, however many rows refer to it."""

    digest: str
    content: bytes

    @classmethod
    def of(cls, content: bytes) -> Blob:
        return cls(hashlib.sha256(content).hexdigest(), content)


@dataclass(frozen=True, slots=True)
class Packed:
    """An object of JSON as a row holds it."""

    body: str
    blobs: tuple[Blob, ...] = ()

    @property
    def digests(self) -> str | None:
        """What it refers to, as the row says it; None for nothing."""
        return " ".join(blob.digest for blob in self.blobs) or None

    @property
    def size(self) -> int:
        return len(self.body) + sum(len(blob.content) for blob in self.blobs)


def pack(value: Mapping[str, Any]) -> Packed:
    """An object of JSON; fields that are blobs already, and those that are too large, stand apart.

    Raises:
        TypeError, ValueError, RecursionError: it is no JSON.
    """
    apart = {name: one for name, one in value.items() if isinstance(one, Blob)}
    if not apart:
        body = dumps(value)
        if len(body) <= LIMIT:
            return Packed(body.decode())
    parts = {name: dumps(one) for name, one in value.items() if name not in apart}
    for name in sorted(parts, key=lambda name: len(parts[name]), reverse=True):
        if len(parts[name]) <= LIMIT and sum(map(len, parts.values())) <= LIMIT:
            break
        apart[name] = Blob.of(parts.pop(name))
    body = orjson.dumps(
        {name: orjson.Fragment(part) for name, part in parts.items()}
        | {name + _APART: blob.digest for name, blob in apart.items()}
    )
    return Packed(body.decode(), tuple(apart.values()))


def unpack(body: str, blobs: Mapping[str, bytes], *, only: Collection[str] | None = None) -> dict[str, Any]:
    """The object, or some fields of it, given the blobs that those refer to."""
    value: dict[str, Any] = json.loads(body)  # not orjson, which makes floats of large integers
    if only is not None:
        value = {name: one for name, one in value.items() if name.removesuffix(_APART) in only}
    for name in [name for name in value if name.endswith(_APART)]:
        value[name[: -len(_APART)]] = json.loads(blobs[value.pop(name)])
    return value


def referred(body: str | None, only: Collection[str]) -> list[str]:
    """The digests that some fields refer to."""
    if body is None:
        return []
    value: dict[str, Any] = json.loads(body)
    return [value[name + _APART] for name in only if name + _APART in value]


def dumps(value: Any) -> bytes:
    """JSON of values, of this package's dataclasses (what has its default left out) and of workflows."""
    try:
        return orjson.dumps(value, default=plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, and half surrogate pairs, are rare enough for the slower writer.
        return json.dumps(value, default=plain).encode()


def prune(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that have not their default."""
    kept = {}
    kind: Any = type(value)
    for name, default in _defaults(kind):
        one = getattr(value, name)
        if one is not default and (default is MISSING or one != default):
            kept[name] = one
    return kept


def plain(value: Any) -> Any:
    """What JSON has no word for. Raises TypeError where we have none either."""
    if isinstance(value, StepError):
        # Models and tools may say lone surrogates, which no terminal shows.
        return {"code": value.code, "message": value.message.encode("utf-8", "backslashreplace").decode()}
    if is_dataclass(value) and not isinstance(value, type):
        return prune(value)
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    Decimal: str,
    datetime: datetime.isoformat,
    frozenset: sorted,
    set: sorted,
    Workflow: lambda value: value.model_dump(exclude_unset=True),
    Mapping: dict,
}


@lru_cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((one.name, one.default) for one in fields(kind))


def workflow_blob(workflow: Workflow) -> Blob:
    """The workflow as its file would say it. Runs of the same object do not write it down anew."""
    found = _workflows.get(id(workflow))
    if found is not None and found[0] is workflow:
        return found[1]
    blob = Blob.of(dumps(workflow))
    if len(_workflows) >= _KNOWN_WORKFLOWS:
        _workflows.pop(next(iter(_workflows), 0), None)
    _workflows[id(workflow)] = (workflow, blob)
    return blob


_workflows: dict[int, tuple[Workflow, Blob]] = {}
"""By identity, and held, so that no other object takes it meanwhile."""
