"""Finds the workflow that a name, a path or a text means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.model import Workflow

__all__ = ["WorkflowNotFoundError", "find", "load"]


class WorkflowNotFoundError(LookupError):
    """Neither a file nor a workflow of the library; the message suggests the nearest."""


def find(name: str | Path) -> Path | str:
    """The file at the path, or the library's name. Raises WorkflowNotFoundError."""
    from workflows import library
    from workflows.nearest import nearest

    if isinstance(name, str) and name in library.names():
        return name
    path = Path(name).expanduser()
    if path.is_file() or path.is_fifo():  # a shell's `<(...)` is a pipe
        return path
    if path.is_dir():
        raise WorkflowNotFoundError(
            f"{str(name)!r} is a folder: name a file in it; `orchestrate workflow list` shows the library"
        )
    known = nearest(str(name), library.names())
    hint = (
        f"did you mean {' or '.join(map(repr, known))}?" if known else "`orchestrate workflow list` shows the library"
    )
    raise WorkflowNotFoundError(f"{str(name)!r} is neither a file nor a workflow of the library: {hint}")


def load(source: Path | str | bytes) -> Workflow:
    """The workflow in a file, of a name in the library, or in JSON text given as bytes.

    Raises:
        WorkflowError: it is no sound workflow; every finding is listed.
        OSError: the file cannot be read.

    """
    from workflows import library
    from workflows.parse import parse, read

    if isinstance(source, bytes):
        return parse(source)
    return library.load(source) if isinstance(source, str) else read(source)
