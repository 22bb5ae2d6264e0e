"""References to steps that may be skipped: each has a default, or stands under the same condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from workflows.blocks import may_be_skipped
from workflows.checks.subject import Frame, Located, Place, Subject
from workflows.facts import Facts, around, conjuncts, defined, otherwise
from workflows.findings import Finding, Path
from workflows.model import BranchStep, Step
from workflows.references import Reference, usage
from workflows.templates import templates

__all__ = ["guarded"]

_MOST_FACTS: Final = 200
"""Facts that are followed from one place: of a long chain of steps only the nearest matter."""
_OF_STEP: Final = re.compile(r"steps \. (?P<id>\w+) \. output is (?P<not>not )?defined")


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
    known = facts.implied(known | _before_case(place) | around(place.source, reference.at))
    if defined(step.id) in known:
        return True
    if step.on_error == "skip" or not _mean_the_same(target, place):
        return False
    open_ended = isinstance(step, BranchStep) and step.else_ is None
    return conjuncts(step.when) <= known and (not open_ended or _one_holds(step, known))


def _mean_the_same(target: Located, place: Place) -> bool:
    """Whether the variables in the conditions of a step are those that a template elsewhere sees by these names."""
    conditions = [source for path, source in templates(target.step) if path[-1] == "when"]
    names = {one.name for source in conditions for one in usage(source).variables}
    return all(place.variables.get(name) is target.variables.get(name) for name in names)


def _of_case(step: BranchStep, path: Path) -> Facts:
    """Why a case was taken: its condition held, and those of the cases before it did not."""
    taken = int(path[-1]) if path[-2:-1] == ("cases",) else len(step.cases)
    own = conjuncts(step.cases[taken].when) if taken < len(step.cases) else frozenset()
    return own.union(*(otherwise(case.when) for case in step.cases[:taken]))


def _before_case(place: Place) -> Facts:
    """Why the condition of a case is asked: those of the cases before it did not hold."""
    if isinstance(place.step, BranchStep) and place.waits is not None and place.path[::2] == ("cases", "when"):
        return frozenset().union(*(otherwise(case.when) for case in place.step.cases[: int(place.path[1])]))
    return frozenset()


def _one_holds(step: Step, known: Facts) -> bool:
    return isinstance(step, BranchStep) and any(conjuncts(case.when) <= known for case in step.cases if case.when)


class _Facts:
    """What is known to hold when a step starts: the parts of its own condition, those of the blocks around it, and
    what these imply.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[Located, Facts] = {}
        self._inside: dict[Frame, Facts] = {}

    def of(self, located: Located) -> Facts:
        if located not in self._known:
            self._known[located] = frozenset()  # for conditions that lead back to themselves
            own = self.implied(conjuncts(located.step.when))
            self._known[located] = own | self.within(located.frame)
        return self._known[located]

    def within(self, frame: Frame) -> Facts:
        """What holds for all that stands in a block: why its step was not skipped, and why its case was taken."""
        if frame.owner is None:
            return frozenset()
        if frame not in self._inside:
            around = self.of(frame.owner)
            if isinstance(frame.owner.step, BranchStep):
                around = self.implied(around | _of_case(frame.owner.step, frame.path))
            # What was known of a variable around is not known of one of the same name.
            new = {name for name, one in frame.variables.items() if one.owner is frame.owner}
            self._inside[frame] = frozenset(fact for fact in around if new.isdisjoint(fact.split()))
        return self._inside[frame]

    def implied(self, facts: Facts) -> Facts:
        """With what they mean for other steps: one that ran was not skipped, and one that did not run was."""
        known = set(facts)
        queue = list(facts)
        for fact in queue:  # grows while it is read
            if len(known) > _MOST_FACTS:
                break
            found = _OF_STEP.fullmatch(fact)
            step = self._subject.step(found["id"]) if found else None
            if found and step is not None and step.when:
                new = _why_skipped(step) if found["not"] else conjuncts(step.when)
                queue.extend(new - known)
                known |= new
        return frozenset(known)


def _why_skipped(step: Step) -> Facts:
    """What is known when a step was skipped: nothing, where that may have several reasons."""
    several = step.on_error == "skip" or (isinstance(step, BranchStep) and step.else_ is None)
    return frozenset() if several else otherwise(step.when)


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
