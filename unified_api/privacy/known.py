"""The values of a call, to be found where they stand without the words or signs they were found by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Known"]

_PREFIX = 6
_SHORT_PREFIX = 2
"""For names of persons, which may have two letters: found in one sentence, they are not to stand in the next."""
_HEAD = 64
"""Longer values are looked up by so many of their characters."""
_FEW = 32
_BEGINNING = re.compile(rf"(?<![^\W_])(?=(\S.{{1,{_PREFIX - 1}}}))", re.DOTALL)


class Known:
    """What each spelling of a value is replaced by."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {value: name for value, name in names.items() if _is_telling(name, value)}
        self._long: dict[str, list[str]] = {}
        for value in sorted(self._names, key=len, reverse=True):
            if len(value) > _HEAD:
                self._long.setdefault(value[:_HEAD], []).append(value)
        self._short = _lengths((value for value in self._names if len(value) < _PREFIX), _SHORT_PREFIX)
        lengths = _lengths((value for value in self._names if len(value) >= _PREFIX), _PREFIX)
        self._lengths = {
            prefix: several + self._short.get(prefix[:_SHORT_PREFIX], []) for prefix, several in lengths.items()
        }

    def within(self, text: str) -> Iterator[tuple[int, int, str]]:
        """From where up to where in the text there is one, and what it is replaced by; in order and apart."""
        until = 0
        for beginning in _BEGINNING.finditer(text) if self._may_be_in(text) else ():
            start = beginning.start()
            lengths = self._lengths.get(beginning[1])
            if lengths is None and self._short:
                lengths = self._short.get(beginning[1][:_SHORT_PREFIX])
            value = self._at(text, start, lengths) if lengths is not None and start >= until else None
            if value is not None:
                until = start + len(value)
                yield start, until, self._names[value]

    def _may_be_in(self, text: str) -> bool:
        if len(self._lengths) + len(self._short) > _FEW:
            return True
        return any(prefix in text for beginnings in (self._lengths, self._short) for prefix in beginnings)

    def _at(self, text: str, start: int, lengths: list[int]) -> str | None:
        """The longest value that stands there."""
        for length in lengths:
            head = text[start : start + length]
            for value in self._long.get(head, ()) if length == _HEAD else ():
                if text.startswith(value, start) and _ends(text, start + len(value)):
                    return value
            if head in self._names and _ends(text, start + length):
                return head
        return None


def _ends(text: str, place: int) -> bool:
    return not text[place : place + 1].isalnum()


def _lengths(values: Iterable[str], prefix: int) -> dict[str, list[int]]:
    """How long those are that begin so, the longest first."""
    lengths: dict[str, set[int]] = {}
    for value in values:
        lengths.setdefault(value[:prefix], set()).add(min(len(value), _HEAD))
    return {beginning: sorted(several, reverse=True) for beginning, several in lengths.items()}


def _is_telling(name: str, value: str) -> bool:
    """Whether the value is it wherever it stands; a short one is where it is the name of a person."""
    is_name = name.startswith("<NAME_") and not value[0].islower()
    return len(value) >= (_SHORT_PREFIX if is_name else _PREFIX)
