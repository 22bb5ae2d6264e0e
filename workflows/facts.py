"""What is known to hold where something stands: the parts of conditions, each in one spelling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from workflows.grammar import assigned
from workflows.lexer import Segment, Token, scan

__all__ = ["Facts", "around", "conjuncts", "defined", "otherwise", "undefined"]

Facts = frozenset[str]

_OPENING: Final = frozenset({"(", "[", "{"})
_CLOSING: Final = frozenset({")", "]", "}"})
_FLIPPED: Final = {"==": "!=", "!=": "=="}
_SEPARATORS: Final = frozenset({",", ":", "="})
_DEFAULT_WORDS: Final = frozenset({"default", "d"})
_NONE: Facts = frozenset()
_MOST_WORDS: Final = 200
"""Words and signs of an expression that is looked into: the time for it grows with their square."""


def defined(step_id: str) -> str:
    """The fact that a step has given its output."""
    return f"steps . {step_id} . output is defined"


def undefined(step_id: str) -> str:
    """The fact that a step ended without one."""
    return f"steps . {step_id} . output is not defined"


@lru_cache(maxsize=4_096)
def conjuncts(condition: str | None) -> Facts:
    """What holds where a condition does: its parts that are joined by `and`."""
    return _true(_expression(condition))


@lru_cache(maxsize=4_096)
def otherwise(condition: str | None) -> Facts:
    """What holds where a condition does not."""
    return _false(_expression(condition))


def _expression(condition: str | None) -> Sequence[Token]:
    segments = scan(condition or "")
    return segments[0].tokens if len(segments) == 1 and segments[0].kind == "expression" else ()


def _true(tokens: Sequence[Token]) -> Facts:
    tokens = _unwrapped(tokens)
    if not tokens:
        return _NONE
    top = {tokens[place].text for place in _top(tokens)}
    if "if" in top or "or" in top:
        return frozenset({_spelled(tokens)})
    if "and" in top:
        return _NONE.union(*map(_true, _parts(tokens, "and")))
    if tokens[0].text == "not":
        return _false(tokens[1:])
    return frozenset({_spelled(tokens)})


def _false(tokens: Sequence[Token]) -> Facts:
    tokens = _unwrapped(tokens)
    if not tokens:
        return _NONE
    top = {tokens[place].text for place in _top(tokens)}
    if "if" not in top:
        if "or" in top:
            return _NONE.union(*map(_false, _parts(tokens, "or")))
        if tokens[0].text == "not" and "and" not in top:
            return _true(tokens[1:])
        if "and" not in top:
            return frozenset({_flipped(tokens)})
    return frozenset({f"not ( {_spelled(tokens)} )"})


def _flipped(tokens: Sequence[Token]) -> str:
    spelled = _spelled(tokens)
    for one, other in ((" is not defined", " is defined"), (" is defined", " is not defined")):
        if spelled.endswith(one):
            return spelled.removesuffix(one) + other
    signs = [place for place in _top(tokens) if tokens[place].text in _FLIPPED]
    if len(signs) == 1:
        (sign,) = signs
        return f"{_spelled(tokens[:sign])} {_FLIPPED[tokens[sign].text]} {_spelled(tokens[sign + 1 :])}"
    return f"not ( {spelled} )"


def _spelled(tokens: Sequence[Token]) -> str:
    """One spelling for conditions that differ in white space, in quotes, or in parentheses around the whole."""
    words = [f'"{token.text[1:-1]}"' if token.kind == "string" else token.text for token in _unwrapped(tokens)]
    if words[-1:] == ["undefined"]:
        words = [*words[:-2], "defined"] if words[-3:-1] == ["is", "not"] else [*words[:-1], "not", "defined"]
    return " ".join(words)


def _unwrapped(tokens: Sequence[Token]) -> Sequence[Token]:
    while tokens and tokens[0].text == "(" and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _closing(tokens: Sequence[Token]) -> int:
    """Where the bracket closes that the tokens begin with."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if not depth:
            return place
    return len(tokens)


def _top(tokens: Sequence[Token]) -> Iterator[int]:
    """The places of the words and signs that stand in no bracket and are no field's name."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if not depth and token.kind in {"name", "op"} and (not place or tokens[place - 1].text not in {".", "|"}):
            yield place


def _parts(tokens: Sequence[Token], word: str) -> list[Sequence[Token]]:
    bounds = [-1, *(place for place in _top(tokens) if tokens[place].text == word), len(tokens)]
    return [tokens[start + 1 : end] for start, end in pairwise(bounds)]


def around(source: str, place: tuple[int, int]) -> Facts:
    """What holds where a word of a template is asked for: its segment's number, and the word's number in there."""
    number, word = place
    tokens = scan(source)[number].tokens
    found, start = _by_statements(source)[number]
    local = _by_words(tokens, word, start=start) if len(tokens) <= _MOST_WORDS else _NONE
    own = _NONE.union(*(assigned(one.tokens) for one in scan(source) if one.kind == "statement" and one.tokens))
    # A name that the template gives a meaning itself is not the one of that name outside.
    return frozenset(fact for fact in found | local if own.isdisjoint(fact.split()))


@lru_cache(maxsize=64)
def _by_statements(source: str) -> tuple[tuple[Facts, int], ...]:
    return tuple(_holding(scan(source)))


def _holding(segments: Sequence[Segment]) -> Iterator[tuple[Facts, int]]:
    """For each segment what the `if` statements around it say, and where its expression begins among its tokens."""
    open_ones: list[_If] = []
    for segment in segments:
        word = segment.tokens[0].text if segment.kind == "statement" and segment.tokens else ""
        if word in {"endif", "endfor"} and open_ones:
            open_ones.pop()
        elif word in {"elif", "else"} and open_ones:
            open_ones[-1].turn(segment.tokens[1:])
        known = [one.now for one in open_ones]
        if word == "elif" and open_ones:
            known[-1] = open_ones[-1].before  # its own condition is what is being asked
        start = 1 if word in {"if", "elif"} else len(segment.tokens) if word == "for" else 0
        yield _NONE.union(*known), start
        if word in {"if", "for"}:
            open_ones.append(_If(segment.tokens[1:] if word == "if" else ()))


class _If:
    """An `if` statement on its way from case to case. A `for` asks nothing, whatever its `else` is for."""

    def __init__(self, condition: Sequence[Token]) -> None:
        self.before: Facts = _NONE
        self.now = _true(condition)
        self._condition = condition

    def turn(self, condition: Sequence[Token]) -> None:
        self.before |= _false(self._condition)
        self.now = self.before | _true(condition)
        self._condition = condition


def _by_words(tokens: Sequence[Token], place: int, *, start: int) -> Facts:
    """What holds where a word of an expression stands: by `x if C else y`, `C and x`, `C or x`, `a | default(x)`."""
    found: Facts = _NONE
    low, high = start, len(tokens)
    while low < high:
        low, high = _element(tokens, low, high, place)
        found |= _chosen(tokens[low:high], place - low)
        opening = _bracket(tokens, low, high, place)
        if opening is None:
            break
        low, high = opening + 1, opening + _closing(tokens[opening:high])
        found |= _replaced(tokens, opening, low, high, place)
    return found


def _element(tokens: Sequence[Token], low: int, high: int, place: int) -> tuple[int, int]:
    """What stands between the separators around the place."""
    marks = [low + one for one in _top(tokens[low:high]) if tokens[low + one].text in _SEPARATORS]
    before = max((one + 1 for one in marks if one < place), default=low)
    return before, min((one for one in marks if one > place), default=high)


def _bracket(tokens: Sequence[Token], low: int, high: int, place: int) -> int | None:
    """The outermost bracket there that holds the place."""
    depth, opening = 0, None
    for one in range(low, min(place, high)):
        if tokens[one].text in _OPENING:
            opening = one if not depth else opening
            depth += 1
        elif tokens[one].text in _CLOSING:
            depth -= 1
    return opening if depth > 0 else None


def _chosen(tokens: Sequence[Token], place: int) -> Facts:
    """By the words `if`, `else`, `and` and `or` of one expression."""
    words = [one for one in _top(tokens) if tokens[one].text in {"if", "else"}]
    bounds = [-1, *words, len(tokens)]
    parts = [(start + 1, end) for start, end in pairwise(bounds)]
    mine = next(number for number, (_, end) in enumerate(parts) if place < end)
    found: Facts = _NONE
    for number in range(1, len(parts), 2):  # the conditions
        condition = tokens[slice(*parts[number])]
        if number == mine + 1:
            found |= _true(condition)
        elif number < mine:
            found |= _false(condition)
    low, high = parts[mine]
    return found | _short_circuit(tokens[low:high], place - low)


def _short_circuit(tokens: Sequence[Token], place: int) -> Facts:
    """In `A and B`, A holds where B is asked; in `A or B`, it does not."""
    joined = {tokens[one].text for one in _top(tokens)} & {"and", "or"}
    if len(joined) != 1:
        return _NONE
    (word,) = joined
    found, end = _NONE, -1
    for part in _parts(tokens, word):
        end += len(part) + 1
        if place < end:
            break
        found |= _true(part) if word == "and" else _false(part)
    return found


def _replaced(tokens: Sequence[Token], opening: int, low: int, high: int, place: int) -> Facts:
    """`steps.a.output | default(steps.b.output)` is asked for the second where there is no first.

    It is rendered in any case, so this is nothing that its fields may count on.
    """
    alone = high - low == 5 and low == place
    words = [token.text for token in tokens[max(0, opening - 7) : opening]]
    if alone and len(words) == 7 and words[5] == "|" and words[6] in _DEFAULT_WORDS:
        root, dot, step_id, second, output = words[:5]
        if (root, dot, second, output) == ("steps", ".", ".", "output"):
            return frozenset({undefined(step_id)})
    return _NONE
