"""What may become of a streamed answer that broke after it had begun: go on with it, begin anew, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from unified_api.errors import AuthenticationError, ProviderError, QuotaError
from unified_api.models import Model, Selection
from unified_api.types import (
    AlternativeChunk,
    Attempt,
    Chunk,
    CitationChunk,
    FinishChunk,
    LogprobsChunk,
    Message,
    PartChunk,
    Policy,
    ReasoningChunk,
    RefusalChunk,
    Request,
    TextChunk,
    ToolCallChunk,
    UsageChunk,
)

__all__ = ["Progress", "allowance", "candidates_after", "continued", "tokens_of", "why_not_continued", "why_unsafe"]

_BYTES_A_TOKEN = 4
"""Of ordinary text, on average; a guess that only shortens `max_tokens` and prices what nobody has told."""
_BESIDE: dict[type[object], str] = {
    ReasoningChunk: "thinking",
    RefusalChunk: "a refusal",
    ToolCallChunk: "a tool call",
    PartChunk: "media or a step of a built-in tool",
    CitationChunk: "citations",
    LogprobsChunk: "probabilities of tokens",
}


def _kinds(kind: type[ProviderError]) -> Iterator[type[ProviderError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


_RETRYABLE = frozenset(kind.code for kind in _kinds(ProviderError) if kind.retryable)
"""Codes of the failures after which the same deployment may be asked again."""


@dataclass(slots=True)
class Progress:
    """How far one model's stream has come."""

    received: int = 0
    """Characters of the answer: text, thinking, refusals and the arguments of calls."""
    texts: list[str] = field(default_factory=list)
    told: UsageChunk | None = None
    """The usage, as far as the provider has told it."""
    finished: bool = False
    """Whether the model has said why it stopped."""
    beside: str | None = None
    """What came that is no plain text, in words."""

    @classmethod
    def of(cls, chunks: Iterable[Chunk]) -> Progress:
        progress = cls()
        for chunk in chunks:
            progress._add(chunk)
        return progress

    def _add(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextChunk):
            self.received += len(chunk.text)
            self.texts.append(chunk.text)
            if chunk.state is not None:
                self.beside = "what only its provider can read"
        elif isinstance(chunk, UsageChunk):
            self.told = chunk
        elif isinstance(chunk, FinishChunk):
            self.finished = True
        else:
            self._add_other(chunk)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def _add_other(self, chunk: Chunk) -> None:
        if isinstance(chunk, AlternativeChunk):
            self.beside, chunk = "several answers at once", chunk.chunk
        if isinstance(chunk, TextChunk | ReasoningChunk | RefusalChunk):
            self.received += len(chunk.text)
        elif isinstance(chunk, ToolCallChunk):
            self.received += len(chunk.arguments)
        self.beside = self.beside or _BESIDE.get(type(chunk))


def tokens_of(text: str) -> int:
    """About how many tokens the text is."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN)


def why_unsafe(request: Request) -> str | None:
    """Why an answer to this request is never continued by another model, or None."""
    return next(_dangers(request), None)


def why_not_continued(request: Request, progress: Progress) -> str | None:
    """The same, once something of the answer has come."""
    unsafe = why_unsafe(request)
    if unsafe is not None:
        return unsafe
    if progress.beside is not None:
        return f"{progress.beside} came with it"
    if progress.finished:
        return "all of it had come, and only its closing sign is missing"
    return None if progress.text.strip() else "no words of it had come"


def candidates_after(
    selection: Selection, failed: Model, error: ProviderError, policy: Policy, past: Iterable[Attempt]
) -> tuple[Model, ...]:
    """Who may be asked after a break, in the order of asking: whoever has not failed in the call yet, as `past` tells,
    then those that may do better when they are asked again, and `failed` the last.
    """
    others: tuple[Model, ...] = ()
    if policy.fallback and error.fallback:
        dead = {failed.provider} if isinstance(error, AuthenticationError | QuotaError) else set()
        others = tuple(one for one in selection.candidates if one.id != failed.id and one.provider not in dead)
    tried = {one.model: one.error for one in past if one.number}
    free = (one for one in others if one.id not in tried)
    again = (one for one in others if tried.get(one.id) in _RETRYABLE)
    return (*free, *again, *((failed,) if error.retryable else ()))


def allowance(policy: Policy, *, tries: int, billable: int) -> Policy | None:
    """What is left of the call's tries after `tries`, of which `billable` may be billed for nothing; None: nothing."""
    left = policy.max_attempts - tries
    unpaid = None if policy.max_billable is None else policy.max_billable - billable
    if left < 1 or (unpaid is not None and unpaid < 1):
        return None
    return replace(policy, max_attempts=left, max_billable=unpaid)


def continued(request: Request, text: str, *, written: int) -> Request:
    """The request with `text` as the beginning of its answer, of which `written` tokens are used up.

    Blanks at the end are left out: Anthropic refuses them there, and models go on badly after them.
    """
    longest = None if request.max_tokens is None else max(1, request.max_tokens - written)
    return replace(request, messages=(*request.messages, Message.assistant(text.rstrip())), max_tokens=longest)


def _dangers(request: Request) -> Iterator[str]:
    if request.tools or request.builtin_tools:
        yield "the request has tools"
    if request.output_schema is not None:
        yield "the answer is to satisfy a schema"
    if request.n not in (None, 1):
        yield "several answers are asked for"
    if request.logprobs is not None:
        yield "the probabilities of its tokens are asked for"
    if request.reasoning_effort not in (None, "none") or request.reasoning_budget or request.show_reasoning:
        yield "the model is told to think first"
    if request.messages and request.messages[-1].role == "assistant":
        yield "the request begins the answer itself"  # some servers have repeated that, and some have not
