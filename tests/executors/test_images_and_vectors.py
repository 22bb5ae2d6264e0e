from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from running import MODEL, asked, failure, gateway_of, workflow_of

from executors.runner import run
from unified_api.errors import RateLimitError
from unified_api.settings import HttpSettings, Settings
from unified_api.types import EmbedRequest, Image, ImageResponse


async def test_an_image_step_gives_an_address_and_says_whether_it_is_a_placeholder():
    step = {"id": "a", "kind": "image", "prompt": "a tree", "model": MODEL, "size": "64x64"}
    drawn = Image("image/webp", url="https://example.com/tree.webp")
    assert (await asked(drawn, step)).outputs == {
        "a": {
            "type": "image",
            "media_type": "image/webp",
            "url": "https://example.com/tree.webp",
            "placeholder": False,
        }
    }


async def test_an_image_step_without_an_image_fails():
    step = {"id": "a", "kind": "image", "prompt": "a tree", "model": MODEL}
    nothing = ImageResponse(model=MODEL, provider="scripted", images=())
    assert failure(await asked(nothing, step))[0] == "empty_answer"
    assert failure(await asked(RateLimitError("busy"), step))[0] == "attempts_exhausted"
    assert failure(await asked("x", {**step, "prompt": "{{ '' }}"}))[0] == "empty_prompt"


def vectors(request: Any) -> list[list[float]]:
    assert isinstance(request, EmbedRequest)
    return [[float(len(text)), 0.5] for text in request.inputs]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("abc", [3.0, 0.5]),
        (["a", "bc"], [[1.0, 0.5], [2.0, 0.5]]),
        ("{{ inputs.texts }}", [[2.0, 0.5], [1.0, 0.5]]),
        (["{{ inputs.texts[0] }}"], [[2.0, 0.5]]),
        ("{{ [] }}", []),
    ],
)
async def test_a_text_gives_a_vector_and_a_list_gives_a_list(given: Any, expected: Any):
    step = {"id": "a", "kind": "embed", "input": given, "model": MODEL}
    result = await asked(vectors, step, given={"texts": ["hi", "x"]}, inputs={"texts": {"type": "array"}})
    assert result.outputs == {"a": expected}


@pytest.mark.parametrize("given", ["{{ 3 }}", "{{ ['a', 3] }}", "{{ '' }}", ["{{ ['nested'] }}"]])
async def test_only_texts_can_be_embedded(given: Any):
    assert failure(await asked(vectors, {"id": "a", "kind": "embed", "input": given, "model": MODEL}))[0] == (
        "invalid_input"
    )


async def test_a_wrong_number_of_vectors_is_noticed():
    step = {"id": "a", "kind": "embed", "input": ["x", "y"], "model": MODEL}
    code, message = failure(await asked([[1.0]], step))
    assert code == "malformed_response"
    assert "1 vectors for 2 texts" in message


SEEN = {"id": "a", "kind": "llm", "prompt": "What is it?", "model": MODEL}
SECRET = {"cv": {"type": "string", "sensitivity": "confidential"}}
TELLING = "https://pictures.example/?d={{ inputs.cv | urlencode }}"
LISTED = HttpSettings.model_validate({"hosts": ["pictures.example"], "clearance": "confidential"})
UNCLEARED = HttpSettings.model_validate({"hosts": ["pictures.example"], "clearance": "internal"})


def drawn_or_told(request: Any) -> Any:
    return Image("image/png", url="https://drawn.example/1.png") if hasattr(request, "prompt") else "a tree"


async def looked_at(image: str, http: HttpSettings, *before: dict[str, Any], given: str = "x", **step: Any) -> Any:
    settings = replace(Settings(), http=http)
    flow = workflow_of(*before, {**SEEN, "images": [image], **step}, inputs=SECRET)
    async with gateway_of(drawn_or_told, clearance="restricted", settings=settings) as gateway:
        return await run(flow, {"cv": given}, gateway=gateway)


async def test_the_host_of_an_image_is_told_nothing_that_it_is_not_cleared_for():
    assert failure(await looked_at(TELLING, HttpSettings()))[0] == "host_not_allowed"
    assert failure(await looked_at(TELLING, UNCLEARED))[0] == "insufficient_clearance"
    assert (
        failure(await looked_at("{{ inputs.cv }}", HttpSettings(), given="https://a.example/"))[0] == "host_not_allowed"
    )
    assert (await looked_at(TELLING, LISTED)).status == "succeeded"


async def test_an_address_that_tells_nothing_may_be_any():
    drawn = {"id": "drawn", "kind": "image", "prompt": "{{ inputs.cv }}", "model": MODEL}
    assert (await looked_at("https://any.example/", HttpSettings(), sensitivity="restricted")).status == "succeeded"
    assert (
        await looked_at("{{ inputs.cv }}", HttpSettings(), given="data:image/png;base64,AA==")
    ).status == "succeeded"
    for source in ("{{ steps.drawn.output }}", "{{ steps.drawn.output.url }}"):
        assert (await looked_at(source, HttpSettings(), drawn)).status == "succeeded"
    telling = "{{ steps.drawn.output.url }}?d={{ inputs.cv }}"
    assert failure(await looked_at(telling, HttpSettings(), drawn))[0] == "host_not_allowed"
