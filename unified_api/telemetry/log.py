"""Calls as records of Python's own logging: one a call, as words and as JSON."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from io import TextIOWrapper
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
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, object] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "call", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return _line(told)


class LogFile:
    """Writes a line of JSON a call to a file that only its owner may read; opened at the first call."""

    def __init__(self, path: Path) -> None:
        self._handler = _OwnFile(path, encoding="utf-8", delay=True)
        self._handler.setFormatter(JsonFormatter())

    def __call__(self, record: CallRecord) -> None:
        level = _LEVELS.get(record.outcome, logging.INFO)
        line = logging.LogRecord(_LOGGER, level, "", 0, "%s", (_words(record),), None)
        line.call = record.to_json()
        self._handler.handle(line)

    def close(self) -> None:
        """Let go of the file. The next call opens it again."""
        self._handler.close()


class _OwnFile(logging.FileHandler):
    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return super()._open()


def _words(record: CallRecord) -> str:
    """`chat openai/gpt-4o succeeded in 0.52 s`."""
    why = f" ({record.error})" if record.error is not None else " (cached)" if record.cached else ""
    model = record.model or record.call.request.model
    return f"{record.operation} {model} {record.outcome} in {record.seconds:.2f} s{why}"


def _line(told: dict[str, object]) -> str:
    # Models say half surrogate pairs, and Python counts beyond 64 bits: both are rare enough for the slower writer.
    try:
        return orjson.dumps(told, default=str).decode()
    except TypeError:
        return json.dumps(told, default=str)
