"""Calls as records of Python's own logging: one a call, as words and as JSON."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from unified_api.telemetry.call_record import CallRecord

__all__ = ["JsonFormatter", "Log", "LogFile"]

_LOGGER = "unified_api"
_LEVELS = {"failed": logging.WARNING}


class Log:
    """Tells the logger `unified_api`: failures as warnings, all else as information; `record.call` is the JSON."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_LOGGER)

    def __call__(self, record: CallRecord) -> None:
        level = _LEVELS.get(record.outcome, logging.INFO)
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", _words(record), extra={"call": record.to_json()})


class JsonFormatter(logging.Formatter):
    """A line of JSON a record: time, level, logger and message, and for a call all that is told of it."""

    def format(self, record: logging.LogRecord) -> str:
        told = _head(record.created, record.levelname, record.name, record.getMessage())
        told |= getattr(record, "call", {})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return _line(told)


class LogFile:
    """Adds a line of JSON a call to a file that only its owner may read, as `JsonFormatter` writes it.

    It is opened at the first call, and anew where another file lies there, so that it may be renamed or removed. Each
    line is one write, so that several programs may share the file. A line that cannot be written is lost, and the
    logger `unified_api` is told so, once: no call fails or waits for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._place: tuple[int, int] | None = None
        self._close: Callable[[], object] | None = None
        self._torn = False
        self._failed = False

    def __call__(self, record: CallRecord) -> None:
        level = logging.getLevelName(_LEVELS.get(record.outcome, logging.INFO))
        told = _head(time.time(), level, _LOGGER, _words(record)) | record.to_json()
        try:
            self._write(f"{_line(told)}\n".encode())
        except OSError as error:
            if not self._failed:
                self._failed = True
                words = "calls are not recorded: %s cannot be written (%s)"
                logging.getLogger(_LOGGER).warning(words, self._path, error.strerror or error)

    def _write(self, line: bytes) -> None:
        file = self._opened()
        if self._torn:
            line = b"\n" + line  # what is left of the line before is one that nobody can read, and no more than that
        written = os.write(file, line)
        self._torn = written < len(line)
        if self._torn:
            raise OSError(errno.ENOSPC, "only a part of a line was written")

    def _opened(self) -> int:
        if self._file is None or self._place != _place(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A pipe that nobody reads is an error then, and nothing to wait for.
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)
            file = os.open(self._path, flags, 0o600)
            if self._close is not None:
                self._close()
            self._file, self._torn = file, False
            self._close = weakref.finalize(self, os.close, file)
            self._place = _place(self._path)
            _make_private(file)
        return self._file


def _place(path: Path) -> tuple[int, int] | None:
    """Which file lies there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_private(file: int) -> None:
    """Prompts may be in it, whoever made it before."""
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(file).st_mode):
        with suppress(PermissionError):  # it is another's, who gave it to us to write
            os.fchmod(file, 0o600)


def _head(at: float, level: str, logger: str, message: str) -> dict[str, object]:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"time": moment, "level": level.lower(), "logger": logger, "message": message}


def _words(record: CallRecord) -> str:
    """`chat openai/gpt-4o succeeded in 0.52 s`."""
    why = f" ({record.error})" if record.error is not None else " (cached)" if record.cached else ""
    model = record.model or record.call.request.model
    return f"{record.operation} {_printable(model)} {record.outcome} in {record.seconds:.2f} s{why}"


def _printable(name: str) -> str:
    """The caller's own word without what would begin another line, or steer a terminal."""
    return name if name.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name)


def _line(told: dict[str, object]) -> str:
    # Models say half surrogate pairs, and Python counts beyond 64 bits: both are rare enough for the slower writer.
    try:
        return orjson.dumps(told, default=str).decode()
    except TypeError:
        return json.dumps(told, default=str)
