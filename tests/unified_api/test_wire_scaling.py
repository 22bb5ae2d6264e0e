"""What reading an answer costs grows with its length: eight times the answer is no sixty-four times the work.

Each shape once took time that grew with the square. Work is CPU time, compared with itself only.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from wire_chunks import collected, fed

from unified_api.types import CitationChunk
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.json_text import parse_json
from unified_api.wire.object_root import Unwrapper

NAMED: Any = {"provider": "p", "model": "m", "profile": WireProfile()}
LIMIT = 28
"""Linear work grows eightfold from n to 8n, quadratic work sixty-fourfold: sorting, caches and noise lie well below."""


def choice(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def calls(count: int) -> Iterator[Any]:
    """Tool calls without an index, each told in two pieces."""
    for number in range(count):
        for piece in ({"name": "f"}, {"arguments": "{}"}):
            yield choice(tool_calls=[{"id": f"call_{number}", "function": piece}])


def sources_after_images(count: int) -> Iterator[Any]:
    yield choice(content="text")
    for _ in range(count):
        yield choice(images=[{"image_url": {"url": "https://x"}}])
    for number in range(count):
        yield choice(annotations=[{"type": "url_citation", "url_citation": {"url": f"u{number}"}}])


def ends_told_again(count: int) -> Iterator[Any]:
    place = {"output_index": 0, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m"}}
    yield {"type": "response.output_text.delta", **place, "delta": "a" * count * 1000}
    for _ in range(count):
        yield {"type": "response.output_text.delta", **place, "delta": "b"}
        yield {"type": "response.output_text.done", **place, "text": ""}
    yield {"type": "response.completed", "response": {"output": [], "status": "completed"}}


def texts_by_turns(count: int) -> Iterator[Any]:
    """Annotations of a part that is begun and left again and again."""
    yield {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m"}}
    for number in range(count):
        place = {"output_index": 0, "content_index": 0, "annotation_index": number}
        told = {"type": "url_citation", "url": f"u{number}", "start_index": 0, "end_index": 1}
        yield {"type": "response.output_text.annotation.added", **place, "annotation": told}
    for number in range(2 * count):
        yield {"type": "response.output_text.delta", "output_index": 0, "content_index": number % 2, "delta": "x"}
    yield {"type": "response.completed", "response": {"output": [], "status": "completed"}}


def candidate(*parts: Any, **beside: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, **beside}]}


def sources_after_the_finish(count: int) -> Iterator[Any]:
    segment = {"startIndex": 0, "endIndex": 4, "text": "word"}
    sources = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    for _ in range(count):
        yield candidate({"text": "word " * 20}, finishReason="STOP", groundingMetadata=sources)


def calls_without_ids(count: int) -> Iterator[Any]:
    """Calls that take the ids that those without one would have been given."""
    for number in range(count, 3 * count):
        yield candidate({"functionCall": {"name": "f", "id": f"call_{number}"}})
    for _ in range(count):
        yield candidate({"functionCall": {"name": "f"}})
    yield candidate({"text": "done"}, finishReason="STOP")


def events(values: Iterable[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


def cost(work: Callable[[], object]) -> float:
    """CPU seconds, the least of three, without the collector's passes, which are Python's own and not linear."""
    times = []
    gc.disable()
    try:
        for _ in range(3):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
    finally:
        gc.enable()
    return min(times)


def grows_with_length(work: Callable[[bytes], object], body: Callable[[int], bytes], count: int) -> None:
    small, large = body(count), body(8 * count)
    assert cost(lambda: work(large)) < LIMIT * cost(lambda: work(small))


@pytest.mark.parametrize(
    ("family", "shape", "count"),
    [
        ("openai_chat", calls, 2000),
        ("openai_chat", sources_after_images, 1000),
        ("openai_responses", ends_told_again, 800),
        ("openai_responses", texts_by_turns, 250),
        ("gemini", sources_after_the_finish, 250),
        ("gemini", calls_without_ids, 500),
    ],
)
def test_a_stream_costs_what_its_length_is(family: str, shape: Callable[[int], Iterator[Any]], count: int) -> None:
    def work(body: bytes) -> None:
        decoder = families.CHAT[family].StreamDecoder(**NAMED)
        chunks = decoder.feed(body)
        collected(chunks, provider="p", model="m")

    grows_with_length(work, lambda size: events(shape(size)), count)


def test_a_structured_answer_of_endless_spaces_costs_what_its_length_is() -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    def work(body: bytes) -> None:
        chunks = fed(families.CHAT["openai_chat"].StreamDecoder(**NAMED), body)
        Unwrapper().feed(chunks)

    grows_with_length(work, lambda size: events([choice(content="```json\n{}" + " " * size), end]), 10_000)


def test_values_that_are_nested_and_wide_cost_what_their_length_is() -> None:
    grows_with_length(parse_json, lambda size: b"[" * 150 + b"[[],{}]," * size * 20 + b"1" + b"]" * 150, 500)


def test_a_source_that_is_named_again_and_again_is_given_once() -> None:
    sources = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [{"groundingChunkIndices": [0] * 9999}]}
    body = json.dumps(candidate({"text": "x"}, finishReason="STOP", groundingMetadata=sources)).encode()
    answer = families.CHAT["gemini"].decode(body, **NAMED)
    assert [one.url for one in answer.citations] == ["u"]


def test_an_answer_with_endless_sources_is_damage() -> None:
    told = candidate({"text": "x"}, finishReason="STOP", citationMetadata={"citations": [{}] * 30_000})
    decoder = families.CHAT["gemini"].StreamDecoder(**NAMED)
    chunks = fed(decoder, events([told]))
    assert sum(isinstance(chunk, CitationChunk) for chunk in chunks) == 10_000
    assert decoder.malformed == 1


def test_a_part_that_is_begun_again_tells_its_sources_once() -> None:
    chunks = families.CHAT["openai_responses"].StreamDecoder(**NAMED).feed(events(texts_by_turns(3)))
    cited = [chunk.citation.url for chunk in chunks if isinstance(chunk, CitationChunk)]
    assert cited == ["u0", "u1", "u2"]
