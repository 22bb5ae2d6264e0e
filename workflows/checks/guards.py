"""References to steps that may be skipped: each has a default, or stands under the same condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.blocks import may_be_skipped
from workflows.checks.subject import Frame, Located, Place, Subject
from workflows.findings import Finding
from workflows.lexer import Token, scan
from workflows.model import BranchStep, Step
from workflows.references import Reference, usage
from workflows.templates import templates

__all__ = ["guarded"]


def guarded(subject: Subject) -> Iterator[Finding]:
    if not any(may_be_skipped(one.step) for one in subject.steps):
        return
    facts = _Facts(subject)
    for place, reference in subject.references():
        target = place.frame.sees(reference.name) if reference.root == "steps" else None
        if target is None or not may_be_skipped(target.step) or place.waiting(target) is target:
            continue
        if not _is_safe(place, reference, target, facts):
            yield _finding(place, reference, target.step)


def _is_safe(place: Place, reference: Reference, target: Located, facts: _Facts) -> bool:
    if reference.guard is not None and not reference.path:
        return True
    if reference.name in place.usage.tested:
        return True
    known = facts.within(place.frame) if place.waits is None else facts.of(place.waits)
    step = target.step
    if _defined(step.id) in known:
        return True
    if step.on_error == "skip" or not _mean_the_same(target, place):
        return False
    open_ended = isinstance(step, BranchStep) and step.else_ is None
    return _conjuncts(step.when) <= known and (not open_ended or _one_holds(step, known))


def _mean_the_same(target: Located, place: Place) -> bool:
    """Whether the variables in the conditions of a step are those that a template elsewhere sees by these names."""
    conditions = [source for path, source in templates(target.step) if path[-1] == "when"]
    names = {one.name for source in conditions for one in usage(source).variables}
    return all(place.variables.get(name) is target.variables.get(name) for name in names)


def _one_holds(step: Step, known: frozenset[str]) -> bool:
    return isinstance(step, BranchStep) and any(_conjuncts(case.when) <= known for case in step.cases if case.when)


class _Facts:
    """What is known to hold when a step starts: the parts of its own condition, those of the blocks around it, and
    what these imply.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[Located, frozenset[str]] = {}
        self._inside: dict[Frame, frozenset[str]] = {}

    def of(self, located: Located) -> frozenset[str]:
        if located not in self._known:
            self._known[located] = frozenset()  # for conditions that lead back to themselves
            own = self._implied(located.step.when) if located.step.when else frozenset()
            self._known[located] = own | self.within(located.frame)
        return self._known[located]

    def within(self, frame: Frame) -> frozenset[str]:
        """What holds for all that stands in a block: why its step was not skipped, and why its case was taken."""
        if frame.owner is None:
            return frozenset()
        if frame not in self._inside:
            around = self.of(frame.owner)
            if frame.path[-2:-1] == ("cases",) and isinstance(frame.owner.step, BranchStep):
                around |= self._implied(frame.owner.step.cases[int(frame.path[-1])].when)
            # What was known of a variable around is not known of one of the same name.
            new = {name for name, one in frame.variables.items() if one.owner is frame.owner}
            self._inside[frame] = frozenset(fact for fact in around if new.isdisjoint(fact.split()))
        return self._inside[frame]

    def _implied(self, condition: str) -> frozenset[str]:
        """A tested step ran, so whatever its own condition says held too; followed without recursion."""
        facts: set[str] = set()
        queue = [condition]
        seen: set[str] = set()
        for one in queue:  # grows while it is read
            own = _conjuncts(one)
            facts |= own
            for other in usage(one).tested:
                if other not in seen and _defined(other) in own:
                    seen.add(other)
                    step = self._subject.step(other)
                    if step is not None and step.when:
                        queue.append(step.when)
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
    whole = f"steps.{reference.name}.output"
    if reference.path:
        rest = reference.text.removeprefix(whole)
        fix = f"Write `({whole} | default({{}})){rest} | default(...)`"
    else:
        fix = f"Write `{whole} | default(...)`"
    if place.waits is not None:
        fix += f", or give this step `when`: `{{{{ {whole} is defined }}}}`"
    if isinstance(step, BranchStep) and step.else_ is None and step.when is None:
        fix += f", or give {step.id!r} an `else`"
    return Finding(
        code="unguarded_reference",
        pointer=place.pointer,
        message=f"the step {step.id!r} may be skipped ({_why(step)}), and then `{reference.text}` is not there",
        fix=f"{fix}.",
    )


def _why(step: Step) -> str:
    if step.when is not None:
        return "it has a `when`"
    return "on_error is `skip`" if step.on_error == "skip" else "it has no `else`"
