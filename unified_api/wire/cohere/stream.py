"""Cohere's streamed chat answers: the events of v2, and the lines of v1 (https://docs.cohere.com/docs/streaming)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from unified_api.types import Chunk, Json, JsonObject
from unified_api.wire.answer_stream import AnswerStream
from unified_api.wire.base import WireProfile
from unified_api.wire.cohere.answer import THINKING, TOOL_PLAN, AnswerReader
from unified_api.wire.cohere.decoder import call_v1, is_answer, is_error, read_answer, read_end

__all__ = ["StreamDecoder"]


class StreamDecoder(AnswerStream):
    """Bytes in, chunks out. `message-end` (v2) or `stream-end` (v1) is the sign of a finished answer."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._answer = AnswerReader(provider=provider, model=model, profile=profile)
        self._block: JsonObject = {}
        self._call = 0
        # Events without an entry (`message-start`, `tool-call-end`, `debug` ...) add nothing.
        self._readers: Mapping[str, Callable[[JsonObject], Iterator[Chunk]]] = {
            "content-start": self._content_start,
            "content-delta": self._content_delta,
            "content-end": self._content_end,
            "tool-plan-delta": self._tool_plan_delta,
            "tool-call-start": self._tool_call_start,
            "tool-call-delta": self._tool_call_delta,
            "citation-start": self._citation_start,
            "message-end": self._message_end,
            "text-generation": self._text_generation,
            "citation-generation": self._citation_generation,
            "tool-calls-chunk": self._tool_calls_chunk,
            "tool-calls-generation": self._tool_calls_generation,
            "stream-end": self._stream_end,
        }

    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        kind = value.get("type") or value.get("event_type")
        if isinstance(kind, str):
            read = self._readers.get(kind)
            if read is not None:
                chunks.extend(read(value))
        elif is_error(value):
            self._fail(value)
        elif is_answer(value):
            chunks.extend(self._read_end(value, whole=True))
        else:
            self.malformed += 1

    def _content_start(self, event: JsonObject) -> Iterator[Chunk]:
        yield from self._answer.end_thinking()
        content = _object(_message(event), "content")
        self._block = {name: value for name, value in content.items() if name not in ("text", "thinking")}
        if content.get("type") == "text":
            index = event.get("index")
            self._answer.begin(index if type(index) is int else 0)
        yield from self._content_delta(event)

    def _content_delta(self, event: JsonObject) -> Iterator[Chunk]:
        content = _object(_message(event), "content")
        text, thought = content.get("text"), content.get("thinking")
        if isinstance(thought, str):
            yield from self._answer.thinking(thought, {**THINKING, **self._block})
        if isinstance(text, str):
            yield from self._answer.text(text)
        yield from self._answer.logprobs(event.get("logprobs"))

    def _content_end(self, event: JsonObject) -> Iterator[Chunk]:
        del event
        self._block = {}
        yield from self._answer.end_thinking()

    def _tool_plan_delta(self, event: JsonObject) -> Iterator[Chunk]:
        plan = _message(event).get("tool_plan")
        if isinstance(plan, str):
            yield from self._answer.thinking(plan, TOOL_PLAN)

    def _tool_call_start(self, event: JsonObject) -> Iterator[Chunk]:
        index = event.get("index")
        self._call = index if type(index) is int else self._answer.calls
        yield from self._tool_call_delta(event)

    def _tool_call_delta(self, event: JsonObject) -> Iterator[Chunk]:
        index, message = event.get("index"), _message(event)
        call = message.get("tool_calls", message.get("tool_call"))
        call = call[0] if isinstance(call, list) and call else call
        if isinstance(call, dict):
            yield from self._answer.call(index if type(index) is int else self._call, call)

    def _citation_start(self, event: JsonObject) -> Iterator[Chunk]:
        yield from self._read_citations(_message(event).get("citations"))

    def _message_end(self, event: JsonObject) -> Iterator[Chunk]:
        yield from self._read_end(_object(event, "delta"))

    def _text_generation(self, event: JsonObject) -> Iterator[Chunk]:
        text = event.get("text")
        self._answer.begin(0)
        if isinstance(text, str):
            yield from self._answer.text(text)

    def _citation_generation(self, event: JsonObject) -> Iterator[Chunk]:
        yield from self._read_citations(event.get("citations"))

    def _tool_calls_chunk(self, event: JsonObject) -> Iterator[Chunk]:
        """The words before v1's calls; the calls themselves come whole in an event of their own."""
        yield from self._text_generation(_object(event, "tool_call_delta"))

    def _tool_calls_generation(self, event: JsonObject) -> Iterator[Chunk]:
        if not self._answer.spoken:
            yield from self._text_generation(event)
        calls = event.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._answer.call(self._answer.calls, call_v1(call))

    def _stream_end(self, event: JsonObject) -> Iterator[Chunk]:
        response = _object(event, "response")
        yield from self._read_end({"meta": response.get("meta"), "finish_reason": event.get("finish_reason")})

    def _read_citations(self, citations: Json) -> Iterator[Chunk]:
        for citation in citations if isinstance(citations, list) else [citations]:
            yield from self._answer.citation(citation)

    def _read_end(self, end: JsonObject, *, whole: bool = False) -> Iterator[Chunk]:
        word, said = end.get("finish_reason"), end.get("error")
        if said or self._answer.finish(word) == "error":
            self._fail(self._answer.ended_in_error(word, said))
            return
        read = read_answer if whole else read_end
        yield from read(end, self._answer, self._model)
        self._finished = True


def _message(event: JsonObject) -> JsonObject:
    """What an event adds to the message; the first servers of v2 had it in `delta` itself."""
    delta = _object(event, "delta")
    return _object(delta, "message") or delta


def _object(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
