"""Shows a run while it runs: redrawn in place on a terminal, one plain line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.cli import console, words
from orchestrator.cli.console import plain

if TYPE_CHECKING:
    from rich.table import Table

    from executors.events import Event, StepFinished
    from workflows.model import Workflow

__all__ = ["Progress", "StepView", "showing"]

STYLES = {"succeeded": "green", "failed": "red", "skipped": "yellow", "cancelled": "yellow", "running": "cyan"}
TAIL = 200
"""Characters of a running step's text that are kept for its row."""


@dataclass(slots=True)
class StepView:
    """A step as it is shown now."""

    id: str
    kind: str
    model: str
    status: str = "pending"
    started: float | None = None
    ended: float | None = None
    tail: str = ""

    def elapsed(self, now: float) -> float | None:
        return None if self.started is None else (self.ended or now) - self.started


@dataclass(slots=True)
class Progress:
    """Folds the events of one run into what is shown; keeps how every finished step ended."""

    workflow: Workflow
    plain: bool = False
    """Whether each change is also printed as a line."""
    run_id: str | None = None
    finished: list[StepFinished] = field(default_factory=list)
    steps: dict[str, StepView] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.steps = {step.id: StepView(step.id, step.kind, words.model_choice(step)) for step in self.workflow.steps}

    def __call__(self, event: Event) -> None:
        from executors.events import RunStarted, StepFinished, StepRetrying, StepStarted, StepToken

        match event:
            case RunStarted():
                self.run_id = event.run_id
            case StepStarted():
                self._start(event.step_id)
            case StepToken():
                view = self.steps[event.step_id]
                view.tail = (view.tail + event.text)[-TAIL:]
            case StepRetrying():
                self.steps[event.step_id].tail = ""
                self._line(
                    f"{event.step_id}: trying again ({words.failure(event.step_id, event.error.message)})", "yellow"
                )
            case StepFinished():
                self._finish(event)
            case _:
                pass

    def _start(self, step_id: str) -> None:
        view = self.steps[step_id]
        view.status, view.started, view.tail = "running", time.monotonic(), ""
        self._line(f"{step_id}: started ({view.kind}, {view.model})", "cyan")

    def _finish(self, event: StepFinished) -> None:
        view = self.steps[event.step_id]
        view.status, view.ended, view.tail = event.status, time.monotonic(), ""
        view.model = event.model or view.model
        if event.error is not None:
            view.tail = words.failure(event.step_id, event.error.message)
        self.finished.append(event)
        if event.status == "cancelled" and event.started is None:
            return
        on = f" on {event.model}" if event.model else ""
        elapsed = view.elapsed(view.ended)
        took = f" in {words.seconds(elapsed)}" if elapsed is not None else ""
        why = f": {view.tail}" if view.tail else ""
        self._line(f"{event.step_id}: {event.status}{on}{took}{why}", STYLES.get(event.status))

    def _line(self, text: str, style: str | None) -> None:
        if self.plain:
            console.say(f"  {time.monotonic() - self.started:6.1f} s  {words.clean(text)}", style=style)

    def __rich__(self) -> Table:
        return _table(self, height=console.stderr().size.height)


def _table(progress: Progress, *, height: int) -> Table:
    from rich.table import Table

    now = time.monotonic()
    table = Table.grid(padding=(0, 2), expand=True)
    for justify in ("left", "left", "left", "right"):
        table.add_column(no_wrap=True, overflow="ellipsis", justify="right" if justify == "right" else "left")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    views = _shown(list(progress.steps.values()), room=max(3, height - 3))
    for view in views:
        elapsed = view.elapsed(now)
        style = STYLES.get(view.status, "dim")
        table.add_row(
            plain(f"  {view.status}", style=style),
            plain(view.id, style="bold"),
            plain(words.one_line(view.model, width=40)),
            "" if elapsed is None else words.seconds(elapsed),
            plain(" ".join(words.clean(view.tail).split())[-100:], style="dim"),
        )
    if len(views) < len(progress.steps):
        counts = dict.fromkeys(("succeeded", "running", "pending"), 0)
        for view in progress.steps.values():
            counts[view.status] = counts.get(view.status, 0) + 1
        table.add_row("  " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    return table


def _shown(views: list[StepView], *, room: int) -> list[StepView]:
    """All steps if they fit the screen, else those that a person waits for: running, failed, then the latest."""
    if len(views) <= room:
        return views
    rank = {"running": 0, "failed": 1, "succeeded": 2, "skipped": 2, "cancelled": 3, "pending": 4}
    ranked = sorted(views, key=lambda view: (rank.get(view.status, 5), -(view.ended or 0)))
    kept = {view.id for view in ranked[: room - 1]}
    return [view for view in views if view.id in kept]


@contextmanager
def showing(workflow: Workflow) -> Iterator[Progress]:
    """A sink for the events of a run of `workflow`, shown on stderr while the block runs."""
    if not console.live():
        yield Progress(workflow, plain=True)
        return
    from rich.live import Live

    progress = Progress(workflow)
    # What it shows at the end, the report of the run shows again and better.
    with Live(
        progress,
        console=console.stderr(),
        refresh_per_second=8,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield progress
