from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import everything

from unified_api.errors import GatewayError, InvalidRequestError, MalformedResponseError, RateLimitError
from unified_api.types import ImagePart, Moderation, ModerationRequest, ModerationResponse, Usage
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.moderations import decode, encode

PLAIN = WireProfile()
PNG = b"\x89PNG\r\n\x1a\n"


def body(*inputs: str | ImagePart) -> dict[str, Any]:
    wire = encode(ModerationRequest(model="p/m", inputs=inputs), provider="p", model="m", profile=PLAIN)
    assert (wire.method, wire.path) == ("POST", "/moderations")
    return json.loads(wire.body)


def read(answer: object) -> ModerationResponse:
    return decode(json.dumps(answer).encode(), provider="p", model="m", profile=PLAIN)


def test_texts_are_sent_as_a_list_and_with_an_image_as_parts() -> None:
    assert families.MODERATE["moderations"].encode is encode
    assert body("a", "b") == {"model": "m", "input": ["a", "b"]}
    assert body("a", ImagePart(data=PNG), ImagePart(url="https://x/y.png"))["input"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]


def test_nothing_and_an_image_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="at least one input"):
        body()
    with pytest.raises(InvalidRequestError, match="either a url or data"):
        body(ImagePart())
    with pytest.raises(InvalidRequestError, match="media_type"):
        body(ImagePart(data=b"??"))


def test_verdicts_come_in_the_order_of_the_inputs() -> None:
    first = {"flagged": True, "categories": {"hate": True, "illicit": None}, "category_scores": {"hate": 0.9}}
    second = {"categories": {"hate": False}, "category_scores": {"hate": 0, "x": None}}
    response = read({"model": "m-1", "results": [first, second], "usage": {"prompt_tokens": 3}})
    assert response.results == (
        Moderation(flagged=True, categories={"hate": True}, scores={"hate": 0.9}),
        Moderation(flagged=False, categories={"hate": False}, scores={"hate": 0.0}),
    )
    assert (response.model, response.usage) == ("p/m-1", Usage(input_tokens=3))


def test_without_a_flag_any_category_that_was_hit_is_a_hit() -> None:
    assert read({"results": [{"categories": {"a": False, "b": True}}]}).results[0].flagged


@pytest.mark.parametrize(
    "verdict",
    [
        {"categories": {}},
        {"categories": {"violence": None}, "category_scores": {"violence": 0.99}},
        {"categories": {"violence": "true"}, "category_scores": {"violence": "0.99"}},
        {"categories": {"violence": 1, "hate": False}},
        {"flagged": None, "categories": {}},
        {"flagged": "true", "categories": {"violence": True}},
        {"flagged": 1, "categories": {"violence": False}},
        {"flagged": False, "categories": {"violence": "yes"}},
    ],
)
def test_a_verdict_that_says_neither_yes_nor_no_is_malformed(verdict: object) -> None:
    with pytest.raises(MalformedResponseError, match="says neither yes nor no"):
        read({"results": [verdict]})


@given(
    st.dictionaries(
        st.sampled_from(["flagged", "categories", "category_scores"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.dictionaries(st.text(), st.none()),
    )
)
def test_no_verdict_is_made_up_where_no_flag_and_no_category_says_so(result: dict[str, Any]) -> None:
    try:
        response = read({"results": [result]})
    except MalformedResponseError:
        return
    assert result["flagged"] is response.results[0].flagged


@pytest.mark.parametrize("answer", [{}, {"results": []}, {"results": [7]}, {"results": [{"flagged": True}]}, "text"])
def test_what_is_no_verdict_is_malformed(answer: object) -> None:
    with pytest.raises(MalformedResponseError):
        read(answer)


def test_too_few_verdicts_are_malformed_and_an_image_makes_one_of_all() -> None:
    answer = json.dumps({"results": [{"flagged": False, "categories": {}}]}).encode()
    texts = ModerationRequest(model="p/m", inputs=("a", "b"))
    pictured = ModerationRequest(model="p/m", inputs=("a", ImagePart(data=PNG)))
    with pytest.raises(MalformedResponseError, match="1 verdicts, not 2"):
        decode(answer, provider="p", model="m", profile=PLAIN, expected=texts.verdicts)
    assert decode(answer, provider="p", model="m", profile=PLAIN, expected=pictured.verdicts).results


def test_an_error_under_a_good_status_is_raised() -> None:
    with pytest.raises(RateLimitError):
        read({"error": {"code": 429, "message": "slow down"}})


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_crash(junk: bytes) -> None:
    for answer in (junk, b'{"results":[' + junk):
        with suppress(GatewayError):
            decode(answer, provider="p", model="m", profile=PLAIN)


def inputs_of(asked: Any) -> tuple[str | ImagePart, ...]:
    given = [asked] if isinstance(asked, str) else asked
    return tuple(one if isinstance(one, str) else ImagePart(url=one["image_url"]["url"]) for one in given)


@needs_corpora
def test_every_recorded_verdict_is_read_as_it_stands_and_asked_for_in_the_same_words() -> None:
    read_in_all = 0
    for recording in everything():
        if not recording.path.endswith("/moderations") or recording.status != 200:
            continue
        answer = json.loads(recording.body)
        response = decode(recording.body, provider="p", model="m", profile=PLAIN)
        for verdict, stated in zip(response.results, answer["results"], strict=True):
            assert verdict == Moderation(
                flagged=stated["flagged"], categories=stated["categories"], scores=stated["category_scores"]
            )
        assert response.model == f"p/{answer['model']}"
        asked: Any = recording.request
        # One text means a list of that one text.
        wanted = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        assert body(*inputs_of(asked["input"]))["input"] == wanted
        read_in_all += 1
    assert read_in_all >= 3
