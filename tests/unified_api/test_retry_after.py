from __future__ import annotations

import json

import pytest

from unified_api.errors import RateLimitError
from unified_api.wire.errors import decode_error, embedded_error
from unified_api.wire.retry_after import limits_reset, told_wait


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached for gpt-4o in organization org-x. Please try again in 20s. Visit the page.", 20),
        ("Limit 6000, Used 5800. Please try again in 1m26.4s. Need more tokens?", 86.4),
        ("Please try again in 250ms.", 0.25),
        ("Please retry after 34 seconds.", 34),
        ("Please retry in 12.345s.", 12.345),
        ("Try again in about 2 minutes", 120),
        ("Please try again in 1 hour, 5 minutes", 3900),
        ("please retry shortly", None),
        ("You may try again with 20 s of sound", None),
        ("a limit of 20s", None),
    ],
)
def test_words_that_ask_to_wait_are_heard(message: str, seconds: float | None) -> None:
    assert told_wait(message) == (None if seconds is None else pytest.approx(seconds))
    body = json.dumps({"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}).encode()
    error = decode_error(429, {}, body, provider="p", model="m")
    assert isinstance(error, RateLimitError)
    assert error.retry_after == told_wait(message)


@pytest.mark.parametrize(
    ("field", "seconds"), [({"retry_after": 7}, 7), ({"retryAfter": "2.5"}, 2.5), ({"retryDelay": "22s"}, 22)]
)
def test_a_wait_in_a_field_of_the_body_is_read(field: dict[str, object], seconds: float) -> None:
    body = {"error": {"message": "slow down", "code": 429, **field}}
    assert decode_error(429, {}, json.dumps(body).encode(), provider="p", model="m").retry_after == seconds
    assert embedded_error(body, provider="p", model="m").retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1"}, 1),
        ({"x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "1"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1767225600000"}, None),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-01-01T00:00:30Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:05Z",
                "date": "Thu, 01 Jan 2026 00:00:00 GMT",
            },
            30,
        ),
    ],
)
def test_a_limit_that_is_used_up_says_when_it_is_full_again(headers: dict[str, str], seconds: float | None) -> None:
    assert limits_reset(headers) == seconds
    assert decode_error(429, headers, b"{}", provider="p", model="m").retry_after == seconds
    assert decode_error(400, headers, b"{}", provider="p", model="m").retry_after is None


def test_the_header_goes_before_the_words() -> None:
    body = b'{"error": {"message": "Please try again in 20s", "retry_after": 9}}'
    assert decode_error(429, {"Retry-After": "3"}, body, provider="p", model="m").retry_after == 3
