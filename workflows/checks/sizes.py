"""Some model holds the prompt of each step, and writes as much as the step asks for."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.lengths import least_tokens
from workflows.checks.serving import Asking, asking
from workflows.checks.subject import Subject
from workflows.checks.units import Site
from workflows.findings import Finding
from workflows.model import EmbedStep, LlmStep
from workflows.models import Candidate

__all__ = ["fitting"]


def fitting(subject: Subject) -> Iterator[Finding]:
    """Of the models that may serve a step some holds its prompt, and its answer as long as it may become."""
    for unit in subject.units:
        for site in unit.sites:
            step = asking(site.located.step)
            candidates = subject.serving.candidates(site) if step is not None else ()
            if step is not None and candidates:
                yield from _too_long(site, step, candidates)


def _too_long(site: Site, step: Asking, candidates: tuple[Candidate, ...]) -> Iterator[Finding]:
    prompt = least_tokens(step)
    answer = (step.max_tokens or 0) if isinstance(step, LlmStep) else 0
    field = "input" if isinstance(step, EmbedStep) else "prompt"
    holds = _most([one.context for one in candidates])
    writes = _most([one.max_output for one in candidates])
    who = "the model" if len(candidates) == 1 else f"each of the {len(candidates)} models that may serve it"
    if holds is not None and prompt > holds:
        yield Finding(
            code="too_long_for_models",
            pointer=site.at(field),
            message=f"the prompt has at least {prompt:,} tokens, and {who} holds at most {holds:,}",
            fix="Shorten it, split it with a `map`, or choose a model that holds more.",
        )
    elif holds is not None and answer and prompt + answer > holds:
        yield Finding(
            code="too_long_for_models",
            pointer=site.at("max_tokens"),
            message=f"prompt and answer may have {prompt + answer:,} tokens together, of which {answer:,} are "
            f"`max_tokens`, and {who} holds at most {holds:,}",
            fix=f"Lower `max_tokens` to {holds - prompt:,} or less, or choose a model that holds more.",
        )
    elif writes is not None and answer > writes:
        yield Finding(
            code="too_long_for_models",
            severity="warning",
            pointer=site.at("max_tokens"),
            message=f"`max_tokens` is {answer:,}, and {who} writes at most {writes:,}: many providers refuse that",
            fix=f"Lower `max_tokens` to {writes:,}.",
        )


def _most(sizes: list[int | None]) -> int | None:
    """The largest; None where one is not known."""
    known = [size for size in sizes if size is not None]
    return max(known) if len(known) == len(sizes) else None
