"""Some model can serve each step that asks for one, and may be sent what the step sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.checks.serving import asking, implied_needs
from workflows.checks.subject import Subject
from workflows.checks.units import Site
from workflows.findings import Finding
from workflows.model import ModelNeeds
from workflows.models import ModelProblem

__all__ = ["served"]


def served(subject: Subject) -> Iterator[Finding]:
    if subject.models is None:
        return
    answers: dict[tuple[str | ModelNeeds, frozenset[str], str], ModelProblem | None] = {}
    for unit in subject.units:
        for site in unit.sites:
            step = asking(site.located.step)
            if step is None:
                continue
            label = subject.flow.call(site)
            question = (step.model, implied_needs(step), label)
            if question not in answers:
                answers[question] = subject.models.problem(step.model, needs=question[1], sensitivity=label)
            problem = answers[question]
            if problem is not None:
                yield _finding(subject, site, problem)


def _finding(subject: Subject, site: Site, problem: ModelProblem) -> Finding:
    message = problem.message if site.unit.caller is None else f"{site.path}: {problem.message}"
    if problem.code == "insufficient_clearance":
        message += f"; what {site.path!r} sends is {subject.flow.call(site)}: {subject.flow.way(site)}"
    model = getattr(site.located.step, "model", None)
    if isinstance(model, str) and "{" in model:
        problem = replace(problem, fix="A model is no template: use a `branch` with a step for each model.")
    return Finding(
        code=problem.code,
        severity=problem.severity,
        pointer=site.at("model"),
        message=message,
        allowed=problem.allowed,
        fix=problem.fix,
    )
