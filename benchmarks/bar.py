"""How a drill prints its figures: each beside the bar it is held to."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

__all__ = ["at_least", "at_most", "equal", "figure", "percentile", "progress"]


def figure(what: str, value: str) -> None:
    """A figure that is held to nothing."""
    print(f"         {what}: {value}", flush=True)


def at_most(what: str, value: float, limit: float, *, unit: str = "", digits: int = 2) -> bool:
    return _told(what, f"{value:,.{digits}f}{unit}", f"at most {limit:g}{unit}", met=value <= limit)


def at_least(what: str, value: float, limit: float, *, unit: str = "", digits: int = 2) -> bool:
    return _told(what, f"{value:,.{digits}f}{unit}", f"at least {limit:g}{unit}", met=value >= limit)


def equal(what: str, value: object, wanted: object) -> bool:
    return _told(what, str(value), str(wanted), met=value == wanted)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them are at or below; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def progress(what: str, total: int) -> Callable[[int], None]:
    """Call what it gives with how much is done: a line on standard error, once a second at most."""
    shown = time.monotonic()

    def tell(done: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= 1.0:
            shown = time.monotonic()
            print(f"... {what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return tell


def _told(what: str, value: str, wanted: str, *, met: bool) -> bool:
    print(f"{'met' if met else 'MISSED':>6}   {what}: {value} (bar: {wanted})", flush=True)
    return met
