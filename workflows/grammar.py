"""What templates may contain: the language's filters, tests and functions; every other use is refused with its mend.

minijinja decides what is valid syntax. It would also let a template call the methods of Python's lists, take the
process down with a very long expression, and find out about an unknown filter only while it runs: so templates
are read here first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workflows.lexer import MOST_TOKENS, Segment, Token
from workflows.nearest import nearest

__all__ = ["FILTERS", "FUNCTIONS", "ROOTS", "TESTS", "Problem", "assigned", "oversized", "problems"]

ROOTS: Final = frozenset({"inputs", "steps"})
"""The names that a template can see."""

FILTERS: Final = frozenset(
    [
        "abs",
        "bool",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "filesizeformat",
        "first",
        "float",
        "groupby",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pluralize",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "sort",
        "split",
        "string",
        "striptags",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "wordwrap",
        "zip",
    ]
)
"""Those of minijinja but for the ones that allocate as much as a number says (`batch`, `format`, `indent`, `slice`),
that reach into Python (`attr`), or that only make sense for HTML and for debugging."""

TESTS: Final = frozenset(
    [
        "boolean",
        "defined",
        "divisibleby",
        "endingwith",
        "eq",
        "equalto",
        "even",
        "false",
        "float",
        "ge",
        "greaterthan",
        "gt",
        "in",
        "int",
        "integer",
        "iterable",
        "le",
        "lessthan",
        "lower",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sameas",
        "sequence",
        "startingwith",
        "string",
        "true",
        "undefined",
        "upper",
    ]
)
FUNCTIONS: Final = frozenset({"dict", "namespace", "range"})

# Filters that are told another filter or a test by its name.
_NAMING_FILTERS: Final = {"map": ("filter", FILTERS), "select": ("test", TESTS), "reject": ("test", TESTS)}
_CALLABLE: Final = frozenset({"caller", "loop"})
_METHODS: Final = frozenset({("loop", "cycle"), ("loop", "changed")})
_LOADING: Final = frozenset({"include", "import", "from", "extends", "block"})
_KEYWORDS: Final = frozenset({"if", "else", "elif", "for", "in", "not", "and", "or", "set", "do", "with", "is"})
_MOST_BRANCHES: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a template cannot be used."""

    code: str
    """`invalid_expression`, `unknown_name` or `unsupported_reference`."""
    message: str
    allowed: tuple[str, ...] = ()
    fix: str | None = None


def oversized(segments: list[Segment]) -> Problem | None:
    """Why a template must not even be shown to minijinja.

    It recurses over long expressions: some 5,000 operators, or 1,000 `elif`, end the process where the stack has
    512 KiB, as a thread's has on macOS.
    """
    if any(len(segment.tokens) > MOST_TOKENS for segment in segments):
        return Problem(
            "invalid_expression",
            f"one expression has more than {MOST_TOKENS:,} words and signs",
            fix="Compute the value in a `set` step, piece by piece.",
        )
    branches = sum(segment.tokens[0].text == "elif" for segment in segments if segment.tokens)
    if branches > _MOST_BRANCHES:
        return Problem(
            "invalid_expression",
            f"one template has {branches} `elif`; {_MOST_BRANCHES} are allowed",
            fix="Look the value up in a dictionary.",
        )
    return None


def problems(segments: list[Segment]) -> Iterator[Problem]:
    """What a template of valid syntax uses that the language does not have."""
    macros = frozenset(
        segment.tokens[1].text
        for segment in segments
        if segment.kind == "statement" and len(segment.tokens) > 1 and segment.tokens[0].text == "macro"
    )
    for segment in segments:
        if segment.kind == "statement" and segment.tokens:
            yield from _statement(segment.tokens, macros)
        for place, token in enumerate(segment.tokens):
            if token.kind == "name":
                yield from _filter_or_test(segment.tokens, place)
            elif token.text == "(":
                yield from _call(segment.tokens, place, macros)


def _statement(tokens: tuple[Token, ...], macros: frozenset[str]) -> Iterator[Problem]:
    word = tokens[0].text
    if word in _LOADING:
        yield Problem("invalid_expression", f"`{word}` needs other templates, and there are none")
    # A name that may be called must keep its meaning, or any method could be called by it.
    for name in sorted(assigned(tokens) & (ROOTS | FUNCTIONS | macros | _CALLABLE)):
        yield Problem(
            "invalid_expression", f"`{word}` must not give `{name}` another meaning", fix="Take another name."
        )


def assigned(tokens: tuple[Token, ...]) -> set[str]:
    """The names that a statement gives a meaning."""
    word = tokens[0].text
    pairs = list(itertools.pairwise(tokens))
    if word == "with":
        return {one.text for one, following in pairs if one.kind == "name" and following.text == "="}
    if word in {"macro", "call"}:
        return {one.text for before, one in pairs if one.kind == "name" and before.text in {"(", ","}}
    stop = {"for": "in", "set": "="}.get(word)
    targets = itertools.takewhile(lambda token: token.text != stop, tokens[1:] if stop else ())
    return {token.text for token in targets if token.kind == "name"}


def _filter_or_test(tokens: tuple[Token, ...], place: int) -> Iterator[Problem]:
    name = tokens[place].text
    before = tokens[place - 1].text if place else ""
    if before == "|" or (place == 1 and before == "filter"):
        if name not in FILTERS:
            yield _unknown("filter", name, FILTERS)
        elif name in _NAMING_FILTERS and (named := _first_argument(tokens, place)):
            what, known = _NAMING_FILTERS[name]
            if named not in known:
                yield _unknown(what, named, known)
    elif name not in TESTS and name != "not" and _is_test(tokens, place):
        yield _unknown("test", name, TESTS)


def _first_argument(tokens: tuple[Token, ...], place: int) -> str | None:
    """The text that a filter is given first, as in `map("upper")`."""
    following = tokens[place + 1 : place + 3]
    if len(following) == 2 and following[0].text == "(" and following[1].kind == "string":
        return following[1].text[1:-1]
    return None


def _is_test(tokens: tuple[Token, ...], place: int) -> bool:
    before = [token.text for token in tokens[max(0, place - 2) : place]]
    return before[-1:] == ["is"] or before == ["is", "not"]


def _unknown(what: str, name: str, known: frozenset[str]) -> Problem:
    near = nearest(name, sorted(known))
    return Problem(
        "invalid_expression",
        f"there is no {what} `{name}`",
        allowed=tuple(dict.fromkeys([*near, *sorted(known)])),
        fix=f"Did you mean `{near[0]}`?" if near else f"Use a {what} of the language, or compute the value in a tool.",
    )


def _call(tokens: tuple[Token, ...], place: int, macros: frozenset[str]) -> Iterator[Problem]:
    """Refuses every call but those of the language's own functions, filters, tests and macros.

    A value's attribute is never called: `items.append(...)` would change what other steps are given.
    """
    if not place or not _may_be_called(tokens[place - 1]):
        return
    callee = tokens[place - 1]
    before = tokens[place - 2].text if place > 1 else ""
    if callee.kind == "name":
        if callee.text in _KEYWORDS or before in {"|", "is", "macro"} or (place == 2 and before in {"call", "filter"}):
            return
        if before == "not" and place > 2 and tokens[place - 3].text == "is":
            return
        if before != "." and callee.text in FUNCTIONS | macros | _CALLABLE:
            return
        if before == "." and place > 2 and (tokens[place - 3].text, callee.text) in _METHODS:
            return
    near = nearest(callee.text, sorted(FILTERS)) if callee.kind == "name" else ()
    yield Problem(
        "invalid_expression",
        f"`{callee.text}` cannot be called: values have no methods here, only filters",
        fix=f"Use the filter `| {near[0]}`." if near else "Use a filter, such as `| length` or `| upper`.",
    )


def _may_be_called(token: Token) -> bool:
    return token.kind in {"name", "string"} or token.text in {")", "]"}
