"""Steps of kind `map`: run steps once for each item of a list."""

from __future__ import annotations

from typing import Any

import anyio

from executors.block import BlockEnd, run_block
from executors.context import StepRun
from executors.failures import StepFailure
from unified_api.types import Json
from workflows.blocks import Inner, inner_blocks
from workflows.model import MapStep

__all__ = ["run"]

_DROPPED = object()


async def run(step: MapStep, run: StepRun) -> Json:
    """The results of the items, in the order of the list.

    Raises:
        StepFailure: `invalid_list`, `too_many_items`, or that of an item, with `on_item_error` as `fail`.
    """
    items = _items(step, run)
    return await _Mapping(step, run, items).results()


def _items(step: MapStep, run: StepRun) -> list[Any]:
    items = run.render(list(step.over) if isinstance(step.over, tuple) else step.over)
    if not isinstance(items, list):
        raise StepFailure("invalid_list", f"`over` must give a list, not {type(items).__name__}")
    if len(items) > step.max_items:
        raise StepFailure(
            "too_many_items", f"`over` gives {len(items):,} items, and max_items allows {step.max_items:,}; raise it"
        )
    return items


class _Mapping:
    """The items of one list on their way: workers take the next one until none is left."""

    def __init__(self, step: MapStep, run: StepRun, items: list[Any]) -> None:
        self._step = step
        self._run = run
        self._items = items
        self._inner: Inner = next(inner_blocks(step))
        self._results: list[Any] = [_DROPPED] * len(items)
        self._next = 0
        self._failure: StepFailure | None = None
        self._label = run.label

    async def results(self) -> list[Any]:
        most = self._step.max_parallel or (self._run.frame.slots or self._run.context.slots).limit
        async with anyio.create_task_group() as tasks:
            for _ in range(min(most, len(self._items))):
                tasks.start_soon(self._work, tasks.cancel_scope)
        if self._failure is not None:
            raise self._failure
        return [one for one in self._results if one is not _DROPPED]

    async def _work(self, scope: anyio.CancelScope) -> None:
        while self._next < len(self._items) and self._failure is None:
            place = self._next
            self._next += 1
            try:
                end = await self._item(place)
            except StepFailure as failure:
                self._failed(place, failure, scope)
            else:
                self._results[place] = end.value
                self._run.raise_label(end.label)

    async def _item(self, place: int) -> BlockEnd:
        name = self._step.as_
        variables = {name: self._items[place], f"{name}_index": place}
        # Not the label that other items have given the step meanwhile.
        return await run_block(self._inner, self._run, at=f"[{place}]", variables=variables, label=self._label)

    def _failed(self, place: int, failure: StepFailure, scope: anyio.CancelScope) -> None:
        on_error = "fail" if failure.ends_run else self._step.on_item_error
        if on_error != "fail" and failure.label is not None:
            self._run.raise_label(failure.label)  # the list tells of the failure
        if on_error == "keep":
            self._results[place] = {"error": {"code": failure.code, "message": failure.message}}
        elif on_error == "fail" and self._failure is None:
            self._failure = failure
            scope.cancel()
