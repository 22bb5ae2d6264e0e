from __future__ import annotations

import base64
import json
from contextlib import suppress
from email import policy
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    ContentRefusedError,
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    UnsupportedParameterError,
)
from unified_api.types import ImageRequest
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.errors import decode_error
from unified_api.wire.stability import decode, encode

PLAIN = WireProfile()
PNG = b"\x89PNG\r\n\x1a\n...."


def written(model: str = "sd3.5-large", **more: object) -> WireRequest:
    request = ImageRequest(model=f"s/{model}", **{"prompt": "a cat", **more})
    return encode(request, provider="s", model=model, profile=PLAIN)


def form(wire: WireRequest) -> dict[str, str]:
    """The fields as Python's own parser of MIME reads them."""
    head = f"Content-Type: {wire.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + wire.body)
    parts = [(part.get_param("name", header="content-disposition"), part) for part in message.iter_parts()]
    return {str(name): part.get_payload(decode=True).decode() for name, part in parts}


def read(answer: object) -> object:
    return decode(json.dumps(answer).encode(), provider="s", model="sd3.5-large", profile=PLAIN)


def test_a_form_is_sent_with_what_was_asked_and_nothing_else() -> None:
    wire = written()
    assert (wire.method, wire.path) == ("POST", "/v2beta/stable-image/generate/sd3")
    assert wire.headers["accept"] == "application/json"
    assert form(wire) == {"prompt": "a cat", "model": "sd3.5-large"}
    full = written(size="1344x768", negative_prompt="dogs", seed=7, n=1, user="me", extra={"s": {"cfg_scale": 4}})
    assert form(full) == {
        "prompt": "a cat", "model": "sd3.5-large", "aspect_ratio": "16:9", "negative_prompt": "dogs", "seed": "7",
        "cfg_scale": "4",
    }  # fmt: skip
    assert full.headers["stability-client-user-id"] == "me"


@pytest.mark.parametrize(("model", "address"), [("stable-image-core", "core"), ("stable-image-ultra", "ultra")])
def test_models_with_an_address_of_their_own_are_asked_there(model: str, address: str) -> None:
    wire = written(model)
    assert wire.path == f"/v2beta/stable-image/generate/{address}"
    assert form(wire) == {"prompt": "a cat"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "1024x100"),
        ("size", "2048x2048"),
        ("n", 2),
        ("seed", 0),
        ("seed", 2**32),
        ("user", "ü"),
        ("user", " a"),
    ],
)
def test_a_value_that_it_has_no_word_for_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        written(**{field: value})
    assert caught.value.param == field


def test_a_size_that_is_none_an_empty_prompt_and_what_no_form_holds_are_refused() -> None:
    for bad in ({"size": "large"}, {"prompt": " "}, {"extra": {"s": {"a": [1]}}}, {"extra": {"s": {"prompt": "x"}}}):
        with pytest.raises(InvalidRequestError):
            written(**bad)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_prompt_arrives_as_it_is(prompt: str) -> None:
    wire = written(prompt=prompt)
    boundary = wire.headers["content-type"].partition("boundary=")[2].encode()
    fields = wire.body.split(b"--" + boundary)
    assert len(fields) == 4
    assert fields[1] == b'\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + prompt.encode() + b"\r\n"


def test_half_an_emoji_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="Unicode"):
        written(prompt="\ud83d")


def test_the_image_is_read_and_a_filtered_one_is_a_refusal() -> None:
    answer = {"image": base64.b64encode(PNG).decode(), "finish_reason": "SUCCESS", "seed": 343940597}
    response = read(answer)
    assert (response.images[0].data, response.images[0].media_type) == (PNG, "image/png")
    assert response.model == "s/sd3.5-large"
    with pytest.raises(ContentRefusedError, match="filter"):
        read({**answer, "finish_reason": "CONTENT_FILTERED"})


@pytest.mark.parametrize("answer", [{}, {"image": ""}, {"image": "???"}, {"image": 7}, [], "x", None])
def test_what_holds_no_image_is_a_malformed_response(answer: object) -> None:
    with pytest.raises(MalformedResponseError):
        read(answer)


def test_its_error_bodies_are_told_in_its_own_words() -> None:
    body = {"id": "a130c3", "name": "bad_request", "errors": ["prompt: cannot be blank"]}
    error = decode_error(400, {}, json.dumps(body).encode(), provider="s", model="m")
    assert isinstance(error, InvalidRequestError)
    assert "cannot be blank" in error.message


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_crash(junk: bytes) -> None:
    with suppress(GatewayError):
        decode(junk, provider="s", model="m", profile=PLAIN)


@pytest.mark.parametrize("name", ['x"; name="prompt', 'x"\r\n\r\nevil', "\ud800", "", "x y", "é", "x" * 101])
def test_a_field_whose_name_could_end_its_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="a form cannot hold the field") as caught:
        written(extra={"s": {name: "evil"}})
    assert caught.value.param == "extra"


@pytest.mark.parametrize("value", ["\ud800", 10**5000, -(10**5000), 2**63, [1], {"a": 1}, None], ids=type)
def test_a_value_that_no_form_can_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError):
        written(extra={"s": {"x": value}})


@given(st.dictionaries(st.text(st.sampled_from('aB3_.-"\r\n;=é'), max_size=8), st.text(st.characters()), max_size=4))
def test_a_form_holds_the_fields_that_were_given_or_is_refused(fields: dict[str, str]) -> None:
    try:
        wire = written(extra={"s": fields})
    except GatewayError:
        return
    assert set(form(wire)) == {"prompt", "model", *fields}
