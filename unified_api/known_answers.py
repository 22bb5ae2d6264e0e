"""Files of answers that are known to be good."""

from __future__ import annotations

from pathlib import Path

import orjson

from unified_api.errors import ConfigurationError

__all__ = ["read_answers"]

_MOST_BYTES = 1_000_000
_MOST = 500
"""Comparing an answer with one takes about 50 us."""


def read_answers(path: Path) -> tuple[str, ...]:
    """The answers in `path`, each a line of JSON: a string, or an object with `answer`.

    Raises:
        ConfigurationError: the file cannot be read, is too large, or a line is something else.

    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{path} is larger than {_MOST_BYTES:,} bytes; keep the best answers only")
        lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        raise ConfigurationError(f"the good answers in {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start})") from None
    answers = tuple(_answer(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not 0 < len(answers) <= _MOST:
        raise ConfigurationError(f"{path} holds {len(answers):,} answers; give 1 to {_MOST}, one a line")
    return answers


def _answer(path: Path, number: int, line: str) -> str:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{path}, line {number} is no JSON: {error}") from None
    answer = value.get("answer") if isinstance(value, dict) else value
    if not isinstance(answer, str) or not answer.strip():
        raise ConfigurationError(f'{path}, line {number}: write a string, or an object such as {{"answer": "..."}}')
    return answer
