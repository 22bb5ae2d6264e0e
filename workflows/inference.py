"""What type an expression gives by its own form, whatever it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from workflows.lexer import Token, scan

__all__ = ["form"]

_TEXT: Final = {"type": "string"}
_BOOLEAN: Final = {"type": "boolean"}
_LIST: Final = {"type": "array"}
_INTEGER: Final = {"type": "integer"}
_BY_FILTER: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(
        ("capitalize", "filesizeformat", "join", "lower", "pluralize", "replace", "string", "striptags", "title",
         "tojson", "trim", "truncate", "upper", "urlencode", "wordwrap"), _TEXT,
    ),
    **dict.fromkeys(
        ("dictsort", "groupby", "items", "lines", "list", "map", "reject", "rejectattr", "select", "selectattr", "sort",
         "split", "unique", "zip"), _LIST,
    ),
    **dict.fromkeys(("count", "int", "length"), _INTEGER),
    "bool": _BOOLEAN,
    "float": {"type": "number"},
}  # fmt: skip
"""Filters that give one type, whatever they are given."""
_KEEPING: Final = frozenset({"list", "sort", "unique"})
"""Those behind which a list has as many items at most."""
_COMPARING: Final = frozenset({"==", "!=", "<", ">", "<=", ">=", "in", "is", "not"})
_WORDS: Final = frozenset({"and", "or", "not", "if", "else", "in", "is"})
_SIGNS: Final = frozenset({"+", "-", "*", "/", "//", "%", "**", "~", *_COMPARING})
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)


def form(source: str) -> dict[str, Any] | None:
    """The schema of what a template that is exactly one expression gives, where its form alone tells; else None."""
    segments = scan(source)
    if len(segments) != 1 or segments[0].kind != "expression":
        return None
    return _of(segments[0].tokens)


def _of(tokens: Sequence[Token]) -> dict[str, Any] | None:
    while tokens and tokens[0].text == "(" and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
        if any(tokens[place].text == "," for place in _top(tokens)):
            return _LIST
    top = list(_top(tokens))
    outer = {tokens[place].text for place in top}
    if "if" in outer:
        return None
    if outer & {"and", "or"}:
        return _joined(tokens, [place for place in top if tokens[place].text in {"and", "or"}])
    if outer & _SIGNS:
        return _BOOLEAN if outer & _COMPARING else _TEXT if "~" in outer else None
    return _called(tokens, [place for place in top if tokens[place].text == "|"])


def _called(tokens: Sequence[Token], pipes: Sequence[int]) -> dict[str, Any] | None:
    if pipes:
        return _filtered(tokens, pipes[-1])
    return _literal(tokens[0]) if len(tokens) == 1 else _range(tokens)


def _top(tokens: Sequence[Token]) -> Iterator[int]:
    """The places of operators and words that stand in no bracket."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        field = place > 0 and tokens[place - 1].text in {".", "|"}
        if not depth and not field and (token.kind == "op" or token.text in _WORDS):
            yield place


def _joined(tokens: Sequence[Token], places: list[int]) -> dict[str, Any] | None:
    """`and` and `or` give one of their operands."""
    bounds = [-1, *places, len(tokens)]
    parts = [_of(tokens[start + 1 : end]) for start, end in pairwise(bounds)]
    return parts[0] if all(one is not None and one == parts[0] for one in parts) else None


def _literal(token: Token) -> dict[str, Any] | None:
    if token.kind in {"string", "number"}:
        return _TEXT if token.kind == "string" else {"type": "number"}
    return _BOOLEAN if token.text in {"true", "false", "True", "False"} else None


def _filtered(tokens: Sequence[Token], pipe: int) -> dict[str, Any] | None:
    name = tokens[pipe + 1].text if pipe + 1 < len(tokens) else ""
    before = _of(tokens[:pipe]) if name in _KEEPING else None
    given = before if before is not None and before["type"] == "array" else _BY_FILTER.get(name)
    called = tokens[pipe + 2 : pipe + 3]
    # Behind the filter's name stand its arguments and nothing more.
    plain = not called or (called[0].text == "(" and _closing(tokens, pipe + 2) == len(tokens) - 1)
    return given if plain else None


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for place in range(opening, len(tokens)):
        depth += (tokens[place].text == "(") - (tokens[place].text == ")")
        if not depth:
            return place
    return len(tokens)


def _range(tokens: Sequence[Token]) -> dict[str, Any] | None:
    """`range(5)` has five items."""
    words = [token.text for token in tokens]
    if words[:2] != ["range", "("] or _closing(tokens, 1) != len(tokens) - 1:
        return None
    given: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}
    numbers = [int(word) for word in words[2:-1:2] if _NUMBER.fullmatch(word)]
    plain = 1 <= len(numbers) <= 3 and len(words) == 2 * len(numbers) + 2 and set(words[3:-1:2]) <= {","}
    if not plain or 0 in numbers[2:]:
        return given
    length = len(range(*numbers))
    return {**given, "minItems": length, "maxItems": length}
