"""The steps that stand still when one deployment, or one provider, does."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.findings import Finding

__all__ = ["alone"]

_SHOWN = 5


def alone(subject: Subject) -> Iterator[Finding]:
    """Told only where it is asked for: most workflows name a model on purpose, and must not be yellow for that."""
    if not subject.thorough:
        return
    single: dict[str, list[str]] = {}
    first = None
    for unit in subject.units:
        for site in unit.sites:
            candidates = subject.serving.candidates(site)
            providers = {one.provider for one in candidates}
            if len(providers) != 1:
                continue
            first = first or site.at("model")
            who = f"{candidates[0].model} alone" if len(candidates) == 1 else f"{providers.pop()} alone"
            single.setdefault(who, []).append(site.path)
    if first is not None:
        told = "; ".join(f"{who} can serve {_listed(paths)}" for who, paths in single.items())
        yield Finding(
            code="single_point_of_failure",
            severity="warning",
            pointer=first,
            message=f"the run fails when one provider does: {told}",
            fix="Name a route with models of several providers (`route/NAME`), or say what the model must do instead.",
        )


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(repr, paths[:_SHOWN])) + more
