from __future__ import annotations

import base64
import json
from contextlib import suppress
from decimal import Decimal

import pytest
from corpus import needs_corpora, rows
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import recordings

from unified_api.errors import (
    ContentRefusedError,
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    UnsupportedParameterError,
)
from unified_api.types import Image, ImageRequest, ImageResponse, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_images import decode, encode, read_request

PLAIN = WireProfile()
PNG = b"\x89PNG\r\n\x1a\n...."
ENCODED = base64.b64encode(PNG).decode()


def body(request: ImageRequest, profile: WireProfile = PLAIN) -> dict[str, object]:
    wire = encode(request, provider="p", model="m", profile=profile)
    assert (wire.method, wire.path) == ("POST", "/images/generations")
    return json.loads(wire.body)


def read(answer: object) -> ImageResponse:
    return decode(json.dumps(answer).encode(), provider="p", model="asked", profile=PLAIN)


def test_the_prompt_is_sent_and_the_rest_only_when_asked() -> None:
    assert body(ImageRequest(model="p/m", prompt="a cat")) == {"model": "m", "prompt": "a cat"}
    full = ImageRequest(model="p/m", prompt="a cat", size="64x64", n=2, user="me", extra={"p": {"quality": "low"}})
    sent = body(full, WireProfile(image_format="b64_json"))
    assert sent == {"model": "m", "prompt": "a cat", "n": 2, "size": "64x64", "user": "me", "quality": "low",
                    "response_format": "b64_json"}  # fmt: skip


def test_a_providers_own_parameters_go_to_it_alone_and_say_nothing_that_the_request_says() -> None:
    assert "quality" not in body(ImageRequest(model="p/m", prompt="x", extra={"other": {"quality": "low"}}))
    own = ImageRequest(model="p/m", prompt="x", extra={"p": {"response_format": "url"}})
    assert body(own, WireProfile(image_format="b64_json"))["response_format"] == "url"
    with pytest.raises(InvalidRequestError, match="'prompt'"):
        body(ImageRequest(model="p/m", prompt="x", extra={"p": {"prompt": "y"}}))


@pytest.mark.parametrize("field", [{"negative_prompt": "dogs"}, {"seed": 7}])
def test_what_openai_has_no_word_for_is_refused_unless_the_server_is_said_to_take_it(field: dict[str, object]) -> None:
    request = ImageRequest(model="p/m", prompt="x", **field)
    (name,) = field
    with pytest.raises(UnsupportedParameterError) as caught:
        body(request)
    assert caught.value.param == name
    assert body(request, WireProfile(image_fields=frozenset(field)))[name] == field[name]


@pytest.mark.parametrize(
    ("size", "ratio"),
    [("1024x1024", "1:1"), ("1344x768", "16:9"), ("768x1344", "9:16"), ("1152x864", "4:3"), ("832x1216", "2:3")],
)
def test_a_server_that_is_told_a_shape_gets_the_one_of_the_size(size: str, ratio: str) -> None:
    sent = body(ImageRequest(model="p/m", prompt="x", size=size), WireProfile(image_size={"*": "aspect_ratio"}))
    assert (sent["aspect_ratio"], "size" in sent) == (ratio, False)


@pytest.mark.parametrize("size", ["2048x2048", "256x256", "1000x1234", "1024x100"])
def test_a_size_that_no_shape_makes_is_refused(size: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        body(ImageRequest(model="p/m", prompt="x", size=size), WireProfile(image_size={"*": "aspect_ratio"}))
    assert caught.value.param == "size"


def test_a_request_of_a_client_is_read_and_a_bad_one_refused_with_its_field() -> None:
    told = {"prompt": "a cat", "model": "m", "size": "auto", "n": None, "quality": "low", "user": "me", "seed": 3}
    assert read_request(told, provider="p") == ImageRequest(
        model="m", prompt="a cat", user="me", seed=3, extra={"p": {"quality": "low"}}
    )
    for bad in (
        {},
        {"prompt": 7},
        {"prompt": "x", "n": True},
        {"prompt": "x", "size": 9},
        {"prompt": "x", "seed": "1"},
    ):
        with pytest.raises(InvalidRequestError) as caught:
            read_request(bad, provider="p")
        assert caught.value.param in ("prompt", "n", "size", "seed")


def test_a_server_may_want_width_and_height() -> None:
    profile = WireProfile(image_size={"flux*": "aspect_ratio", "m*": "width_height"})
    sent = body(ImageRequest(model="p/m", prompt="x", size="64x32"), profile)
    assert (sent["width"], sent["height"]) == (64, 32)
    with pytest.raises(InvalidRequestError, match="WIDTHxHEIGHT"):
        body(ImageRequest(model="p/m", prompt="x", size="large"), profile)


def test_an_empty_prompt_and_an_unsupported_size_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="needs a prompt"):
        body(ImageRequest(model="p/m", prompt="  "))
    with pytest.raises(UnsupportedParameterError, match="'size'"):
        body(ImageRequest(model="p/m", prompt="x", size="1x1"), WireProfile(unsupported=frozenset({"size"})))


@pytest.mark.parametrize(
    ("entry", "image"),
    [
        (
            {"b64_json": ENCODED, "revised_prompt": "a fat cat"},
            Image("image/png", data=PNG, revised_prompt="a fat cat"),
        ),
        ({"b64_json": f"data:image/png;base64,{ENCODED}"}, Image("image/png", data=PNG)),
        ({"url": f"data:image/webp;base64,{base64.b64encode(b'?').decode()}"}, Image("image/webp", data=b"?")),
        (
            {"url": "https://x.example/a.jpeg?s=1.2", "revised_prompt": ""},
            Image("image/jpeg", url="https://x.example/a.jpeg?s=1.2"),
        ),
        ({"url": "https://x.example/a", "mime_type": "image/webp"}, Image("image/webp", url="https://x.example/a")),
        ({"url": "https://x.example/a"}, Image("image/png", url="https://x.example/a")),
    ],
)
def test_images_come_as_bytes_or_as_an_address(entry: object, image: Image) -> None:
    assert read({"data": [entry]}).images == (image,)


def test_the_stated_format_usage_and_cost_are_kept() -> None:
    entry = {"b64_json": base64.b64encode(b"unknown bytes").decode()}
    usage = {"input_tokens": 10, "output_tokens": 400, "cost_in_usd_ticks": 700_000_000}
    response = read({"data": [entry], "output_format": "webp", "usage": usage, "model": "m-1"})
    assert response.images[0].media_type == "image/webp"
    assert (response.usage, response.cost_usd) == (Usage(input_tokens=10, output_tokens=400), Decimal("0.07"))
    assert response.model == "p/m-1"


@pytest.mark.parametrize("entry", [{}, 7, None, {"url": ""}, {"b64_json": "???"}, {"url": "data:image/png;base64,?"}])
def test_an_image_that_is_none_is_a_malformed_response(entry: object) -> None:
    with pytest.raises(MalformedResponseError, match="'asked'"):
        read({"data": [entry]})
    with pytest.raises(MalformedResponseError, match="no images"):
        read({"data": []})


def test_a_refused_prompt_inside_a_good_answer_is_raised() -> None:
    with pytest.raises(ContentRefusedError):
        read({"error": {"code": "moderation_blocked", "message": "not this"}})


@given(st.binary(max_size=60), st.text(max_size=12))
def test_no_bytes_make_the_decoder_crash(junk: bytes, text: str) -> None:
    for answer in (junk, json.dumps({"data": [{"b64_json": text, "url": text}]}).encode()):
        with suppress(GatewayError):
            decode(answer, provider="p", model="m", profile=PLAIN)


@needs_corpora
def test_every_recorded_request_is_written_as_it_was() -> None:
    """Allowed to differ: nothing but the order of the keys; what is no field of ours stands in `extra`."""
    written = 0
    for one in recordings("images"):
        sent = one.request
        if one.path.endswith("/images/generations") and isinstance(sent, dict):
            request = read_request(sent, provider="p")
            assert (request.prompt, request.size, request.n) == (sent["prompt"], sent.get("size"), sent.get("n"))
            wire = encode(request, provider="p", model=sent.get("model", "m"), profile=PLAIN)
            assert json.loads(wire.body) == {"model": "m", **sent}
            written += 1
    assert written >= 3


@needs_corpora
def test_every_recorded_answer_is_read() -> None:
    read_in_all = 0
    for recording in recordings("images"):
        plain = json.loads(recording.body)["data"]
        images = decode(recording.body, provider="p", model="m", profile=PLAIN).images
        for entry, image in zip(plain, images, strict=True):
            assert image.url == entry.get("url")
            assert (image.revised_prompt or "") == (entry.get("revised_prompt") or "")
            assert image.data is not None or image.url is not None
        read_in_all += 1
    assert read_in_all >= 4


@needs_corpora
def test_the_fixtures_of_another_gateway_are_read() -> None:
    images = [
        row for row in rows("misc/vercel_ai_fixtures.jsonl") if "/image/" in row["path"] and '"data"' in row["text"]
    ]
    for row in images:
        if row["provider"] == "openai" and "error" not in row["path"]:
            assert decode(row["text"].encode(), provider="p", model="m", profile=PLAIN).images, row["id"]
    assert images
