"""References to steps that may be skipped: each has a default, or stands under the same condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.checks.subject import Place, Subject
from workflows.findings import Finding
from workflows.lexer import Token, scan
from workflows.model import Step
from workflows.references import Reference, usage

__all__ = ["guarded"]


def guarded(subject: Subject) -> Iterator[Finding]:
    skippable = {step.id: step for step in reversed(subject.workflow.steps) if _may_be_skipped(step)}
    if not skippable:
        return
    facts = _Facts(subject)
    for place, reference in subject.references():
        step = skippable.get(reference.name) if reference.root == "steps" else None
        if step is not None and step is not place.step and not _is_safe(place, reference, step, facts):
            yield _finding(place, reference, step)


def _may_be_skipped(step: Step) -> bool:
    return step.when is not None or step.on_error == "skip"


def _is_safe(place: Place, reference: Reference, step: Step, facts: _Facts) -> bool:
    if reference.guard is not None and not reference.path:
        return True
    if reference.name in place.usage.tested:
        return True
    if place.step is None:
        return False
    known = facts.of(place.step.id)
    if _defined(step.id) in known:
        return True
    return step.on_error != "skip" and bool(step.when) and _conjuncts(step.when) <= known


class _Facts:
    """What is known to hold when a step starts: the parts of its own condition, and what these imply."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[str, frozenset[str]] = {}

    def of(self, step_id: str) -> frozenset[str]:
        if step_id not in self._known:
            self._known[step_id] = frozenset()  # for conditions that lead back to themselves
            self._known[step_id] = self._worked_out(step_id)
        return self._known[step_id]

    def _worked_out(self, step_id: str) -> frozenset[str]:
        """A tested step ran, so whatever its own condition says held too; followed without recursion."""
        facts: set[str] = set()
        queue = [step_id]
        seen = {step_id}
        for one in queue:  # grows while it is read
            step = self._subject.step(one)
            if step is None or not step.when:
                continue
            own = _conjuncts(step.when)
            facts |= own
            for other in usage(step.when).tested:
                if other not in seen and _defined(other) in own:
                    seen.add(other)
                    queue.append(other)
        return frozenset(facts)


def _defined(step_id: str) -> str:
    return f"steps . {step_id} . output is defined"


def _conjuncts(condition: str | None) -> frozenset[str]:
    """The parts of a condition that are joined by `and`, in one spelling."""
    segments = scan(condition or "")
    if len(segments) != 1 or segments[0].kind != "expression":
        return frozenset()
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in segments[0].tokens:
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        if token.text == "or" and not depth:
            return frozenset({_spelled(segments[0].tokens)})
        if token.text == "and" and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return frozenset(_spelled(part) for part in parts)


def _spelled(tokens: Sequence[Token]) -> str:
    """One spelling for conditions that differ in white space, in quotes, or in parentheses around the whole."""
    words = [f'"{token.text[1:-1]}"' if token.kind == "string" else token.text for token in tokens]
    while words[:1] == ["("] and _closing(words) == len(words) - 1:
        words = words[1:-1]
    return " ".join(words)


def _closing(words: list[str]) -> int:
    """Where the parenthesis closes that the words begin with."""
    depth = 0
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if not depth:
            return place
    return len(words)


def _finding(place: Place, reference: Reference, step: Step) -> Finding:
    why = "on_error is `skip`" if step.when is None else "it has a `when`"
    whole = f"steps.{reference.name}.output"
    if reference.path:
        rest = reference.text.removeprefix(whole)
        fix = f"Write `({whole} | default({{}})){rest} | default(...)`"
    else:
        fix = f"Write `{whole} | default(...)`"
    if place.step is not None:
        fix += f", or give this step `when`: `{{{{ {whole} is defined }}}}`"
    return Finding(
        code="unguarded_reference",
        pointer=place.pointer,
        message=f"the step {reference.name!r} may be skipped ({why}), and then `{reference.text}` is not there",
        fix=f"{fix}.",
    )
