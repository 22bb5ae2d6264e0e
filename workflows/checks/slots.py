"""What references mean fits where they stand: fields that exist, text in prompts, images among images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.checks.subject import Place, Subject
from workflows.expressions import template
from workflows.findings import Finding
from workflows.lexer import scan
from workflows.model import BranchStep, EmbedStep, ImageStep, LlmStep
from workflows.nearest import nearest
from workflows.outputs import IMAGE
from workflows.references import Reference, usage
from workflows.shapes import Absent, Shape, describe, fits

__all__ = ["fields", "slots"]

_LIST_FIX = "Refer to a list, such as a field of one, or make one: `| split(...)`, `| lines`, `| list`."
_CODES = {
    "steps": "unknown_output_field",
    "inputs": "unknown_input_field",
    "variables": "unknown_variable_field",
}
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**"})
_NUMBERS = frozenset({"count", "counter", "i", "index", "index0", "iteration", "round"})
_BEFORE = frozenset({"last", "output", "prev", "result", "state", "value"})
_PICTURE = Shape.of({"type": ["string", "object"]})
_LIST = Shape.of({"type": "array"})
_TEXT = Shape.of({"type": "string"})
_TEXTS = Shape.of({"type": ["string", "array"]})


def fields(subject: Subject) -> Iterator[Finding]:
    """Every path leads to a field that the output, input or variable can have."""
    for place in subject.places:
        variables = (one for one in place.usage.variables if one.name in place.variables)
        for reference in (*place.usage.references, *variables):
            if reference.path:
                yield from _path(subject, place, reference)


def _path(subject: Subject, place: Place, reference: Reference) -> Iterator[Finding]:
    base = subject.shapes.base(reference, place.frame)
    found = base.follow(reference.path)
    if isinstance(found, Absent):
        yield _absent(subject, place, reference, found)
    elif reference.guard is not None:
        if not base.promises(reference.path[:-1]):
            yield _guarded_too_late(place, reference)
    else:
        why = fix = None
        if not base.promises(reference.path):
            why = "may be left out: its schema does not require it"
            fix = "Add it to `required` in the schema, or write"
        elif _in_first_round(place, reference):
            why = "is not there in the first round: nothing comes before it, and `initial` is not given"
            fix = f"Give the loop an `initial`, ask for `{reference.name}.number > 1` first, or write"
        elif _may_be_null(subject, place, reference):
            why = "is not there where what it is taken from is null, which it may be"
            fix = f"Ask for `{replace(reference, path=()).text} is not none` first, or write"
        if why:
            yield Finding(
                code="optional_field",
                severity="warning",
                pointer=place.pointer,
                message=f"`{reference.text}` {why}",
                fix=f"{fix} `{reference.text} | default(...)`.",
            )


def _guarded_too_late(place: Place, reference: Reference) -> Finding:
    """A default is for the last field alone: what leads there must be there."""
    before = replace(reference, path=reference.path[:-1]).text
    last = replace(reference, root="variables", name="", path=reference.path[-1:]).text
    end = "| default(...)" if reference.guard == "default" else "is defined"
    return Finding(
        code="optional_field",
        severity="warning",
        pointer=place.pointer,
        message=f"`{before}` may be left out, and then `{last}` of it cannot be asked for, whatever stands behind",
        fix=f"Write `({before} | default({{}})){last} {end}`.",
    )


def _may_be_null(subject: Subject, place: Place, reference: Reference) -> bool:
    """Whether a field is taken, unasked, of a branch's result, which is null for a case that gives nothing."""
    target = place.frame.sees(reference.name) if reference.root == "steps" else None
    if target is None or not isinstance(target.step, BranchStep) or target.step.output is not None:
        return False
    return "null" in (subject.shapes.output(target).types() or ()) and not _asked_before(place, reference)


def _asked_before(place: Place, reference: Reference) -> bool:
    """Whether something there, or around it, looks at what the field is taken from."""
    texts = [place.source, *([place.step.when] if place.step is not None and place.step.when else [])]
    for frame in place.frame.outwards():
        step = None if frame.owner is None else frame.owner.step
        if step is not None:
            texts += [step.when or "", *(case.when for case in getattr(step, "cases", ()))]
    found = (one for text in texts for one in (*usage(text).references, *usage(text).variables))
    about = (one for one in found if (one.root, one.name) == (reference.root, reference.name))
    return any(one.path == reference.path[: len(one.path)] and one.path != reference.path for one in about)


def _in_first_round(place: Place, reference: Reference) -> bool:
    """Whether a template takes a field of the round before for granted, though there may be none."""
    if reference.root != "variables" or reference.path[0] != "previous":
        return False
    if len(reference.path) == 1 and not _computed_with(place.source, reference):
        return False
    variable = place.variables[reference.name]
    given = getattr(variable.owner.step, "initial", None) is not None
    # What asks for the number, or for the whole result, knows of the first round.
    texts = [place.source, *([place.step.when] if place.step is not None and place.step.when else [])]
    used = (one for text in texts for one in usage(text).variables if one.name == reference.name)
    asked = any(len(one.path) == 1 and (one.path != reference.path or one.asked or one.guard) for one in used)
    return variable.kind == "round" and not given and not asked


def _computed_with(source: str, reference: Reference) -> bool:
    """Whether arithmetic follows or goes before, which null does not take."""
    segment, start = reference.at
    tokens = scan(source)[segment].tokens
    near = tokens[max(0, start - 1) : start] + tokens[start + 3 : start + 4]
    return any(token.text in _ARITHMETIC for token in near)


def _absent(subject: Subject, place: Place, reference: Reference, absent: Absent) -> Finding:
    known = replace(reference, path=reference.path[: absent.depth])
    part = str(reference.path[absent.depth])
    near = nearest(part, absent.allowed) or _field_meant(place, reference, part)
    if near:
        fix = f"Did you mean `{replace(known, path=(*known.path, near[0])).text}`?"
    elif absent.allowed:
        fix = "Use one of its fields."
    else:
        fix = f"Refer to `{known.text}` as a whole{_or_declare(subject, known)}."
    return Finding(
        code=_CODES[reference.root],
        pointer=place.pointer,
        message=f"`{known.text}` has no {part!r}: {absent.why}",
        allowed=tuple(dict.fromkeys([*near, *absent.allowed])),
        fix=fix,
    )


def _field_meant(place: Place, reference: Reference, part: str) -> tuple[str, ...]:
    """Another system's word for what a loop's round has."""
    if reference.root != "variables" or place.variables[reference.name].kind != "round" or reference.path[0] != part:
        return ()
    return ("number",) if part in _NUMBERS else ("previous",) if part in _BEFORE else ()


def _or_declare(subject: Subject, known: Reference) -> str:
    """The other mend for a field of an answer that is plain text."""
    step = subject.step(known.name) if known.root == "steps" and not known.path else None
    if isinstance(step, LlmStep) and step.output is None:
        return f", or give the step {step.id!r} an `output` schema with this field"
    return ""


def slots(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        field = place.path[0]
        if field in {"prompt", "system", "message", "url"}:
            yield from _no_pictures(subject, place)
        elif field == "images":
            yield from _addresses(place)
            yield from _needs(subject, place, _PICTURE, "an image's address or an image step's output")
        elif field == "input" and isinstance(place.step, EmbedStep):
            unreadable = tuple(_no_pictures(subject, place))
            wanted, words = (_TEXTS, "a text or a list of texts") if len(place.path) == 1 else (_TEXT, "a text")
            yield from unreadable or _needs(subject, place, wanted, words)
        elif field == "over" and len(place.path) == 1:
            yield from _needs(subject, place, _LIST, "a list")


def _addresses(place: Place) -> Iterator[Finding]:
    if template(place.source).literal and not place.source.startswith(("https://", "data:image/")):
        yield Finding(
            code="invalid_value",
            pointer=place.pointer,
            message="this is no address of an image",
            fix="Give an https or data:image address, or an expression such as `{{ inputs.photo }}`.",
        )


def _needs(subject: Subject, place: Place, wanted: Shape, words: str) -> Iterator[Finding]:
    actual = subject.shapes.of_template(place.source, place.frame)
    if not fits(actual, wanted):
        yield Finding(
            code="type_mismatch",
            pointer=place.pointer,
            message=f"this is {describe(actual)}, and {words} is needed",
            fix=_LIST_FIX if wanted is _LIST else "Refer to another output, or turn it into text with a filter.",
        )


def _no_pictures(subject: Subject, place: Place) -> Iterator[Finding]:
    """A picture or a vector in a text is a long row of figures that no model can read."""
    for reference in place.usage.references:
        if reference.root != "steps" or reference.path or reference.guard == "test":
            continue
        target = place.frame.sees(reference.name)
        step = None if target is None else target.step
        if isinstance(step, ImageStep):
            yield _picture(place, reference)
        elif isinstance(step, EmbedStep):
            yield Finding(
                code="type_mismatch",
                severity="warning",
                pointer=place.pointer,
                message=f"`{reference.text}` is a row of numbers that means nothing as text",
                fix="Refer to the text that was embedded.",
            )
    for reference in place.usage.variables:
        found = subject.shapes.of_reference(reference, place.frame)
        if isinstance(found, Shape) and found.schema is IMAGE and reference.guard != "test":
            yield _picture(place, reference)


def _picture(place: Place, reference: Reference) -> Finding:
    return Finding(
        code="type_mismatch",
        pointer=place.pointer,
        message=f"`{reference.text}` is an image, and this is text",
        fix=f"Put `{{{{ {reference.text} }}}}` into the step's `images`."
        if isinstance(place.step, LlmStep)
        else f"Describe the picture in an llm step that has it in `images`, or use `{reference.text}.url`.",
    )
