"""Random workflows with canaries in what is labelled, over models of different clearances that repeat what they see.

A canary stands in each labelled input and in what each labelled step sends. Models repeat the canaries that they are
sent, tools give them on and quote them in their errors, and a tool whose step is declassified writes new ones.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import Any

from interpreter import LABELS
from random_workflows import Made, answer, made

from executors.events import Event, StepFinished
from executors.runner import run
from executors.tools import ToolRegistry
from orchestrator.catalog import CatalogModels
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.testing.replies import ALL_CAPABILITIES
from unified_api.types import Request
from workflows.checks import check
from workflows.checks.labels import StepLabels, labels_of
from workflows.model import Workflow

__all__ = ["Seen", "labelled", "ran"]

_MARK = re.compile(r"cnry\d+q")
_COUNTED = re.compile(r"\(steps\.(\w+)\.output \| default\(1\)\)")
_NUMBERS = re.compile(r"\[\d+\]")
_REFUSED = frozenset({"no_candidate", "insufficient_clearance"})


@dataclass
class Seen:
    """What came of runs, over all of them."""

    leaks: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class _Labelled:
    """A workflow with canaries, and the label of each."""

    made: Made
    canaries: dict[str, int]
    numbers: Any
    clearances: Mapping[str, int]


def labelled(seed: int, *, declassify: bool = False) -> _Labelled:
    """One workflow for each seed; models of the highest clearance are not always there."""
    source = Random(seed)
    # Failures are absorbed where they may happen, so that most runs go on to their end.
    one = made(seed, labels=True, failures=source.random() < 0.5)
    names = [f"p{level}/m" for level in range(source.choice([2, 3, 4, 4, 4, 4]))]
    clearances = {name: int(name[1]) for name in names}
    found = _Labelled(one, {}, count(), clearances)
    for document in (one.document, *one.workflows.values()):
        document.get("policy", {}).pop("declassify", None)
        _plant(document["steps"], document, found, source, declassify=declassify)
    text = one.document["inputs"]["text"].get("sensitivity")
    one.inputs["text"] = _canary(found, text)
    floor = LABELS.index(one.document.get("policy", {}).get("sensitivity", "public"))
    found.canaries = {mark: max(label, floor) for mark, label in found.canaries.items()}
    return found


def _canary(found: _Labelled, label: str | None) -> str:
    mark = f"cnry{next(found.numbers)}q"
    found.canaries[mark] = LABELS.index(label or "public")
    return mark


def _plant(steps: list[Any], document: Any, found: _Labelled, source: Random, *, declassify: bool) -> None:
    counted = set(_COUNTED.findall(json.dumps(document)))
    for step in steps:
        for block in (step, *step.get("cases", ()), step.get("else", {})):
            _plant(block.get("steps", []), document, found, source, declassify=declassify)
        canary = _canary(found, step.get("sensitivity"))
        if step["kind"] == "tool":
            step["arguments"]["value"].append(canary)
            step["arguments"]["counted"] = step["id"] in counted
        if not declassify or step["kind"] != "tool":
            step.pop("declassify", None)
        elif "declassify" in step:
            step["arguments"]["to"] = step["declassify"]
        if step["kind"] == "tool" and step["id"] not in counted and "declassify" not in step and source.random() < 0.6:
            _ask(step, source, [*found.clearances, *["auto"] * 6])


def _ask(step: dict[str, Any], source: Random, models: list[str]) -> None:
    """Makes a model step of a tool step."""
    arguments = step.pop("arguments")
    step.pop("tool")
    prompt = " ".join(["What of", *(one if isinstance(one, str) else json.dumps(one) for one in arguments["value"])])
    step |= {"kind": "llm", "prompt": f"{prompt} at {arguments['key']}", "model": source.choice(models)}


def _gateway(found: _Labelled, seen: Seen, seed: int, *, broken: bool) -> Gateway:
    def look(name: str, request: Request) -> str:
        marks = sorted(set(_MARK.findall(str(request.messages))))
        seen.counts["requests"] += 1
        seen.counts["canaries seen"] += len(marks)
        for mark in marks:
            if found.canaries[mark] > found.clearances[name]:
                told = f"seed {seed}: {name} saw {mark}, which is {LABELS[found.canaries[mark]]}"
                seen.leaks.append(told)
        return " ".join(["I see", *marks])

    models = [
        Model(
            id=name,
            provider=name.partition("/")[0],
            name="m",
            wire="scripted",
            capabilities=ALL_CAPABILITIES,
            data_policy=DataPolicy(clearance="restricted" if broken else LABELS[level], source="configuration"),
        )
        for name, level in found.clearances.items()
    ]
    scripts = {name: ScriptedModel(partial(look, name)) for name in found.clearances}
    return scripted_gateway(scripts, models=models, clock=ManualClock())


def _tools(found: _Labelled) -> ToolRegistry:
    def act(name: str, value: Any, fails: str, key: str, counted: bool = False, to: str | None = None) -> Any:
        if fails == "always" or (fails == "odd" and answer(name, [value, key]) % 2):
            raise ValueError(f"cannot do {value}")
        if counted:
            return answer(name, [value, key])
        marks = sorted(set(_MARK.findall(str(value))))
        return " ".join([name, *(marks if to is None else (_canary(found, to) for _ in marks))])

    tools = ToolRegistry()
    tools.add(act)
    return tools


async def ran(seed: int, seen: Seen, *, declassify: bool = False, broken: bool = False) -> None:
    """Runs one and notes what it showed, and where the proof before the run did not agree with it.

    `broken` makes the gateway believe that every provider is cleared for everything.
    """
    found = labelled(seed, declassify=declassify)
    workflow = Workflow.model_validate(found.made.document)
    workflows = {name: Workflow.model_validate(one) for name, one in found.made.workflows.items()}
    events: list[Event] = []
    async with _gateway(found, seen, seed, broken=broken) as gateway:
        findings = check(workflow, models=CatalogModels(gateway.catalog), workflows=workflows)
        result = await run(
            workflow,
            found.made.inputs,
            gateway=gateway,
            tools=_tools(found),
            workflows=workflows,
            on_event=events.append,
            tokens=False,
        )
    ends = [event for event in events if isinstance(event, StepFinished)]
    refused = {_NUMBERS.sub("", one.error.path) for one in ends if one.error and one.error.code in _REFUSED}
    uncleared = {finding.pointer for finding in findings if finding.code in _REFUSED}
    seen.counts[result.status] += 1
    seen.counts["refused before the run"] += bool(uncleared)
    seen.counts["refused in the run"] += bool(refused)
    if refused and not uncleared:
        seen.disagreements.append(f"seed {seed}: {sorted(refused)} were refused, and the proof said nothing")
    steps = str((found.made.document, found.made.workflows))
    detours = any(word in steps for word in ("'when'", "'loop'", "'on_error'", "'on_item_error'", "'retry'"))
    plain = not detours and result.status == "succeeded" and _all_ran(workflow, workflows, ends)
    seen.counts["all steps ran, without detours"] += plain
    if plain and uncleared:
        seen.disagreements.append(f"seed {seed}: the proof refused {sorted(uncleared)}, and all steps ran")
    _compare(seed, seen, labels_of(workflow, workflows), ends, plain=plain)


def _all_ran(workflow: Workflow, workflows: Mapping[str, Workflow], ends: list[StepFinished]) -> bool:
    return labels_of(workflow, workflows).keys() == {_NUMBERS.sub("", one.step_id) for one in ends if one.started}


def _compare(seed: int, seen: Seen, static: Mapping[str, StepLabels], ends: list[StepFinished], *, plain: bool) -> None:
    """No path carries a higher label than the proof gave it; where all steps ran without detours, none a lower one."""
    highest: dict[str, int] = {}
    for end in ends:
        path = _NUMBERS.sub("", end.step_id)
        if end.label is not None and end.status in {"succeeded", "skipped"}:
            highest[path] = max(highest.get(path, 0), LABELS.index(end.label))
    for path, level in highest.items():
        proven = LABELS.index(static[path].output)
        seen.counts["labels compared"] += 1
        seen.counts["labels lower than proven"] += level < proven
        if level > proven or (plain and level < proven):
            told = f"seed {seed}: {path} is {LABELS[level]} in the run and {LABELS[proven]} in the proof"
            seen.disagreements.append(told)
