"""Marks the stretches of a text that must not be cut: quotations, code, addresses, numbers, abbreviations."""

from __future__ import annotations

import re

from planner.lexicon import ABBREVIATIONS

__all__ = ["MASK", "mask"]

MASK = "\ue000"
"""Stands for each masked character, so that offsets in the masked text are offsets in the text."""

# Lengths are bounded, so that a text of a thousand unmatched quotation marks costs no quadratic time.
_LITERAL = re.compile(
    r"""
      ```.{0,20000}?```                              # fenced code
    | ~~~.{0,20000}?~~~
    | `[^`\n]{1,400}`                                # inline code
    | "[^"]{1,4000}"
    | “[^”]{1,4000}”
    | «[^»]{1,4000}»
    | „[^“”]{1,4000}[“”]
    | 「[^」]{1,4000}」
    | (?<![\w'])'(?=\S)[^'\n]{0,4000}(?:(?<=\w)'(?=\w)[^'\n]{0,4000}){0,40}'(?!\w)   # 'it's here', apostrophes inside
    | (?<!\w)‘[^\n]{1,4000}?’(?!\w)
    | <(\w{1,40})>.{0,20000}?</\1>                   # tagged material
    | \b(?:https?|ftp)://[^\s<>"')\]]{1,2000}(?<![.,;:!?])
    | \bwww\.[^\s<>"')\]]{1,2000}(?<![.,;:!?])
    | \b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}
    | (?<![\w.])[\w-]{1,80}(?:\.[A-Za-z0-9]{1,5}){1,2}(?=[\s,;:!?)\]'"]|\.(?:\s|$)|$)   # file names, 3.14, Node.js, U.S
    | \d{1,12}(?:[.,]\d{1,12}){1,6}
    | \.{3}
    """,
    re.VERBOSE | re.DOTALL,
)
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,6}|\b[A-Z]\.(?=\s[A-Z])")
_INITIALS_GO_ON = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,6}(?=[ ]?[a-z,])")  # before "U.S" looks like a file name
_ABBREVIATION = re.compile(
    r"(?<![\w.])(?:" + "|".join(sorted(map(re.escape, ABBREVIATIONS), key=len, reverse=True)) + r")\.(?=[\s,)])",
    re.IGNORECASE,
)
_PARENTHESES = re.compile(r"\((?!\d{1,2}\)|[a-z]\))[^()]{0,600}\)")
_MATERIAL = re.compile(r":[ \t]*\n(?!\s*(?:[-*•]|\(?\w{1,2}[.)])\s)(?=\s*[^\s\ue000])")


def mask(text: str) -> str:
    """The text with every protected stretch replaced, character for character, by `MASK`."""
    masked = _LITERAL.sub(_blank, _INITIALS_GO_ON.sub(_blank_dots, text))
    masked = _PARENTHESES.sub(_blank_inside, masked)
    masked = _INITIALS.sub(_blank_dots, masked)
    masked = _ABBREVIATION.sub(_blank_dots, masked)
    return _mask_material(masked)


def _blank(match: re.Match[str]) -> str:
    return MASK * len(match[0])


def _blank_inside(match: re.Match[str]) -> str:
    return "(" + MASK * (len(match[0]) - 2) + ")"


def _blank_dots(match: re.Match[str]) -> str:
    return match[0].replace(".", MASK)


def _mask_material(masked: str) -> str:
    """What follows a colon at the end of a line, up to the next short paragraph, is given text, unless it is a list."""
    start = _MATERIAL.search(masked)
    if start is None:
        return masked
    end = masked.find("\n\n", start.end() + 1)
    while end != -1 and len(masked) - end > 400:
        end = masked.find("\n\n", end + 2)
    end = len(masked) if end == -1 else end
    return masked[: start.end()] + MASK * (end - start.end()) + masked[end:]
