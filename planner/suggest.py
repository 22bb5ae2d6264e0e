"""Finds the ready workflow that does just what a task asks, when the match is strong; else none."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from planner.clauses import split_clauses
from planner.lexicon import UNMAKEABLE
from planner.profiles import PROFILES, Profile, instruction_of
from unified_api.types import Json
from workflows import library

__all__ = ["LONGEST", "STRONG", "Embed", "Suggestion", "suggest"]

Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""Gives one vector a text, in the order of the texts."""

STRONG = 0.5
"""Cosine between the task's instruction and the nearest example above which meaning confirms the words."""
LONGEST = 100_000
"""Characters; a longer task is matched with no workflow."""
_MEDIA = re.compile(r"\b(?:" + "|".join(sorted(UNMAKEABLE)) + r")\b", re.IGNORECASE)
_LONG_TEXT = 4_000
"""Characters above which a text is worth cutting into parts to summarise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A workflow of the library that does what the task asks."""

    name: str
    inputs: dict[str, Json]
    """The inputs that are certain from the task's words."""
    missing: tuple[str, ...]
    """Required inputs that the task does not give for certain; empty when the workflow can run at once."""
    score: float
    """1.0 by words alone; with embeddings the cosine to the nearest example."""


async def suggest(task: str, *, embed: Embed | None = None) -> Suggestion | None:
    """The library workflow for `task`, or None when no match is strong.

    By words: every cue of the workflow is heard and no verb asks for more than it does. `embed`, asked only then,
    must confirm by meaning. Two workflows that match equally well by words are told apart by meaning or not at all.
    """
    if len(task) > LONGEST:
        return None
    instruction = instruction_of(task)
    matching = [name for name, profile in PROFILES.items() if _speaks_for(profile, task, instruction)]
    if not matching:
        return None
    if embed is None:
        return _suggestion(matching[0], task, score=1.0) if len(matching) == 1 else None
    scores = await _nearness({name: _without_inputs(name, task, instruction) for name in matching}, embed)
    best = max(matching, key=lambda name: scores[name])
    return _suggestion(best, task, score=scores[best]) if scores[best] >= STRONG else None


def _without_inputs(name: str, task: str, instruction: str) -> str:
    """The instruction without the subject it is about, which would drown its meaning."""
    for value in PROFILES[name].inputs(task).values():
        if isinstance(value, str) and value != task.strip():
            instruction = instruction.replace(value, "a topic")
    return instruction


def _speaks_for(profile: Profile, task: str, instruction: str) -> bool:
    if _MEDIA.search(instruction) or not all(cue.search(instruction) for cue in profile.cues):
        return False
    return all(clause.verb is None or clause.verb in profile.verbs for clause in split_clauses(task))


async def _nearness(instructions: Mapping[str, str], embed: Embed) -> dict[str, float]:
    """For each workflow the cosine of the instruction, as it reads for that workflow, to the nearest example."""
    examples = [(name, example) for name in instructions for example in PROFILES[name].examples]
    vectors = await embed([*instructions.values(), *(example for _, example in examples)])
    said = dict(zip(instructions, vectors, strict=False))
    nearness = dict.fromkeys(instructions, -1.0)
    for (name, _), vector in zip(examples, vectors[len(instructions) :], strict=True):
        nearness[name] = max(nearness[name], _cosine(said[name], vector))
    return nearness


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    norms = (sum(x * x for x in one) * sum(x * x for x in other)) ** 0.5
    return sum(x * y for x, y in zip(one, other, strict=True)) / norms if norms else 0.0


def _suggestion(name: str, task: str, *, score: float) -> Suggestion | None:
    inputs = PROFILES[name].inputs(task)
    if name == "long-document-summary" and len(str(inputs.get("text", ""))) <= _LONG_TEXT:
        return None
    required = [key for key, schema in library.load(name).inputs.items() if "default" not in schema]
    return Suggestion(
        name=name, inputs=inputs, missing=tuple(key for key in required if key not in inputs), score=round(score, 3)
    )
