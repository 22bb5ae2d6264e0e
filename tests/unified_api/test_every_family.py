"""One canonical request with text, image, tool and schema goes through every chat family over a real socket, whole and
streamed, and the same canonical answer comes back; and one request of each other kind through each of its families.

What arrives is judged by the providers' own pages, and the answers are written by hand in each provider's format.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from loopback import Answer, Loopback, loopback

from unified_api.errors import NoCandidateError, TruncatedStreamError, UnsupportedParameterError
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import (
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    ModerationRequest,
    OutputSchema,
    Request,
    RerankRequest,
    Response,
    TextChunk,
    TextPart,
    Tool,
)
from unified_api.wire import families

Body = dict[str, Any]
KEY = "sk-loopback-0123456789"
PIXELS = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
ENCODED = base64.b64encode(PIXELS).decode()
WORDS = "Which city is this, and what is the weather there?"
PLACE: Body = {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
}  # fmt: skip
WHERE: Body = {
    "type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"],
    "additionalProperties": False,
}  # fmt: skip
TEXT = '{"city": "Oslo"}'
HALVES = ('{"city": ', '"Oslo"}')
ARGUMENTS = {"place": "Oslo"}


def canonical(model: str) -> Request:
    return Request(
        model=model,
        messages=(
            Message.system("Look closely."),
            Message("user", (TextPart(WORDS), ImagePart(data=PIXELS, media_type="image/png"))),
        ),
        tools=(Tool("weather", "The weather of a place", WHERE),),
        output_schema=OutputSchema(PLACE, name="place"),
    )


@dataclass(frozen=True)
class Sent:
    """The four ingredients, as found at the places where the provider's pages have them."""

    system: str
    text: str
    image: bytes
    tool: tuple[str, Body]
    schema: Body


@dataclass(frozen=True)
class Family:
    base: str
    path: str
    """Below the base; `{model}` is the model."""
    stream_path: str
    read: Callable[[Body], Sent]
    text: Body
    text_stream: tuple[bytes, ...]
    call: Body
    call_stream: tuple[bytes, ...]
    auth: tuple[str, str, str] = ("bearer", "authorization", f"Bearer {KEY}")
    """The row's word, the header and what it holds."""
    media_type: str = "text/event-stream"
    model: str = "m"


def sse(*events: Body, done: bool = False, named: bool = False) -> tuple[bytes, ...]:
    lines = [(f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events] + (
        ["data: [DONE]\n\n"] if done else []
    )
    return tuple(line.encode() for line in lines)


def frame(kind: str, payload: Body) -> bytes:
    """An AWS event stream message: lengths, their checksum, headers, payload, checksum of all."""
    headers = b""
    for name, value in ((":message-type", "event"), (":event-type", kind), (":content-type", "application/json")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return message + struct.pack(">I", crc32(message))


def data_url(url: str) -> bytes:
    assert url.startswith("data:image/png;base64,")
    return base64.b64decode(url.partition(",")[2])


# https://platform.openai.com/docs/api-reference/chat


def _chat_sent(body: Body) -> Sent:
    system, user = body["messages"]
    text, image = user["content"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert body["tools"][0]["type"] == "function"
    function, wanted = body["tools"][0]["function"], body["response_format"]
    assert (wanted["type"], text["type"], image["type"]) == ("json_schema", "text", "image_url")
    return Sent(system["content"], text["text"], data_url(image["image_url"]["url"]),
                (function["name"], function["parameters"]), wanted["json_schema"]["schema"])  # fmt: skip


_CHAT_USAGE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
_CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}


def _chat_events(finish: str, *deltas: Body) -> tuple[bytes, ...]:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": _CHAT_USAGE}]
    return sse(*({"object": "chat.completion.chunk", "model": "m", **chunk} for chunk in chunks), done=True)


def _chat(finish: str, **message: Any) -> Body:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": _CHAT_USAGE}


OPENAI_CHAT = Family(
    base="/v1", path="/chat/completions", stream_path="/chat/completions", read=_chat_sent,
    text=_chat("stop", content=TEXT), call=_chat("tool_calls", content=None, tool_calls=[_CHAT_CALL]),
    text_stream=_chat_events("stop", {"role": "assistant", "content": ""}, *({"content": half} for half in HALVES)),
    call_stream=_chat_events("tool_calls", {"role": "assistant"}, {"tool_calls": [{"index": 0, **_CHAT_CALL}]}),
)  # fmt: skip

# https://platform.openai.com/docs/api-reference/responses


def _responses_sent(body: Body) -> Sent:
    items = body["input"]
    system = body.get("instructions") or items.pop(0)["content"]
    (user,) = items
    text, image = user["content"]
    (tool,) = body["tools"]
    assert (text["type"], image["type"], tool["type"]) == ("input_text", "input_image", "function")
    wanted = body["text"]["format"]
    assert wanted["type"] == "json_schema"
    return Sent(
        system, text["text"], data_url(image["image_url"]), (tool["name"], tool["parameters"]), wanted["schema"]
    )


_MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}  # fmt: skip
_FUNCTION = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "status": "completed",
             "arguments": json.dumps(ARGUMENTS)}  # fmt: skip


def _responses(item: Body, status: str = "completed") -> Body:
    usage = {"input_tokens": 21, "output_tokens": 9, "total_tokens": 30}
    return {"id": "resp_1", "object": "response", "status": status, "model": "m", "output": [item], "usage": usage}


_AT = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
OPENAI_RESPONSES = Family(
    base="/v1", path="/responses", stream_path="/responses", read=_responses_sent,
    text=_responses(_MESSAGE), call=_responses(_FUNCTION),
    text_stream=sse(
        {"type": "response.created", "response": {**_responses(_MESSAGE, "in_progress"), "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_MESSAGE, "content": []}},
        {"type": "response.content_part.added", **_AT, "part": {"type": "output_text", "text": "", "annotations": []}},
        *({"type": "response.output_text.delta", **_AT, "delta": half} for half in HALVES),
        {"type": "response.output_text.done", **_AT, "text": TEXT},
        {"type": "response.content_part.done", **_AT, "part": _MESSAGE["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": _MESSAGE},
        {"type": "response.completed", "response": _responses(_MESSAGE)}, named=True,
    ),
    call_stream=sse(
        {"type": "response.created", "response": {**_responses(_FUNCTION, "in_progress"), "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_FUNCTION, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_1",
         "delta": _FUNCTION["arguments"]},
        {"type": "response.function_call_arguments.done", "output_index": 0, "item_id": "fc_1",
         "arguments": _FUNCTION["arguments"]},
        {"type": "response.output_item.done", "output_index": 0, "item": _FUNCTION},
        {"type": "response.completed", "response": _responses(_FUNCTION)}, named=True,
    ),
)  # fmt: skip

# https://docs.anthropic.com/en/api/messages


def _anthropic_sent(body: Body) -> Sent:
    (user,) = body["messages"]
    text, image = user["content"]
    source, (tool,) = image["source"], body["tools"]
    assert (image["type"], source["type"], source["media_type"]) == ("image", "base64", "image/png")
    wanted = body["output_config"]["format"]
    assert wanted["type"] == "json_schema"
    assert body["max_tokens"] > 0
    system = body["system"] if isinstance(body["system"], str) else body["system"][0]["text"]
    return Sent(system, text["text"], base64.b64decode(source["data"]), (tool["name"], tool["input_schema"]),
                wanted["schema"])  # fmt: skip


def _anthropic(stop: str, *content: Body) -> Body:
    usage = {"input_tokens": 21, "output_tokens": 9}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content),
            "stop_reason": stop, "stop_sequence": None, "usage": usage}  # fmt: skip


def _anthropic_events(stop: str, start: Body, *deltas: Body) -> list[Body]:
    message = {**_anthropic(stop), "stop_reason": None, "usage": {"input_tokens": 21, "output_tokens": 1}}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]


_TOOL_USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": ARGUMENTS}
_ANTHROPIC_TEXT = _anthropic_events(
    "end_turn", {"type": "text", "text": ""}, *({"type": "text_delta", "text": half} for half in HALVES)
)
_ANTHROPIC_CALL = _anthropic_events(
    "tool_use", {**_TOOL_USE, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(ARGUMENTS)}
)
ANTHROPIC = Family(
    base="/v1", path="/messages", stream_path="/messages", read=_anthropic_sent,
    text=_anthropic("end_turn", {"type": "text", "text": TEXT}), call=_anthropic("tool_use", _TOOL_USE),
    text_stream=sse(*_ANTHROPIC_TEXT, named=True), call_stream=sse(*_ANTHROPIC_CALL, named=True),
    auth=("x-api-key", "x-api-key", KEY), model="claude-sonnet-4-5",
)  # fmt: skip

# https://ai.google.dev/api/generate-content


def _gemini_sent(body: Body) -> Sent:
    (content,) = body["contents"]
    text, image = content["parts"]
    (tool,) = body["tools"][0]["functionDeclarations"]
    config = body["generationConfig"]
    assert (image["inlineData"]["mimeType"], config["responseMimeType"]) == ("image/png", "application/json")
    schema = config.get("responseJsonSchema") or config["responseSchema"]
    return Sent(body["systemInstruction"]["parts"][0]["text"], text["text"],
                base64.b64decode(image["inlineData"]["data"]),
                (tool["name"], tool.get("parametersJsonSchema") or tool["parameters"]), schema)  # fmt: skip


def _gemini(*parts: Body, finish: str | None = "STOP") -> Body:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    usage = {"promptTokenCount": 21, "candidatesTokenCount": 9, "totalTokenCount": 30}
    ended = {"finishReason": finish} if finish else {}
    return {"candidates": [{**candidate, **ended}], "usageMetadata": usage, "modelVersion": "m"}


_GEMINI_CALL = {"functionCall": {"name": "weather", "args": ARGUMENTS}}
GEMINI = Family(
    base="/v1beta", path="/models/{model}:generateContent", stream_path="/models/{model}:streamGenerateContent?alt=sse",
    read=_gemini_sent, text=_gemini({"text": TEXT}), call=_gemini(_GEMINI_CALL),
    text_stream=tuple(event.replace(b"\n", b"\r\n") for event in sse(
        _gemini({"text": HALVES[0]}, finish=None), _gemini({"text": HALVES[1]}))),
    call_stream=tuple(event.replace(b"\n", b"\r\n") for event in sse(_gemini(_GEMINI_CALL))),
    auth=("x-goog-api-key", "x-goog-api-key", KEY), model="gemini-3-flash",
)  # fmt: skip

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html


def _bedrock_sent(body: Body) -> Sent:
    (user,) = body["messages"]
    text, image = user["content"]
    tool = body["toolConfig"]["tools"][0]["toolSpec"]
    wanted = body["outputConfig"]["textFormat"]
    assert (image["image"]["format"], wanted["type"]) == ("png", "json_schema")
    return Sent(body["system"][0]["text"], text["text"], base64.b64decode(image["image"]["source"]["bytes"]),
                (tool["name"], tool["inputSchema"]["json"]),
                json.loads(wanted["structure"]["jsonSchema"]["schema"]))  # fmt: skip


_BEDROCK_USAGE = {"inputTokens": 21, "outputTokens": 9, "totalTokens": 30}


def _bedrock(stop: str, block: Body) -> Body:
    message = {"role": "assistant", "content": [block]}
    return {"output": {"message": message}, "stopReason": stop, "usage": _BEDROCK_USAGE, "metrics": {"latencyMs": 5}}


def _bedrock_frames(stop: str, *events: tuple[str, Body]) -> tuple[bytes, ...]:
    ends = (("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": stop}),
            ("metadata", {"usage": _BEDROCK_USAGE, "metrics": {"latencyMs": 5}}))  # fmt: skip
    return tuple(frame(kind, payload) for kind, payload in (("messageStart", {"role": "assistant"}), *events, *ends))


BEDROCK = Family(
    base="", path="/model/{model}/converse", stream_path="/model/{model}/converse-stream", read=_bedrock_sent,
    text=_bedrock("end_turn", {"text": TEXT}),
    call=_bedrock("tool_use", {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": ARGUMENTS}}),
    text_stream=_bedrock_frames("end_turn", *(
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": half}}) for half in HALVES)),
    call_stream=_bedrock_frames("tool_use",
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "call_1",
                                                                             "name": "weather"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": json.dumps(ARGUMENTS)}}})),
    media_type="application/vnd.amazon.eventstream", model="anthropic.claude-sonnet-4-5",
)  # fmt: skip


def _invoked(events: list[Body]) -> tuple[bytes, ...]:
    return tuple(frame("chunk", {"bytes": base64.b64encode(json.dumps(one).encode()).decode()}) for one in events)


BEDROCK_INVOKE = Family(
    base="", path="/model/{model}/invoke", stream_path="/model/{model}/invoke-with-response-stream",
    read=_anthropic_sent, text=ANTHROPIC.text, call=ANTHROPIC.call,
    text_stream=_invoked(_ANTHROPIC_TEXT), call_stream=_invoked(_ANTHROPIC_CALL),
    media_type="application/vnd.amazon.eventstream", model="anthropic.claude-sonnet-4-5",
)  # fmt: skip

# https://docs.cohere.com/reference/chat


def _cohere_sent(body: Body) -> Sent:
    wanted = body["response_format"]
    assert wanted["type"] == "json_object"
    return _chat_sent(
        {**body, "response_format": {"type": "json_schema", "json_schema": {"schema": wanted["json_schema"]}}}
    )


_COUNTS = {"input_tokens": 21, "output_tokens": 9}
_COHERE_USAGE = {"billed_units": _COUNTS, "tokens": _COUNTS}


def _cohere(finish: str, **message: Any) -> Body:
    return {"id": "c", "finish_reason": finish, "message": {"role": "assistant", **message}, "usage": _COHERE_USAGE}


def _cohere_events(finish: str, *events: tuple[str, Body]) -> tuple[bytes, ...]:
    ended = {"type": "message-end", "delta": {"finish_reason": finish, "usage": _COHERE_USAGE}}
    told = ({"type": kind, "index": 0, "delta": {"message": message}} for kind, message in events)
    begun = {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}}
    return sse(begun, *told, ended, named=True)


COHERE = Family(
    base="/v2", path="/chat", stream_path="/chat", read=_cohere_sent,
    text=_cohere("COMPLETE", content=[{"type": "text", "text": TEXT}]),
    call=_cohere("TOOL_CALL", tool_calls=[_CHAT_CALL]),
    text_stream=_cohere_events("COMPLETE", ("content-start", {"content": {"type": "text", "text": ""}}),
                               *(("content-delta", {"content": {"text": half}}) for half in HALVES),
                               ("content-end", {})),
    call_stream=_cohere_events("TOOL_CALL",
        ("tool-call-start", {"tool_calls": {"id": "call_1", "type": "function",
                                            "function": {"name": "weather", "arguments": ""}}}),
        ("tool-call-delta", {"tool_calls": {"function": {"arguments": json.dumps(ARGUMENTS)}}}), ("tool-call-end", {})),
)  # fmt: skip

# https://docs.ollama.com/api


def _ollama_sent(body: Body) -> Sent:
    system, user = body["messages"]
    (image,), function = user["images"], body["tools"][0]["function"]
    return Sent(system["content"], user["content"], base64.b64decode(image),
                (function["name"], function["parameters"]), body["format"])  # fmt: skip


def _ollama(message: Body, *, done: bool) -> Body:
    counts = {"done_reason": "stop", "prompt_eval_count": 21, "eval_count": 9} if done else {}
    stamp = "2026-11-22T10:00:00Z"
    return {"model": "m", "created_at": stamp, "message": {"role": "assistant", **message}, "done": done, **counts}


def _lines(*events: Body) -> tuple[bytes, ...]:
    return tuple(json.dumps(event).encode() + b"\n" for event in events)


_OLLAMA_CALL = {"content": "", "tool_calls": [{"function": {"name": "weather", "arguments": ARGUMENTS}}]}
OLLAMA = Family(
    base="", path="/api/chat", stream_path="/api/chat", read=_ollama_sent,
    text=_ollama({"content": TEXT}, done=True), call=_ollama(_OLLAMA_CALL, done=True),
    text_stream=_lines(
        *(_ollama({"content": half}, done=False) for half in HALVES), _ollama({"content": ""}, done=True)),
    call_stream=_lines(_ollama(_OLLAMA_CALL, done=False), _ollama({"content": ""}, done=True)),
    media_type="application/x-ndjson",
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    "openai_chat": OPENAI_CHAT,
    "openai_responses": OPENAI_RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "bedrock": BEDROCK,
    "bedrock_invoke": BEDROCK_INVOKE,
    "cohere": COHERE,
    "ollama": OLLAMA,
}


FORCED: dict[str, tuple[str, object]] = {
    "openai_chat": ("tool_choice", {"type": "function", "function": {"name": "weather"}}),
    "openai_responses": ("tool_choice", {"type": "function", "name": "weather"}),
    "anthropic": ("tool_choice", {"type": "tool", "name": "weather"}),
    "bedrock_invoke": ("tool_choice", {"type": "tool", "name": "weather"}),
    "bedrock": ("toolConfig", {"toolChoice": {"tool": {"name": "weather"}}}),
    "gemini": ("toolConfig", {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}),
    "cohere": ("tool_choice", "REQUIRED"),
}
"""Where each family forces a tool."""
VISION = 'capabilities = { vision = ["*"] }'


def settings(
    server: Loopback, folder: Path, wire: str, base: str, *, auth: str = "bearer", extra: str = ""
) -> Settings:
    url = server.url.removesuffix("/v1") + base
    path = folder / "orchestrator.toml"
    path.write_text(
        f'[providers.test]\nbase_url = "{url}"\nwire = "{wire}"\nauth = "{auth}"\napi_key_env = "TEST_KEY"\n'
        f'models = ["m"]\n{extra or VISION}\n',
        "utf-8",
    )
    return Settings.load(path, environ={"TEST_KEY": KEY})


def answer(family: Family, kind: str, *, streamed: bool) -> Answer:
    if streamed:
        return Answer(pieces=getattr(family, f"{kind}_stream"), media_type=family.media_type)
    return Answer(body=json.dumps(getattr(family, kind)).encode())


async def asked(gateway: Gateway, request: Request, *, streamed: bool) -> Response:
    if not streamed:
        return await gateway.chat(request)
    async with gateway.stream(request) as stream:
        said = "".join([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)])
    assert said == stream.response.text
    return stream.response


def test_every_chat_family_is_here() -> None:
    assert set(FAMILIES) == set(families.CHAT) - {"openai_completions"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", FAMILIES)
async def test_one_request_goes_through_every_family_and_one_answer_comes_back(
    wire: str, streamed: bool, tmp_path: Path
) -> None:
    family = FAMILIES[wire]
    with loopback(answer(family, "text", streamed=streamed), answer(family, "call", streamed=streamed)) as server:
        async with Gateway(settings(server, tmp_path, wire, family.base, auth=family.auth[0])) as gateway:
            text = await asked(gateway, canonical(f"test/{family.model}"), streamed=streamed)
            call = await asked(gateway, canonical(f"test/{family.model}"), streamed=streamed)
    path = (family.stream_path if streamed else family.path).format(model=family.model)
    assert server.paths == [family.base + path] * 2
    for body, headers in zip(server.requests, server.headers, strict=True):
        assert headers[family.auth[1]] == family.auth[2]
        assert family.read(body) == Sent("Look closely.", WORDS, PIXELS, ("weather", WHERE), PLACE)
    assert (text.text, text.tool_calls, text.finish_reason) == (TEXT, (), "stop")
    assert [(one.name, json.loads(one.arguments)) for one in call.tool_calls] == [("weather", ARGUMENTS)]
    assert all(one.id for one in call.tool_calls)
    assert (call.text, call.finish_reason) == ("", "tool_calls")
    for response in (text, call):
        assert (response.usage.input_tokens, response.usage.output_tokens) == (21, 9)
        assert (response.provider, response.structured_by, response.dropped) == ("test", "native", ())
        assert [one.outcome for one in response.attempts] == ["succeeded"]


@pytest.mark.parametrize("wire", FAMILIES)
async def test_a_stream_that_ends_before_its_terminal_event_is_never_a_success(wire: str, tmp_path: Path) -> None:
    family = FAMILIES[wire]
    ends = {"openai_chat": 3, "gemini": 1, "bedrock": 3, "ollama": 1}.get(wire, 2)
    cut = Answer(pieces=family.text_stream[:-ends], media_type=family.media_type)
    with loopback(cut) as server:
        async with Gateway(settings(server, tmp_path, wire, family.base, auth=family.auth[0])) as gateway:
            with pytest.raises(TruncatedStreamError):
                await asked(gateway, canonical(f"test/{family.model}"), streamed=True)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", FAMILIES)
async def test_a_model_without_schemas_is_made_to_call_a_tool_of_it_in_every_family_that_can_force_one(
    wire: str, streamed: bool, tmp_path: Path
) -> None:
    family = FAMILIES[wire]
    forced = wire in FORCED  # Ollama has no word for it, and is asked in words
    request = replace(canonical(f"test/{family.model}"), tools=(), output_schema=OutputSchema(WHERE, name="weather"))
    with loopback(answer(family, "call" if forced else "text", streamed=streamed)) as server:
        extra = 'capabilities = { vision = ["*"], structured_output = [] }'
        made = settings(server, tmp_path, wire, family.base, auth=family.auth[0], extra=extra)
        async with Gateway(made) as gateway:
            response = await asked(gateway, request, streamed=streamed)
    (sent,) = server.requests
    assert response.structured_by == ("tool" if forced else "words")
    assert json.loads(response.text) == (ARGUMENTS if forced else json.loads(TEXT))
    assert (response.tool_calls, response.finish_reason, len(response.attempts)) == ((), "stop", 1)
    if forced:
        key, choice = FORCED[wire]
        assert key in sent
        assert sent[key] | choice == sent[key] if isinstance(choice, dict) else sent[key] == choice
    else:
        assert json.dumps(WHERE) in sent["messages"][-1]["content"]


async def test_the_completions_family_says_what_it_cannot_be_asked(tmp_path: Path) -> None:
    told = {"id": "c", "object": "text_completion", "model": "m", "usage": _CHAT_USAGE,
            "choices": [{"index": 0, "text": "Oslo", "finish_reason": "stop"}]}  # fmt: skip
    with loopback(Answer(body=json.dumps(told).encode())) as server:
        async with Gateway(settings(server, tmp_path, "openai_completions", "/v1")) as gateway:
            with pytest.raises(NoCandidateError, match="tools"):
                await gateway.chat(canonical("test/m"))
            seen = Message("user", (TextPart("?"), ImagePart(data=PIXELS, media_type="image/png")))
            with pytest.raises(UnsupportedParameterError, match=r"[Ii]mage"):
                await gateway.chat(Request(model="test/m", messages=(seen,)))
            response = await gateway.chat(Request(model="test/m", messages=(Message.user("Capital of Norway:"),)))
    assert (response.text, response.finish_reason, response.usage.output_tokens) == ("Oslo", "stop", 9)
    assert server.requests == [{"model": "m", "prompt": "Capital of Norway:"}]


# The other kinds of request: family -> its base, its path, its answer.

VECTORS = ((1.0, 0.5), (2.0, 0.25))
EMBEDDINGS: dict[str, tuple[str, str, Body]] = {
    "openai_embeddings": ("/v1", "/embeddings", {
        "data": [{"index": 1, "embedding": [2.0, 0.25]}, {"index": 0, "embedding": [1.0, 0.5]}]}),
    "gemini_embeddings": ("/v1beta", "/models/m:batchEmbedContents", {
        "embeddings": [{"values": list(vector)} for vector in VECTORS]}),
    "vertex_embeddings": ("/v1", "/models/m:predict", {
        "predictions": [{"embeddings": {"values": list(vector)}} for vector in VECTORS]}),
    "cohere_embeddings": ("/v2", "/embed", {"id": "e", "embeddings": {"float": [list(vector) for vector in VECTORS]}}),
    "ollama_embeddings": ("", "/api/embed", {"model": "m", "embeddings": [list(vector) for vector in VECTORS]}),
}  # fmt: skip
IMAGES: dict[str, tuple[str, str, Body]] = {
    "openai_images": ("/v1", "/images/generations", {"created": 0, "data": [{"b64_json": ENCODED}]}),
    "gemini_images": ("/v1beta", "/models/m:generateContent", _gemini(
        {"inlineData": {"mimeType": "image/png", "data": ENCODED}})),
    "imagen": ("/v1beta", "/models/m:predict", {
        "predictions": [{"mimeType": "image/png", "bytesBase64Encoded": ENCODED}]}),
    "stability": ("", "/v2beta/stable-image/generate/sd3", {
        "image": ENCODED, "finish_reason": "SUCCESS", "seed": 1}),
    "replicate": ("/v1", "/models/a/m/predictions", {
        "id": "p1", "status": "succeeded", "output": [f"data:image/png;base64,{ENCODED}"]}),
}  # fmt: skip


def of_kind(kind: str, wire: str) -> str:
    return f'capabilities = {{ chat = [], {kind} = ["*"] }}\nwires = {{ {wire} = ["*"] }}'


def test_every_family_of_the_other_kinds_is_here() -> None:
    assert set(EMBEDDINGS) == set(families.EMBED)
    assert set(IMAGES) == set(families.IMAGE)
    assert (set(families.RERANK), set(families.MODERATE)) == ({"rerank"}, {"moderations"})


@pytest.mark.parametrize("wire", EMBEDDINGS)
async def test_the_same_vectors_come_back_from_every_family(wire: str, tmp_path: Path) -> None:
    base, path, told = EMBEDDINGS[wire]
    with loopback(Answer(body=json.dumps(told).encode())) as server:
        made = settings(server, tmp_path, "openai_chat", base, extra=of_kind("embeddings", wire))
        async with Gateway(made) as gateway:
            response = await gateway.embed(EmbedRequest(model="test/m", inputs=("first text", "second text")))
    assert response.vectors == VECTORS
    assert server.paths == [base + path]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert json.dumps(server.requests[0]).index("first text") < json.dumps(server.requests[0]).index("second text")


@pytest.mark.parametrize("wire", IMAGES)
async def test_the_same_image_comes_back_from_every_family(wire: str, tmp_path: Path) -> None:
    base, path, told = IMAGES[wire]
    status = 201 if wire == "replicate" else 200
    with loopback(Answer(status=status, body=json.dumps(told).encode())) as server:
        made = settings(server, tmp_path, "openai_chat", base, extra=of_kind("image_output", wire))
        async with Gateway(made) as gateway:
            model = "test/a/m" if wire == "replicate" else "test/m"
            response = await gateway.image(ImageRequest(model=model, prompt="a red boat"))
    (image,) = response.images
    assert (image.media_type, image.data) == ("image/png", PIXELS)
    assert server.paths == [base + path]
    assert "a red boat" in json.dumps(server.requests[0])


async def test_a_prediction_is_polled_over_the_socket(tmp_path: Path) -> None:
    begun = {"id": "p1", "status": "starting", "output": None, "urls": {"get": "http://127.0.0.1:9/steal"}}
    done = {**begun, "status": "succeeded", "output": ["https://replicate.delivery/a.png"]}
    script = (Answer(status=201, body=json.dumps(begun).encode()), Answer(body=json.dumps(done).encode()))
    with loopback(*script, polls=True) as server:
        made = settings(server, tmp_path, "openai_chat", "/v1", extra=of_kind("image_output", "replicate"))
        async with Gateway(made) as gateway:
            response = await gateway.image(ImageRequest(model="test/a/m", prompt="a red boat"))
    assert response.images[0].url == "https://replicate.delivery/a.png"
    assert server.paths == ["/v1/models/a/m/predictions", "/v1/predictions/p1"]


async def test_documents_are_ranked_and_inputs_judged(tmp_path: Path) -> None:
    ranked = {"id": "r", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    with loopback(Answer(body=json.dumps(ranked).encode())) as server:
        made = settings(server, tmp_path, "openai_chat", "/v1", extra=of_kind("rerank", "rerank"))
        async with Gateway(made) as gateway:
            best = await gateway.rerank(RerankRequest(model="test/m", query="tide", documents=("sun", "moon")))
    assert [(one.index, one.score) for one in best.results] == [(1, 0.9), (0, 0.1)]
    assert server.paths == ["/v1/rerank"]
    verdict = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.8}}
    with loopback(Answer(body=json.dumps({"id": "m", "model": "m", "results": [verdict]}).encode())) as server:
        made = settings(server, tmp_path, "openai_chat", "/v1", extra=of_kind("moderation", "moderations"))
        async with Gateway(made) as gateway:
            judged = await gateway.moderate(ModerationRequest(model="test/m", inputs=("some words",)))
    assert [(one.flagged, one.scores) for one in judged.results] == [(True, {"violence": 0.8})]
    assert server.paths == ["/v1/moderations"]
