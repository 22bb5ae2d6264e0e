"""Where output goes: results to stdout, everything for people to stderr."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import IO, TYPE_CHECKING, TextIO, cast

from orchestrator.cli.streams import Spare
from orchestrator.cli.words import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "interactive",
    "json_text",
    "live",
    "plain",
    "print_json",
    "print_line",
    "print_result",
    "say",
    "show",
    "stderr",
]


@cache
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # A pipe or a file has no width: lines there are never folded.
    width = None if stream.isatty() else 200
    file = cast("IO[str]", Spare(stream)) if stream is sys.stderr else stream
    return Console(file=file, highlight=False, emoji=False, width=width)


def stderr() -> Console:
    """The console for people; it heeds NO_COLOR and, where it is no terminal, writes plain lines."""
    return _console(sys.stderr)


def say(text: str, *, style: str | None = None) -> None:
    """A line for people. `text` is shown as it is: brackets are no markup, and nothing in it steers the terminal."""
    shown = clean(text)
    if not live():
        stderr().print(shown, style=style, markup=False, soft_wrap=True)
        return
    from rich.padding import Padding

    for line in shown.split("\n"):
        # What is folded stays as far in as it began.
        told = line.lstrip(" ")
        indent = (0, 0, 0, len(line) - len(told))
        stderr().print(Padding(plain(told, style=style or ""), indent, expand=False))


def print_line(text: str, *, style: str | None = None) -> None:
    """A line of a result that people read, coloured on a terminal."""
    _console(sys.stdout).print(clean(text), style=style, markup=False, soft_wrap=not sys.stdout.isatty())


def plain(text: str, *, style: str = "") -> Text:
    """Text of whatever origin for a table's cell or a spinner, where rich would read brackets as markup."""
    from rich.text import Text

    return Text(clean(text), style=style)


def show(table: Table) -> None:
    """A table for people; where it is no terminal, without the blanks that fill its last column."""
    console = stderr()
    if live():
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        say(line.rstrip())


def print_result(text: str) -> None:
    """A result, ended by a newline; on a terminal without what would steer it."""
    if sys.stdout.isatty():
        text = clean(text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def json_text(value: object) -> str:
    """JSON in any script's own letters, indented for reading, ended by a newline."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    print_result(json_text(value))


def interactive() -> bool:
    """Whether a person can be asked: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def live() -> bool:
    """Whether lines on stderr may be drawn over."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
