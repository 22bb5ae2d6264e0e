"""What a server said, cut down for messages: on one line, and never through what may be a key."""

from __future__ import annotations

__all__ = ["beginning", "shorten", "whole_words"]

_OF_A_KEY = "".join(set(map(chr, range(0x21, 0x7F))) - set("\"'`,<>()[]{}"))
_LOOKED_AT = 4096
"""Bytes of an unreadable answer that are looked at."""


def shorten(text: str, limit: int = 500) -> str:
    """`text` on one line of at most `limit` characters, fit for messages and terminals."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = f"{whole_words(line, limit - 1)}…"
    return line if line.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in line)


def beginning(body: bytes) -> str:
    """What an unreadable answer begins with, for messages."""
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    return shorten(text if len(body) <= _LOOKED_AT else f"{text.rstrip(_OF_A_KEY)}…", 200)


def whole_words(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, without a last word that this cuts.

    What may be one key counts as one word: whoever strikes out secrets afterwards meets each whole or not at all.
    """
    start = text[:limit]
    return start.rstrip(_OF_A_KEY) if len(text) > limit and text[limit] in _OF_A_KEY else start
