"""Reads what a command line names: a task, a file, standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.cli.errors import CommandError
from orchestrator.sources import find
from orchestrator.whole_file import replace_text

__all__ = ["read_stdin", "read_task", "read_text", "workflow_source", "write_text"]


def read_task(task: str | None) -> str:
    """The task that was given, or standard input for `-` and for none when something is piped in."""
    if task is None and sys.stdin.isatty():
        raise CommandError('Say what to do: orchestrate run "your task", or - to type it here', status=2)
    from planner.task import accepted

    text = read_stdin() if task is None or task == "-" else task
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CommandError("the task is no valid text (UTF-8): check the terminal's or the file's encoding") from error
    return accepted(text)  # before anybody is offered to fetch a model for it


def read_stdin() -> str:
    return _decoded(sys.stdin.buffer.read(), "standard input")


def read_text(name: str) -> str:
    """The text of a file; `-` is standard input."""
    if name == "-":
        return read_stdin()
    try:
        return _decoded(Path(name).expanduser().read_bytes(), repr(name))
    except OSError as error:
        raise CommandError(f"cannot read {name!r}: {error.strerror or error}") from error


def workflow_source(name: str) -> Path | str | bytes:
    """The file at the path, the library's name, or standard input's bytes for `-`."""
    return sys.stdin.buffer.read() if name == "-" else find(name)


def write_text(path: Path, text: str) -> None:
    """Writes the file, or leaves what was there: never half of it."""
    try:
        replace_text(path, text)
    except OSError as error:
        raise CommandError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is no UTF-8 text (byte {error.start}): convert it to UTF-8 first") from error
