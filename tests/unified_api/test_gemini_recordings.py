"""Google's recorded answers and requests, against a plain reading of what their own bodies state."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from corpus import ROOT, needs_corpora, rows
from wire_recordings import Recording, everything

from unified_api.errors import GatewayError, InvalidRequestError, TruncatedStreamError
from unified_api.types import AudioPart, BuiltinToolPart, Chunk, ImagePart, ReasoningPart, Response, Usage
from unified_api.wire import gemini
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.gemini.request import read_request
from unified_api.wire.gemini.usage import read_usage

PROFILE = WireProfile()
NAMED = {"provider": "google", "model": "m"}


@cache
def recorded() -> tuple[Recording, ...]:
    return tuple(one for one in everything() if one.path.endswith((":generateContent", ":streamGenerateContent")))


def good(*, streaming: bool) -> Iterator[Recording]:
    return (one for one in recorded() if one.status == 200 and one.streaming is streaming)


def stated(body: bytes) -> list[dict[str, Any]]:
    """The GenerateContentResponse objects of a body: one, an array of them, or one in each event."""
    text = body.decode().replace("\r\n", "\n")
    if text.lstrip()[:1] in {"{", "["}:
        value = json.loads(text)
        return value if isinstance(value, list) else [value]
    return [json.loads(event.removeprefix("data:")) for event in text.split("\n\n") if event.startswith("data:")]


def stated_parts(body: bytes, index: int = 0) -> list[dict[str, Any]]:
    candidates = [one for value in stated(body) for one in value.get("candidates", [])]
    return [
        part
        for one in candidates
        if one.get("index", 0) == index
        for part in (one.get("content") or {}).get("parts", [])
    ]


def stated_finish(body: bytes) -> str:
    values = stated(body)
    words = [one["finishReason"] for value in values for one in value.get("candidates", []) if one.get("finishReason")]
    if not words:
        return "content_filter" if any(value.get("promptFeedback") for value in values) else "unknown"
    called = any("functionCall" in part for part in stated_parts(body))
    ours = {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "UNEXPECTED_TOOL_CALL": "error",
        1: "stop",
    }
    return "tool_calls" if called and words[-1] in {"STOP", "UNEXPECTED_TOOL_CALL", 1} else ours[words[-1]]


def decoded_stream(body: bytes, cuts: list[int] | None = None) -> Response:
    return collected(chunks_of(body, cuts))


def chunks_of(body: bytes, cuts: list[int] | None = None) -> list[Chunk]:
    decoder = gemini.StreamDecoder(**NAMED, profile=PROFILE)
    edges = [0, *sorted(cuts or []), len(body)]
    chunks = [one for start, end in pairwise(edges) for one in decoder.feed(body[start:end])]
    return [*chunks, *decoder.end()]


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(**NAMED)


def decoded(recording: Recording) -> Response:
    if recording.streaming:
        return decoded_stream(recording.body)
    return gemini.decode(recording.body, **NAMED, profile=PROFILE)


@needs_corpora
def test_the_recordings_are_there() -> None:
    assert len(list(good(streaming=False))) > 100
    assert len(list(good(streaming=True))) > 40


@needs_corpora
@pytest.mark.parametrize("streaming", [False, True])
def test_each_answer_has_the_text_the_thoughts_and_the_calls_that_it_states(streaming: bool) -> None:
    for recording in good(streaming=streaming):
        response, parts = decoded(recording), stated_parts(recording.body)
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        thoughts = "".join(part["text"] for part in parts if "text" in part and part.get("thought"))
        calls = [
            (part["functionCall"]["name"], part["functionCall"].get("args", {}))
            for part in parts
            if "functionCall" in part
        ]
        assert response.text == text, recording.id
        assert "".join(one.text for one in response.parts if isinstance(one, ReasoningPart)) == thoughts, recording.id
        assert [(call.name, json.loads(call.arguments)) for call in response.tool_calls] == calls, recording.id
        assert len({call.id for call in response.tool_calls}) == len(calls), recording.id


@needs_corpora
@pytest.mark.parametrize("streaming", [False, True])
def test_each_answer_ends_as_it_states(streaming: bool) -> None:
    for recording in good(streaming=streaming):
        assert decoded(recording).finish_reason == stated_finish(recording.body), recording.id


@needs_corpora
@pytest.mark.parametrize("streaming", [False, True])
def test_each_answer_tells_the_model_and_the_last_usage_that_it_states(streaming: bool) -> None:
    for recording in good(streaming=streaming):
        response, values = decoded(recording), stated(recording.body)
        usage: dict[str, int] = {}
        for value in values:
            counts = {name: count for name, count in value["usageMetadata"].items() if isinstance(count, int)}
            usage = counts or usage
        if not usage:
            assert response.usage == Usage(), recording.id
            continue
        given = usage.get("promptTokenCount")
        if given is not None:
            given += usage.get("toolUsePromptTokenCount", 0)
        thoughts = usage.get("thoughtsTokenCount")
        made = usage.get("candidatesTokenCount")
        assert response.usage.input_tokens == given, recording.id
        assert response.usage.reasoning_tokens == thoughts, recording.id
        assert response.usage.cached_input_tokens == usage.get("cachedContentTokenCount"), recording.id
        if made is None and thoughts is None:
            assert response.usage.output_tokens is None, recording.id
        else:
            assert response.usage.output_tokens == (made or 0) + (thoughts or 0), recording.id
        if "totalTokenCount" in usage:
            assert given + (response.usage.output_tokens or 0) == usage["totalTokenCount"], recording.id
        assert response.model == f"google/{values[-1]['modelVersion']}", recording.id


@needs_corpora
def test_each_whole_answer_keeps_its_id() -> None:
    for recording in good(streaming=False):
        response = gemini.decode(recording.body, **NAMED, profile=PROFILE)
        assert response.id == stated(recording.body)[0]["responseId"]


@needs_corpora
def test_every_signature_and_every_step_of_a_built_in_tool_is_kept() -> None:
    kinds = {"executableCode", "codeExecutionResult", "toolCall", "toolResponse"}
    seen = 0
    for recording in (*good(streaming=False), *good(streaming=True)):
        response, parts = decoded(recording), stated_parts(recording.body)
        signatures = {part["thoughtSignature"] for part in parts if "thoughtSignature" in part}
        kept = set()
        for one in response.parts:
            content = (
                one.content if isinstance(one, BuiltinToolPart) else getattr(getattr(one, "state", None), "content", {})
            )
            kept |= {content["thoughtSignature"]} if "thoughtSignature" in content else set()
        assert kept == signatures, recording.id
        steps = [one.content for one in response.parts if isinstance(one, BuiltinToolPart) and one.kind in kinds]
        assert steps == [part for part in parts if kinds & part.keys()], recording.id
        seen += len(signatures) + len(steps)
    assert seen > 60


@needs_corpora
def test_each_supported_passage_is_cited_by_its_own_words() -> None:
    cited = 0
    for recording in (*good(streaming=False), *good(streaming=True)):
        candidates = [one for value in stated(recording.body) for one in value.get("candidates", [])]
        grounding = [one["groundingMetadata"] for one in candidates if one.get("groundingMetadata")]
        passages = [
            (support["segment"]["text"], grounding[-1]["groundingChunks"][index])
            for support in (grounding[-1] if grounding else {}).get("groundingSupports", [])
            for index in support["groundingChunkIndices"]
        ]
        response = decoded(recording)
        texts = [one for one in response.parts if getattr(one, "citations", ())]
        found = [
            (texts[-1].text[one.start : one.end], one.state.content["groundingChunk"])
            for one in response.citations
            if one.start is not None
        ]
        assert found == passages, recording.id
        cited += len(found)
        sources = {
            chunk["web"]["uri"]
            for chunk in (grounding[-1] if grounding else {}).get("groundingChunks", [])
            if "web" in chunk
        }
        assert {one.url for one in response.citations if one.url} == sources, recording.id
    assert cited > 30


@needs_corpora
def test_each_probability_is_told() -> None:
    told = 0
    for recording in (*good(streaming=False), *good(streaming=True)):
        results = [
            one["logprobsResult"]
            for value in stated(recording.body)
            for one in value.get("candidates", [])
            if "logprobsResult" in one
        ]
        chosen = [(one["token"], one["logProbability"]) for result in results for one in result["chosenCandidates"]]
        response = decoded(recording)
        assert [(one.token, one.logprob) for one in response.logprobs] == chosen, recording.id
        tops = [
            tuple((one["token"], one["logProbability"]) for one in top["candidates"])
            for result in results
            for top in result.get("topCandidates", [])
        ]
        assert [one.top for one in response.logprobs if one.top] == tops
        told += len(chosen)
    assert told >= 16


@needs_corpora
def test_a_whole_answer_means_the_same_when_it_is_streamed() -> None:
    for recording in good(streaming=False):
        whole = replace(gemini.decode(recording.body, **NAMED, profile=PROFILE), id=None)
        event = b"data: " + json.dumps(json.loads(recording.body)).encode() + b"\r\n\r\n"
        assert decoded_stream(event) == whole, recording.id
        assert decoded_stream(recording.body) == whole, recording.id
        assert decoded_stream(b"[" + recording.body + b"]") == whole, recording.id


@needs_corpora
def test_a_stream_means_the_same_however_it_is_cut() -> None:
    dice = random.Random(7)
    for recording in good(streaming=True):
        whole = chunks_of(recording.body)
        for count in (1, 5, 40):
            cuts = dice.choices(range(len(recording.body) + 1), k=count)
            assert chunks_of(recording.body, cuts) == whole, (recording.id, cuts)


@needs_corpora
def test_a_stream_that_breaks_off_before_its_finish_is_never_whole() -> None:
    dice = random.Random(8)
    for recording in good(streaming=True):
        finish = recording.body.rindex(b'"finishReason"')
        for end in (*dice.choices(range(finish), k=6), finish):
            with pytest.raises(TruncatedStreamError):
                chunks_of(recording.body[:end])


@needs_corpora
def test_each_recorded_error_is_the_one_that_its_status_means() -> None:
    expected = {400: "InvalidRequestError", 404: "NotFoundError", 429: "RateLimitError"}
    refused = [one for one in recorded() if one.status != 200]
    assert len(refused) >= 10
    for recording in refused:
        error = gemini.decode_error(recording.status, recording.headers, recording.body, **NAMED)
        kinds = [kind.__name__ for kind in type(error).__mro__]
        assert expected[recording.status] in kinds or "AuthenticationError" in kinds, (recording.id, kinds)
        message = json.loads(recording.body)["error"]["message"]
        assert message.split()[0] in str(error)
        # The same body where a stream was expected (trap 7).
        with pytest.raises(GatewayError) as caught:
            chunks_of(recording.body)
        assert not isinstance(caught.value, TruncatedStreamError)


def same(value: Any) -> Any:
    """A request body in the one form that stands for all that mean the same to Google:

    - keys in camelCase (protobuf's JSON takes both spellings);
    - a list of one for a single part, role `user` where there is none, `function` is `user`;
    - turns of one role that follow each other are one turn (Google reads them on end), and the role of a system
      instruction, which has no meaning, is left out;
    - bytes are bytes, whatever base64 they are written in;
    - a function's `parameters`, an OpenAPI schema, is the JSON Schema `parametersJsonSchema`: types in small letters,
      `nullable` a further type; no parameters are an object without properties; an empty description is none;
      `responseSchema` likewise is `responseJsonSchema`;
    - all functions are one tool, and stand before the other tools;
    - numbers are equal by value, so that topK 40.0 is 40; a mode of calling and a thinkingLevel in any letters;
    - an empty `toolConfig`, `generationConfig` or `thinkingConfig` is none;
    - a part that is an empty text and nothing else says nothing (Vertex AI refuses it), as does what holds no others.
    """
    body = camel(value)
    made: dict[str, Any] = {
        name: one
        for name, one in body.items()
        if name not in {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    }
    made["contents"] = turns(body["contents"])
    instruction = body.get("systemInstruction")
    if instruction is not None and parts_of(instruction):
        made["systemInstruction"] = parts_of(instruction)
    made["tools"] = tools(body.get("tools", []))
    made["toolConfig"] = tool_config(camel(body.get("toolConfig", {})))
    made["generationConfig"] = generation(camel(body.get("generationConfig", {})))
    return made


def camel(value: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, one in value.items():
        first, *others = name.split("_")
        made[first + "".join(word.capitalize() for word in others)] = one
    return made


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def turns(contents: list[dict[str, Any]]) -> list[Any]:
    made: list[Any] = []
    for content in contents:
        role = {"function": "user", None: "user"}.get(content.get("role"), content.get("role"))
        parts = parts_of(content)
        if made and made[-1][0] == role:
            made[-1][1].extend(parts)
        elif parts:
            made.append((role, parts))
    return made


def parts_of(content: dict[str, Any]) -> list[Any]:
    return [part(one) for one in listed(content["parts"]) if one != {"text": ""}]


def part(value: dict[str, Any]) -> dict[str, Any]:
    made = camel(value)
    for name in ("inlineData", "fileData"):
        if name in made:
            made[name] = blob(made[name])
    answer = made.get("functionResponse")
    if answer is not None and "parts" in answer:
        made["functionResponse"] = {**answer, "parts": [part(one) for one in answer["parts"]]}
    return made


def blob(value: dict[str, Any]) -> dict[str, Any]:
    made = camel(value)
    if "data" in made:
        data = made["data"].replace("-", "+").replace("_", "/")
        made["data"] = base64.b64decode(data + "=" * (-len(data) % 4))
    return made


def tools(given: list[dict[str, Any]]) -> Any:
    functions, others = [], []
    for tool in given:
        for name, one in tool.items():
            if name in {"functionDeclarations", "function_declarations"}:
                functions += [function(camel(each)) for each in one]
            else:
                others.append({name: one})
    return functions, others


def function(declared: dict[str, Any]) -> dict[str, Any]:
    made = {
        name: one for name, one in declared.items() if name not in {"parameters", "parametersJsonSchema", "description"}
    }
    if declared.get("description"):
        made["description"] = declared["description"]
    schema = declared.get("parametersJsonSchema") or lower(declared.get("parameters") or {})
    made["schema"] = schema or {"type": "object", "properties": {}}
    return made


def lower(schema: Any) -> Any:
    """The types in small letters, `nullable` as a further type, wherever a schema stands."""
    if isinstance(schema, list):
        return [lower(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for name, one in camel(schema).items():
        if name == "properties":
            made[name] = {key: lower(each) for key, each in one.items()}
        elif name == "type" and isinstance(one, str):
            made[name] = [one.lower(), "null"] if schema.get("nullable") else one.lower()
        elif name in {"items", "anyOf", "additionalProperties"}:
            made[name] = lower(one)
        elif name != "nullable":
            made[name] = one
    return made


def tool_config(config: dict[str, Any]) -> dict[str, Any]:
    calling = camel(config.get("functionCallingConfig") or {})
    if "mode" in calling:
        calling["mode"] = calling["mode"].upper()
    return {**{name: one for name, one in config.items() if name != "functionCallingConfig"}, "calling": calling}


def generation(config: dict[str, Any]) -> dict[str, Any]:
    made = {name: one for name, one in config.items() if name not in {"responseSchema", "thinkingConfig"}}
    if "responseSchema" in config:
        made["responseJsonSchema"] = lower(config["responseSchema"])
    thinking = camel(config.get("thinkingConfig") or {})
    if "thinkingLevel" in thinking:
        thinking["thinkingLevel"] = thinking["thinkingLevel"].lower()
    return {**made, "thinkingConfig": thinking} if thinking else made


def encoded(recording: Recording) -> tuple[str, Any]:
    model = recording.path.rpartition("/")[2].partition(":")[0]
    assert isinstance(recording.request, dict)
    request = read_request(recording.request, provider="google", model=model)
    wire = gemini.encode(request, provider="google", model=model, profile=PROFILE, stream=recording.streaming)
    return wire.path, json.loads(wire.body)


@needs_corpora
def test_each_recorded_request_means_the_same_after_the_canonical_form() -> None:
    compared = 0
    for recording in recorded():
        if recording.status != 200 or "REDACTED" in json.dumps(recording.request):
            continue  # what the recorder blacked out is no base64
        path, body = encoded(recording)
        assert recording.path.endswith(path.partition("?")[0])
        assert same(body) == same(recording.request), recording.id
        compared += 1
    assert compared > 150


@needs_corpora
def test_a_recorded_request_that_google_refuses_for_its_role_is_refused_by_name() -> None:
    wrong = [one for one in recorded() if "invalid_role" in json.dumps(one.request)]
    assert wrong
    for recording in wrong:
        with pytest.raises(InvalidRequestError, match=r"contents\[0\]\.role is 'invalid_role'"):
            encoded(recording)


@needs_corpora
def test_nothing_of_a_recorded_conversation_that_only_google_understands_is_sent_elsewhere() -> None:
    left = 0
    for recording in recorded():
        text = json.dumps(recording.request)
        if (
            recording.status != 200
            or "REDACTED" in text
            or "hought" not in text
            or "Search" in text
            or "codeExec" in text
        ):
            continue
        assert isinstance(recording.request, dict)
        request = read_request(recording.request, provider="google", model="gemini-3-pro")
        home = gemini.encode(request, provider="google", model="gemini-3-pro", profile=PROFILE).body
        away = gemini.encode(request, provider="elsewhere", model="gemini-3-pro", profile=PROFILE).body
        signatures = [
            one
            for content in json.loads(home)["contents"]
            for each in content["parts"]
            for name, one in each.items()
            if name == "thoughtSignature"
        ]
        assert not any(one.encode() in away for one in signatures)
        left += len(signatures)
    assert left > 20


def shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Exchanges whose large base64 was taken out, with some put in instead."""
    for row in rows("misc/big_media_shapes.jsonl"):
        if row["api"] == "generateContent":
            stripped = {name: row[name] for name in ("request_text", "response_text")}
            whole = {name: re.sub(r"<base64 \d+ chars removed>", "QUJD", text) for name, text in stripped.items()}
            yield row["url_path"].partition("?")[0], {**row, **whole}


@needs_corpora
def test_pictures_and_sound_come_as_bytes_with_their_media_type() -> None:
    found = []
    for _, row in shapes():
        body = row["response_text"].encode()
        response = decoded_stream(body) if row["streaming"] else gemini.decode(body, **NAMED, profile=PROFILE)
        blobs = [part["inlineData"]["mimeType"] for part in stated_parts(body) if "inlineData" in part]
        media = [one for one in response.parts if isinstance(one, ImagePart | AudioPart)]
        assert [one.media_type for one in media] == blobs, row["id"]
        assert all(one.data == b"ABC" for one in media)
        assert response.text == "".join(part.get("text", "") for part in stated_parts(body)), row["id"]
        assert response.finish_reason == "stop"
        found += blobs
    assert {kind.partition("/")[0] for kind in found} == {"image", "audio"}


@needs_corpora
def test_the_requests_with_large_media_mean_the_same_after_the_canonical_form() -> None:
    compared = 0
    for path, row in shapes():
        body, model = json.loads(row["request_text"]), path.rpartition("/")[2].partition(":")[0]
        body.pop("model", None)  # the address names it
        request = read_request(body, provider="google", model=model)
        wire = gemini.encode(request, provider="google", model=model, profile=PROFILE, stream=row["streaming"])
        assert same(json.loads(wire.body)) == same(body), row["id"]
        compared += 1
    assert compared > 15


def fixtures(ending: str) -> Iterator[tuple[str, str]]:
    for row in rows("misc/vercel_ai_fixtures.jsonl"):
        if row["path"].startswith("packages/google/src/__fixtures__/google-") and row["path"].endswith(ending):
            yield row["id"], row["text"]


@needs_corpora
def test_streamed_fixtures_give_the_text_and_calls_of_their_parts() -> None:
    calls = {}
    for name, text in fixtures(".chunks.txt"):
        body = "".join(f"data: {line}\r\n\r\n" for line in text.splitlines()).encode()
        response = decoded_stream(body)
        parts = stated_parts(body)
        assert response.text == "".join(p["text"] for p in parts if "text" in p and not p.get("thought")), name
        assert [call.name for call in response.tool_calls] == [
            p["functionCall"]["name"] for p in parts if p.get("functionCall", {}).get("name")
        ], name
        assert response.finish_reason == ("tool_calls" if response.tool_calls else "stop"), name
        calls[name] = [json.loads(call.arguments) for call in response.tool_calls]
    assert calls["vercel-google-google-stream-tool-call-arguments.chunks.txt"] == [
        {"location": "Boston"},
        {"location": "San Francisco"},
    ]
    assert calls["vercel-google-google-stream-no-args-tool-call.chunks.txt"] == [
        {},
        {"id": "A"},
        {"id": "B"},
        {"id": "C"},
    ]
    missing = "vercel-google-google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt"
    assert calls[missing] == [
        {
            "operations": [
                {"action": "add", "description": "Fresh red apple", "itemid": "apple_001", "price": 0.5},
                {"action": "add", "description": "Ripe yellow banana", "itemid": "banana_001", "price": 0.3},
            ]
        }
    ]


@needs_corpora
def test_arguments_that_come_in_pieces_are_put_together_by_their_places() -> None:
    (text,) = (
        row["text"]
        for row in rows("misc/vercel_ai_fixtures.jsonl")
        if row["id"] == "vercel-google-google-vertex-stream-tool-call-arguments-nested.1.chunks.txt"
    )
    body = "".join(f"data: {line}\r\n\r\n" for line in text.splitlines()).encode()
    pieces = [p for part in stated_parts(body) for p in part.get("functionCall", {}).get("partialArgs", [])]
    leaves: dict[str, str] = {}
    for piece in pieces:
        leaves[piece["jsonPath"]] = leaves.get(piece["jsonPath"], "") + piece["stringValue"]
    (call,) = decoded_stream(body).tool_calls
    assert dict(flat("$", json.loads(call.arguments))) == leaves
    assert len(leaves) > 20


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from flat(f"{path}.{name}", one)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from flat(f"{path}[{at}]", one)
    else:
        yield path, value


@needs_corpora
def test_each_usage_of_the_price_data_gives_the_counts_that_it_expects() -> None:
    known = json.loads((ROOT / "misc" / "prices" / "genai_prices_usages.json").read_text("utf-8"))
    compared = 0
    for row in known:
        for expected in row["extracted"]:
            if not any(
                one == ("google", "default")
                for one in ((e["provider_id"], e["api_flavor"]) for e in expected["extractors"])
            ):
                continue
            usage, said = read_usage(row["body"]["usageMetadata"]), expected["usage"]
            assert usage.input_tokens == said.get("input_tokens"), row["body"]
            assert usage.output_tokens == said.get("output_tokens"), row["body"]
            assert (usage.cached_input_tokens or None) == (said.get("cache_read_tokens") or None), row["body"]
            assert (usage.reasoning_tokens or None) == (said.get("output_reasoning_tokens") or None), row["body"]
            assert usage.output_image_tokens == said.get("output_image_tokens"), row["body"]
            assert usage.cached_audio_tokens == said.get("cache_audio_read_tokens"), row["body"]
            for kind in ("audio", "image", "video"):
                assert getattr(usage, f"input_{kind}_tokens") == said.get(f"input_{kind}_tokens"), (
                    kind,
                    row["body"],
                    said,
                )
            compared += 1
    assert compared > 400
