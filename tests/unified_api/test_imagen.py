"""Imagen's predictions; there is no recording of one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from unified_api.errors import (
    ContentRefusedError,
    InvalidRequestError,
    MalformedResponseError,
    ServerError,
    UnsupportedParameterError,
)
from unified_api.types import Image, ImageRequest, ImageResponse
from unified_api.wire import imagen
from unified_api.wire.base import WireProfile

NAMED: Any = {"provider": "google", "model": "imagen-4.0-generate-001", "profile": WireProfile()}
PNG = b"\x89PNG\r\n\x1a\n..."


def encode(**fields: Any) -> Any:
    wire = imagen.encode(ImageRequest(model="x", prompt="a cat", **fields), **NAMED)
    assert wire.path == "/models/imagen-4.0-generate-001:predict"
    return json.loads(wire.body)


def decode(answer: Any) -> ImageResponse:
    return imagen.decode(json.dumps(answer).encode(), **NAMED)


def prediction(data: bytes = PNG, **beside: Any) -> dict[str, Any]:
    return {"bytesBase64Encoded": base64.b64encode(data).decode(), "mimeType": "image/png", **beside}


def test_a_prompt_is_an_instance_and_the_rest_are_parameters() -> None:
    assert encode() == {"instances": [{"prompt": "a cat"}], "parameters": {"includeRaiReason": True}}
    assert encode(n=2, negative_prompt="dogs", size="1408x768")["parameters"] == {
        "includeRaiReason": True,
        "sampleCount": 2,
        "negativePrompt": "dogs",
        "aspectRatio": "16:9",
    }
    assert encode(size="1792x2560")["parameters"] == {
        "includeRaiReason": True,
        "aspectRatio": "3:4",
        "sampleImageSize": "2K",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"seed": 1}, "seed"), ({"user": "u"}, "user"), ({"size": "1000x1000"}, "size"), ({"size": "big"}, "size")],
)
def test_what_imagen_has_no_words_for_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(**fields)
    assert caught.value.param == param


def test_a_refused_size_names_those_that_there_are() -> None:
    with pytest.raises(UnsupportedParameterError, match="1024x1024, 896x1280"):
        encode(size="512x512")
    with pytest.raises(InvalidRequestError, match="prompt"):
        imagen.encode(ImageRequest(model="x", prompt=" "), **NAMED)


def test_images_come_as_bytes_or_as_their_address() -> None:
    response = decode(
        {
            "predictions": [
                prediction(prompt="a fluffy cat"),
                {"gcsUri": "gs://b/1.png", "mimeType": "image/png"},
                {"raiFilteredReason": "one was unsafe"},
                {"safetyAttributes": {"scores": [0.1]}},
            ]
        }
    )
    assert response.images == (
        Image("image/png", data=PNG, revised_prompt="a fluffy cat"),
        Image("image/png", url="gs://b/1.png"),
    )
    assert response.model == "google/imagen-4.0-generate-001"


@pytest.mark.parametrize("answer", [{}, {"predictions": []}, {"predictions": [{"raiFilteredReason": "unsafe words"}]}])
def test_nothing_left_by_the_filter_is_a_refusal(answer: Any) -> None:
    with pytest.raises(ContentRefusedError, match=r"unsafe words|no reason given"):
        decode(answer)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"data": []},
        {"predictions": 1},
        {"predictions": [1]},
        {"predictions": [prediction() | {"bytesBase64Encoded": "A"}]},
    ],
)
def test_what_is_no_answer_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponseError):
        decode(answer)


def test_an_error_under_status_200_is_that_error() -> None:
    with pytest.raises(ServerError):
        decode({"error": {"code": 500, "message": "Internal", "status": "INTERNAL"}})
