"""The standard streams, where one may be closed, full, or left by its reader."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["Spare", "lead_nowhere", "open_missing"]


def open_missing() -> None:
    """Puts the null device in the place of every standard stream that the program was started without (`>&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  # lives until the exit


def lead_nowhere(stream: TextIO) -> None:
    """Sends all that is still written to `stream` to the null device, so that the exit does not fail over it."""
    # Streams of tests and of programs that embed us have no file behind them.
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class Spare:
    """A text stream that is written to for people only: when it fails, what was meant for them is lost, and no more.

    A full disk or a pager that was left must not end a run whose result goes elsewhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            lead_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            lead_nowhere(self._stream)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding
