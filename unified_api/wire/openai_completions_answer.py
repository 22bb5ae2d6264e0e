"""Answers of the old text completions, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.errors import ProviderError
from unified_api.sse import SseEvent
from unified_api.types import (
    Alternative,
    AlternativeChunk,
    Chunk,
    ContentChunk,
    FinishChunk,
    FinishReason,
    Json,
    JsonObject,
    LogprobsChunk,
    Response,
    TextChunk,
    TextPart,
    TokenLogprob,
    UsageChunk,
)
from unified_api.wire.answer import answer_object, echoed_model, malformed, stated_usage
from unified_api.wire.answer_stream import AnswerStream
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat.words import ended_in_error, finish_reason

__all__ = ["StreamDecoder", "decode"]


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200; a choice that does not say why it ended has `unknown`.

    Raises MalformedResponseError when it is no text completion, or what an error inside it means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    found = sorted(_choices(answer), key=_number)
    if not found:
        raise malformed("has no choices with a text", body, provider=provider, model=model)
    choices = [_alternative(choice, profile) for choice in found]
    if choices[0].finish_reason == "error":
        raise ended_in_error(found[0], provider=provider, model=model)
    usage, cost = stated_usage(answer)
    identity = answer.get("id")
    return Response(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        parts=choices[0].parts,
        finish_reason=choices[0].finish_reason,
        usage=usage,
        id=identity if isinstance(identity, str) and identity else None,
        cost_usd=cost,
        logprobs=choices[0].logprobs,
        alternatives=tuple(choices[1:]),
    )


class StreamDecoder(AnswerStream):
    """A finish reason for every choice is the sign of a finished answer; usage may come after them."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._ended: dict[int, bool] = {}
        self._echoed: str | None = None
        self._closing = False
        self._wordless = True

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        self._closing = True
        return super().end()

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks = super()._read(events)
        done = any(event.data.strip() == b"[DONE]" for event in events)
        # A whole answer in place of the stream need not say why it ended (Writer).
        document = self._closing and self._wordless and self._events.framing in {"lines", "document"}
        if document or (done and self._profile.done_is_finish):
            chunks.extend(
                _numbered(number, FinishChunk("unknown")) for number in self._ended if not self._ended[number]
            )
            self._ended = dict.fromkeys(self._ended, True)
        if (self._closing or done) and self._whole:
            self._finished = True
        return chunks

    @property
    def _whole(self) -> bool:
        return bool(self._ended) and all(self._ended.values())

    def _fail(self, error: Json | ProviderError) -> None:
        self._finished = self._finished or self._whole
        super()._fail(error)

    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        model = value.get("model")
        self._echoed = model if isinstance(model, str) and model else self._echoed
        for choice in _choices(value):
            self._read_choice(choice, _number(choice), chunks)
        usage, cost = stated_usage(value)
        if isinstance(value.get("usage"), dict):
            chunks.append(UsageChunk(usage, self._echoed, cost))

    def _read_choice(self, choice: JsonObject, number: int, chunks: list[Chunk]) -> None:
        text, tokens = _text(choice), _logprobs(choice)
        self._ended.setdefault(number, False)
        self._wordless = self._wordless and "finish_reason" not in choice
        if text:
            chunks.append(_numbered(number, TextChunk(text)))
        if tokens:
            chunks.append(_numbered(number, LogprobsChunk(tokens)))
        reason = finish_reason(choice, self._profile, called=False)
        if reason == "error" and number == 0:
            self._fail(ended_in_error(choice, provider=self._provider, model=self._model))
        elif reason is not None and not self._ended[number]:
            self._ended[number] = True
            chunks.append(_numbered(number, FinishChunk(reason)))


def _numbered(number: int, chunk: ContentChunk | FinishChunk) -> Chunk:
    return AlternativeChunk(number, chunk) if number else chunk


def _alternative(choice: JsonObject, profile: WireProfile) -> Alternative:
    text, reason = _text(choice), finish_reason(choice, profile, called=False)
    known: FinishReason = "unknown" if reason is None else reason
    return Alternative(parts=(TextPart(text),) if text else (), finish_reason=known, logprobs=_logprobs(choice))


def _choices(answer: JsonObject) -> Iterator[JsonObject]:
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("text"), str | None) and "message" not in choice:
            yield choice


def _number(choice: JsonObject) -> int:
    index = choice.get("index")
    return index if type(index) is int and index > 0 else 0


def _text(choice: JsonObject) -> str:
    text = choice.get("text")
    return text if isinstance(text, str) else ""


def _logprobs(choice: JsonObject) -> tuple[TokenLogprob, ...]:
    """Tokens, their probabilities and the likeliest at each place stand in lists beside each other."""
    told = choice.get("logprobs")
    if not isinstance(told, dict):
        return ()
    tokens, values = _list(told.get("tokens")), _list(told.get("token_logprobs"))
    tops = _list(told.get("top_logprobs"))
    return tuple(
        TokenLogprob(token, float(value), _likeliest(tops[place] if place < len(tops) else None))
        for place, (token, value) in enumerate(zip(tokens, values, strict=False))
        if isinstance(token, str) and isinstance(value, int | float)
    )


def _likeliest(tops: Json) -> tuple[tuple[str, float], ...]:
    entries = tops.items() if isinstance(tops, dict) else ()
    return tuple((token, float(value)) for token, value in entries if isinstance(value, int | float))


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
