from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import anyio
import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import everything

from unified_api.catalog import Catalog
from unified_api.errors import (
    ContentRefusedError,
    DeadlineExceededError,
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    ServerError,
    UnsupportedParameterError,
)
from unified_api.gateway import Gateway
from unified_api.providers import ProfileRow, ProviderRow, builtin_rows
from unified_api.settings import Environment, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock
from unified_api.types import ImageRequest, ImageResponse, Policy
from unified_api.wire.base import WireProfile
from unified_api.wire.replicate import decode, encode, pending, read_request

PLAIN = WireProfile()
VERSION = "5797a99edc939ea0e9242d5e8c9cb3bc7d125b1eac21bda852e5cb79ede2cd9b"
URL = "https://replicate.delivery/x/out-0.webp"


def written(model: str = "a/b", profile: WireProfile = PLAIN, **more: object) -> tuple[str, dict[str, object]]:
    request = ImageRequest(model=f"r/{model}", **{"prompt": "a cat", **more})
    wire = encode(request, provider="r", model=model, profile=profile)
    assert (wire.method, wire.headers["prefer"]) == ("POST", "wait=5")
    return wire.path, json.loads(wire.body)


def prediction(status: str, **more: object) -> bytes:
    return json.dumps({"id": "abc123", "status": status, "error": None, "output": None, **more}).encode()


def read(body: bytes) -> ImageResponse:
    return decode(body, provider="r", model="a/b", profile=PLAIN)


@pytest.mark.parametrize(
    ("model", "path", "body"),
    [
        ("black-forest-labs/flux-schnell", "/models/black-forest-labs/flux-schnell/predictions", {}),
        (f"kvfrans/clipdraw:{VERSION}", "/predictions", {"version": VERSION}),
        (VERSION, "/predictions", {"version": VERSION}),
        ("deployments/me/mine", "/deployments/me/mine/predictions", {}),
    ],
)
def test_a_model_a_version_and_a_deployment_have_addresses_of_their_own(model: str, path: str, body: dict) -> None:
    assert written(model) == (path, {**body, "input": {"prompt": "a cat"}})


@pytest.mark.parametrize(
    ("model", "wish", "taken"),
    [
        ("black-forest-labs/flux-schnell", {"n": 4}, {"num_outputs": 4}),
        ("black-forest-labs/flux-1.1-pro", {"size": "1024x1024"}, {"aspect_ratio": "1:1"}),
        (f"stability-ai/sdxl:{VERSION}", {"n": 2, "size": "768x512"}, {"num_outputs": 2, "width": 768, "height": 512}),
        ("stability-ai/stable-diffusion-3.5-large", {"size": "1024x1024"}, {"aspect_ratio": "1:1"}),
        ("black-forest-labs/flux-1.1-pro", {"n": 2}, None),
        ("black-forest-labs/flux-fill-dev", {"size": "1024x1024"}, None),
        ("google/imagen-4", {"size": "1024x1024"}, None),
        ("ideogram-ai/ideogram-v3-turbo", {"n": 2}, None),
        (VERSION, {"n": 2}, None),
    ],
)
def test_the_row_asks_for_numbers_and_sizes_only_where_the_model_has_inputs_for_them(
    model: str, wish: dict[str, Any], taken: dict[str, Any] | None
) -> None:
    known = Catalog().get(f"replicate/{model}")
    profile = builtin_rows()["replicate"].profile.model_dump(exclude={"unsupported"})
    row = WireProfile(**profile, unsupported=known.unsupported)
    if taken is not None:
        inputs = written(model, row, **wish)[1]["input"]
        assert {name: value for name, value in inputs.items() if name != "prompt"} == taken
        return
    with pytest.raises(UnsupportedParameterError) as caught:
        written(model, row, **wish)
    assert caught.value.param in wish
    assert written(model, row, n=1)
    own = ProviderRow(profile=ProfileRow(unsupported={"n": (), "size": ()}))
    mine = Catalog(Settings(environment=Environment({}), providers={"replicate": own})).get(f"replicate/{model}")
    assert written(model, WireProfile(**profile, unsupported=mine.unsupported), **wish)


@pytest.mark.parametrize("model", ["alone", "a/b/c", "../x", "a/b?c", "a/b:v1", ""])
def test_what_is_no_model_of_it_is_refused_in_words(model: str) -> None:
    with pytest.raises(InvalidRequestError, match="owner/name"):
        written(model)


def test_the_inputs_have_the_names_that_image_models_share() -> None:
    asked = {"size": "512x256", "n": 2, "seed": 7, "negative_prompt": "dogs", "extra": {"r": {"steps": 4}}}
    assert written(**asked)[1]["input"] == {
        "prompt": "a cat", "width": 512, "height": 256, "num_outputs": 2, "seed": 7, "negative_prompt": "dogs",
        "steps": 4,
    }  # fmt: skip
    shaped = WireProfile(image_size={"*flux*": "aspect_ratio"}, renamed={"num_outputs": "count"})
    assert written("x/flux", shaped, size="1024x1024", n=2)[1]["input"] == {
        "prompt": "a cat", "aspect_ratio": "1:1", "count": 2,
    }  # fmt: skip
    with pytest.raises(UnsupportedParameterError, match="user"):
        written(user="me")


def test_a_request_of_a_client_is_read_and_a_bad_one_refused_with_its_field() -> None:
    told = {"prompt": "a cat", "width": 512, "height": 256, "num_outputs": 2, "seed": 7, "steps": 4}
    read_back = read_request({"input": told}, provider="r", model="a/b")
    assert read_back == ImageRequest(
        model="a/b", prompt="a cat", size="512x256", n=2, seed=7, extra={"r": {"steps": 4}}
    )
    assert json.loads(encode(read_back, provider="r", model="a/b", profile=PLAIN).body) == {"input": told}
    for bad, param in (({}, "input"), ({"input": {}}, "prompt"), ({"input": {"prompt": "x"}, "version": 7}, "version")):
        with pytest.raises(InvalidRequestError) as caught:
            read_request(bad, provider="r")
        assert caught.value.param == param


def test_what_is_not_done_is_asked_for_below_the_providers_own_address() -> None:
    elsewhere = {"get": "https://evil.example/steal", "cancel": "https://evil.example/x"}
    waiting = pending(prediction("starting", urls=elsewhere), provider="r", model="a/b")
    assert (waiting.poll.method, waiting.poll.path) == ("GET", "/predictions/abc123")
    assert (waiting.cancel.method, waiting.cancel.path) == ("POST", "/predictions/abc123/cancel")
    for done in ("succeeded", "failed", "canceled", "aborted"):
        assert pending(prediction(done), provider="r", model="a/b") is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", prediction("odd"), prediction("starting", id="../models")])
def test_what_is_no_prediction_is_a_malformed_response(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        pending(body, provider="r", model="a/b")


@pytest.mark.parametrize("output", [URL, [URL], {"image": URL}, [{"url": URL}]])
def test_the_output_may_be_an_address_or_hold_some(output: object) -> None:
    image = read(prediction("succeeded", output=output)).images[0]
    assert (image.url, image.media_type) == (URL, "image/webp")


def test_a_failure_says_why_and_may_be_billed() -> None:
    with pytest.raises(ServerError, match="out of memory") as caught:
        read(prediction("failed", error="CUDA out of memory"))
    assert caught.value.billable
    with pytest.raises(ContentRefusedError):
        read(prediction("failed", error="NSFW content detected. Try running it again"))
    with pytest.raises(ServerError, match="canceled"):
        read(prediction("canceled"))
    with pytest.raises(MalformedResponseError, match="no images"):
        read(prediction("succeeded", output="some words"))


@given(
    st.binary(max_size=60), st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_no_bytes_make_the_decoder_crash(junk: bytes, output: object) -> None:
    for body in (junk, prediction("succeeded", output=output)):
        with suppress(GatewayError):
            read(body)
        with suppress(GatewayError):
            pending(body, provider="r", model="m")


# Through the gateway, on a clock that is turned by hand.


def gateway(script: object) -> tuple[Gateway, FaultyTransport, ManualClock]:
    clock = ManualClock()
    backend = FaultyTransport(script, clock=clock)
    row = ProviderRow(
        base_url="https://api.r.example/v1", wire="replicate", api_key_env="KEY", models=("a/b",),
        capabilities={"chat": (), "image_output": ("*",)},
    )  # fmt: skip
    settings = Settings(providers={"r": row}, environment=Environment({"KEY": "r8_secret"}))
    return Gateway(settings, backend=backend, clock=clock, random=lambda: 0.0), backend, clock


def told(status: str, code: int = 200, **more: object) -> HttpAnswer:
    return HttpAnswer(status=code, pieces=(prediction(status, **more),))


ASKED = ImageRequest(model="r/a/b", prompt="a cat")


async def test_a_prediction_is_asked_for_until_it_is_done_with_growing_waits() -> None:
    made, backend, clock = gateway([told("starting", 201), told("processing"), told("processing"),
                                    told("succeeded", output=[URL])])  # fmt: skip
    async with made:
        response = await made.image(ASKED)
    assert response.images[0].url == URL
    assert [(one.method, one.url.path) for one in backend.requests] == [
        ("POST", "/v1/models/a/b/predictions"), *[("GET", "/v1/predictions/abc123")] * 3,
    ]  # fmt: skip
    assert {one.headers["authorization"] for one in backend.requests} == {"Bearer r8_secret"}
    assert {one.url.host for one in backend.requests} == {"api.r.example"}
    assert clock.sleeps == [0.5, 0.75, 1.125]


async def test_one_that_is_done_at_once_is_not_asked_for_again() -> None:
    made, backend, _ = gateway([told("succeeded", 201, output=URL)])
    async with made:
        await made.image(ASKED)
    assert len(backend.requests) == 1


async def test_a_question_that_fails_in_passing_is_asked_again_for_the_work_goes_on() -> None:
    busy = HttpAnswer(status=429, headers={"retry-after": "3"})
    made, backend, clock = gateway([told("starting", 201), busy, HttpAnswer(status=502), told("succeeded", output=URL)])
    async with made:
        response = await made.image(ASKED)
    assert [one.method for one in backend.requests] == ["POST", "GET", "GET", "GET"]
    assert clock.sleeps == [0.5, 3.0, 5.0]
    assert [one.outcome for one in response.attempts] == ["succeeded"]


@pytest.mark.parametrize("deadline", [10.0, 100.0])
async def test_the_deadline_ends_the_work_at_the_provider_too(deadline: float) -> None:
    made, backend, clock = gateway(lambda request: told("processing"))
    start = clock.now()
    async with made:
        with pytest.raises(DeadlineExceededError):
            await made.image(ASKED, Policy(deadline_s=deadline))
    assert clock.now() - start == deadline
    assert backend.requests[-1].url.path == "/v1/predictions/abc123/cancel"
    assert sum(one.url.path.endswith("/cancel") for one in backend.requests) == 1


async def test_a_caller_who_leaves_ends_the_work_at_the_provider_too() -> None:
    arrived = anyio.Event()

    class Waiting(ManualClock):
        async def sleep(self, seconds: float) -> None:
            arrived.set()
            await anyio.sleep_forever()

    clock = Waiting()
    backend = FaultyTransport([told("starting", 201), told("canceled")], clock=clock)
    made, _, _ = gateway([])
    async with Gateway(made.settings, backend=backend, clock=clock) as left, anyio.create_task_group() as group:
        group.start_soon(left.image, ASKED)
        await arrived.wait()
        group.cancel_scope.cancel()
    assert [one.url.path for one in backend.requests][1:] == ["/v1/predictions/abc123/cancel"]


async def test_a_failed_prediction_is_tried_again_as_a_new_one_and_is_not_cancelled() -> None:
    made, backend, _ = gateway(
        [told("starting", 201), told("failed", error="boom"), told("succeeded", 201, output=URL)]
    )
    async with made:
        response = await made.image(ASKED)
    assert [one.method for one in backend.requests] == ["POST", "GET", "POST"]
    assert [(one.error, one.billable) for one in response.attempts] == [("server_error", True), (None, False)]


@needs_corpora
def test_the_recorded_predictions_are_written_and_waited_for() -> None:
    seen = 0
    for one in everything():
        if one.provider != "replicate" or "/predictions" not in one.path:
            continue
        answer = json.loads(one.body)
        waiting = pending(one.body, provider="r", model="m")
        assert answer["status"] in ("starting", "processing")
        assert waiting.poll.path == answer["urls"]["get"].removeprefix("https://api.replicate.com/v1")
        assert waiting.cancel.path == answer["urls"]["cancel"].removeprefix("https://api.replicate.com/v1")
        if isinstance(one.request, dict):
            request = read_request(one.request, provider="r")
            wire = encode(request, provider="r", model=request.model, profile=PLAIN)
            assert (wire.path, json.loads(wire.body)) == ("/predictions", one.request)
            model = f"{answer['model']}:{one.request['version']}"
            assert written(model, prompt=one.request["input"]["prompt"]) == ("/predictions", one.request)
        seen += 1
    assert seen >= 2
