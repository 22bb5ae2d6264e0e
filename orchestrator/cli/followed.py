"""An event of a run as one line: words for people, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

from orchestrator.cli import words

if TYPE_CHECKING:
    from executors.events import Event

__all__ = ["event_json", "event_line"]


def event_json(number: int, event: Event) -> str:
    """All of the event, with its number and its kind."""
    from orchestrator.shapes import jsonable, workflow_shape
    from workflows.model import Workflow

    told: dict[str, object] = {"seq": number, "event": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        told[field.name] = workflow_shape(value) if isinstance(value, Workflow) else jsonable(value)
    return json.dumps(told, ensure_ascii=False)


def event_line(number: int, event: Event) -> str:
    """What happened, in words."""
    at = event.at.astimezone().strftime("%H:%M:%S") if hasattr(event, "at") else ""
    return f"{number:>6}  {at}  {words.clean(_told(event))}"


def _told(event: Event) -> str:
    from executors.events import RunFinished, StepFinished, StepRetrying, StepStarted

    if isinstance(event, StepStarted):
        return f"{event.step_id}: started ({event.kind})"
    if isinstance(event, StepRetrying):
        return f"{event.step_id}: trying again, {words.failure(event.step_id, event.error.message)}"
    if isinstance(event, StepFinished):
        on = f" on {event.model}" if event.model else ""
        why = "" if event.error is None else f": {words.failure(event.step_id, event.error.message)}"
        return f"{event.step_id}: {event.status}{' before' if event.reused else ''}{on}{why}"
    if isinstance(event, RunFinished):
        return f"run {event.status}" + ("" if event.error is None else f": {event.error.message}")
    return _began(event)


def _began(event: Event) -> str:
    from executors.events import RunResumed, RunStarted

    if isinstance(event, RunStarted):
        return f"run started: {event.workflow}, {words.plural(event.steps, 'step')}"
    if isinstance(event, RunResumed):
        again = f", {words.plural(len(event.again), 'step')} again" if event.again else ""
        return f"run resumed: {words.plural(event.kept, 'result')} kept{again}"
    return type(event).__name__
