"""Texts to embed in as many calls as the provider's limit asks for, and their answers as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import fields, replace

from unified_api.errors import MalformedResponseError, ProviderError
from unified_api.types import EmbedRequest, EmbedResponse, Usage

__all__ = ["embedded_in_batches"]


async def embedded_in_batches(
    request: EmbedRequest, most: int | None, embed: Callable[[EmbedRequest], Awaitable[EmbedResponse]]
) -> EmbedResponse:
    """What `embed` gives for at most `most` texts at a time, one call after the other, in the order of the texts.

    A failure after the first call may be billed, for the calls before it surely are.
    """
    if most is None or len(request.inputs) <= most:
        return await embed(request)
    answers: list[EmbedResponse] = []
    for batch in _batches(request, most):
        try:
            answers.append(await embed(batch))
        except ProviderError as error:
            error.billable = error.billable or bool(answers)
            raise
    return _merged(answers)


def _batches(request: EmbedRequest, most: int) -> Iterator[EmbedRequest]:
    for start in range(0, len(request.inputs), most):
        yield replace(request, inputs=request.inputs[start : start + most])


def _merged(answers: Sequence[EmbedResponse]) -> EmbedResponse:
    first = answers[0]
    vectors = tuple(vector for answer in answers for vector in answer.vectors)
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) > 1:
        raise MalformedResponseError(
            f"{first.provider} gave vectors of {' and '.join(map(str, lengths))} numbers for one request",
            provider=first.provider,
            model=first.model,
        )
    costs = [answer.cost_usd for answer in answers]
    known = [cost for cost in costs if cost is not None]
    return replace(
        first,
        vectors=vectors,
        usage=_summed([answer.usage for answer in answers]),
        cost_usd=sum(known[1:], known[0]) if len(known) == len(costs) else None,
    )


def _summed(usages: Sequence[Usage]) -> Usage:
    """Each count is known only where every call tells it."""
    sums: dict[str, int | None] = {}
    for one in fields(Usage):
        counts = [getattr(usage, one.name) for usage in usages]
        sums[one.name] = None if None in counts else sum(counts)
    return Usage(**sums)
