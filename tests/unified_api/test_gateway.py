from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.abc
import httpx
import pytest
from loopback import loopback

import unified_api
from unified_api.catalog import Catalog
from unified_api.discovery import discover_local_servers
from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.gateway import Gateway
from unified_api.models import Model, Prices
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings
from unified_api.testing import (
    FaultyTransport,
    HttpAnswer,
    ManualClock,
    ScriptedModel,
    chat_answer,
    scripted_gateway,
    stream_answer,
)
from unified_api.types import (
    EmbedRequest,
    Image,
    ImagePart,
    ImageRequest,
    Message,
    Policy,
    Request,
    TextPart,
    Tool,
    Usage,
    UsageChunk,
)

PRICED = Prices(input=Decimal(1), output=Decimal(10))


def ask(model: str = "auto", text: str = "Hello", **more: object) -> Request:
    return Request(model=model, messages=(Message.user(text),), **more)


def openai(*answers: HttpAnswer, **environ: str) -> tuple[Gateway, FaultyTransport]:
    clock = ManualClock()
    backend = FaultyTransport(answers, clock=clock)
    settings = Settings(environment=Environment({"OPENAI_API_KEY": "sk-test", **environ}))
    return Gateway(settings, backend=backend, clock=clock), backend


def test_the_package_offers_its_names_lazily() -> None:
    assert unified_api.Gateway is Gateway
    assert all(getattr(unified_api, name).__name__ == name for name in unified_api.__all__)
    assert unified_api.__all__ == sorted(unified_api.__all__)
    with pytest.raises(AttributeError, match="Gatewy"):
        _ = unified_api.Gatewy
    code = "import sys, unified_api; sys.exit(any(name in sys.modules for name in ('anyio', 'pydantic', 'httpx')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_gateway_leaves_the_network_and_the_prices_unloaded() -> None:
    heavy = ("httpx", "aiohttp", "genai_prices", "numpy", "xllamacpp", "platformdirs")
    code = f"import sys, unified_api.gateway; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


async def test_one_key_is_all_that_auto_needs_and_the_price_follows_the_echoed_name() -> None:
    gateway, backend = openai(chat_answer("hi", model="gpt-5.1-2025-11-13", usage=(1000, 100)))
    async with gateway:
        response = await gateway.chat(ask())
    assert response.model == "openai/gpt-5.1-2025-11-13"
    assert response.cost_usd == Decimal("0.00225")
    assert response.attempts[0].model == "openai/gpt-5.1"
    assert response.attempts[0].cost_usd == response.cost_usd
    assert backend.requests[0].headers["authorization"] == "Bearer sk-test"


async def test_without_usage_or_price_the_cost_is_unknown() -> None:
    gateway, _ = openai(chat_answer("hi", usage=None), chat_answer("hi"))
    async with gateway:
        assert (await gateway.chat(ask("openai/gpt-5.1"))).cost_usd is None
        assert (await gateway.chat(ask("openai/gpt-unheard-of"))).cost_usd is None


async def test_a_stream_is_priced_in_its_usage_chunk_and_its_response() -> None:
    gateway, _ = openai(stream_answer("a", "b", model="gpt-5.1", usage=(1000, 100)))
    async with gateway, gateway.stream(ask()) as stream:
        assert stream.model == "openai/gpt-5.1"
        chunks = [chunk async for chunk in stream]
    costs = [chunk.cost_usd for chunk in chunks if isinstance(chunk, UsageChunk)]
    assert costs == [Decimal("0.00225")]
    assert stream.response.cost_usd == Decimal("0.00225")
    assert stream.text == "ab"


async def test_a_hint_is_left_out_where_the_router_chose_the_model_and_the_trail_says_so() -> None:
    gateway, backend = openai(chat_answer("hi"), stream_answer("hi"))
    async with gateway:
        response = await gateway.chat(ask(temperature=0.2, seed=3, reasoning_effort="low"))
        async with gateway.stream(ask(temperature=0.2, reasoning_effort="low")) as stream:
            _ = [chunk async for chunk in stream]
        with pytest.raises(NoCandidateError, match="temperature"):
            await gateway.chat(ask("openai/gpt-5", temperature=0.2))
    assert b"temperature" not in backend.requests[0].content
    assert b"seed" in backend.requests[0].content
    assert "left out temperature" in response.attempts[0].message
    assert "left out temperature" in stream.response.attempts[0].message


@pytest.mark.parametrize(
    ("request_", "lacking"),
    [
        (ask(tools=(Tool("f"),)), "tools"),
        (Request(model="auto", messages=(Message("user", (ImagePart(url="https://x.example/a.png"),)),)), "vision"),
    ],
)
async def test_what_a_request_needs_is_read_off_the_request(request_: Request, lacking: str) -> None:
    gateway = scripted_gateway({"s/plain": "x"}, capabilities=frozenset({"chat", "streaming"}))
    with pytest.raises(NoCandidateError, match=f"cannot do {lacking}"):
        await gateway.chat(request_)


async def test_filters_hold_for_every_fallback() -> None:
    blind, private = ScriptedModel("never"), ScriptedModel("mine")
    gateway = scripted_gateway(
        {"s/blind": blind, "s/private": private},
        models=(Model(id="s/blind", provider="s", name="blind", wire="x", capabilities=frozenset({"chat"})),),
        settings=Settings(routes={"main": Route(models=("s/blind", "s/private"))}),
    )
    response = await gateway.chat(ask("route/main"), Policy(sensitivity="confidential"))
    assert response.text == "mine"
    assert blind.calls == 0
    assert [(a.model, a.error) for a in response.attempts if a.number == 0] == [("s/blind", "insufficient_clearance")]


async def test_an_unknown_name_and_an_empty_set_fail_before_anything_is_sent() -> None:
    gateway, backend = openai(chat_answer("never"))
    async with gateway:
        with pytest.raises(ConfigurationError, match="did you mean"):
            await gateway.chat(ask("opnai/gpt-5.1"))
        with pytest.raises(NoCandidateError):
            async with gateway.stream(ask(), Policy(needs=frozenset({"image_output"}))):
                pytest.fail("nothing can both chat and draw")
    assert backend.requests == []


async def test_embeddings_and_images_take_the_same_road() -> None:
    gateway = scripted_gateway({"s/e": [[1.0, 2.0], [3.0, 4.0]], "s/i": Image("image/png", b"x")}, prices=PRICED)
    vectors = await gateway.embed(EmbedRequest(model="s/e", inputs=("a", "b")))
    image = await gateway.image(ImageRequest(model="s/i", prompt="dot"))
    assert vectors.vectors == ((1.0, 2.0), (3.0, 4.0))
    assert vectors.cost_usd == Decimal("0.000002")
    assert image.images[0].data == b"x"
    assert image.attempts[0].outcome == "succeeded"


def test_an_estimate_is_the_dearest_candidate_at_its_longest() -> None:
    settings = Settings(routes={"main": Route(models=("s/cheap", "s/dear"))})
    models = (
        Model(id="s/cheap", provider="s", name="cheap", wire="x", capabilities=frozenset({"chat"}), prices=PRICED),
        Model(
            id="s/dear",
            provider="s",
            name="dear",
            wire="x",
            capabilities=frozenset({"chat"}),
            prices=Prices(input=Decimal(2), output=Decimal(20)),
        ),
    )
    gateway = scripted_gateway({"s/cheap": "x", "s/dear": "x"}, models=models, settings=settings)
    dear = gateway.estimate(ask("s/dear", max_tokens=100))
    assert gateway.estimate(ask("route/main", max_tokens=100)) == dear
    assert gateway.estimate(ask("route/main", max_tokens=100), Policy(fallback=False)) < dear
    assert gateway.estimate(ask("s/dear")) > dear
    assert dear > Decimal("0.002")


def test_an_estimate_covers_what_the_call_then_costs() -> None:
    gateway, _ = openai()
    request = Request(
        model="openai/gpt-4o-mini",
        messages=(Message("user", (TextPart("word " * 1000), ImagePart(url="https://x.example/a.png"))),),
        max_tokens=50,
    )
    usage = Usage(input_tokens=2445, output_tokens=50)
    spent = gateway._serving.price(gateway.catalog.get("openai/gpt-4o-mini"), "", usage)
    assert gateway.estimate(request) > spent


def test_an_unknown_price_has_no_estimate_and_what_is_free_costs_nothing() -> None:
    gateway = Gateway(
        Settings(providers={"box": ProviderRow(base_url="http://localhost:1/v1", free=True)}, environment=Environment())
    )
    assert gateway.estimate(ask("box/m")) == 0
    assert gateway.estimate(ImageRequest(model="local/placeholder-image", prompt="x")) == 0
    assert scripted_gateway({"s/m": "x"}).estimate(ask("s/m")) is None


async def test_offline_a_placeholder_is_marked_and_costs_nothing(tmp_path: Path) -> None:
    settings = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    async with Gateway(settings) as gateway:
        image = await gateway.image(ImageRequest(model="auto", prompt="a fox"))
    assert (image.provider, image.quality, image.cost_usd) == ("local", "placeholder", 0)


async def test_an_unreachable_server_of_the_users_never_keeps_the_gateway_from_opening() -> None:
    clock = ManualClock()
    backend = FaultyTransport([httpx.ConnectError("refused")], clock=clock)
    settings = Settings(providers={"box": ProviderRow(base_url="http://localhost:1/v1")}, environment=Environment())
    async with Gateway(settings, backend=backend, clock=clock) as gateway:
        assert "refused" in gateway.catalog.unreachable["box"]
        assert gateway.catalog.get("box/anything") is not None


async def test_a_server_that_drips_never_keeps_the_gateway_from_opening() -> None:
    clock = ManualClock(start=0)
    backend = FaultyTransport([HttpAnswer(pieces=(b" ",) * 1000, pause_s=1.0)], clock=clock)
    settings = Settings(providers={"box": ProviderRow(base_url="http://localhost:1/v1")}, environment=Environment())
    async with Gateway(settings, backend=backend, clock=clock) as gateway:
        assert "within 3 s" in gateway.catalog.unreachable["box"]
    assert clock.now() < 5
    assert backend.open == 0


async def test_a_stream_that_never_ends_never_keeps_the_search_for_servers_from_ending() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:

        async def drip(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                with suppress(anyio.BrokenResourceError):
                    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                    while True:
                        await stream.send(b": ping\n")
                        await anyio.sleep(0.01)

        group.start_soon(listener.serve, drip)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with anyio.fail_after(5):
            assert await discover_local_servers({port: "box"}) == ()
        group.cancel_scope.cancel()


async def test_a_key_that_no_header_can_hold_is_told_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        async with openai(chat_answer("x"), OPENAI_API_KEY="sk one")[0] as gateway:
            await gateway.chat(ask())


async def test_servers_on_this_machine_are_found_only_by_asking_their_ports() -> None:
    with loopback(models=("a", "b")) as server:
        port = int(server.url.rpartition(":")[2].removesuffix("/v1"))
        found = await discover_local_servers({port: "box", 9: "nobody"})
    assert [(one.name, one.base_url, one.models) for one in found] == [("box", server.url, ("a", "b"))]
    assert server.paths == ["/v1/models"]
    assert found[0].configuration == f'[providers.box]\nbase_url = "{server.url}"\n'


def test_a_catalog_may_be_given() -> None:
    catalog = Catalog(Settings(), rows={})
    assert Gateway(Settings(), catalog=catalog).catalog is catalog
