"""A TOML file against the model of its tables: every fault named with file, line, key and the nearest valid key."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from unified_api.errors import ConfigurationError

__all__ = ["read_tables"]

Tables = TypeVar("Tables", bound=BaseModel)
_MAX_BYTES = 1_000_000
_IN_TOML = {
    "tuple_type": 'give a list, such as ["one", "two"]',
    "frozen_set_type": 'give a list, such as ["one", "two"]',
    "model_type": "give a table, under a heading of its own",
}
"""What pydantic says in Python's words."""


def read_tables(path: Path, model: type[Tables]) -> Tables:
    """The file as `model`; ConfigurationError with every fault at once. Values are not repeated: one may be a key."""
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [_explain(fault["type"], fault["msg"], fault["loc"], model=model, text=text) for fault in faults]
        raise ConfigurationError(f"{path} cannot be used:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{path} is larger than {_MAX_BYTES:,} bytes; is it the right file?")
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start})") from None


def _explain(kind: str, message: str, loc: tuple[int | str, ...], *, model: type[BaseModel], text: str) -> str:
    keys = [str(part) for part in loc if part != "[key]"]
    key, table = keys[-1], ".".join(keys[:-1])
    where = f"[{table}]" if table else "the top level"
    place = f"line {line}: " if (line := _line_of(text, keys)) else ""
    if kind == "extra_forbidden":
        near = get_close_matches(key, _valid_keys(model, keys[:-1]), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(_valid_keys(model, keys[:-1]))}"
        return f"{place}unknown key {key!r} in {where}{hint}"
    return f"{place}{key!r} in {where}: {_IN_TOML.get(kind, message.removeprefix('Value error, '))}"


def _valid_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The field names of the table at `path`; a dict of tables, or a list of them, has one anonymous level."""
    current: Any = model
    for part in path:
        table = _table_of(current)
        if table is None:
            held = [one for one in get_args(current) if one is not Ellipsis]
            current = held[-1] if held else None
        else:
            current = table.model_fields[part].annotation if part in table.model_fields else None
    table = _table_of(current)
    return [] if table is None else sorted(table.model_fields)


def _table_of(annotation: Any) -> type[BaseModel] | None:
    """The table that is meant, be it an optional one."""
    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _line_of(text: str, keys: list[str]) -> int | None:
    """Where the key stands: the first line `key =` below its table's header, or the header itself. A guess that only
    helps the eye, so None is no fault.
    """
    header = ""
    lists: Counter[str] = Counter()
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[+\s*([^\]#]+?)\s*\]+\s*(#.*)?$", line):
            header = match[1].replace('"', "").replace("'", "").replace(" ", "")
            if line.lstrip().startswith("[["):
                lists[header] += 1
                header = f"{header}.{lists[header] - 1}"
            if header == ".".join(keys):
                return number
            continue
        name = line.split("=", 1)[0].strip().strip("\"'") if "=" in line else ""
        full = [*header.split("."), name] if header else [name]
        if name and keys[: len(full)] == full:
            best = best or number
    return best
