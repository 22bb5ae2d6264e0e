from __future__ import annotations

import json
from typing import Any

import pytest
from corpus import needs_corpora, rows
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import error_answers

from unified_api.errors import (
    AuthenticationError,
    ContentRefusedError,
    ContextOverflowError,
    FailedGenerationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    UnsupportedParameterError,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.errors import decode_error, embedded_error


def error(status: int, body: object = None, /, **headers: str) -> ProviderError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decode_error(status, named, content, provider="p", model="m")


def openai(code: str | None = None, message: str = "it failed", **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code, **more}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, QuotaError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, InvalidRequestError),
        (408, TimedOutError),
        (409, ServerError),
        (413, InvalidRequestError),
        (418, InvalidRequestError),
        (422, InvalidRequestError),
        (425, ServerError),
        (429, RateLimitError),
        (498, RateLimitError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (524, ServerError),
        (529, ServerError),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"{}", b'{"error":{"type":"invalid_request_error","message":"x"}}']
)
def test_the_status_decides_whatever_the_body_is(status: int, kind: type[ProviderError], body: bytes) -> None:
    found = error(status, body)
    assert type(found) is kind
    assert (found.status, found.provider, found.model) == (status, "p", "p/m")
    assert f"HTTP {status}" in str(found)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the reason", "type": "t", "param": None, "code": "c"}},
        {"type": "error", "error": {"type": "t", "message": "the reason"}, "request_id": "r"},
        {"error": {"code": 400, "message": "the reason", "status": "INVALID_ARGUMENT", "details": []}},
        [{"error": {"code": 400, "message": "the reason", "status": "INVALID_ARGUMENT"}}],
        {"error": {"code": "400", "message": "the reason"}},
        {"message": "the reason"},
        {"id": "7", "message": "the reason"},
        {"error_type": "bad", "message": "the reason"},
        {"detail": "the reason"},
        {"detail": [{"loc": ["body", "seed"], "msg": "the reason", "type": "value_error"}]},
        {"error": "the reason"},
        {"error": ["the reason"]},
        {"code": "invalid", "error": "the reason"},
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"message":"the reason"}}'},
            }
        },
        {"error": {"message": '{"error": {"message": "the reason", "code": 400}}', "code": 400}},
        {"object": "error", "message": "the reason", "type": "t", "code": "1300"},
        {"error_msg": "the reason", "error_code": "APIG.0308"},
        {"errors": [{"message": "the reason"}]},
        "the reason",
    ],
)
def test_the_reason_is_found_in_every_shape_of_body(body: object) -> None:
    found = error(400, body)
    assert "the reason" in str(found)
    assert isinstance(found, InvalidRequestError)


def test_a_web_page_or_plain_text_is_shown_shortened() -> None:
    page = b"<!doctype html><html><head><title>502 Bad Gateway</title><style>x{}</style></head><body>" + b"x" * 9000
    assert "502 Bad Gateway" in str(error(502, page))
    assert "upstream connect error" in str(error(503, b"upstream connect error"))
    assert len(str(error(500, b"word " * 5000))) < 800


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai("context_length_exceeded"), ContextOverflowError),
        (400, openai(None, "This model's maximum context length is 8192 tokens"), ContextOverflowError),
        (
            400,
            {"type": "error", "error": {"message": "prompt is too long: 200001 tokens > 200000 maximum"}},
            ContextOverflowError,
        ),
        (
            400,
            {"error": {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)"}},
            ContextOverflowError,
        ),
        (
            400,
            {"message": "Input Tokens Exceeded: Number of input tokens exceeds maximum length."},
            ContextOverflowError,
        ),
        (
            400,
            {
                "error": {
                    "type": "exceed_context_size_error",
                    "message": "the request exceeds the available context size",
                }
            },
            ContextOverflowError,
        ),
        (500, openai("context_length_exceeded"), ContextOverflowError),
        (
            413,
            {
                "error": {
                    "message": "Request too large for model: tokens per minute (TPM)",
                    "type": "tokens",
                    "code": "rate_limit_exceeded",
                }
            },
            ContextOverflowError,
        ),
        (400, {"code": "invalid", "error": "Incorrect API key provided"}, AuthenticationError),
        (
            400,
            {"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."}},
            AuthenticationError,
        ),
        (400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, AuthenticationError),
        (429, openai("insufficient_quota"), QuotaError),
        (429, {"error": {"type": "insufficient_quota", "message": "x"}}, QuotaError),
        (403, openai("insufficient_quota"), QuotaError),
        (400, openai("billing_hard_limit_reached"), QuotaError),
        (
            429,
            {"error": {"status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}},
            RateLimitError,
        ),
        (
            429,
            {"object": "error", "type": "invalid_request_error", "message": "Service tier capacity exceeded"},
            RateLimitError,
        ),
        (400, openai("model_not_found", "The requested model 'x' does not exist."), NotFoundError),
        (400, {"message": "The provided model identifier is invalid."}, NotFoundError),
        (400, openai("content_filter"), ContentRefusedError),
        (400, {"code": "DataInspectionFailed", "message": "x"}, ContentRefusedError),
        (
            403,
            {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}},
            ContentRefusedError,
        ),
        (400, openai("tool_use_failed"), FailedGenerationError),
        (400, openai("invalid_value", "temperature must be between 0 and 2"), InvalidRequestError),
        (400, openai(None, "Invalid token in prompt: 123456."), InvalidRequestError),
        (500, openai("model_not_found"), ServerError),
        (503, openai("insufficient_quota"), ServerError),
    ],
)
def test_codes_and_words_refine_what_the_status_leaves_open(
    status: int, body: object, kind: type[ProviderError]
) -> None:
    assert type(error(status, body)) is kind


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            openai(
                "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported.", param="max_tokens"
            ),
            "max_tokens",
        ),
        (
            openai("unsupported_value", "Unsupported value: 'temperature' does not support 0.2", param="temperature"),
            "temperature",
        ),
        (openai(None, "Unrecognized request argument supplied: foo"), "foo"),
        (openai(None, "property 'seed' is unsupported"), "seed"),
        (openai(None, "Unknown parameter: 'user'."), "user"),
        (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
            "seed",
        ),
        (
            openai(None, "Web search options not supported with this model.", param="web_search_options"),
            "web_search_options",
        ),
    ],
)
def test_an_unsupported_parameter_is_named(body: object, param: str) -> None:
    found = error(422, body)
    assert type(found) is UnsupportedParameterError
    assert found.param == param


def test_a_profile_may_say_that_a_code_is_only_a_throttle() -> None:
    profile = WireProfile(throttle_codes=frozenset({"insufficient_quota"}))
    body = json.dumps(openai("insufficient_quota")).encode()
    found = decode_error(429, {}, body, provider="p", model="m", profile=profile)
    assert type(found) is RateLimitError


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "2m1.5s"}, 121.5),
        ({"retry-after": "120ms"}, 0.12),
        ({"retry-after-ms": "850", "retry-after": "1"}, 0.85),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"x-ms-retry-after-ms": "2000"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "2026-10-21T07:28:30Z", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Wed, 99 Foo 2026"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    found = decode_error(429, headers, b"", provider="p", model="m")
    assert found.retry_after == (None if seconds is None else pytest.approx(seconds))


def test_a_date_counts_from_the_given_clock_when_the_server_states_none() -> None:
    date = {"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}
    assert decode_error(503, date, b"", provider="p", model="m", now=60.0).retry_after == 40.0


def test_a_delay_inside_the_body_counts_when_no_header_says() -> None:
    body = {"error": {"code": 429, "details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "48s"}]}}
    assert error(429, body).retry_after == 48.0
    assert error(429, body, retry_after="3").retry_after == 3.0


def test_the_request_id_comes_from_the_header_or_the_body() -> None:
    assert error(500, {"error": {}, "request_id": "inner"}, X_Request_ID="outer").request_id == "outer"
    assert error(500, {"type": "error", "error": {"type": "x"}, "request_id": "inner"}).request_id == "inner"
    assert error(500, b"").request_id is None


def test_the_provider_code_is_kept_as_given() -> None:
    assert error(404, openai("model_not_found")).provider_code == "model_not_found"
    assert error(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}).provider_code == "RESOURCE_EXHAUSTED"


def test_a_key_in_the_message_is_not_repeated() -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    assert key[12:] not in str(error(401, openai("invalid_api_key", f"Incorrect API key provided: {key}.")))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"error": {"type": "overloaded_error"}}, ServerError),
        ({"error": {"code": 429}}, RateLimitError),
        ({"error": {"code": "rate_limit_exceeded", "message": "x"}}, RateLimitError),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, InvalidRequestError),
        ({"error": {"status_code": 400, "message": "x"}}, InvalidRequestError),
        ({"error": "out of memory"}, ServerError),
        ({"error": {"code": "insufficient_quota"}}, QuotaError),
        ("gone", ServerError),
        (None, ServerError),
    ],
)
def test_an_error_without_a_status_is_told_by_its_codes(value: Any, kind: type[ProviderError]) -> None:
    assert type(embedded_error(value, provider="p", model="m")) is kind


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["[[[", '{"error":1}']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "status", "type", "param", "loc", "details"]), inner
        )
    ),
    max_leaves=10,
)


@given(JUNK, st.integers(100, 999), st.text(max_size=30))
def test_no_body_or_header_makes_it_crash(body: Any, status: int, wait: str) -> None:
    found = error(status, body, retry_after=wait, date=wait)
    assert isinstance(found, ProviderError)
    assert found.retry_after is None or found.retry_after >= 0


def test_a_hostile_page_costs_no_time() -> None:
    for page in (b"<script" * 300_000, b"<title" * 300_000, b"<" * 2_000_000):
        assert isinstance(error(500, page), ServerError)


def test_a_call_without_a_model_is_told_without_one() -> None:
    found = decode_error(401, {}, b"", provider="p", model="")
    assert (found.model, str(found).split(" with")[0]) == (None, "p refused the request")


def test_an_error_wrapped_a_hundred_times_is_still_an_error() -> None:
    body = b'{"error":' * 3000 + b"1" + b"}" * 3000
    assert isinstance(error(500, body), ServerError)


@needs_corpora
def test_recorded_errors_mean_what_their_status_says() -> None:
    kinds: dict[int, type[ProviderError] | tuple[type[ProviderError], ...]] = {
        401: AuthenticationError,
        # AWS has no 401: a bad key or signature is a 403 too.
        403: (PermissionDeniedError, AuthenticationError),
        404: NotFoundError,
        429: RateLimitError,
    }
    # Under 400 hide bad keys, models that are not there and prompts that are too long.
    open_400 = (InvalidRequestError, AuthenticationError, NotFoundError)
    seen = 0
    for answer in error_answers():
        found = decode_error(answer.status, answer.headers, answer.body, provider=answer.provider, model=answer.model)
        assert isinstance(found, kinds.get(answer.status, open_400 if answer.status < 500 else ServerError)), answer.id
        assert found.status == answer.status
        body = answer.body.decode("utf-8", "replace").lower()
        if answer.status == 400:
            assert isinstance(found, AuthenticationError) == (
                "incorrect api key" in body or "api key not valid" in body
            ), answer.id
            assert isinstance(found, NotFoundError) == (
                "model identifier is invalid" in body or "model_not_found" in body
            ), answer.id
        assert "no reason given" not in str(found) or not answer.body.strip(), answer.id
        seen += 1
    assert seen > 80


@needs_corpora
def test_errors_that_users_reported_are_told_apart() -> None:
    by_status = {402: QuotaError, 429: RateLimitError, 503: ServerError, 529: ServerError}
    for row in rows("misc/error_shapes_from_issues.jsonl"):
        shape, codes = row["shape"], json.dumps(row["shape"])
        for status in (int(word) for word in str(row["status"]).split() if word.isdigit()):
            if status == 200:
                found = embedded_error(shape, provider="p", model="m")
                assert isinstance(found, ServerError), row
                continue
            found = error(status, shape)
            if "insufficient_quota" in codes:
                assert isinstance(found, QuotaError)
            elif status == 400:
                assert isinstance(found, ContentRefusedError)
            else:
                assert isinstance(found, by_status[status]), row
