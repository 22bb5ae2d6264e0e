"""How long a provider asks to be left alone, from the headers of an error answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["retry_after"]

_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait, never negative, or None when the headers (lower-case names) do not say.

    Takes whole and decimal seconds, durations such as `1m2.5s`, `-ms` headers and HTTP dates (RFC 9110, 10.2.3).
    A date counts from the answer's own `date` header, which is the same clock, otherwise from `now`, in seconds
    since 1970.
    """
    for name in _MILLISECONDS:
        milliseconds = _number(headers.get(name, ""))
        # Azure sends `retry-after-ms: 0` beside `retry-after: 1`; the longer one is meant.
        if milliseconds:
            return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    if not value:
        return 0.0 if any(_number(headers.get(name, "")) is not None for name in _MILLISECONDS) else None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    spelled = duration(value)
    return _until(value, headers.get("date", ""), now) if spelled is None else spelled


def duration(value: str) -> float | None:
    """Seconds of `22s`, `1.5s`, `6m0s`, `120ms`; None for anything else."""
    if _DURATION.sub("", value).strip() or not value.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value))


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None


def _until(value: str, date: str, now: float | None) -> float | None:
    moment = _moment(value)
    start = _moment(date)
    if start is None:
        start = now
    return None if moment is None or start is None else max(moment - start, 0.0)


def _moment(value: str) -> float | None:
    from email.utils import parsedate_to_datetime  # 7 ms that only an answer with a date is worth

    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    else:
        return _timestamp(moment)
    try:
        return _timestamp(datetime.fromisoformat(value))
    except ValueError:
        return None


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
