from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_recordings import everything

from unified_api.errors import GatewayError, InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    ProviderState,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire import bedrock
from unified_api.wire.base import WireProfile


def again(body: dict[str, Any], provider: str = "bedrock") -> dict[str, Any]:
    request = bedrock.read_request(copy.deepcopy(body), provider=provider, model="m")
    wire = bedrock.encode(request, provider=provider, model="m", profile=WireProfile())
    made: dict[str, Any] = json.loads(wire.body)
    return made


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """The body without the differences that mean nothing to Converse:

    * an empty `system`, `inferenceConfig` or `stopSequences` is as good as none;
    * neighbouring messages of one role are one message (a conversation takes turns);
    * a result of a tool without `status` is a success;
    * a call that is said to be of `type` `tool_use` is one;
    * a schema is the JSON value of its text, and a nameless one has the name that is sent for it;
    * its objects are closed, as every schema must say there;
    * blank text says nothing, and the API refuses it;
    * the order of keys in an object.
    """
    made = {name: value for name, value in copy.deepcopy(body).items() if value not in ({}, [])}
    config = made.get("inferenceConfig", {})
    if config.get("stopSequences") == []:
        del config["stopSequences"]
    turns: list[dict[str, Any]] = []
    for message in made.get("messages", []):
        content = [plain(block) for block in message["content"] if block.get("text", "x").strip()]
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        else:
            turns.append({"role": message["role"], "content": content})
    made["messages"] = turns
    if "textFormat" in made.get("outputConfig", {}):
        definition = made["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        definition["schema"] = closed(json.loads(definition["schema"]))
        definition.setdefault("name", "output")
    return made


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if schema.get("type") == "object" else {}
    return more | {name: closed(value) for name, value in schema.items()}


def plain(block: dict[str, Any]) -> dict[str, Any]:
    if "toolResult" in block:
        block["toolResult"].setdefault("status", "success")
    if block.get("toolUse", {}).get("type") == "tool_use":
        del block["toolUse"]["type"]
    return block


@needs_corpora
def test_every_recorded_request_means_the_same_after_being_read_and_written() -> None:
    seen = 0
    for recording in everything():
        if "bedrock" in recording.host and recording.path.endswith(("/converse", "/converse-stream")):
            body: Any = recording.request
            if recording.status == 200 or body.get("messages"):
                assert meaning(again(body)) == meaning(body), recording.id
                seen += 1
    assert seen > 60


CLOSED = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}
EVERYTHING: dict[str, Any] = {
    "system": [
        {"text": "Be kind"}, {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
    ],
    "messages": [
        {"role": "user", "content": [
            {"cachePoint": {"type": "default"}},
            {"text": "Look"},
            {"image": {"format": "png", "source": {"bytes": "QUI="}}},
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a", "bucketOwner": "123"}}}},
            {"audio": {"format": "mpga", "source": {"bytes": "QUI="}}},
            {"audio": {"format": "mpeg", "source": {"bytes": "QUI="}}},
            {"video": {"format": "three_gp", "source": {"s3Location": {"uri": "s3://bucket/film"}}}},
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": "QUI="}, "context": "c",
                          "citations": {"enabled": True}}},
            {"document": {"name": "b", "source": {"text": "words"}}},
            {"document": {"format": "md", "name": "c", "source": {"content": [{"text": "one"}, {"text": "two"}]}}},
            {"searchResult": {"source": "https://x.example/", "title": "T", "content": [{"text": "found"}]}},
            {"guardContent": {"image": {"format": "png", "source": {"bytes": "QUI="}}}},
            {"somethingNew": {"x": 1}},
            {"cachePoint": {"type": "default", "ttl": "5m"}},
        ]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
            {"reasoningContent": {"redactedContent": "QUI="}},
            {"toolUse": {"toolUseId": "t", "name": "s", "input": {"q": 1}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "t", "type": "s_result", "content": [{"text": "r"}], "status": "success"}},
            {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "T", "location": {
                "documentChar": {"documentIndex": 0, "start": 1, "end": 2}}}]}},
            {"citationsContent": {"citations": [{"location": {"web": {"url": "https://x.example/"}}}]}},
            {"toolUse": {"toolUseId": "u", "name": "f", "input": {"deep": {"x": [1, None]}}}},
            {"cachePoint": {"type": "default"}},
        ]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "u", "status": "error", "content": [
                {"json": {"x": 1}}, {"text": "t"}, {"image": {"format": "gif", "source": {"bytes": "QUI="}}},
                {"document": {"format": "txt", "name": "d", "source": {"bytes": "QUI="}}},
                {"video": {"format": "mp4", "source": {"bytes": "QUI="}}},
                {"searchResult": {"source": "s", "title": "T", "content": [{"text": "f"}]}},
            ]}},
            {"cachePoint": {"type": "default"}},
            {"text": "so?"},
        ]},
    ],
    "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 1, "stopSequences": ["END"], "somethingNew": 1},
    "toolConfig": {
        "tools": [
            {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": CLOSED}, "strict": True}},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
            {"systemTool": {"name": "nova_grounding"}},
            {"cachePoint": {"type": "default"}},
        ],
        "toolChoice": {"tool": {"name": "f"}},
    },
    "outputConfig": {
        "effort": "max",
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": json.dumps(CLOSED), "name": "n", "description": "d"}}},
    },
    "requestMetadata": {"team": "a"},
    "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "adaptive"}},
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "promptVariables": {"x": {"text": "y"}},
    "somethingNew": [1],
}  # fmt: skip


def test_everything_that_the_api_documents_survives() -> None:
    assert meaning(again(EVERYTHING)) == meaning(EVERYTHING)


def test_what_is_common_becomes_canonical_and_the_rest_stays_in_extra() -> None:
    request = bedrock.read_request(EVERYTHING, provider="bedrock", model="amazon.nova-lite-v1:0")
    assert request.model == "bedrock/amazon.nova-lite-v1:0"
    assert (request.max_tokens, request.temperature, request.top_p, request.stop) == (5, 0.5, 1, ("END",))
    assert (request.tools[0].name, request.tools[0].cache, request.tool_choice) == (
        "f",
        CacheMark("1h"),
        NamedTool("f"),
    )
    assert request.builtin_tools[0] == BuiltinTool("bedrock", {"systemTool": {"name": "nova_grounding"}})
    assert request.output_schema is not None
    assert request.output_schema.schema == CLOSED
    assert request.metadata == {"team": "a"}
    assert set(request.extra["bedrock"]) == {
        "additionalModelRequestFields", "guardrailConfig", "performanceConfig", "serviceTier", "inferenceConfig",
        "additionalModelResponseFieldPaths", "promptVariables", "somethingNew", "outputConfig",
    }  # fmt: skip
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "user"]
    parts = request.messages[1].parts
    assert parts[1] == TextPart("Look")
    assert parts[2] == ImagePart(data=b"AB", media_type="image/png")
    texts = [part.text for part in parts if isinstance(part, DocumentPart)]
    assert texts == [None, "words", "one\ntwo", "found"]
    thought, unsigned, *_ = request.messages[2].parts
    assert thought == ReasoningPart("hm", ProviderState("bedrock", {"signature": "s"}))
    assert isinstance(unsigned, ReasoningPart)
    assert isinstance(request.messages[2].parts[-1], ToolCallPart)
    result = request.messages[3].parts[0]
    assert isinstance(result, ToolResultPart)
    assert (result.call_id, result.failed, result.cache, len(result.media)) == ("u", True, CacheMark(), 4)


def test_what_came_from_one_provider_is_not_sent_to_another() -> None:
    request = bedrock.read_request(EVERYTHING, provider="elsewhere", model="m")
    messages = tuple(Message(one.role, one.parts) for one in request.messages)
    wire = bedrock.encode(Request(model="m", messages=messages), provider="bedrock", model="m", profile=WireProfile())
    sent = wire.body.decode()
    for own in (
        "signature",
        "redacted",
        "server_tool_use",
        "somethingNew",
        "bucketOwner",
        "documentChar",
        "qualifiers",
    ):
        assert own not in sent
    read = [base64.b64encode(text).decode() for text in (b"words", b"one\ntwo", b"found")]
    for common in ("Look", "cited", "guarded", '"deep"', *read):
        assert common in sent


def test_an_effort_that_we_have_a_word_for_is_read() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "outputConfig": {"effort": "high"}}
    assert bedrock.read_request(body, provider="b").reasoning_effort == "high"
    assert meaning(again(body)) == meaning(body)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "bot", "content": []}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": 1}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"image": {}}]}]}, "messages[0].content[0].image.source"),
        ({"messages": [{"role": "user", "content": [{"toolResult": {}}]}]}, "messages[0].content[0].toolResult"),
        ({"system": {}}, "system"),
        ({"inferenceConfig": {"maxTokens": "5"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"stopSequences": [1]}}, "inferenceConfig.stopSequences"),
        ({"inferenceConfig": []}, "inferenceConfig"),
        ({"toolConfig": {"tools": [1]}}, "toolConfig.tools[0]"),
        ({"requestMetadata": {"a": 1}}, "requestMetadata.a"),
        (
            {"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
    ],
)
def test_a_bad_body_is_refused_by_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        bedrock.read_request({"messages": [], **change}, provider="b")
    assert caught.value.param == place
    assert place in str(caught.value)


TEXTS = st.text(min_size=1).filter(str.strip)
JSON = st.dictionaries(st.text(max_size=4), st.integers(-9, 9) | st.text(max_size=4) | st.none(), max_size=3)
USER = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(
        lambda data, kind: {"image": {"format": kind, "source": {"bytes": data}}},
        st.sampled_from(["QUI=", "QQ=="]),
        st.sampled_from(["png", "jpeg", "gif", "webp"]),
    ),
    st.builds(
        lambda text, status: {"toolResult": {"toolUseId": "t", "content": [{"text": text}], "status": status}},
        TEXTS,
        st.sampled_from(["success", "error"]),
    ),
    st.just({"cachePoint": {"type": "default"}}),
    st.builds(lambda value: {"unknownBlock": value}, JSON),
)
ASSISTANT = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(lambda value: {"toolUse": {"toolUseId": "t", "name": "f", "input": value}}, JSON),
    st.builds(lambda text: {"reasoningContent": {"reasoningText": {"text": text, "signature": text}}}, TEXTS),
    st.builds(
        lambda text, value: {"citationsContent": {"content": [{"text": text}], "citations": [value]}}, TEXTS, JSON
    ),
)


@given(
    st.lists(st.tuples(st.lists(USER, min_size=1, max_size=4), st.lists(ASSISTANT, min_size=1, max_size=4)), min_size=1)
)
def test_any_conversation_means_the_same_after_being_read_and_written(
    turns: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]],
) -> None:
    messages = [
        {"role": role, "content": content}
        for said, answered in turns
        for role, content in (("user", said), ("assistant", answered))
    ]
    assert meaning(again({"messages": messages})) == meaning({"messages": messages})


JUNK: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    [1],
    {"a": 1},
    {"text": "x"},
    {"text": 1},
    [[]],
    10**30,
    "\ud800",
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list inside, with each of its keys or places."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_bodies_of_any_shape_are_refused_or_mean_the_same_when_read_again(data: st.DataObject) -> None:
    body = copy.deepcopy(EVERYTHING)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(places(body))))
        holder[key] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    try:
        sent = again(body)
    except GatewayError:
        return
    assert again(sent) == sent


def test_a_block_that_only_bedrock_knows_is_no_text_of_ours() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}, {"toolAddition": {"tool": {"name": "x"}}}]}]}
    (message,) = bedrock.read_request(body, provider="b").messages
    assert message.parts[1] == BuiltinToolPart("b", "toolAddition", {"toolAddition": {"tool": {"name": "x"}}})
