"""Images made by Gemini models."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from corpus import needs_corpora, rows

from unified_api.errors import (
    ContentRefusedError,
    FailedGenerationError,
    InvalidRequestError,
    UnsupportedParameterError,
)
from unified_api.types import Image, ImageRequest, ImageResponse, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.gemini import images as gemini_images

PNG = b"\x89PNG\r\n\x1a\n..."
FORMER = "gemini-2.5-flash-image"


def encode(model: str = "gemini-3-pro-image", **fields: Any) -> Any:
    request = ImageRequest(model="x", prompt="a cat", **fields)
    wire = gemini_images.encode(request, provider="google", model=model, profile=WireProfile())
    assert wire.path == f"/models/{model}:generateContent"
    return json.loads(wire.body)


def decode(answer: Any) -> ImageResponse:
    return gemini_images.decode(json.dumps(answer).encode(), provider="google", model="m", profile=WireProfile())


def candidate(*parts: Any, finish: str = "STOP") -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]}


def blob(**beside: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}, **beside}


def test_a_picture_is_asked_for_by_its_modality() -> None:
    assert encode() == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }
    assert encode(n=2, seed=7)["generationConfig"] == {"responseModalities": ["IMAGE"], "candidateCount": 2, "seed": 7}


@pytest.mark.parametrize(
    ("model", "size", "config"),
    [
        ("gemini-3-pro-image", "1024x1024", {"aspectRatio": "1:1"}),
        ("gemini-3-pro-image", "2752x1536", {"aspectRatio": "16:9", "imageSize": "2K"}),
        ("gemini-3-pro-image", "4096x4096", {"aspectRatio": "1:1", "imageSize": "4K"}),
        (FORMER, "1344x768", {"aspectRatio": "16:9"}),
        ("gemini-3.1-flash-image", "512x512", {"aspectRatio": "1:1", "imageSize": "512"}),
        ("gemini-3.1-flash-image", "384x688", {"aspectRatio": "9:16", "imageSize": "512"}),
        ("gemini-3.1-flash-image", "792x168", {"aspectRatio": "21:9", "imageSize": "512"}),
        ("gemini-3.1-flash-image", "3072x384", {"aspectRatio": "8:1"}),
        ("gemini-3.1-flash-image", "1024x4096", {"aspectRatio": "1:4", "imageSize": "2K"}),
        ("gemini-3.1-flash-image-preview", "12288x1536", {"aspectRatio": "8:1", "imageSize": "4K"}),
        ("gemini-3.1-flash-lite-image", "1376x768", {"aspectRatio": "16:9"}),
    ],
)
def test_a_size_is_a_shape_of_the_model(model: str, size: str, config: Any) -> None:
    assert encode(model, size=size)["generationConfig"]["imageConfig"] == config


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"size": "2048x2048"}, "size"), ({"negative_prompt": "x"}, "negative_prompt"), ({"user": "u"}, "user")],
)
def test_what_the_model_has_no_words_for_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(FORMER, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("gemini-3.1-flash-lite-image", "2048x2048"),  # its page: no 2K and no 4K
        ("gemini-3.1-flash-lite-image", "512x512"),
        ("gemini-3-pro-image", "512x512"),
        ("gemini-3-pro-image", "3072x384"),
        ("gemini-3.1-flash-image", "792x336"),  # half of 1584x672, which the smallest 21:9 is not
    ],
)
def test_a_size_of_another_model_is_refused_with_those_that_there_are(model: str, size: str) -> None:
    with pytest.raises(UnsupportedParameterError, match="1024x1024"):
        encode(model, size=size)


def test_an_image_needs_a_prompt() -> None:
    with pytest.raises(InvalidRequestError):
        gemini_images.encode(ImageRequest(model="x", prompt=""), provider="g", model="m", profile=WireProfile())


def test_images_of_all_answers_are_given_and_thoughts_are_not() -> None:
    answer = candidate(blob(thought=True), {"text": "Here:"}, blob(thoughtSignature="c2ln"))
    answer["candidates"].append({"index": 1, "content": {"parts": [blob()]}, "finishReason": "STOP"})
    answer["usageMetadata"] = {"promptTokenCount": 4, "candidatesTokenCount": 1290, "totalTokenCount": 1294}
    response = decode(answer)
    assert response.images == (Image("image/png", data=PNG),) * 2
    assert response.usage == Usage(input_tokens=4, output_tokens=1290)


@pytest.mark.parametrize(
    "answer",
    [
        candidate(finish="IMAGE_SAFETY"),
        candidate({"text": "I cannot"}, finish="PROHIBITED_CONTENT"),
        {"promptFeedback": {"blockReason": "SAFETY"}},
    ],
)
def test_a_filtered_image_is_a_refusal(answer: Any) -> None:
    with pytest.raises(ContentRefusedError):
        decode(answer)


@pytest.mark.parametrize("answer", [candidate({"text": "Which cat?"}), candidate(finish="NO_IMAGE")])
def test_words_alone_are_a_failed_generation(answer: Any) -> None:
    with pytest.raises(FailedGenerationError, match=r"Which cat\?|NO_IMAGE"):
        decode(answer)


@needs_corpora
def test_each_recorded_picture_is_found() -> None:
    seen = 0
    for row in rows("misc/big_media_shapes.jsonl"):
        if row["api"] != "generateContent" or "-image" not in row["url_path"]:
            continue
        body = re.sub(r"<base64 \d+ chars removed>", "QUJD", row["response_text"])
        stated = json.loads(body)
        kinds = [
            part["inlineData"]["mimeType"]
            for part in stated["candidates"][0]["content"]["parts"]
            if "inlineData" in part
        ]
        response = decode(stated)
        assert [(one.media_type, one.data) for one in response.images] == [(kind, b"ABC") for kind in kinds]
        assert response.model == f"google/{stated['modelVersion']}"
        details = stated["usageMetadata"].get("candidatesTokensDetails", [])
        images = sum(one["tokenCount"] for one in details if one["modality"] == "IMAGE")
        assert response.usage.output_image_tokens == (images or None)
        seen += 1
    assert seen >= 5
