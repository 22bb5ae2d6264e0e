"""How long a provider asks to be left alone, from the headers and the words of an error answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["duration", "limits_reset", "retry_after", "told_wait"]

_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOLD = re.compile(
    r"\b(?:try again|retry|wait)(?: again)?(?: in| after| for)?:?\s+(?:about\s+)?"
    r"((?:\d{1,9}(?:\.\d{1,9})?\s?(?:milliseconds?|ms|hours?|hrs?|minutes?|mins?|seconds?|secs?|h|m|s)\b[\s,]{0,2}|"
    r"\d{1,9}(?:\.\d{1,9})?(?:ms|[hms])(?=\d))+)",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s?(milliseconds?|ms|h|m|s)[a-z]*[\s,]*", re.IGNORECASE)
_LONGEST_S = 31 * 86_400
_LEFT = re.compile(r"(?:x|anthropic)-ratelimit-(?:remaining-(.+)|(.+)-remaining)")


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


def told_wait(message: str) -> float | None:
    """Seconds that an error's words ask to wait: "Please try again in 1m26.4s", "retry after 34 seconds"."""
    told = _TOLD.search(message)
    if told is None:
        return None
    return duration(_UNIT.sub(lambda unit: "ms" if unit[1].lower().startswith("mil") else unit[1].lower(), told[1]))


def limits_reset(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds until the last of the used-up limits is full again, by the rate-limit headers (lower-case names).

    OpenAI and those compatible tell durations (`x-ratelimit-reset-tokens: 6m0s`) or seconds, Anthropic moments
    (`anthropic-ratelimit-tokens-reset`, RFC 3339).
    """
    waits: list[float] = []
    for name, value in headers.items():
        limit = _LEFT.fullmatch(name)
        if limit is None or _number(value) != 0:
            continue
        given = headers.get(f"x-ratelimit-reset-{limit[1]}" if limit[1] else f"anthropic-ratelimit-{limit[2]}-reset")
        wait = None if given is None else _limit_wait(given.strip(), headers.get("date", ""), now)
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _limit_wait(value: str, date: str, now: float | None) -> float | None:
    seconds = _number(value)
    if seconds is not None:
        # A larger number is a moment, in seconds or milliseconds since 1970, and says so nowhere.
        return seconds if seconds <= _LONGEST_S else None
    spelled = duration(value)
    return _until(value, date, now) if spelled is None else spelled


def duration(value: str) -> float | None:
    """Seconds of `22s`, `1.5s`, `6m0s`, `120ms`; None for anything else."""
    if _DURATION.sub("", value).strip() or not value.strip():
        return None
    seconds: float = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value))
    return seconds if math.isfinite(seconds) else None


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
