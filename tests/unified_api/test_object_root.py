from __future__ import annotations

from unified_api.types import (
    Alternative,
    AlternativeChunk,
    Chunk,
    Citation,
    FinishChunk,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    Response,
    TextChunk,
    TextPart,
)
from unified_api.wire.object_root import Unwrapper, needs_object, unwrapped, wrapped

HELD = ProviderState("p", {"annotations": []})


def response(*parts: TextPart | ReasoningPart, alternatives: tuple[Alternative, ...] = ()) -> Response:
    return Response(model="p/m", provider="p", parts=parts, finish_reason="stop", alternatives=alternatives)


def test_the_value_of_every_answer_is_its_text() -> None:
    other = Alternative(parts=(TextPart('{"value": [2]}'),), finish_reason="stop")
    refused = Alternative(parts=(TextPart("no"),), finish_reason="stop")
    bare = unwrapped(response(TextPart('{"value": [1]}'), alternatives=(other, refused)))
    assert [bare.text, *(one.text for one in bare.alternatives)] == ["[1]", "[2]", "no"]


def test_thinking_sources_and_state_stay_with_the_value() -> None:
    cited = TextPart('{"value": 1}', (Citation("https://x.example", start=0, end=3),), HELD)
    assert unwrapped(response(ReasoningPart("hm"), cited)).parts == (
        ReasoningPart("hm"),
        TextPart("1", (Citation("https://x.example"),), HELD),
    )


def test_streamed_answers_are_told_apart_and_each_comes_before_its_finish() -> None:
    chunks: list[Chunk] = [
        TextChunk('{"value"'),
        AlternativeChunk(1, TextChunk('{"value": ')),
        TextChunk(": 1}", HELD),
        FinishChunk("stop"),
        AlternativeChunk(1, TextChunk("2}")),
        AlternativeChunk(1, FinishChunk("stop")),
    ]
    unwrapper = Unwrapper()
    assert [made for chunk in chunks for made in unwrapper.feed([chunk])] == [
        TextChunk("1", HELD),
        FinishChunk("stop"),
        AlternativeChunk(1, TextChunk("2")),
        AlternativeChunk(1, FinishChunk("stop")),
    ]


def test_only_roots_that_may_be_no_object_are_wrapped() -> None:
    assert not needs_object(OutputSchema({"type": "object"}))
    schema = {"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"$ref": "#"}}}
    assert needs_object(OutputSchema(schema))
    assert wrapped(schema) == {
        "type": "object",
        "properties": {"value": {"type": "array", "items": {"$ref": "#/$defs/a"}}},
        "required": ["value"],
        "additionalProperties": False,
        "$defs": {"a": {"$ref": "#/properties/value"}},
    }
