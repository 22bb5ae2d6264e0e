"""Cuts a template into text, expressions and statements, and those into tokens.

minijinja decides what is a valid template; this lexer only has to agree with it on the valid ones. It exists
because the library tells which variables a template uses, but not where, how guarded, or with which filters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = ["MOST_TOKENS", "Segment", "Token", "TokenKind", "scan"]

TokenKind = Literal["name", "number", "string", "op"]

MOST_TOKENS: Final = 1_000
"""Tokens one expression may have; what has more is cut behind them."""

_OPEN = re.compile(r"\{\{|\{%|\{#")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<end>[-+]?(?:\}\}|%\}))
  | (?P<name>[^\W\d]\w*)
  | (?P<number>\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][-+]?\d+)?)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<op>==|!=|<=|>=|\*\*|//|.)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: TokenKind
    text: str
    """As written; a string with its quotes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a template. Text and comments have no tokens."""

    kind: Literal["text", "expression", "statement", "comment"]
    start: int
    end: int
    tokens: tuple[Token, ...] = ()


# A template is scanned for its problems and, right after that, for its references.
@lru_cache(maxsize=64)
def scan(source: str) -> tuple[Segment, ...]:
    """The template's segments in order; together they cover it."""
    segments: list[Segment] = []
    place = 0
    while place < len(source):
        opening = _OPEN.search(source, place)
        start = opening.start() if opening else len(source)
        if start > place:
            segments.append(Segment("text", place, start))
        if opening is None:
            break
        segment = _segment(source, start)
        segments.append(segment)
        place = segment.end
    return tuple(segments)


def _segment(source: str, start: int) -> Segment:
    if source.startswith("{#", start):
        end = source.find("#}", start + 2)
        return Segment("comment", start, len(source) if end < 0 else end + 2)
    if raw := _RAW.match(source, start):
        closing = _END_RAW.search(source, raw.end())
        return Segment("text", start, closing.end() if closing else len(source))
    tokens, end = _tokens(source, start + 2)
    return Segment("expression" if source.startswith("{{", start) else "statement", start, end, tokens)


def _tokens(source: str, place: int) -> tuple[tuple[Token, ...], int]:
    tokens: list[Token] = []
    braces = 0
    if source[place : place + 1] in {"-", "+"} and place < len(source):
        place += 1  # white space control
    while matched := _TOKEN.match(source, place):
        kind, text = matched.lastgroup, matched[matched.lastgroup or 0]
        if kind == "end" and not braces:
            return tuple(tokens), matched.end()
        if kind == "end":
            # The braces of a dictionary literal, which may touch each other.
            text, kind = text[0], "op"
        if text == "{":
            braces += 1
        elif text == "}":
            braces -= 1
        place = matched.start(matched.lastgroup or 0) + len(text)
        if text in {'"', "'"} or len(tokens) > MOST_TOKENS:
            # A text that never ends, or an expression that is refused for its size: reading on would take for ever.
            tokens.append(Token("op", text))
            return tuple(tokens), len(source)
        tokens.append(Token(kind, text))  # type: ignore[arg-type] # the regex's groups are the literal's words
    return tuple(tokens), len(source)
