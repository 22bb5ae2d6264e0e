"""Who may serve each step that asks a model, as far as the catalogue tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from workflows.checks.labels import Flow
from workflows.checks.units import Site
from workflows.model import EmbedStep, ImageStep, LlmStep, ModelNeeds, Step
from workflows.models import Candidate, KnownModels, ModelCatalog, Rates

__all__ = ["Asking", "Serving", "asking", "implied_needs"]

Asking: TypeAlias = LlmStep | ImageStep | EmbedStep
"""The kinds of steps that ask a model."""
_KIND_NEEDS: Final = {"llm": "chat", "image": "image_output", "embed": "embeddings"}
_Question: TypeAlias = tuple[str | ModelNeeds, frozenset[str], str]


def asking(step: Step) -> Asking | None:
    """The step, if it asks a model."""
    return step if isinstance(step, LlmStep | ImageStep | EmbedStep) else None


def implied_needs(step: Step) -> frozenset[str]:
    """The capabilities that a step's kind and fields ask of its model."""
    needs = {_KIND_NEEDS[step.kind]} if step.kind in _KIND_NEEDS else set()
    if isinstance(step, LlmStep):
        if step.images:
            needs.add("vision")
        if step.output is not None:
            needs.add("structured_output")
    return frozenset(needs)


class Serving:
    """The candidates of every step; the catalogue is asked once for all steps that ask alike."""

    def __init__(self, flow: Flow, models: ModelCatalog | None) -> None:
        self._flow = flow
        self._models = models if isinstance(models, KnownModels) else None
        self._candidates: dict[_Question, tuple[Candidate, ...]] = {}
        self._cheapest: dict[_Question, tuple[Candidate, ...]] = {}
        self._safest: dict[_Question, tuple[Candidate, ...]] = {}

    def candidates(self, site: Site) -> tuple[Candidate, ...]:
        """Nobody for a step that asks no model, and where nothing is known."""
        question = self._question(site)
        return () if question is None else self._asked(question)

    def cheapest(self, site: Site) -> tuple[Candidate, ...]:
        """Those of known price that may have the lowest bill of all, by what no call costs less than."""
        return self._kept(site, self._cheapest, lambda one: one.least)

    def safest(self, site: Site) -> tuple[Candidate, ...]:
        """Those of known price that may have the lowest bill of all, by the most that a call may cost."""
        return self._kept(site, self._safest, lambda one: one.most)

    def _question(self, site: Site) -> _Question | None:
        step = asking(site.located.step)
        return None if step is None else (step.model, implied_needs(step), self._flow.call(site))

    def _asked(self, question: _Question) -> tuple[Candidate, ...]:
        if self._models is None:
            return ()
        found = self._candidates.get(question)
        if found is None:
            model, needs, label = question
            found = self._candidates[question] = self._models.candidates(model, needs=needs, sensitivity=label)
        return found

    def _kept(
        self,
        site: Site,
        known: dict[_Question, tuple[Candidate, ...]],
        rates: Callable[[Candidate], Rates | None],
    ) -> tuple[Candidate, ...]:
        question = self._question(site)
        if question is None:
            return ()
        found = known.get(question)
        if found is None:
            found = known[question] = tuple(_undominated(self._asked(question), rates))
        return found


def _undominated(candidates: Iterable[Candidate], rates: Callable[[Candidate], Rates | None]) -> Iterable[Candidate]:
    """Without those that another one is never dearer than, so that thousands of steps need not compare them all."""
    kept: list[tuple[tuple[float, ...], Candidate]] = []
    for one in candidates:
        price = rates(one)
        if price is None:
            continue
        longest = [float("inf") if size is None else float(size) for size in (one.max_output, one.context)]
        mine = (float(price.given), float(price.made), float(price.request), *longest)
        if any(all(a <= b for a, b in zip(other, mine, strict=True)) for other, _ in kept):
            continue
        kept = [(other, who) for other, who in kept if not all(a <= b for a, b in zip(mine, other, strict=True))]
        kept.append((mine, one))
    return [who for _, who in kept]
