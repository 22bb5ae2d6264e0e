"""A step of a run as its progress shows it now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.cli import words
from orchestrator.cli.inside import Inside

if TYPE_CHECKING:
    from workflows.model import Step

__all__ = ["StepView"]


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
    inside: Inside = field(default_factory=lambda: Inside(""))
    """How far the steps inside of it have come."""
    marks: int = 0
    """Of a map's items that lines have told of: tenths, where their number is known."""

    @classmethod
    def of(cls, step: Step) -> StepView:
        inner = Inside(step.kind)
        if step.kind == "map":
            inner.width = len(step.steps)
        elif step.kind == "loop":
            inner.most = step.max_rounds
        return cls(step.id, step.kind, words.model_choice(step), inside=inner)

    @property
    def name(self) -> str:
        """The id, and for a step that holds others how far it has come."""
        far = self.inside.told() if self.status == "running" else ""
        return f"{self.id} {far}" if far and self.inside.latest else self.id

    def elapsed(self, now: float) -> float | None:
        return None if self.started is None else (self.ended or now) - self.started
