"""Shows a run while it runs: redrawn in place on a terminal, one plain line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrator.cli import console, words
from orchestrator.cli.console import plain
from orchestrator.cli.inside import is_inside, root
from orchestrator.cli.step_view import StepView

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from executors.events import Event, StepFinished, StepRetrying, StepStarted, StepToken, StepWaiting
    from workflows.expressions import Scope
    from workflows.model import Workflow

    StepEvent: TypeAlias = StepStarted | StepToken | StepRetrying | StepWaiting | StepFinished

__all__ = ["Progress", "showing"]

STYLES = {"succeeded": "green", "failed": "red", "skipped": "yellow", "cancelled": "yellow", "running": "cyan"}
MOST_FAILURES = 20
"""Failures inside of one step that get a line of their own."""
TAIL = 200
"""Characters of a running step's text that are kept for its row."""


@dataclass(slots=True)
class Progress:
    """Folds the events of one run into what is shown; keeps how every finished step ended."""

    workflow: Workflow
    plain: bool = False
    """Whether each change is also printed as a line."""
    run_id: str | None = None
    finished: list[StepFinished] = field(default_factory=list)
    """Steps inside of others too, these without their outputs."""
    steps: dict[str, StepView] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    scope: Scope | None = None
    """What the workflow's own steps see, which says how long the lists of its maps are."""
    live: Live | None = None
    """What draws it, which must stop while a person is asked."""

    def __post_init__(self) -> None:
        self.steps = {step.id: StepView.of(step) for step in self.workflow.steps}

    @property
    def inside(self) -> list[StepFinished]:
        """How the steps inside of others ended."""
        return [step for step in self.finished if is_inside(step.step_id)]

    def __call__(self, event: Event) -> None:
        from executors.events import (
            RunResumed,
            RunStarted,
            StepFinished,
            StepRetrying,
            StepStarted,
            StepToken,
            StepWaiting,
        )

        match event:
            case RunStarted():
                self.run_id = event.run_id
                self.see_inputs(event.inputs or {})
            case RunResumed():
                self.run_id = event.run_id
            case StepStarted() | StepToken() | StepRetrying() | StepWaiting() | StepFinished():
                view = self.steps.get(root(event.step_id))
                if view is not None and is_inside(event.step_id):
                    self._go_on(view, event)
                elif view is not None:
                    self._change(view, event)
            case _:
                pass

    def see_inputs(self, inputs: Mapping[str, Any]) -> None:
        """What the run was given, which only its first pass tells by an event."""
        from workflows.expressions import Scope

        self.scope = Scope(dict(inputs))

    def _change(self, view: StepView, event: StepEvent) -> None:
        from executors.events import StepRetrying, StepStarted, StepToken, StepWaiting

        match event:
            case StepStarted():
                self._start(view)
            case StepToken():
                view.tail = (view.tail + event.text)[-TAIL:]
            case StepRetrying():
                view.tail, view.marks = "", 0
                view.inside.again()
                self._line(f"{view.id}: trying again ({words.failure(view.id, event.error.message)})", "yellow")
            case StepWaiting():
                self._wait(view, event)
            case _:
                self._finish(view, event)

    def _go_on(self, view: StepView, event: StepEvent) -> None:
        """Something happened inside of a step."""
        from executors.events import StepRetrying, StepStarted, StepToken, StepWaiting

        inner, path = view.inside, event.step_id
        match event:
            case StepStarted():
                rounds = inner.rounds
                inner.start(path)
                view.tail = ""
                if inner.rounds > rounds:
                    self._line(f"{view.id}: {inner.told()}", "cyan")
                elif "[" not in path:
                    self._line(f"{path}: started ({event.kind})", "cyan")
            case StepToken():
                view.tail = (view.tail + event.text)[-TAIL:]
            case StepRetrying():
                self._line(f"{path}: trying again ({words.failure(path, event.error.message)})", "yellow")
            case StepWaiting():
                self._wait(view, event)
            case _:
                self._finish_inside(view, event)

    def _wait(self, view: StepView, event: StepWaiting) -> None:
        until = "" if event.expires is None else f" until {event.expires.astimezone():%Y-%m-%d %H:%M}"
        told = words.one_line(event.message, width=TAIL)
        view.tail = f"waits for a person{until}: {told}"
        self._line(f"{event.step_id}: {view.tail}", "yellow")

    def _finish_inside(self, view: StepView, event: StepFinished) -> None:
        inner = view.inside
        inner.end(event)
        self.finished.append(replace(event, output=None))
        if event.status == "failed" and inner.failed <= MOST_FAILURES:
            rest = "; further ones are only counted" if inner.failed == MOST_FAILURES else ""
            why = "" if event.error is None else words.failure(event.step_id, event.error.message)
            self._line(f"{event.step_id}: failed: {why}{rest}", "red")
        elif view.kind != "map" and "[" not in event.step_id and event.status != "cancelled":
            self._line(f"{event.step_id}: {event.status}", STYLES.get(event.status))
        # Of an unknown number of items: the first, the tenth, the hundredth.
        marks = 10 * inner.done // inner.total if inner.total else len(str(inner.done)) * (inner.done > 0)
        if view.kind == "map" and marks > view.marks:
            view.marks = marks
            self._line(f"{view.id}: {inner.told()}", "cyan")

    def _start(self, view: StepView) -> None:
        view.status, view.started, view.tail = "running", time.monotonic(), ""
        view.inside.total = self._items(view) if view.kind == "map" else None
        of = f", {words.plural(view.inside.total, 'item')}" if view.inside.total is not None else f", {view.model}"
        self._line(f"{view.id}: started ({view.kind}{of})", "cyan")

    def _items(self, view: StepView) -> int | None:
        """How long the list of a map is, where it can be said beforehand."""
        from workflows.expressions import ExpressionError, render

        step = next(step for step in self.workflow.steps if step.id == view.id)
        if step.kind != "map" or self.scope is None:
            return None
        if not isinstance(step.over, str):
            return len(step.over)
        try:
            items = render(step.over, self.scope)
        except ExpressionError:
            return None  # the step itself says what is wrong
        return len(items) if isinstance(items, list) else None

    def _finish(self, view: StepView, event: StepFinished) -> None:
        view.status, view.ended, view.tail = event.status, time.monotonic(), ""
        view.model = event.model or view.model
        if event.error is not None:
            view.tail = words.failure(event.step_id, event.error.message)
        self.finished.append(event)
        if self.scope is not None:
            self._see(self.scope, event)
        if event.status == "cancelled" and event.started is None:
            return
        before = " before" if event.reused else ""
        on = f"{before} on {event.model}" if event.model else before
        elapsed = view.elapsed(view.ended)
        took = f" in {words.seconds(elapsed)}" if elapsed is not None else ""
        of = f", {view.inside.summary()}" if view.inside.latest and view.inside.summary() else ""
        why = f": {view.tail}" if view.tail else ""
        self._line(f"{event.step_id}: {event.status}{on}{took}{of}{why}", STYLES.get(event.status))

    @staticmethod
    def _see(scope: Scope, event: StepFinished) -> None:
        if event.status == "succeeded":
            scope.finish(event.step_id, event.output)
        else:
            scope.skip(event.step_id)

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
            plain(view.name, style="bold"),
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
def showing(workflow: Workflow, *, inputs: Mapping[str, Any] | None = None) -> Iterator[Progress]:
    """A sink for the events of a run of `workflow`, shown on stderr while the block runs.

    `inputs` are those of a run that goes on; one that begins tells them itself.
    """
    progress = Progress(workflow, plain=not console.live())
    progress.see_inputs(inputs or {})
    if progress.plain:
        yield progress
        return
    from rich.live import Live

    # What it shows at the end, the report of the run shows again and better.
    progress.live = Live(
        progress,
        console=console.stderr(),
        refresh_per_second=8,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with progress.live:
        yield progress
