"""Sessions that keep to the deployment that served them."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import ConfigurationError, RateLimitError, ServerError
from unified_api.gateway import Gateway
from unified_api.models import Escalation, Model, RouteRules, Selection
from unified_api.providers import ProviderRow
from unified_api.routing.affinity import Affinity, Session, kept_to
from unified_api.settings import AffinitySettings, Environment, Route, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock, scripted_gateway
from unified_api.types import Caller, Message, Policy, ProviderState, ReasoningPart, Request, Response, TextPart

ROUTE = {"main": Route(models=("a/m", "b/m", "c/m"))}
DOWN = ServerError("down")


def of(session: str | None, *, tenant: str = "t", **more: object) -> Policy:
    return Policy(caller=Caller(tenant=tenant, session=session), **more)


def ask(model: str = "route/main") -> Request:
    return Request(model=model, messages=(Message.user("Hello"),))


def gateway(clock: ManualClock | None = None, settings: Settings | None = None, **scripts: object) -> Gateway:
    return scripted_gateway(
        {f"{name}/m": script for name, script in scripts.items()},
        settings=settings or Settings(routes=ROUTE),
        clock=clock or ManualClock(),
    )


def server(response: Response) -> str:
    return response.provider


async def test_a_session_keeps_to_the_deployment_that_served_it() -> None:
    made = gateway(a=[DOWN, "from a", "from a", "from a"], b="from b", c="from c")
    assert server(await made.chat(ask(), of("s"))) == "b"
    second = await made.chat(ask(), of("s"))
    assert server(second) == "b"
    (note,) = (one for one in second.attempts if one.outcome == "noted")
    assert (note.model, note.error) == ("affinity", "kept")
    assert "b/m served this session before" in note.message
    for other in (of("s2"), of("s", tenant="u"), Policy()):
        assert server(await made.chat(ask(), other)) == "a"


async def test_streams_and_whole_answers_share_a_session() -> None:
    made = gateway(a=[DOWN, "from a"], b="from b", c="from c")
    async with made.stream(ask(), of("s")) as stream:
        assert [chunk async for chunk in stream]
    assert server(await made.chat(ask(), of("s"))) == "b"


async def test_a_stream_that_did_not_end_well_is_not_remembered() -> None:
    made = gateway(a=[DOWN, "from a"], b="from b", c="from c")
    async with made.stream(ask(), of("s")) as stream:
        async for _ in stream:
            break
    assert server(await made.chat(ask(), of("s"))) == "a"


async def test_a_failure_and_a_filter_break_it() -> None:
    made = gateway(a=[DOWN, "from a", "from a", "from a"], b=["from b", DOWN], c="from c")
    assert server(await made.chat(ask(), of("s"))) == "b"
    denied = await made.chat(ask(), of("s", deny=frozenset({"b/m"})))
    assert server(denied) == "a"
    assert [one.error for one in denied.attempts if one.model == "affinity"] == ["not_kept"]
    assert server(await made.chat(ask(), of("s"))) == "a"  # the latest success counts


async def test_an_open_breaker_breaks_it() -> None:
    busy = RateLimitError("busy", retry_after=60)
    made = gateway(a=[DOWN, "from a", "from a"], b=["from b", busy, busy, busy, "from b"], c="from c")
    assert server(await made.chat(ask(), of("s"))) == "b"
    for _ in range(3):
        with pytest.raises(RateLimitError):
            await made.chat(ask("b/m"), Policy(deadline_s=1))
    response = await made.chat(ask(), of("s"))
    assert server(response) == "a"
    assert [one.model for one in response.attempts if one.outcome == "skipped"] == ["b/m"]


async def test_a_session_is_forgotten_after_its_time() -> None:
    clock = ManualClock()
    made = gateway(clock, a=[DOWN, "from a"], b="from b", c="from c")
    assert server(await made.chat(ask(), of("s"))) == "b"
    clock.advance(3600)
    assert server(await made.chat(ask(), of("s"))) == "b"
    clock.advance(3601)
    assert server(await made.chat(ask(), of("s"))) == "a"


async def test_the_time_can_be_set_and_zero_turns_it_off() -> None:
    clock = ManualClock()
    settings = Settings(routes=ROUTE, affinity=AffinitySettings(idle_s=0))
    made = gateway(clock, settings, a=[DOWN, "from a"], b="from b", c="from c")
    assert server(await made.chat(ask(), of("s"))) == "b"
    clock.advance(0.001)
    assert server(await made.chat(ask(), of("s"))) == "a"


def test_a_table_that_cannot_be_is_an_error(tmp_path: object) -> None:
    path = tmp_path / "orchestrator.toml"
    for text, fault in (("idle_s = -1", "idle_s"), ("sessions = 0", "sessions"), ("idle = 5", "did you mean 'idle_s'")):
        path.write_text(f"[affinity]\n{text}\n")
        with pytest.raises(ConfigurationError, match=fault):
            Settings.load(path, environ={})


MODELS = tuple(Model(id=f"p/{name}", provider="p", name=name, wire="openai_chat") for name in "abc")


def test_an_order_that_has_a_meaning_is_kept() -> None:
    assert [one.name for one in kept_to(Selection(MODELS), "p/c").candidates] == ["c", "a", "b"]
    assert kept_to(Selection(MODELS), "p/d") is None
    assert kept_to(Selection(MODELS, rules=RouteRules(last_resort=frozenset({"p/c"}))), "p/c") is None
    escalating = RouteRules(escalation=Escalation(evaluator="structural", threshold=0.5))
    assert kept_to(Selection(MODELS, rules=escalating), "p/c") is None


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from(["m", "n", None]), st.integers(0, 40)),
        max_size=40,
    )
)
def test_it_remembers_what_a_plain_list_would(steps: list[tuple[str, str | None, int]]) -> None:
    """Against a model of it: the latest three sessions, each for 60 seconds after it was last served."""
    affinity, plain, now = Affinity(idle_s=60, sessions=3), OrderedDict[str, tuple[str, float]](), 0.0
    for name, model, passed in steps:
        now += passed
        session = Session("t", name, "route/main")
        if model is not None:
            affinity.remember(session, model, now=now)
            plain.pop(name, None)
            plain[name] = (model, now)
            plain = OrderedDict(list(plain.items())[-3:])
        else:
            found = plain.get(name)
            expected = None if found is None or now - found[1] > 60 else found[0]
            assert affinity.model_of(session, now=now) == expected
        assert len(affinity) <= 3


def thinking(family: str, provider: str) -> Message:
    """An answer with what only `provider` can read."""
    state = ProviderState(
        provider, {"signature": "OPAQUE", "thought": True, "thoughtSignature": "OPAQUE", "x": "OPAQUE"}
    )
    return Message("assistant", (ReasoningPart("I think", state), TextPart("Hi", state=state)))


FAMILIES = ("anthropic", "bedrock", "cohere", "gemini", "ollama", "openai_chat", "openai_responses")


@pytest.mark.parametrize("family", FAMILIES)
async def test_what_only_its_provider_can_read_goes_to_nobody_else(family: str) -> None:
    """The first of two providers of one family fails, and the second is sent the conversation without the state."""
    rows = {
        name: ProviderRow(
            base_url=f"https://{name}.example/v1", wire=family, models=("m",), profile={"stateless": True}
        )
        for name in ("a", "b")
    }
    settings = Settings(providers=rows, environment=Environment(), routes={"main": Route(models=("a/m", "b/m"))})
    clock = ManualClock()
    backend = FaultyTransport(lambda _: HttpAnswer(status=401, pieces=(b'{"error":{"message":"no"}}',)), clock=clock)
    request = Request(
        model="route/main",
        messages=(Message.user("Hello"), thinking(family, "a"), Message.user("And?")),
        max_tokens=100,
    )
    async with Gateway(settings, backend=backend, clock=clock) as made:
        with pytest.raises(Exception, match="no"):
            await made.chat(request, of("s"))
    sent = {one.url.host: one.content for one in backend.requests}
    assert set(sent) == {"a.example", "b.example"}
    assert b"OPAQUE" not in sent["b.example"]
    assert b"Hi" in sent["b.example"]
    if family in {"anthropic", "gemini", "openai_chat"}:
        assert b"OPAQUE" in sent["a.example"]  # it does go to the one it came from
