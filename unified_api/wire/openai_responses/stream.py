"""A streamed answer of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from unified_api.types import Chunk, FinishChunk, Json, JsonObject, Usage, UsageChunk
from unified_api.wire.answer_stream import AnswerStream
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat.words import arguments_text
from unified_api.wire.openai_responses.decoder import failure, finish_reason
from unified_api.wire.openai_responses.items import item_kind, objects, word
from unified_api.wire.openai_responses.progress import Item
from unified_api.wire.openai_responses.usage import answer_usage

__all__ = ["StreamDecoder"]

_ENDS: Mapping[str, str] = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
"""The last event of an answer -> the status it means where the answer in it states none."""


class StreamDecoder(AnswerStream):
    """Parts are told as their pieces come and end with their item, whose state (ids, encrypted reasoning) comes then.

    The answer in the last event fills in what no event before it told. A server that ignores `stream` and answers with
    one JSON document is read all the same.
    """

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._items: dict[int, Item] = {}
        self._ids: dict[str, int] = {}
        self._latest = -1
        self._speaking: Item | None = None
        self._echoed: str | None = None
        self._calls = 0

    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        kind = word(value.get("type"))
        read = _EVENTS.get(kind)
        if read is not None:
            item = self._item(value, _OF_KIND[kind], chunks)
            if not item.done:
                self._turn_to(item, chunks)
                read(item, value, chunks)
        elif kind == "response.output_item.added":
            self._begin(value, chunks)
        elif kind == "response.output_item.done":
            self._finish_item(value, chunks)
        elif kind in _ENDS or (not kind and isinstance(value.get("output"), list)):
            self._read_end(value, chunks)
        else:
            self._echo(value.get("response"))

    def _read_end(self, event: JsonObject, chunks: list[Chunk]) -> None:
        """The last event, or the whole answer in place of a stream."""
        kind = word(event.get("type"))
        answer = event.get("response") if kind else event
        if isinstance(answer, dict):
            self._end_answer({"status": _ENDS.get(kind), **answer}, chunks)
        else:
            self.malformed += 1

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
        self._latest = max(self._latest, place)
        if opened.id:
            self._ids[opened.id] = place
        self._calls += opened.kind == "function_call"
        if opened.kind in _TOLD_AT_ONCE:
            self._turn_to(opened, chunks)
        opened.begin(chunks)
        return opened

    def _finish_item(self, event: JsonObject, chunks: list[Chunk]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            self.malformed += 1
            return
        place = self._place(event)
        found = self._items.get(place)
        if found is None or (found.kind != item_kind(item) and not found.done):
            found = self._open(place, item, chunks)
        self._turn_to(found, chunks)
        found.finish(item, chunks)

    def _turn_to(self, item: Item, chunks: list[Chunk]) -> None:
        if self._speaking is not None and self._speaking is not item:
            self._speaking.pause(chunks)
        self._speaking = item

    def _item(self, event: JsonObject, kind: str, chunks: list[Chunk]) -> Item:
        """The item that an event belongs to; one whose beginning was lost begins with it."""
        place = self._place(event)
        found = self._items.get(place)
        if found is not None:
            return found
        identity: JsonObject = {"id": event["item_id"]} if word(event.get("item_id")) else {}
        return self._open(place, {"type": kind, **identity}, chunks)

    def _place(self, event: JsonObject) -> int:
        """The item's place in the answer; without one, that of the item of this id, else the latest or a new one."""
        place = event.get("output_index")
        if type(place) is int:
            return place
        item = event.get("item")
        identity = word(event.get("item_id")) or (word(item.get("id")) if isinstance(item, dict) else "")
        if identity in self._ids:
            return self._ids[identity]
        latest = self._items.get(self._latest)
        begins = word(event.get("type")) == "response.output_item.added"
        another = latest is None or latest.done or bool(identity and latest.id)
        return self._latest + 1 if begins or another else self._latest

    def _end_answer(self, answer: JsonObject, chunks: list[Chunk]) -> None:
        self._echo(answer)
        self._fill_in(objects(answer.get("output")), chunks)
        usage, cost = answer_usage(answer)
        failed = failure(answer, provider=self._provider, model=self._model, profile=self._profile)
        if failed is None:
            self._finished = True
            called = any(item.called for item in self._items.values())
            chunks.append(FinishChunk(finish_reason(answer, self._profile, called=called)))
        else:
            self._fail(failed)
        if usage != Usage() or cost is not None:
            chunks.append(UsageChunk(usage, self._echoed, cost))

    def _fill_in(self, output: list[JsonObject], chunks: list[Chunk]) -> None:
        """Ends the items that have not ended, as the whole answer has them, and tells those that never began."""
        begun = _Begun([self._items[place] for place in sorted(self._items)])
        trusted = any(word(item.get("id")) in begun.by_id for item in output)
        for item in output:
            found = begun.take(item, trusted=trusted) or self._open(self._latest + 1, item, chunks)
            if not found.done:
                self._turn_to(found, chunks)
                found.finish(item, chunks)
        for left in begun.left():
            if not left.done:
                self._turn_to(left, chunks)
                left.finish(left.begun, chunks)


class _Begun:
    """The streamed items, to be met in the whole answer: by their ids, or by kind and order where ids differ."""

    def __init__(self, items: list[Item]) -> None:
        self.by_id = {item.id: item for item in items if item.id}
        self._items = items
        self._met: set[int] = set()
        self._waiting: dict[str, deque[Item]] = {}
        for item in items:
            self._waiting.setdefault(item.kind, deque()).append(item)

    def take(self, item: JsonObject, *, trusted: bool) -> Item | None:
        """The streamed item that `item` is; with `trusted` ids, one of an unknown id is new."""
        identity = word(item.get("id"))
        found = self.by_id.get(identity)
        waiting = self._waiting.get(item_kind(item), deque())
        while found is None and waiting and not (trusted and identity):
            candidate = waiting.popleft()
            found = None if id(candidate) in self._met else candidate
        if found is not None:
            self._met.add(id(found))
        return found

    def left(self) -> Iterator[Item]:
        return (item for item in self._items if id(item) not in self._met)


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


_TOLD_AT_ONCE = frozenset({"message", "reasoning", "function_call"})
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
