"""What a run of a workflow will cost and how long it will take, before it is run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestrator.expectation import Expected, Expecting, Source
from orchestrator.history import History
from orchestrator.rehearsal import Rehearsal, Sample
from orchestrator.sizing import guess_told
from orchestrator.sketch import Range
from workflows.checks.subject import Subject

if TYPE_CHECKING:
    from workflows.model import Workflow
    from workflows.models import ModelCatalog

__all__ = ["Amount", "Estimate", "StepEstimate", "Time", "Total", "estimated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """US dollars: half of all runs cost at most `p50`, 95 of 100 at most `p95`. None is unknown."""

    p50: Decimal | None = None
    p95: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Seconds, in the same way."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEstimate:
    """One step that holds no others."""

    path: str
    """As in the events of a run, without the numbers of items and rounds: `each/summary`."""
    kind: str
    source: Source
    """`record`: earlier runs; `prices`: prices and typical sizes; `free`: it only computes; `none`: nothing is known of
    its time or cost."""
    executions: int
    """How many earlier ones it is estimated by."""
    times: float
    """How often it is executed in a run, on average."""
    cost_usd: Amount
    """Of one execution."""
    seconds: Time
    """Of one execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A whole run. Where a step is unknown so is the sum, and `known` is what the others come to."""

    cost_usd: Amount
    known_usd: Amount
    unpriced: tuple[str, ...]
    """Paths of the steps whose cost is unknown."""
    seconds: Time
    known_seconds: Time
    untimed: tuple[str, ...]
    """Paths of the steps whose time is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a run before it."""

    workflow: str
    runs: int
    """Earlier runs that the record has of it."""
    total: Total
    steps: tuple[StepEstimate, ...]
    assumed: tuple[str, ...]
    """What was taken for granted, in words."""


def estimated(
    workflow: Workflow,
    *,
    models: ModelCatalog | None,
    past: History | None = None,
    inputs: Mapping[str, Any] | None = None,
    workflows: Mapping[str, Workflow] | None = None,
) -> Estimate:
    """The estimate of a run with these inputs; those that are not given have their defaults, where there are any.

    `past` is what the record tells of earlier runs, `workflows` are those that its steps run, by `name@version`.
    """
    past = past or History()
    subject = Subject(workflow, models=models, workflows=workflows)
    defaults = {name: schema["default"] for name, schema in workflow.inputs.items() if "default" in schema}
    given = {**defaults, **(inputs or {})}
    expecting = Expecting(subject.serving, past, given, subject.units)
    rehearsal = Rehearsal(subject.units, expecting, past, given)
    samples = rehearsal.samples(zlib.crc32(f"{workflow.name}@{workflow.version}".encode()))
    played = {path for sample in samples for path in sample.times}
    steps = tuple(
        _step(site.path, site.located.step.kind, rehearsal.expected[site.path], samples)
        for unit in subject.units
        for site in unit.sites
        if site.path in rehearsal.expected
    )
    return Estimate(
        workflow=workflow.name,
        runs=past.runs,
        total=_total(samples, [step for step in steps if step.path in played]),
        steps=steps,
        assumed=(
            *(f"{path}: {told}" for path, told in rehearsal.assumed.items()),
            *map(guess_told, sorted(expecting.guessed)),
        ),
    )


def _step(path: str, kind: str, expected: Expected, samples: list[Sample]) -> StepEstimate:
    return StepEstimate(
        path=path,
        kind=kind,
        source=expected.source,
        executions=expected.executions,
        times=sum(sample.times.get(path, 0.0) for sample in samples) / len(samples),
        cost_usd=_amount(expected.cost),
        seconds=Time() if expected.seconds is None else _time(expected.seconds),
    )


def _total(samples: list[Sample], steps: Iterable[StepEstimate]) -> Total:
    cost = _amount(_range(sample.cost for sample in samples))
    seconds = _time(_range(sample.seconds for sample in samples))
    unpriced = tuple(step.path for step in steps if step.cost_usd.p50 is None)
    untimed = tuple(step.path for step in steps if step.seconds.p50 is None)
    return Total(
        cost_usd=Amount() if unpriced else cost,
        known_usd=cost,
        unpriced=unpriced,
        seconds=Time() if untimed else seconds,
        known_seconds=seconds,
        untimed=untimed,
    )


def _range(values: Iterable[float]) -> Range:
    ordered = sorted(values)
    return Range(ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)])


def _amount(found: Range | None) -> Amount:
    return Amount() if found is None else Amount(p50=_usd(found.p50), p95=_usd(found.p95))


def _usd(amount: float) -> Decimal:
    """Three digits: no estimate knows more."""
    return Decimal(f"{amount:.3g}") if amount else Decimal(0)


def _time(found: Range) -> Time:
    return Time(p50=float(f"{found.p50:.3g}"), p95=float(f"{found.p95:.3g}"))
