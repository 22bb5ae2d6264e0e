"""E-mail addresses, around each `@`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["emails"]

_BEFORE = re.compile(r".*[^\w.!#$%&'*+/=?^`{|}~-]", re.DOTALL)
"""What stands before the local part: everything up to the last character that none can have."""
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62})\.)+(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![^\W_])")
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 253
_LEADING = ".!#$%&'*+/=?^`{|}~-"


def emails(text: str) -> Iterator[Found]:
    at = text.find("@")
    behind = 0
    while at >= 0:
        low = max(behind, at - _LONGEST_LOCAL)
        local = text[low:at]
        stop = _BEFORE.match(local)
        written = local[stop.end() :] if stop else local
        # `mailto:` and quotes are no part of an address, though dots and slashes before it might be.
        start = at - len(written.rpartition("/")[2].lstrip(_LEADING))
        domain = _DOMAIN.match(text, at + 1, at + 1 + _LONGEST_DOMAIN) if start < at else None
        if domain is not None and not _is_remote(text, start, domain.end()):
            yield Found("email", _unemphasised(text, start, domain.end()), domain.end())
            behind = domain.end()
        at = text.find("@", at + 1)


def _is_remote(text: str, start: int, end: int) -> bool:
    """`git@host:path` names a repository."""
    return text.startswith("git@", start) and text[end : end + 1] == ":"


def _unemphasised(text: str, start: int, end: int) -> int:
    """Where the address begins without the underscores that make it slanted, as many before it as behind it."""
    while text[start] == "_" and text[end : end + 1] == "_":
        start, end = start + 1, end + 1
    return start
