"""Runs a random workflow on the engine and beside it on the interpreter, and says where they differ."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import anyio.lowlevel
from interpreter import LABELS, Ended, FailureError, Interpreter
from random_workflows import Made, answer
from running import NO_GATEWAY

from executors.events import Event, RunFinished, StepFinished, StepStarted
from executors.runner import run
from executors.tools import ToolRegistry
from workflows.model import Workflow

__all__ = ["compared"]


class _Tool:
    """The function that all tool steps call, once for the engine and once for the interpreter."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.tries: Counter[str] = Counter()
        self.running = 0
        self.most = 0

    def act(self, name: str, value: Any, fails: str, key: str) -> int:
        self.tries[f"{name} {key}"] += 1
        given = answer(name, [value, key])
        first = fails == "first" and self.tries[f"{name} {key}"] == 1
        if fails == "always" or first or (fails == "odd" and given % 2):
            raise ValueError("as planned")
        return given

    async def waiting(self, name: str, value: Any, fails: str, key: str) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range((answer(name, key) + self.seed) % 4):
                await anyio.lowlevel.checkpoint()
            return self.act(name, value, fails, key)
        finally:
            self.running -= 1


async def compared(made: Made, seed: int) -> list[str]:
    """What differs from what must be; empty when all is as it must be."""
    told = _Tool(seed)

    def act(_path: str, _step: Any, given: Any) -> int:
        try:
            return told.act(**given)
        except ValueError as error:
            said = f"tool 'act' raised ValueError: {error}"
            raise FailureError("tool_failed", said, retryable=True) from None

    interpreter = Interpreter(made.workflows, act)
    expected, errors = interpreter.run(made.document, made.inputs)
    tool, events, tools = _Tool(seed), list[Event](), ToolRegistry()
    tools.add(tool.waiting, name="act")
    result = await run(
        Workflow.model_validate(made.document),
        made.inputs,
        gateway=NO_GATEWAY,
        tools=tools,
        workflows={name: Workflow.model_validate(one) for name, one in made.workflows.items()},
        on_event=events.append,
        max_parallel=made.limit,
    )
    wrong = [f"{tool.most} ran at once, {made.limit} may"] if tool.most > made.limit else []
    wrong += [f"{tool.running} left running"] if tool.running else []
    if result.status != ("failed" if errors else "succeeded"):
        wrong.append(f"the run {result.status}: {result.error}; may fail at {sorted(errors)}")
    if errors and result.error is not None and result.error.path not in errors:
        wrong.append(f"failed at {result.error.path}, not at one of {sorted(errors)}")
    if not errors and result.outputs != expected:
        wrong.append(f"outputs {result.outputs}, not {expected}")
    return wrong + _events_wrong(events) + _paths_wrong(events, interpreter)


def _paths_wrong(events: list[Event], interpreter: Interpreter) -> list[str]:
    last = {event.step_id: event for event in events if isinstance(event, StepFinished)}
    wrong = [f"{path} never ended" for path in interpreter.paths.keys() - last.keys() if not _cut(path, interpreter)]
    cancelled = tuple(f"{path}{mark}" for path, end in last.items() if end.status == "cancelled" for mark in "/[")
    for path, event in last.items():
        expected = interpreter.paths.get(path)
        if cancelled and path.startswith(cancelled):
            continue  # what is around it might have been tried again
        if event.status == "cancelled":
            wrong += [] if _cut(path, interpreter) else [f"{path} was cancelled, and nothing around it fails"]
        elif expected is None or expected.status == "unreached":
            wrong.append(f"{path} {event.status}, and should not have been reached")
        else:
            wrong += _end_wrong(path, event, expected)
    return wrong


def _end_wrong(path: str, event: StepFinished, expected: Ended) -> list[str]:
    wrong = []
    if event.status != expected.status:
        wrong.append(f"{path} {event.status}, not {expected.status}: {event.error}")
    elif expected.status == "succeeded" and event.output != expected.output:
        wrong.append(f"{path} gave {json.dumps(event.output)}, not {json.dumps(expected.output)}")
    if event.error is not None and event.error.path not in expected.errors:
        wrong.append(f"{path} failed at {event.error.path}, not at one of {expected.errors}")
    if event.status != "failed" and event.label != LABELS[expected.label]:
        wrong.append(f"{path} is labelled {event.label}, not {LABELS[expected.label]}")
    return wrong


def _cut(path: str, interpreter: Interpreter) -> bool:
    return any(path.startswith(prefix) for prefix in interpreter.broken)


def _events_wrong(events: list[Event]) -> list[str]:
    """Every step that starts ends once for each time it starts, inside of the one around it."""
    wrong, open_ = [], set[str]()
    for event in events:
        if isinstance(event, StepStarted):
            if event.step_id in open_:
                wrong.append(f"{event.step_id} started twice")
            open_.add(event.step_id)
        elif isinstance(event, StepFinished):
            if event.started is not None and event.step_id not in open_:
                wrong.append(f"{event.step_id} ended without having begun")
            open_.discard(event.step_id)
            wrong += [f"{event.step_id} ended before {one}" for one in open_ if one.startswith(f"{event.step_id}/")]
            wrong += [f"{event.step_id} ended before {one}" for one in open_ if one.startswith(f"{event.step_id}[")]
    wrong += [f"{path} never ended" for path in open_]
    return wrong if isinstance(events[-1], RunFinished) else [*wrong, "the run never ended"]
