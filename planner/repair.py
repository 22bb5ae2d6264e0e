"""Puts the steps that a model wrote anew into the plan they belong to; the sound steps stay as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from planner.form import expand, expand_step, from_pairs
from unified_api.types import Json, JsonObject
from workflows.findings import Finding

__all__ = ["can_patch", "faulty", "patched"]


def faulty(document: JsonObject, findings: Iterable[Finding]) -> frozenset[str]:
    """The ids of the steps that the findings point into."""
    steps = cast("list[Json]", document["steps"])
    numbers = {parts[2] for one in findings if len(parts := one.pointer.split("/")) > 2 and parts[1] == "steps"}
    named = (steps[int(number)] for number in numbers if number.isdecimal() and int(number) < len(steps))
    return frozenset(cast("str", step["id"]) for step in named if isinstance(step, dict) and "id" in step)


def can_patch(document: Json, findings: Iterable[Finding]) -> bool:
    """Whether every fault lies in a step that has its own id, or in the outputs; else the whole plan is asked anew."""
    if not isinstance(document, dict) or not isinstance(steps := document.get("steps"), list) or not steps:
        return False
    ids = [step.get("id") if isinstance(step, dict) else None for step in steps]
    if not all(isinstance(one, str) for one in ids) or len(set(cast("list[str]", ids))) < len(ids):
        return False
    return all(one.pointer.startswith(("/steps/", "/outputs")) for one in findings)


def patched(document: JsonObject, answer: Json, *, named: frozenset[str]) -> JsonObject:
    """The plan with the steps of `answer` in place of the `named` ones of the same id; new ids are put in.

    A step that was not named is not touched, whatever the answer holds for it. A new step stands before the first
    corrected one that follows it in the answer, or at the end.
    """
    correction = expand(answer)
    if isinstance(correction, dict) and "steps" not in correction and isinstance(correction.get("id"), str):
        correction = {"steps": [expand_step(correction)]}
    if not isinstance(correction, dict):
        return document
    given = correction.get("steps")
    removed = correction.get("removed")
    gone = {one for one in removed if isinstance(one, str)} & named if isinstance(removed, list) else set()
    made = dict(document)
    made["steps"] = merged(document, given if isinstance(given, list) else [], named, gone)
    outputs = from_pairs(correction.get("outputs"))
    if isinstance(outputs, dict) and outputs:
        made["outputs"] = outputs
    return made


def merged(document: JsonObject, given: list[Json], named: frozenset[str], gone: set[str]) -> list[Json]:
    old = cast("list[JsonObject]", document["steps"])
    ids = {step["id"] for step in old}
    corrected: dict[str, Json] = {}
    before: dict[str, list[Json]] = {}
    waiting: list[Json] = []
    for step in given:
        own = step.get("id") if isinstance(step, dict) else None
        if not isinstance(own, str) or own not in ids:
            waiting.append(step)
        elif own in named:
            corrected[own] = step
            before[own], waiting = waiting, []
    made: list[Json] = []
    for step in old:
        own = cast("str", step["id"])
        made += before.get(own, [])
        if own not in gone or own in corrected:
            made.append(corrected.get(own, step))
    return made + waiting
