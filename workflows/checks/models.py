"""Some model can serve each step that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from workflows.checks.subject import Subject
from workflows.findings import Finding, pointer
from workflows.model import EmbedStep, ImageStep, LlmStep, ModelNeeds, Step
from workflows.models import ModelProblem

__all__ = ["implied_needs", "served"]

_KIND_NEEDS: Final = {"llm": "chat", "image": "image_output", "embed": "embeddings"}


def implied_needs(step: Step) -> frozenset[str]:
    """The capabilities that a step's kind and fields ask of its model."""
    needs = {_KIND_NEEDS[step.kind]} if step.kind in _KIND_NEEDS else set()
    if isinstance(step, LlmStep):
        if step.images:
            needs.add("vision")
        if step.output is not None:
            needs.add("structured_output")
    return frozenset(needs)


def served(subject: Subject) -> Iterator[Finding]:
    if subject.models is None:
        return
    sensitivity = subject.workflow.policy.sensitivity
    answers: dict[tuple[str | ModelNeeds, frozenset[str]], ModelProblem | None] = {}
    for number, step in enumerate(subject.workflow.steps):
        if not isinstance(step, LlmStep | ImageStep | EmbedStep):
            continue
        question = (step.model, implied_needs(step))
        if question not in answers:
            answers[question] = subject.models.problem(step.model, needs=question[1], sensitivity=sensitivity)
        problem = answers[question]
        if problem is not None:
            yield Finding(
                code=problem.code,
                severity=problem.severity,
                pointer=pointer("steps", number, "model"),
                message=problem.message,
                allowed=problem.allowed,
                fix=problem.fix,
            )
