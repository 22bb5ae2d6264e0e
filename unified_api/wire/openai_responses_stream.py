"""A streamed answer of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EventTooLargeError, SseEvent
from unified_api.types import Chunk, FinishChunk, Json, JsonObject, Usage, UsageChunk
from unified_api.wire.base import WireProfile, parse_json
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.openai_answer import answer_object, malformed
from unified_api.wire.openai_chat_decode import arguments_text
from unified_api.wire.openai_responses_decode import failure, finish_reason
from unified_api.wire.openai_responses_items import item_kind, objects, word
from unified_api.wire.openai_responses_progress import Item
from unified_api.wire.openai_responses_usage import answer_usage
from unified_api.wire.sse_or_document import SseOrDocument

__all__ = ["StreamDecoder"]

_ENDS: Mapping[str, str] = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
"""The last event of an answer -> the status it means where the answer in it states none."""


class StreamDecoder:
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    Parts are told as their pieces come and end with their item, whose state (ids, encrypted reasoning) comes then.
    The answer in the last event fills in what no event before it told. An error inside the stream is raised by the
    `feed` or `end` after the chunks that came before it; `end` raises TruncatedStreamError when the last event is
    missing. A server that ignores `stream` and answers with one JSON document is read all the same.
    """

    malformed: int
    """Events that could not be read and were passed over."""
    late_error: ProviderError | None
    """An error that came after the end: the answer is whole, so it is not raised."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.malformed = 0
        self.late_error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._source = SseOrDocument()
        self._items: dict[int, Item] = {}
        self._speaking: Item | None = None
        self._echoed: str | None = None
        self._calls = 0
        self._finished = False
        self._error: ProviderError | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        try:
            events = self._source.feed(data)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error
        return self._read(events)

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        chunks = self._read(self._source.end())
        if self._source.document is not None:
            chunks = self._read_document(self._source.document)
        if self._error is not None:
            raise self._error
        if not self._finished:
            raise TruncatedStreamError(
                f"the stream of {self._provider} for {self._model!r} ended without its last event, so the answer may "
                f"be cut ({self.malformed} unreadable events): try again or allow a fallback",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            )
        return chunks

    def _read_document(self, body: bytes) -> list[Chunk]:
        answer = answer_object(body, provider=self._provider, model=self._model, profile=self._profile)
        if not isinstance(answer.get("output"), list) and not answer.get("error"):
            raise malformed("has no output", body, provider=self._provider, model=self._model)
        chunks: list[Chunk] = []
        self._end_answer(answer, chunks)
        return chunks

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            if self._error is not None:
                break
            text = event.data.strip()
            if text and text != b"[DONE]":
                self._read_text(text, event.name, chunks)
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _read_text(self, text: bytes, name: str, chunks: list[Chunk]) -> None:
        try:
            value: Json = parse_json(text)
        except ValueError:
            value = text.decode("utf-8", "replace") if name == "error" else None
        if not isinstance(value, dict):
            if name == "error":
                self._fail(value)
            else:
                self.malformed += 1
            return
        kind = word(value.get("type")) or name
        if kind in {"error", "response.error"} or (not kind.startswith("response.") and find_error(value) is not None):
            self._fail(value)
        elif not self._finished:
            self._read_event(kind, value, chunks)

    def _read_event(self, kind: str, event: JsonObject, chunks: list[Chunk]) -> None:
        read = _EVENTS.get(kind)
        if kind in _ENDS:
            answer = event.get("response")
            if isinstance(answer, dict):
                self._end_answer({"status": _ENDS[kind], **answer}, chunks)
            else:
                self.malformed += 1
        elif kind == "response.output_item.added":
            self._begin(event, chunks)
        elif kind == "response.output_item.done":
            self._finish_item(event, chunks)
        elif read is not None:
            item = self._item(event, _OF_KIND[kind])
            self._turn_to(item, chunks)
            read(item, event, chunks)
        elif isinstance(event.get("response"), dict):
            self._echo(event["response"])

    def _echo(self, answer: Json) -> None:
        if isinstance(answer, dict):
            self._echoed = word(answer.get("model")) or self._echoed

    def _begin(self, event: JsonObject, chunks: list[Chunk]) -> None:
        item, place = event.get("item"), self._place(event)
        if not isinstance(item, dict):
            self.malformed += 1
        elif place not in self._items:
            self._open(place, item, chunks)

    def _open(self, place: int, item: JsonObject, chunks: list[Chunk]) -> Item:
        opened = self._items[place] = Item(item, provider=self._provider, call=self._calls)
        self._calls += opened.kind == "function_call"
        if opened.kind in _SPOKEN:
            self._turn_to(opened, chunks)
        opened.begin(chunks)
        return opened

    def _finish_item(self, event: JsonObject, chunks: list[Chunk]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            self.malformed += 1
            return
        place = self._place(event)
        found = self._items.get(place) or self._open(place, item, chunks)
        self._turn_to(found, chunks)
        found.finish(item, chunks)

    def _turn_to(self, item: Item, chunks: list[Chunk]) -> None:
        if self._speaking is not None and self._speaking is not item:
            self._speaking.pause(chunks)
        self._speaking = item

    def _item(self, event: JsonObject, kind: str) -> Item:
        """The item that an event belongs to; one whose beginning was lost begins with it."""
        place = self._place(event)
        item = self._items.get(place)
        if item is None:
            begun: JsonObject = {"type": kind}
            if word(event.get("item_id")):
                begun["id"] = event["item_id"]
            item = self._items[place] = Item(begun, provider=self._provider, call=self._calls)
            self._calls += kind == "function_call"
        return item

    def _place(self, event: JsonObject) -> int:
        """The item's place in the answer; without one, that of the item of this id, else the latest or a new one."""
        place = event.get("output_index")
        if type(place) is int:
            return place
        item = event.get("item")
        identity = word(event.get("item_id")) or (word(item.get("id")) if isinstance(item, dict) else "")
        known = (at for at, one in self._items.items() if identity and one.id == identity)
        latest = max(self._items, default=-1)
        begins = word(event.get("type")) == "response.output_item.added" or latest < 0
        return next(known, latest + 1 if begins else latest)

    def _end_answer(self, answer: JsonObject, chunks: list[Chunk]) -> None:
        self._echo(answer)
        self._fill_in(objects(answer.get("output")), chunks)
        usage, cost = answer_usage(answer)
        failed = failure(answer, provider=self._provider, model=self._model, profile=self._profile)
        if failed is None:
            self._finished = True
            chunks.append(FinishChunk(finish_reason(answer, self._profile, called=self._called)))
        else:
            self._error = failed
        if usage != Usage() or cost is not None:
            chunks.append(UsageChunk(usage, self._echoed, cost))

    @property
    def _called(self) -> bool:
        return any(item.called for item in self._items.values())

    def _fill_in(self, output: list[JsonObject], chunks: list[Chunk]) -> None:
        """Ends the items that have not ended, as the whole answer has them, and tells those that never began."""
        streamed = [self._items[place] for place in sorted(self._items)]
        by_id = {item.id: item for item in streamed if item.id}
        trusted = any(word(item.get("id")) in by_id for item in output)
        left = list(streamed)
        for item in output:
            identity, kind = word(item.get("id")), item_kind(item)
            found = by_id.get(identity)
            if found is None and not (trusted and identity):
                found = next((one for one in left if one.kind == kind), None)
            if found is None:
                found = self._open(max(self._items, default=-1) + 1, item, chunks)
            else:
                left = [one for one in left if one is not found]
            if not found.done:
                self._turn_to(found, chunks)
                found.finish(item, chunks)
        for one in left:
            if not one.done:
                self._turn_to(one, chunks)
                one.finish(one.begun, chunks)

    def _fail(self, error: Json) -> None:
        failed = embedded_error(error, provider=self._provider, model=self._model, profile=self._profile)
        if self._finished:
            self.late_error = failed
        else:
            self._error = failed

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return MalformedResponseError(
            f"the stream of {self._provider} for {self._model!r} cannot be read: {problem}",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
        )


def _text(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.text(_index(event, "content_index"), word(event.get("delta")), chunks, logprobs=event)


def _text_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    part: JsonObject = {"type": "output_text", "text": event.get("text"), "logprobs": event.get("logprobs")}
    item.whole_text(_index(event, "content_index"), part, chunks)


def _refusal(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.refusal(_index(event, "content_index"), word(event.get("delta")), chunks)


def _refusal_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    part: JsonObject = {"type": "refusal", "refusal": event.get("refusal")}
    item.whole_text(_index(event, "content_index"), part, chunks)


def _part_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    part = event.get("part")
    if isinstance(part, dict):
        item.whole_text(_index(event, "content_index"), part, chunks)


def _annotation(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    del chunks  # told when its text ends
    annotation = event.get("annotation")
    if isinstance(annotation, dict):
        item.annotation(_index(event, "content_index"), annotation)


def _summary(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.thought("summary", _index(event, "summary_index"), word(event.get("delta")), chunks)


def _summary_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    part = event.get("part")
    text = word(event.get("text")) or (word(part.get("text")) if isinstance(part, dict) else "")
    item.whole_thought("summary", _index(event, "summary_index"), text, chunks)


def _thought(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.thought("content", _index(event, "content_index"), word(event.get("delta")), chunks)


def _thought_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.whole_thought("content", _index(event, "content_index"), word(event.get("text")), chunks)


def _arguments(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.arguments(word(event.get("delta")), chunks)


def _arguments_done(item: Item, event: JsonObject, chunks: list[Chunk]) -> None:
    item.whole_arguments(arguments_text(event.get("arguments")), chunks)


def _index(event: JsonObject, name: str) -> int:
    value = event.get(name)
    return value if type(value) is int else 0


_SPOKEN = frozenset({"message", "reasoning"})
_EVENTS: Mapping[str, Callable[[Item, JsonObject, list[Chunk]], None]] = {
    "response.output_text.delta": _text,
    "response.output_text.done": _text_done,
    "response.output_text.annotation.added": _annotation,
    "response.output_text_annotation.added": _annotation,
    "response.refusal.delta": _refusal,
    "response.refusal.done": _refusal_done,
    "response.content_part.done": _part_done,
    "response.reasoning_summary_text.delta": _summary,
    "response.reasoning_summary_text.done": _summary_done,
    "response.reasoning_summary_part.done": _summary_done,
    "response.reasoning_text.delta": _thought,
    "response.reasoning_text.done": _thought_done,
    "response.function_call_arguments.delta": _arguments,
    "response.function_call_arguments.done": _arguments_done,
}
_OF_KIND: Mapping[str, str] = {
    kind: "function_call" if "function_call" in kind else ("reasoning" if "reasoning" in kind else "message")
    for kind in _EVENTS
}
