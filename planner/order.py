"""The order in which every step stands after all that it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import cast

from unified_api.types import Json
from workflows.references import usage

__all__ = ["in_order", "referred"]


def referred(step: Json) -> frozenset[str]:
    """The ids that a step's templates and its `after` name, whether they exist or not."""
    after = step.get("after") if isinstance(step, dict) else None
    control = {one for one in after if isinstance(one, str)} if isinstance(after, list) else set()
    return frozenset(control.union(*(named(text) for text in strings(step))))


def named(text: str) -> set[str]:
    return {one.name for one in usage(text).references if one.root == "steps"}


def strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def in_order(steps: list[Json]) -> list[Json] | None:
    """The steps so ordered, otherwise as they stood; None where a cycle, a self-reference or a doubled id forbids."""
    ids = [step.get("id") if isinstance(step, dict) else None for step in steps]
    if not all(isinstance(one, str) for one in ids) or len(set(cast("list[str]", ids))) < len(ids):
        return None
    place = {cast("str", one): at for at, one in enumerate(ids)}
    missing: list[int] = []
    users: dict[int, list[int]] = {}
    for at, step in enumerate(steps):
        needed = [place[name] for name in referred(step) if name in place]
        missing.append(len(needed))
        for other in needed:
            users.setdefault(other, []).append(at)
    ready = [at for at, count in enumerate(missing) if count == 0]  # ascending, so a heap already
    order: list[Json] = []
    while ready:
        at = heappop(ready)
        order.append(steps[at])
        for user in users.get(at, []):
            missing[user] -= 1
            if missing[user] == 0:
                heappush(ready, user)
    return order if len(order) == len(steps) else None
