"""Plans a task without any model: cuts it into clauses, links them, and writes them down as a workflow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from planner.lexicon import EXTERNAL_VERBS, UNMAKEABLE
from planner.naming import workflow_name
from planner.parts import Part, parts_of
from planner.task import accepted
from unified_api.types import Json
from workflows.model import ImageStep, LlmStep, ModelNeeds, Step, Workflow

__all__ = ["LONGEST_CUT", "Decomposition", "decompose"]

LONGEST_CUT = 8_000
"""Characters; a longer task is one step, for most of it is then material and not instruction."""

_SYSTEM = """\
You help with a larger task: {{ inputs.task }}

Do only the part you are asked for. Answer with its result alone."""
"""The whole task stands here and the part in the prompt: the embedded 135M model otherwise does the whole task in
every step."""
_TEMPLATE = re.compile(r"\{[{%#]|[}%#]\}|\{\Z")
_FILE = re.compile(
    r"(?<![\w/.@-])[\w-]{1,60}\.(?:jpe?g|png|gif|wav|mp3|mp4|txt|pdf|docx?|csv|xlsx?|md|html?)\b", re.IGNORECASE
)
_LABEL = 70


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A workflow made by rules, the values of its inputs, and what to tell the user about it."""

    workflow: Workflow
    inputs: dict[str, Json]
    notes: tuple[str, ...]


def decompose(task: str, *, vision: bool = False) -> Decomposition:
    """The plan that the rules make of `task`: always a sound workflow, of one step where nothing can be cut.

    `vision` says that a model can look at pictures: a step that builds on a picture is then shown it, and otherwise
    reads the words with which it was ordered. The task itself is an input with a default, never a template, so
    nothing in it is ever executed.
    Raises `TaskError` when the task is empty, no text, or longer than `planner.task.LONGEST_TASK` characters.
    """
    task = accepted(task)
    parts = parts_of(task) if len(task) <= LONGEST_CUT else ()
    inputs: dict[str, Json] = {"task": task}
    if len(parts) > 1:
        steps: tuple[Step, ...] = tuple(_step(part, parts, inputs, vision=vision) for part in parts)
        outputs = {part.id: f"{{{{ steps.{part.id}.output }}}}" for part in parts if part.asked}
    else:
        steps = (_only_step(parts),)
        outputs = {"result": f"{{{{ steps.{steps[0].id}.output }}}}"}
    workflow = Workflow(
        workflow="1",
        name=workflow_name(task),
        description="A plan made by rules, without a model.",
        inputs={name: {"type": "string", "default": value} for name, value in inputs.items()},
        steps=steps,
        outputs=outputs,
    )
    return Decomposition(workflow, inputs, _notes(task, parts))


def _only_step(parts: Sequence[Part]) -> Step:
    if parts and parts[0].image:
        return ImageStep(id=parts[0].id, kind="image", prompt="{{ inputs.task }}")
    tier = parts[0].tier if parts else "standard"
    return LlmStep(
        id=parts[0].id if parts and parts[0].verb is not None else "answer",
        kind="llm",
        prompt="{{ inputs.task }}",
        model=ModelNeeds(tier=tier),
    )


def _step(part: Part, parts: Sequence[Part], inputs: dict[str, Json], *, vision: bool) -> Step:
    """The part as a step; words that could be read as a template go into `inputs` instead of the prompt."""
    by_id = {other.id: other for other in parts}
    shown = _shown(part, by_id)
    material = "".join(f"{_label(source)}\n{{{{ steps.{source.id}.output }}}}\n\n" for source in shown)
    place = parts.index(part) + 1
    said = _safely(part.text, name=f"part_{place}", inputs=inputs)
    drawn = [by_id[need] for need in part.needs if by_id[need].image]
    after = tuple(picture.id for picture in drawn)
    ordered = "".join(f"A picture was ordered with the words: {_quoted(picture)}\n\n" for picture in drawn)
    if part.image and not (material or ordered):
        return ImageStep(id=part.id, kind="image", after=after, prompt=f"{said}\n\nThis is for: {{{{ inputs.task }}}}")
    told = _safely("\n".join(part.context), name=f"context_{place}", inputs=inputs)
    context = f"Context: {told}\n\n" if told else ""
    if part.image:
        given = f"{context}{material}{ordered}"
        return ImageStep(id=part.id, kind="image", after=after, prompt=f"{said}\n\n{given}".rstrip())
    return LlmStep(
        id=part.id,
        kind="llm",
        after=after,
        system=_SYSTEM,
        model=ModelNeeds(tier=part.tier),
        images=tuple(f"{{{{ steps.{picture.id}.output }}}}" for picture in drawn) if vision else (),
        prompt=f"{context}{material}{ordered}{said}{_size(part)}",
    )


def _shown(part: Part, by_id: dict[str, Part]) -> list[Part]:
    """The parts whose text goes into the prompt; a picture is no text, so what it was drawn from stands for it."""
    shown: list[Part] = []
    for need in part.needs:
        source = by_id[need]
        candidates = [by_id[deeper] for deeper in source.needs if not by_id[deeper].image] if source.image else [source]
        shown += [candidate for candidate in candidates if candidate not in shown]
    return shown


def _label(source: Part) -> str:
    words = " ".join((source.about or source.text).split())
    if len(words) > _LABEL or _TEMPLATE.search(words):
        return f"Result of {source.id}:"
    return f"Facts about {words}:" if source.about is not None else f'Result of "{words}":'


def _quoted(picture: Part) -> str:
    words = " ".join(picture.text.split())
    return f'"{words}"' if _TEMPLATE.search(words) is None else f"(see step {picture.id})"


def _size(part: Part) -> str:
    """Groundwork is kept short: it is read by another step and by nobody else."""
    return " for this task, in at most three sentences." if part.about is not None else ""


def _safely(text: str, *, name: str, inputs: dict[str, Json]) -> str:
    if _TEMPLATE.search(text) is None:
        return text
    inputs[name] = text
    return f"{{{{ inputs.{name} }}}}"


def _notes(task: str, parts: Sequence[Part]) -> tuple[str, ...]:
    return (_how_planned(task, parts), *_limits(task, parts))


def _how_planned(task: str, parts: Sequence[Part]) -> str:
    if len(parts) <= 1:
        long = len(task) > LONGEST_CUT
        reason = f"it is longer than {LONGEST_CUT:,} characters" if long else "the rules found one part in it"
        return f"Planned by rules, without a model: one step does the whole task, for {reason}."
    asked = sum(part.asked for part in parts)
    said = "one part" if asked == 1 else f"{asked} parts"
    extra = f" and {len(parts) - asked} that gather facts first" if asked < len(parts) else ""
    return f"Planned by rules, without a model: {said} of the task{extra}, linked by its words."


def _limits(task: str, parts: Sequence[Part]) -> list[str]:
    """What the task asks for and no step can do."""
    notes = []
    if acting := sorted({part.verb for part in parts if part.verb in EXTERNAL_VERBS}):
        verbs = ", ".join(acting)
        notes.append(f"Steps that act in the world ({verbs}) have no tool: a model can only write about them.")
    words = {word for part in parts if not part.image for word in re.findall(r"[a-z]+", part.text.lower())}
    if media := sorted(words & UNMAKEABLE):
        notes.append(f"No step reads or makes audio or video ({', '.join(media)}): such parts are answered in words.")
    if files := sorted(set(_FILE.findall(task[:LONGEST_CUT])))[:5]:
        notes.append(f"No step opens files or addresses ({', '.join(files)}): put their text into the task.")
    return notes
