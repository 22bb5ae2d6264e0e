"""What references mean fits where they stand: fields that exist, text in prompts, images among images."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Place, Subject
from workflows.findings import Finding
from workflows.model import EmbedStep, ImageStep, LlmStep, SetStep
from workflows.nearest import nearest
from workflows.references import Reference, usage
from workflows.shapes import Absent, Shape, describe, fits

__all__ = ["fields", "slots"]

_PICTURE = Shape.of({"type": ["string", "object"]})
_TEXTS = Shape.of({"type": ["string", "array"]})


def fields(subject: Subject) -> Iterator[Finding]:
    """Every path leads to a field that the output or input can have."""
    for place, reference in subject.references():
        if reference.path:
            found = subject.shapes.of_reference(reference)
            if isinstance(found, Absent):
                yield _absent(subject, place, reference, found)


def _absent(subject: Subject, place: Place, reference: Reference, absent: Absent) -> Finding:
    owner = Reference(reference.root, reference.name, reference.path[: absent.depth]).text
    part = reference.path[absent.depth]
    near = nearest(str(part), absent.allowed)
    if near:
        fix = f"Did you mean `{Reference(reference.root, reference.name, (*reference.path[: absent.depth], near[0])).text}`?"
    elif absent.depth == 0 and reference.root == "steps" and isinstance(subject.step(reference.name), LlmStep):
        step = subject.step(reference.name)
        declared = isinstance(step, LlmStep) and step.output is not None
        fix = (
            f"Refer to `{owner}` as a whole, or add the field to its `output` schema."
            if declared
            else f"Refer to `{owner}` as a whole, or give the step {reference.name!r} an `output` schema with this field."
        )
    else:
        fix = f"Refer to `{owner}` as a whole." if not absent.allowed else "Use one of its fields."
    return Finding(
        code="unknown_output_field" if reference.root == "steps" else "unknown_input_field",
        pointer=place.pointer,
        message=f"`{owner}` has no {part!r}: {absent.why}",
        allowed=tuple(dict.fromkeys([*near, *absent.allowed])),
        fix=fix,
    )


def slots(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        if place.step is None or isinstance(place.step, SetStep):
            continue
        field = place.path[0]
        if field == "images":
            yield from _needs(subject, place, _PICTURE, "an image's address or an image step's output")
        elif field == "input" and isinstance(place.step, EmbedStep):
            yield from _needs(subject, place, _TEXTS, "a text or a list of texts")
            yield from _no_pictures(subject, place)
        elif field in {"prompt", "system"}:
            yield from _no_pictures(subject, place)


def _needs(subject: Subject, place: Place, wanted: Shape, words: str) -> Iterator[Finding]:
    actual = subject.shapes.of_template(place.source)
    if not fits(actual, wanted):
        yield Finding(
            code="type_mismatch",
            pointer=place.pointer,
            message=f"this is {describe(actual)}, and {words} is needed",
            fix="Refer to another output, or turn it into text with a filter.",
        )


def _no_pictures(subject: Subject, place: Place) -> Iterator[Finding]:
    """A picture or a vector in a text is a long row of figures that no model can read."""
    for reference in usage(place.source).references:
        if reference.root != "steps" or reference.path or reference.guard == "test":
            continue
        step = subject.step(reference.name)
        if isinstance(step, ImageStep):
            as_image = isinstance(place.step, LlmStep)
            yield Finding(
                code="type_mismatch",
                pointer=place.pointer,
                message=f"`{reference.text}` is an image, and this is text",
                fix=f"Put `{{{{ {reference.text} }}}}` into the step's `images`."
                if as_image
                else f"Describe the picture in an llm step that has it in `images`, or use `{reference.text}.url`.",
            )
        elif isinstance(step, EmbedStep):
            yield Finding(
                code="type_mismatch",
                severity="warning",
                pointer=place.pointer,
                message=f"`{reference.text}` is a row of numbers that means nothing as text",
                fix="Refer to the text that was embedded.",
            )
