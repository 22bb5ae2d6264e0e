"""Small workflows to begin with, one JSON file each beside this module; each may run as it is."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Final

from orchestrator.formatting import laid_out
from workflows.base import NAME_PATTERN

__all__ = ["UnsoundNameError", "copy_of", "kinds", "starter"]

LONGEST: Final = 100
"""Characters of a workflow's name, as the language says."""


class UnsoundNameError(ValueError):
    """A name that no workflow can have."""


def kinds() -> tuple[str, ...]:
    """What `starter` can show: the kinds of steps, and `json` for an answer that satisfies a schema."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


def starter(name: str, kind: str) -> str:
    """The text of a file for a workflow of this name that shows one kind of step; `kind` is one of `kinds()`."""
    return _renamed(resources.files(__name__).joinpath(f"{kind}.json").read_bytes(), name)


def copy_of(library: str, name: str) -> str:
    """The text of a file for a workflow of this name that does what the library's one does.

    Raises `KeyError`, naming the nearest names, for a name that the library does not have.
    """
    from workflows import library as ready

    ready.load(library)
    return _renamed(resources.files(ready).joinpath(f"{library}.json").read_bytes(), name)


def _renamed(text: bytes, name: str) -> str:
    return laid_out({**json.loads(text), "name": _sound(name), "version": "1.0.0"})


def _sound(name: str) -> str:
    if re.fullmatch(NAME_PATTERN, name) and len(name) <= LONGEST:
        return name
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-")
    hint = f"; {near!r} would do" if near else ""
    raise UnsoundNameError(f"{name!r} is no name of a workflow: lower-case words joined by hyphens{hint}")
