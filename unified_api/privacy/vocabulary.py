"""Words that tell what a number near them is."""

from __future__ import annotations

__all__ = ["vocabulary"]


def vocabulary(*lines: str) -> frozenset[str]:
    """The words of the lines; each is written in lower case and without marks."""
    return frozenset(word for line in lines for word in line.split())
