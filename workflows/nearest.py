"""The names that somebody who wrote a wrong one probably meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]

# Beyond this many names the comparison would cost more than the suggestion is worth.
_MOST_NAMES = 2_000


def nearest(name: str, among: Iterable[str], *, most: int = 3) -> tuple[str, ...]:
    """Up to `most` of the names that are like `name`, nearest first; case and `-`/`_` do not count."""
    from difflib import get_close_matches  # only wanted once something is wrong

    plain: dict[str, str] = {}
    for candidate in among:
        plain.setdefault(_plain(candidate), candidate)
        if len(plain) >= _MOST_NAMES:
            break
    return tuple(plain[match] for match in get_close_matches(_plain(name[:200]), plain, n=most, cutoff=0.6))


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
