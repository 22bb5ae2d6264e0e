"""Google's answers, one shape at a time."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from unified_api.errors import (
    FailedGenerationError,
    MalformedResponseError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    DocumentPart,
    ImagePart,
    ProviderState,
    ReasoningPart,
    Response,
    TextPart,
    ToolCallPart,
    Usage,
    VideoPart,
)
from unified_api.wire import gemini
from unified_api.wire.base import WireProfile

PROFILE = WireProfile()
SIGNED = ProviderState("google", {"thoughtSignature": "c2ln"})


def decode(answer: Any, profile: WireProfile = PROFILE, model: str = "gemini-3-flash") -> Response:
    return gemini.decode(json.dumps(answer).encode(), provider="google", model=model, profile=profile)


def candidate(*parts: Any, finish: Any = "STOP", **beside: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **beside}


def answer(*parts: Any, finish: Any = "STOP", **beside: Any) -> Response:
    return decode({"candidates": [candidate(*parts, finish=finish, **beside)]})


CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}


def test_parts_are_told_apart_by_what_they_hold() -> None:
    response = answer(
        {"text": "hm", "thought": True},
        {"text": "Look: "},
        {"text": "two", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {"a": [1, None]}, "id": "x1"}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "g"}},
    )
    assert response.parts == (
        ReasoningPart("hm"),
        TextPart("Look: two", state=SIGNED),
        ToolCallPart("x1", "f", '{"a":[1,null]}', SIGNED),
        ToolCallPart("call_1", "g", "{}"),
    )
    assert response.finish_reason == "tool_calls"


def test_a_signature_without_words_is_a_part_of_its_own_or_belongs_to_the_words_before_it() -> None:
    assert answer({"text": "", "thoughtSignature": "c2ln"}).parts == (TextPart("", state=SIGNED),)
    assert answer({"thoughtSignature": "c2ln"}).parts == (TextPart("", state=SIGNED),)
    assert answer({"text": "yes"}, {"text": "", "thoughtSignature": "c2ln"}).parts == (TextPart("yes", state=SIGNED),)
    assert answer({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}).parts == (ReasoningPart("hm", SIGNED),)


def test_each_call_has_an_id_of_its_own() -> None:
    calls = ({"name": "f", "id": "call_1"}, {"name": "g"}, {"name": "h"})
    response = answer(*({"functionCall": call} for call in calls))
    assert [call.id for call in response.tool_calls] == ["call_1", "call_2", "call_3"]


def test_empty_parts_are_nothing() -> None:
    assert answer({"text": ""}, {}, {"functionCall": {}}).parts == ()


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", ImagePart),
        ("audio/L16;rate=24000", AudioPart),
        ("video/mp4", VideoPart),
        ("text/csv", DocumentPart),
    ],
)
def test_media_in_an_answer_is_bytes_of_its_type(media_type: str, kind: type) -> None:
    data = base64.b64encode(b"\xff\xfe\xfd").decode()
    response = answer({"inlineData": {"mimeType": media_type, "data": data}, "thoughtSignature": "c2ln"})
    assert response.parts == (kind(data=b"\xff\xfe\xfd", media_type=media_type, state=SIGNED),)


def test_url_safe_base64_is_read_as_well() -> None:
    response = answer({"inlineData": {"mimeType": "image/png", "data": "__79"}})
    assert response.parts == (ImagePart(data=b"\xff\xfe\xfd", media_type="image/png"),)


def test_a_picture_of_the_thinking_is_no_answer() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}, "thought": True}
    assert answer(part).parts == (BuiltinToolPart("google", "inlineData", part),)


@pytest.mark.parametrize("data", ["A", "ü", "****", None, 5])
def test_a_media_part_that_cannot_be_read_makes_the_answer_malformed(data: Any) -> None:
    with pytest.raises(MalformedResponseError, match="cannot be read"):
        answer({"text": "see"}, {"inlineData": {"mimeType": "image/png", "data": data}})


def test_arguments_that_are_nested_too_deeply_make_the_answer_malformed() -> None:
    call = '{"functionCall": {"name": "f", "args": {"a": ' + "[" * 500 + "]" * 500 + "}}}"
    body = '{"candidates": [{"content": {"parts": [' + call + ']}, "finishReason": "STOP"}]}'
    with pytest.raises(MalformedResponseError, match="nested more than 200 deep"):
        gemini.decode(body.encode(), provider="google", model="m", profile=PROFILE)


def test_an_address_that_is_none_is_kept_as_it_is() -> None:
    part = {"fileData": {"fileUri": "https://[::1"}}
    assert answer(part).parts == (DocumentPart(url="https://[::1"),)


@pytest.mark.parametrize("kind", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse", "somethingNew"])
def test_steps_of_built_in_tools_are_kept_as_they_came(kind: str) -> None:
    part = {kind: {"id": "7", "x": [1]}, "thoughtSignature": "c2ln"}
    response = answer({"text": "a"}, part, {"text": "b"})
    assert response.parts == (TextPart("a"), BuiltinToolPart("google", kind, part), TextPart("b"))
    assert response.finish_reason == "stop"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("OTHER", "unknown"),
        ("NEVER_HEARD_OF", "unknown"),
        ("FINISH_REASON_UNSPECIFIED", "unknown"),
        (1, "stop"),
        (2, "length"),
        (3, "content_filter"),
        (8, "content_filter"),
        (99, "unknown"),
        (None, "unknown"),
    ],
)
def test_finish_reasons_mean_the_same_by_name_and_by_number(word: Any, reason: str) -> None:
    assert answer({"text": "x"}, finish=word).finish_reason == reason


@pytest.mark.parametrize("word", ["STOP", 1, "UNEXPECTED_TOOL_CALL", 15, "TOO_MANY_TOOL_CALLS", None])
def test_an_answer_that_holds_a_call_ended_in_it(word: Any) -> None:
    assert answer(CALL, finish=word).finish_reason == "tool_calls"


def test_a_call_that_was_cut_off_by_the_token_limit_is_no_good_end() -> None:
    assert answer(CALL, finish="MAX_TOKENS").finish_reason == "length"


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", 9, "UNEXPECTED_TOOL_CALL", "NO_IMAGE"])
def test_a_call_that_google_cannot_read_is_a_failed_generation(word: Any) -> None:
    with pytest.raises(FailedGenerationError, match=r"print\(default_api") as caught:
        answer(finish=word, finishMessage="Malformed function call: print(default_api.f())")
    assert caught.value.provider_code == str(word)
    assert caught.value.retryable


def test_a_profile_may_name_other_reasons() -> None:
    profile = WireProfile(finish_reasons={"9": "content_filter", "ODD": "length", "DONE": "stop"})
    assert decode({"candidates": [candidate(CALL, finish="DONE")]}, profile).finish_reason == "tool_calls"
    assert decode({"candidates": [candidate({"text": "x"}, finish=9)]}, profile).finish_reason == "content_filter"
    assert decode({"candidates": [candidate({"text": "x"}, finish="ODD")]}, profile).finish_reason == "length"


@pytest.mark.parametrize("feedback", [{"blockReason": "PROHIBITED_CONTENT"}, {"blockReason": 4}])
def test_a_blocked_prompt_is_an_answer_of_the_filter(feedback: Any) -> None:
    response = decode({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}})
    assert (response.parts, response.finish_reason) == ((), "content_filter")
    assert response.usage == Usage(input_tokens=8)


@pytest.mark.parametrize("content", [{}, {"role": "model"}, {"parts": []}, None])
def test_a_candidate_may_have_no_content(content: Any) -> None:
    response = decode({"candidates": [{"content": content, "finishReason": "SAFETY"}]})
    assert (response.parts, response.finish_reason) == ((), "content_filter")


def test_further_candidates_are_alternatives_with_their_own_calls() -> None:
    response = decode(
        {
            "candidates": [
                candidate({"text": "a"}),
                candidate({"text": "b"}, CALL, index=1),
                candidate({"text": "c"}, index=2, finish="MAX_TOKENS"),
            ]
        }
    )
    assert (response.text, response.finish_reason) == ("a", "stop")
    assert [(one.text, one.finish_reason) for one in response.alternatives] == [("b", "tool_calls"), ("c", "length")]
    assert response.alternatives[0].parts[1] == ToolCallPart("call_0", "f", '{"a":1}')


def test_the_echoed_model_the_id_and_every_modality_are_told() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 7,
        "toolUsePromptTokenCount": 5,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10},
            {"modality": "AUDIO", "tokenCount": 20},
            {"modality": 2, "tokenCount": 30},
            {"modality": "VIDEO", "tokenCount": 40},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 25}, {"modality": "AUDIO", "tokenCount": 1}],
    }
    response = decode(
        {"candidates": [candidate({"text": "x"})], "usageMetadata": usage, "modelVersion": "g-001", "responseId": "r"}
    )
    assert (response.model, response.id) == ("google/g-001", "r")
    assert response.usage == Usage(
        input_tokens=105,
        output_tokens=37,
        cached_input_tokens=40,
        reasoning_tokens=7,
        input_audio_tokens=20,
        input_image_tokens=30,
        input_video_tokens=40,
        cached_audio_tokens=4,
        output_audio_tokens=1,
        output_image_tokens=25,
    )


def test_counts_that_are_not_told_are_none() -> None:
    response = decode({"candidates": [candidate({"text": "x"})], "usageMetadata": {"trafficType": "ON_DEMAND"}})
    assert response.usage == Usage()
    assert response.model == "google/gemini-3-flash"


def test_places_in_bytes_become_places_in_characters() -> None:
    text = "Grüße: Zürich hat 400000 Einwohner. 🚀 Mehr."
    start, end = (len(text[: text.index(word)].encode()) for word in ("Zürich", " 🚀"))
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://z", "title": "Z"}}, {"web": {"uri": "https://y"}}],
        "groundingSupports": [
            {
                "segment": {"startIndex": start, "endIndex": end, "text": "Zürich hat 400000 Einwohner."},
                "groundingChunkIndices": [0],
            }
        ],
        "webSearchQueries": ["einwohner zürich", "zürich"],
    }
    response = answer({"text": text[:10]}, {"text": text[10:]}, groundingMetadata=grounding)
    first, second = response.citations
    assert (first.url, first.title) == ("https://z", "Z")
    assert text[first.start : first.end] == "Zürich hat 400000 Einwohner."
    assert (second.url, second.start, second.end) == ("https://y", None, None)
    assert response.parts[1] == BuiltinToolPart("google", "groundingMetadata", grounding)
    assert response.usage.web_searches == 2


@pytest.mark.parametrize("counts_all", [True, False])
def test_sources_of_a_text_before_a_call_stay_with_it(counts_all: bool) -> None:
    texts = ("Zürich first.", "Then Bern.", "Basel at last.")
    words = ("Zürich", "Bern", "Basel")
    supports, skipped = [], 0
    for text, word in zip(texts, words, strict=True):
        start = len(text[: text.index(word)].encode()) + (skipped if counts_all else 0)
        segment = {"startIndex": start, "endIndex": start + len(word.encode()), "text": word}
        supports.append({"segment": segment, "groundingChunkIndices": [0]})
        skipped += len(text.encode())
    grounding = {"groundingChunks": [{"web": {"uri": "https://z"}}], "groundingSupports": supports}
    response = answer(
        {"text": texts[0]}, CALL, {"text": texts[1]}, CALL, {"text": texts[2]}, groundingMetadata=grounding
    )
    spoken = [part for part in response.parts if isinstance(part, TextPart)]
    assert [[part.text[one.start : one.end] for one in part.citations] for part in spoken] == [[word] for word in words]


def test_recited_words_before_a_call_are_found_by_their_place_in_the_whole_text() -> None:
    sources = [
        {"startIndex": 2, "endIndex": 5, "uri": "https://w"},
        {"startIndex": 6, "endIndex": 9, "uri": "https://v"},
    ]
    response = answer({"text": "a bcd"}, CALL, {"text": " efg"}, citationMetadata={"citationSources": sources})
    spoken = [part for part in response.parts if isinstance(part, TextPart)]
    assert [[part.text[one.start : one.end] for one in part.citations] for part in spoken] == [["bcd"], ["efg"]]


def test_a_hostile_number_of_parts_and_sources_is_read_in_time() -> None:
    parts = [{"text": "x", "thoughtSignature": "c2ln"}] * 20_000
    sources = [{"startIndex": at, "endIndex": at + 3, "uri": "https://w"} for at in range(2_000)]
    assert len(answer(*parts, citationMetadata={"citationSources": sources}).citations) == 2_000


def test_an_older_model_charges_one_search_for_an_answer() -> None:
    grounding = {"webSearchQueries": ["a", "b", "c"]}
    body = {"candidates": [candidate({"text": "x"}, groundingMetadata=grounding)]}
    assert decode(body, model="gemini-2.5-flash").usage.web_searches == 1


def test_recited_works_are_cited_in_both_spellings() -> None:
    source = {"startIndex": 2, "endIndex": 5, "uri": "https://w", "license": "mit"}
    for metadata in ({"citationSources": [source]}, {"citations": [{**source, "title": "W"}]}):
        (citation,) = answer({"text": "a bcd e"}, citationMetadata=metadata).citations
        assert (citation.url, citation.start, citation.end) == ("https://w", 2, 5)
        assert citation.state is not None
        assert citation.state.content["citationSource"] == (metadata.get("citations") or metadata["citationSources"])[0]


def test_places_outside_the_text_are_left_out() -> None:
    source = {"startIndex": 2, "endIndex": 500, "uri": "https://w"}
    (citation,) = answer({"text": "short"}, citationMetadata={"citationSources": [source]}).citations
    assert (citation.start, citation.end) == (None, None)


def test_pages_that_were_read_are_kept() -> None:
    metadata = {"urlMetadata": [{"retrievedUrl": "https://x", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
    response = answer({"text": "x"}, urlContextMetadata=metadata)
    assert response.parts == (TextPart("x"), BuiltinToolPart("google", "urlContextMetadata", metadata))


def test_probabilities_are_told_with_their_alternatives() -> None:
    result = {
        "chosenCandidates": [
            {"token": "a", "logProbability": -0.5},
            {"token": "b"},
            {"token": "c", "logProbability": None},
        ],
        "topCandidates": [
            {"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "z", "logProbability": -2}]}
        ],
    }
    first, second = answer({"text": "ab"}, logprobsResult=result).logprobs
    assert (first.token, first.logprob, first.top) == ("a", -0.5, (("a", -0.5), ("z", -2.0)))
    assert (second.token, second.logprob, second.top) == ("b", 0.0, ())


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_under_status_200_is_the_error_it_means(wrapped: bool) -> None:
    error = {"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(RateLimitError):
        decode([error] if wrapped else error)
    with pytest.raises(ServerError):
        decode({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})


@pytest.mark.parametrize(
    "body", [b"", b"<html>x</html>", b"{}", b"[]", b"null", b'{"candidates":[]}', b'{"candidates":[1]}', b'"x"']
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        gemini.decode(body, provider="google", model="m", profile=PROFILE)


def test_a_spent_quota_is_told_from_a_throttle() -> None:
    body = json.dumps({"error": {"code": 402, "message": "no money", "status": "X"}}).encode()
    assert isinstance(gemini.decode_error(402, {}, body, provider="google", model="m"), QuotaError)
