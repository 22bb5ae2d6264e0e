"""The names that somebody who wrote a wrong one probably meant."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import islice

__all__ = ["Suggestions", "nearest"]

# Beyond this many names the comparison would cost more than the suggestion is worth.
_MOST_NAMES = 1_000


def nearest(name: str, among: Iterable[str], *, most: int = 3) -> tuple[str, ...]:
    """Up to `most` of the names that are like `name`, nearest first; case and `-`/`_` do not count."""
    from difflib import get_close_matches  # only wanted once something is wrong

    plain: dict[str, str] = {}
    for candidate in islice(among, _MOST_NAMES):
        plain.setdefault(_plain(candidate), candidate)
    return tuple(plain[match] for match in get_close_matches(_plain(name[:200]), plain, n=most, cutoff=0.6))


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


class Suggestions:
    """`nearest` for a document that may hold thousands of wrong names: remembers, and stops after enough of them."""

    def __init__(self, *, most: int = 100) -> None:
        self._left = most
        self._known: dict[tuple[str, Hashable], tuple[str, ...]] = {}

    def nearest(self, name: str, among: Iterable[str], *, within: Hashable = None) -> tuple[str, ...]:
        """As the function, but nothing once the most different names have been asked for.

        `within` tells apart the places where different names may be meant.
        """
        key = (name, within)
        if key not in self._known:
            self._left -= 1
            self._known[key] = nearest(name, among) if self._left >= 0 else ()
        return self._known[key]
