"""A streamed chat answer of an OpenAI-compatible server, cut into pieces anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EVENT_LIMIT, EventTooLargeError, SseDecoder, SseEvent
from unified_api.types import (
    Chunk,
    FinishChunk,
    Json,
    JsonObject,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import WireProfile, parse_json
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.openai_chat_calls import ToolCallReader
from unified_api.wire.openai_chat_decode import (
    decode,
    ended_in_error,
    finish_reason,
    first_choice,
    read_content,
    read_reasoning,
)
from unified_api.wire.usage import merge_usage, read_cost, read_usage

__all__ = ["StreamDecoder"]

# A byte order mark and white space: no answer of ours begins with one of these bytes otherwise.
_LEAD = b"\xef\xbb\xbf \t\r\n"
_DOCUMENT_STARTS = {b"{", b"[", b"<"}
_CHUNKS: dict[str, type[TextChunk | ReasoningChunk | RefusalChunk]] = {
    "text": TextChunk,
    "reasoning": ReasoningChunk,
    "refusal": RefusalChunk,
}


class StreamDecoder:
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end` raises
    TruncatedStreamError when no finish reason came; a missing `[DONE]` after one is no fault. A server that ignores
    `stream` and answers with one JSON document is read all the same.
    """

    malformed: int
    """Events that could not be read and were passed over."""
    late_error: ProviderError | None
    """An error that came after the finish reason: the answer is whole, so it is not raised."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.malformed = 0
        self.late_error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._events = SseDecoder()
        self._calls = ToolCallReader()
        self._echoed: str | None = None
        self._usage = Usage()
        self._sent: UsageChunk | None = None
        self._finished = False
        self._done = False
        self._error: ProviderError | None = None
        self._document: list[bytes] | None = None
        self._held = 0
        self._is_events = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        if not self._is_events:
            data = self._sniff(data)
        try:
            events = self._events.feed(data)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error
        return self._read(events) if events else []

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        if self._document is not None:
            return self._read_document(b"".join(self._document))
        return self._finish(self._read(self._events.end()))

    def _sniff(self, data: bytes) -> bytes:
        """Tells events from a plain document by the first byte that counts; gives what the event decoder may have."""
        if self._document is not None:
            self._hold(data)
            return b""
        start = data.lstrip(_LEAD)
        if start[:1] in _DOCUMENT_STARTS:
            self._document = []
            self._hold(start)
            return b""
        self._is_events = bool(start)
        return start

    def _hold(self, data: bytes) -> None:
        if self._document is not None:
            self._document.append(data)
            self._held += len(data)
        if self._held > EVENT_LIMIT:
            raise self._unreadable(f"it is one document of more than {EVENT_LIMIT} bytes")

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return MalformedResponseError(
            f"the stream of {self._provider} for {self._model!r} cannot be read: {problem}",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
        )

    def _read_document(self, body: bytes) -> list[Chunk]:
        try:
            parse_json(body)
        except ValueError:
            lines = body.splitlines()
            if len(lines) > 1 and lines[0].startswith(b"{"):
                # One JSON chunk a line, without the framing of events.
                return self._finish(self._read([SseEvent(line) for line in lines]))
        response = decode(body, provider=self._provider, model=self._model, profile=self._profile)
        self._finished = True
        return list(_chunks_of(response, self._provider))

    def _finish(self, chunks: list[Chunk]) -> list[Chunk]:
        if self._error is not None:
            raise self._error
        if not self._finished:
            raise TruncatedStreamError(
                f"the stream of {self._provider} for {self._model!r} ended without a finish reason, so the answer may "
                f"be cut ({self.malformed} unreadable events): try again or allow a fallback",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            )
        return chunks

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            if self._done or self._error is not None:
                break
            try:
                value = orjson.loads(event.data)
            except orjson.JSONDecodeError:
                self._read_odd(event, chunks)
            else:
                self._read_value(value, event.name, chunks)
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _read_odd(self, event: SseEvent, chunks: list[Chunk]) -> None:
        """An event that is no strict JSON: the end mark, an error in words, several lines run together, or damage."""
        text = event.data.strip()
        if text == b"[DONE]":
            self._done = True
            if self._profile.done_is_finish and not self._finished:
                self._finished = True
                chunks.append(FinishChunk("tool_calls" if self._calls.named else "unknown"))
        elif event.name == "error":
            self._fail(text.decode("utf-8", "replace") or "no reason given")
        elif text:
            values = _parse_lines(text)
            self.malformed += not values
            for value in values:
                self._read_value(value, "", chunks)

    def _read_value(self, value: Json, name: str, chunks: list[Chunk]) -> None:
        if not isinstance(value, dict):
            if name == "error":
                self._fail(value)
            else:
                self.malformed += 1
            return
        choices = value.get("choices")
        if value.get("error") or name == "error" or not choices:
            error = value if name == "error" else find_error(value)
            if error is not None:
                self._fail(error)
        model = value.get("model")
        if model and isinstance(model, str):
            self._echoed = model
        choice = first_choice(value) if choices else None
        if choice is not None and not choice.get("index") and self._error is None:
            self._read_choice(choice, chunks)
        usage = value.get("usage") or _hidden_usage(value, choice)
        if isinstance(usage, dict):
            self._read_usage(usage, chunks)

    def _fail(self, error: Json) -> None:
        failure = embedded_error(error, provider=self._provider, model=self._model, profile=self._profile)
        if self._finished:
            self.late_error = failure
        else:
            self._error = failure

    def _read_choice(self, choice: JsonObject, chunks: list[Chunk]) -> None:
        if choice.get("error"):
            return self._fail({"error": choice["error"]})
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._read_delta(delta, chunks)
        if self._finished or (choice.get("finish_reason") is None and "finish_details" not in choice):
            return None
        reason = finish_reason(choice, self._profile, called=self._calls.named)
        if reason == "error":
            self._error = ended_in_error(choice, provider=self._provider, model=self._model)
        elif reason is not None:
            self._finished = True
            chunks.append(FinishChunk(reason))
        return None

    def _read_delta(self, delta: JsonObject, chunks: list[Chunk]) -> None:
        thought = read_reasoning(delta, self._profile)
        if thought:
            chunks.append(ReasoningChunk(thought))
        content = delta.get("content")
        if type(content) is str:
            if content:
                chunks.append(TextChunk(content))
        elif content is not None:
            chunks.extend(_CHUNKS[kind](text) for kind, text in read_content(content) if kind in _CHUNKS and text)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            chunks.append(RefusalChunk(refusal))
        if delta.get("tool_calls") or delta.get("function_call"):
            chunks.extend(self._calls.read(delta))

    def _read_usage(self, stated: JsonObject, chunks: list[Chunk]) -> None:
        self._usage = merge_usage(self._usage, read_usage(stated))
        cost = read_cost(stated)
        if cost is None and self._sent is not None:
            cost = self._sent.cost_usd
        chunk = UsageChunk(self._usage, self._echoed, cost)
        if chunk != self._sent:
            self._sent = chunk
            chunks.append(chunk)


def _hidden_usage(chunk: JsonObject, choice: JsonObject | None) -> Json:
    """Usage in `x_groq` (Groq) or inside the choice (Moonshot)."""
    groq = chunk.get("x_groq")
    if isinstance(groq, dict) and groq.get("usage"):
        return groq["usage"]
    return None if choice is None else choice.get("usage")


def _parse_lines(text: bytes) -> list[Json]:
    """What orjson refused, read leniently as one value, or as a value a line where the blank lines are missing."""
    try:
        return [parse_json(text)]
    except ValueError:
        pass
    try:
        return [orjson.loads(line) for line in text.splitlines() if line.strip() not in {b"", b"[DONE]"}]
    except orjson.JSONDecodeError:
        return []


def _chunks_of(response: Response, provider: str) -> Iterator[Chunk]:
    """A whole answer as the chunks of a stream that came at once."""
    calls = 0
    for part in response.parts:
        if isinstance(part, TextPart):
            yield TextChunk(part.text)
        elif isinstance(part, ReasoningPart):
            yield ReasoningChunk(part.text)
        elif isinstance(part, RefusalPart):
            yield RefusalChunk(part.text)
        elif isinstance(part, ToolCallPart):
            yield ToolCallChunk(calls, part.id, part.name, part.arguments)
            calls += 1
    yield FinishChunk(response.finish_reason)
    if response.usage != Usage() or response.cost_usd is not None:
        yield UsageChunk(response.usage, response.model.removeprefix(f"{provider}/"), response.cost_usd)
