"""JSON of the right words and the wrong shapes, made out of good JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, TypeAlias

__all__ = ["hostile", "nested", "ways"]

_OPENINGS = {"list": "[", "dict": '{"a":'}
Way: TypeAlias = "tuple[str | int, ...]"

_DEEP = re.compile(r'"@(list|dict)(\d+)@"')
"""Stands for a value nested that deep, which Python itself would not write."""
_VALUES: tuple[Any, ...] = (
    None, [], {}, 0, -1, 0.5, 2**63, -(2**63), 1e308, True, "", "x", "\x00", "ü€😀", "\ud800", [None], [[]], [{}],
    {"a": 1}, {"type": "x"}, {"type": ["a"]}, {"text": None}, ["text"], [1, 2, 3], [{"type": "text", "text": None}],
    "https://x", "data:image/png;base64,@@", "a" * 3000, "-5", "STOP", float("nan"), 10**400,
    "@list180@", "@dict180@", "@list300@", "@dict300@", "@list1000@", "@dict1000@", "@list40000@",
)  # fmt: skip


def nested(depth: int, opening: str = "[") -> str:
    return opening * depth + "1" + ("]" if opening == "[" else "}") * depth


def ways(value: Any, *, most: int) -> list[Way]:
    """A way to one place of each kind in `value`: the entries of a list that are of one type are of one kind."""
    found: dict[Way, Way] = {}
    left: list[tuple[Any, Way, Way]] = [(value, (), ())]
    while left and len(found) < most:
        here, way, kind = left.pop(0)
        found.setdefault(kind, way)
        inner = here.items() if isinstance(here, dict) else enumerate(here[:40]) if isinstance(here, list) else ()
        for step, one in inner:
            named = one.get("type") or next(iter(one), "") if isinstance(one, dict) else ""
            left.append((one, (*way, step), (*kind, step if isinstance(step, str) else f"# {named}")))
    return list(found.values())


def hostile(value: Any, random: Random, *, tries: int, most: int = 120) -> Iterator[bytes]:
    """JSON like `value`, with something wrong at one place of it, or at two: `tries` for every kind of place."""
    found = ways(value, most=most)
    for way in found:
        for _ in range(tries):
            wrong = _changed(value, way, random)
            other = random.choice(found)
            if random.random() < 0.25 and other and way and other[0] != way[0]:
                wrong = _changed(wrong, other, random)
            text = json.dumps(wrong)
            yield _DEEP.sub(lambda found: nested(int(found[2]), _OPENINGS[found[1]]), text).encode()


def _changed(value: Any, way: Way, random: Random) -> Any:
    if way:
        step, inner = way[0], value.copy()
        inner[step] = _changed(value[step], way[1:], random)
        return inner
    wrong = random.choice(_VALUES)
    return random.choice((wrong, wrong, wrong, [value], {"a": value}, [value, value], [value, wrong]))
