"""What references mean fits where they stand: fields that exist, text in prompts, images among images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.checks.subject import Place, Subject
from workflows.expressions import template
from workflows.findings import Finding
from workflows.model import EmbedStep, ImageStep, LlmStep, SetStep
from workflows.nearest import nearest
from workflows.references import Reference
from workflows.shapes import Absent, Shape, describe, fits

__all__ = ["fields", "slots"]

_PICTURE = Shape.of({"type": ["string", "object"]})
_TEXT = Shape.of({"type": "string"})
_TEXTS = Shape.of({"type": ["string", "array"]})


def fields(subject: Subject) -> Iterator[Finding]:
    """Every path leads to a field that the output or input can have."""
    for place, reference in subject.references():
        if not reference.path:
            continue
        base = subject.shapes.base(reference)
        found = base.follow(reference.path)
        if isinstance(found, Absent):
            yield _absent(subject, place, reference, found)
        elif reference.guard is None and not base.promises(reference.path):
            yield Finding(
                code="optional_field",
                severity="warning",
                pointer=place.pointer,
                message=f"`{reference.text}` may be left out: its schema does not require it",
                fix=f"Add it to `required` in the schema, or write `{reference.text} | default(...)`.",
            )


def _absent(subject: Subject, place: Place, reference: Reference, absent: Absent) -> Finding:
    known = replace(reference, path=reference.path[: absent.depth])
    part = str(reference.path[absent.depth])
    near = nearest(part, absent.allowed)
    if near:
        fix = f"Did you mean `{replace(known, path=(*known.path, near[0])).text}`?"
    elif absent.allowed:
        fix = "Use one of its fields."
    else:
        fix = f"Refer to `{known.text}` as a whole{_or_declare(subject, known)}."
    return Finding(
        code="unknown_output_field" if reference.root == "steps" else "unknown_input_field",
        pointer=place.pointer,
        message=f"`{known.text}` has no {part!r}: {absent.why}",
        allowed=tuple(dict.fromkeys([*near, *absent.allowed])),
        fix=fix,
    )


def _or_declare(subject: Subject, known: Reference) -> str:
    """The other mend for a field of an answer that is plain text."""
    step = subject.step(known.name) if known.root == "steps" and not known.path else None
    if isinstance(step, LlmStep) and step.output is None:
        return f", or give the step {step.id!r} an `output` schema with this field"
    return ""


def slots(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        if place.step is None or isinstance(place.step, SetStep):
            continue
        field = place.path[0]
        if field == "images":
            yield from _addresses(place)
            yield from _needs(subject, place, _PICTURE, "an image's address or an image step's output")
        elif field == "input" and isinstance(place.step, EmbedStep):
            unreadable = tuple(_no_pictures(subject, place))
            wanted, words = (_TEXTS, "a text or a list of texts") if len(place.path) == 1 else (_TEXT, "a text")
            yield from unreadable or _needs(subject, place, wanted, words)
        elif field in {"prompt", "system"}:
            yield from _no_pictures(subject, place)


def _addresses(place: Place) -> Iterator[Finding]:
    if template(place.source).literal and not place.source.startswith(("https://", "data:image/")):
        yield Finding(
            code="invalid_value",
            pointer=place.pointer,
            message="this is no address of an image",
            fix="Give an https or data:image address, or an expression such as `{{ inputs.photo }}`.",
        )


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
    for reference in place.usage.references:
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
