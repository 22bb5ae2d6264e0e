"""Ollama's native answers to chat and generate, whole, and the readings that their streams share."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from unified_api.errors import ProviderError, ServerError
from unified_api.types import (
    Chunk,
    FinishChunk,
    FinishReason,
    ImagePart,
    Json,
    JsonObject,
    LogprobsChunk,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    Response,
    TextChunk,
    TokenLogprob,
    ToolCallChunk,
    UsageChunk,
)
from unified_api.wire.answer import answer_object, echoed_model, malformed
from unified_api.wire.base import WireProfile, sniff_media_type
from unified_api.wire.collect import Collector
from unified_api.wire.ollama.usage import read_usage
from unified_api.wire.openai_chat.decoder import arguments_text

__all__ = ["THINKING", "LineReader", "decode", "is_answer"]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    # Answers to requests that only bring the model into memory or out of it: empty and whole.
    "load": "stop",
    "unload": "stop",
}
THINKING: JsonObject = {"type": "thinking"}
"""The state of thinking that goes back as a message's `thinking`."""


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no answer to a chat (or to /api/generate), or what an error inside means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    if not is_answer(answer):
        raise malformed("has neither a message nor a response", body, provider=provider, model=model)
    reader, collector = LineReader(provider=provider, model=model, profile=profile), Collector()
    for chunk in reader.read(answer):
        collector.add(chunk)
    if reader.error is not None:
        raise reader.error
    return collector.response(provider=provider, model=model)


def is_answer(value: JsonObject) -> bool:
    return isinstance(value.get("message"), dict) or isinstance(value.get("response"), str) or value.get("done") is True


class LineReader:
    """Ollama's lines one after the other, as chunks; a whole answer is a stream of one line."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.done = False
        self.error: ProviderError | None = None
        """What a finish reason that names an error means."""
        self._provider = provider
        self._model = model
        self._profile = profile
        self._calls = 0
        self._thinking = False

    def read(self, line: JsonObject) -> Iterator[Chunk]:
        message = line.get("message")
        # The answer to /api/generate has its words beside each other instead of in a message.
        said = message if isinstance(message, dict) else {**line, "content": line.get("response")}
        yield from self._read_message(said)
        if tokens := _logprobs(line.get("logprobs")):
            yield LogprobsChunk(tokens)
        if line.get("done") is True:
            yield from self._read_end(line)

    def _read_message(self, said: JsonObject) -> Iterator[Chunk]:
        thought, text = said.get("thinking"), said.get("content")
        if isinstance(thought, str) and thought:
            self._thinking = True
            yield ReasoningChunk(thought)
        if isinstance(text, str) and text:
            yield from self._end_thinking()
            yield TextChunk(text)
        images, calls = said.get("images"), said.get("tool_calls")
        for image in images if isinstance(images, list) else ():
            if (part := _image(image)) is not None:
                yield from self._end_thinking()
                yield PartChunk(part)
        for call in calls if isinstance(calls, list) else ():
            chunk = _call(call, self._calls)
            if chunk is not None:
                yield from self._end_thinking()
                self._calls += 1
                yield chunk

    def _read_end(self, line: JsonObject) -> Iterator[Chunk]:
        yield from self._end_thinking()
        self.done = True
        reason = self._reason(line.get("done_reason"))
        yield UsageChunk(read_usage(line), echoed_model(line, self._model))
        if reason == "error":
            self.error = self._ended_in_error(line)
        else:
            yield FinishChunk(reason)

    def _end_thinking(self) -> Iterator[Chunk]:
        if self._thinking:
            self._thinking = False
            yield ReasoningChunk("", ProviderState(self._provider, THINKING))

    def _reason(self, word: Json) -> FinishReason:
        if word is None or word == "":
            reason: FinishReason = "stop"  # servers before May 2024 say `done` alone
        elif not isinstance(word, str):
            reason = "unknown"
        else:
            reason = self._profile.finish_reasons.get(word) or _FINISH_REASONS.get(word, "unknown")
        return "tool_calls" if self._calls and reason == "stop" else reason

    def _ended_in_error(self, line: JsonObject) -> ProviderError:
        word = str(line.get("done_reason"))
        return ServerError(
            f"{self._provider} ended the answer of {self._model!r} with the reason {word!r}: try again or allow a "
            "fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            provider_code=word,
        )


def _call(call: Json, index: int) -> ToolCallChunk | None:
    """A tool call, which comes whole. Its id is newer than the call itself, and its index counts from 0 in any line."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        return None
    name, identity, arguments = function.get("name"), call.get("id"), function.get("arguments")
    if not isinstance(name, str) or not name:
        return None
    given = identity if isinstance(identity, str) and identity else None
    return ToolCallChunk(index, given, name, arguments_text(arguments))


def _image(image: Json) -> ImagePart | None:
    if not isinstance(image, str):
        return None
    try:
        data = base64.b64decode(image, validate=True)
    except ValueError:
        return None
    return ImagePart(data=data, media_type=sniff_media_type(data)) if data else None


def _logprobs(entries: Json) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(*token, _tops(entry.get("top_logprobs")))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and (token := _token(entry))
    )


def _tops(entries: Json) -> tuple[tuple[str, float], ...]:
    return tuple(one for entry in entries if (one := _token(entry))) if isinstance(entries, list) else ()


def _token(entry: Json) -> tuple[str, float] | None:
    token, logprob = (entry.get("token"), entry.get("logprob")) if isinstance(entry, dict) else (None, None)
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return token, float(logprob)
