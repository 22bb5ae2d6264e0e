"""Every shipped fault, met by a gateway on a clock that is turned by hand, comes to what is written in the table."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
import pytest
from fault_outcomes import ROUTED, Case, cases, meet, timeouts

from unified_api.errors import ConfigurationError, RateLimitError
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings
from unified_api.testing import ByForm, FaultyTransport, HttpAnswer, ManualClock, faults
from unified_api.types import Message, Policy, Request
from unified_api.wire.retry_after import retry_after

UNIT = 60.0
CASES = cases(UNIT)


def gateway(network: FaultyTransport, clock: ManualClock) -> Gateway:
    rows = {name: ProviderRow(base_url=f"https://{name}.example/v1", models=("m",)) for name in ("a", "b")}
    routes = {"main": Route(models=("a/m", "b/m"))}
    settings = Settings(providers=rows, routes=routes, environment=Environment(), timeouts=timeouts(UNIT))
    return Gateway(settings, backend=network, clock=clock, random=lambda: 0.5)


def ask(model: str = "a/m") -> Request:
    return Request(model=model, messages=(Message.user("Hello"),))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("stream", "routed", "step"),
    [(False, False, False), (False, True, False), (True, False, False), (True, True, False), (True, True, True)],
    ids=["whole", "whole-routed", "streamed", "streamed-routed", "streamed-for-a-step"],
)
async def test_a_fault_comes_to_what_the_table_says(case: Case, stream: bool, routed: bool, step: bool) -> None:
    clock = ManualClock()
    fault = getattr(faults, case.fault)(**case.arguments)
    network = FaultyTransport.by_host({"a.example": [fault], "b.example": [faults.answer()]}, clock=clock)
    began = time.monotonic()
    async with gateway(network, clock) as made:
        met = await meet(made, stream=stream, routed=routed, step=step)
    assert met.against(case.expected(stream=stream, routed=routed, step=step)) == []
    assert network.open == 0
    assert time.monotonic() - began < 5


def test_the_table_names_every_shipped_fault() -> None:
    shipped = {name for name in faults.__all__ if name not in {"answer", "mixed", "refused_connection"}}
    assert shipped - {case.fault for case in CASES} == set()


async def test_nobody_listening_is_a_failed_connection_and_falls_back() -> None:
    clock = ManualClock()
    scripts = {"a.example": [faults.refused_connection()], "b.example": [faults.answer()]}
    async with gateway(FaultyTransport.by_host(scripts, clock=clock), clock) as made:
        assert (await made.chat(ask(ROUTED))).provider == "b"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_good_answer_is_whole_or_streamed_as_it_is_asked_for(stream: bool) -> None:
    clock = ManualClock()
    network = FaultyTransport([faults.answer("Up and down.")], clock=clock)
    async with gateway(network, clock) as made:
        if not stream:
            assert (await made.chat(ask())).text == "Up and down."
            return
        async with made.stream(ask()) as chunks:
            assert [one async for one in chunks][1:]
            assert chunks.response.text == "Up and down."


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (faults.rate_limited(), None),
        (faults.rate_limited(retry_after=2), 2),
        (faults.rate_limited(retry_after=0.25), 0.25),
        (faults.rate_limited(retry_after=30, as_date=True), 30),
        (faults.rate_limited(retry_after=30, as_date=True, now=datetime(2026, 1, 1, tzinfo=UTC)), 30),
        (faults.rate_limited(retry_after=1.5, as_ms=True), 1.5),
    ],
)
def test_each_way_to_ask_for_a_wait_says_the_wait_that_was_asked_for(fault: HttpAnswer, seconds: float | None) -> None:
    assert fault.status == 429
    assert retry_after(dict(fault.headers)) == seconds


async def test_a_mix_takes_its_shares_and_the_same_seed_gives_the_same_order() -> None:
    clock = ManualClock()

    async def outcomes(seed: int) -> list[str]:
        mix = faults.mixed([(0.3, faults.reset()), (0.2, faults.server_error(503))], seed=seed)
        network = FaultyTransport(mix, clock=clock)
        request = httpx.Request("POST", "https://a.example/v1/chat/completions", content=b"{}")
        told = []
        for _ in range(1_000):
            try:
                told.append(str((await network.handle_async_request(request)).status_code))
            except httpx.ReadError:
                told.append("reset")
        return told

    first = await outcomes(7)
    assert 250 < first.count("reset") < 350
    assert 150 < first.count("503") < 250
    assert first == await outcomes(7)
    assert first != await outcomes(8)


def test_shares_that_cannot_be_are_refused() -> None:
    for shares in ([(0.7, faults.reset()), (0.4, faults.silence())], [(-0.1, faults.reset())]):
        with pytest.raises(ConfigurationError, match="shares of the faults"):
            faults.mixed(shares)


async def test_an_empty_script_and_an_unknown_host_are_told_when_they_are_asked() -> None:
    clock = ManualClock()
    async with gateway(FaultyTransport([], clock=clock), clock) as made:
        with pytest.raises(ConfigurationError, match="empty"):
            await made.chat(ask(), Policy(max_attempts=1))
    network = FaultyTransport.by_host({"b.example": [faults.answer()]}, clock=clock)
    async with gateway(network, clock) as made:
        assert (await made.chat(ask(ROUTED))).provider == "b"


async def test_a_script_may_be_mixed_of_everything_and_functions_see_the_request() -> None:
    clock = ManualClock()
    seen: list[str] = []

    def polite(request: httpx.Request) -> ByForm:
        seen.append(request.url.host)
        return faults.answer("from a function")

    network = FaultyTransport([faults.rate_limited(retry_after=3), httpx.ReadError("broke"), polite], clock=clock)
    async with gateway(network, clock) as made:
        assert (await made.chat(ask())).text == "from a function"
    assert seen == ["a.example"]
    assert clock.sleeps[0] == 3.25


async def test_a_wait_longer_than_the_deadline_is_not_begun() -> None:
    clock = ManualClock()
    network = FaultyTransport([faults.rate_limited(retry_after=90)], clock=clock)
    async with gateway(network, clock) as made:
        with pytest.raises(RateLimitError):
            await made.chat(ask(), Policy(deadline_s=10))
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("path", "body", "streamed"),
    [
        ("/v1/chat/completions", b'{"stream": true}', True),
        ("/v1/chat/completions", b'{"stream": false}', False),
        ("/v1beta/models/m:streamGenerateContent", b"{}", True),
        ("/v1/streams/chat", b"not json", False),
    ],
)
async def test_the_form_of_an_answer_follows_the_body_or_the_address(path: str, body: bytes, streamed: bool) -> None:
    network = FaultyTransport([faults.answer()], clock=ManualClock())
    request = httpx.Request("POST", f"https://a.example{path}", content=body)
    response = await network.handle_async_request(request)
    assert (response.headers["content-type"] == "text/event-stream") is streamed
