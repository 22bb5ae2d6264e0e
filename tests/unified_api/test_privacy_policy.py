"""Whatever the route, the policy and the faults: nobody is shown what is labelled above their clearance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unified_api.errors import GatewayError, RateLimitError, ServerError, TruncatedStreamError
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model
from unified_api.settings import CacheSettings, PrivacySettings, Route, Settings
from unified_api.testing import ALL_CAPABILITIES, ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    SENSITIVITIES,
    EmbedRequest,
    Message,
    Policy,
    Request,
    Sensitivity,
    TextChunk,
    cleared,
    most_sensitive,
)

CANARY = "canary-7f3a"
_LABELS = st.sampled_from(SENSITIVITIES)
_REGION = st.sampled_from(["eu", "us", None])
_FAULTS = st.sampled_from(["answer", "answer", "server", "rate", "cut"])


@st.composite
def _models(draw: st.DrawFn) -> list[tuple[Model, str]]:
    """Models of several providers, each with what it does."""
    names = ["a/m", "b/m", "c/m", "c/n", "judge/m", "vectors/m"]
    return [
        (
            Model(
                id=name,
                provider=name.partition("/")[0],
                name=name.partition("/")[2],
                wire="scripted",
                capabilities=ALL_CAPABILITIES,
                data_policy=DataPolicy(clearance=draw(_LABELS), region=draw(_REGION)),
            ),
            "answer" if name == "vectors/m" else draw(_FAULTS),
        )
        for name in names
    ]


def _script(model: Model, fault: str) -> Any:
    def reply(request: Any) -> Any:
        if isinstance(request, EmbedRequest):
            return [[1.0, 0.0]] * len(request.inputs)
        match fault:
            case "server":
                return ServerError("down", status=503)
            case "rate":
                return RateLimitError("busy", status=429)
            case "cut":
                return [TextChunk("I see"), TruncatedStreamError("cut")]
            case _:
                return '{"score": 3}' if model.provider == "judge" else f"I see {CANARY}"

    return reply


class _World:
    def __init__(self, models: list[tuple[Model, str]], routed: list[str], *, escalates: bool, believed: bool) -> None:
        self.truth = {model.id: model.data_policy for model, _ in models}
        told = [
            replace(model, data_policy=replace(model.data_policy, clearance="restricted", region="eu"))
            if believed
            else model
            for model, _ in models
        ]
        self.scripts = {model.id: ScriptedModel(_script(model, fault)) for model, fault in models}
        table: dict[str, Any] = {"models": routed}
        if escalates and len(routed) > 1:
            table["escalate"] = {"evaluator": "judge", "judge": "judge/m", "threshold": 0.9}
        self.gateway: Gateway = scripted_gateway(
            self.scripts,
            models=told,
            clock=ManualClock(),
            settings=Settings(
                routes={"main": Route.model_validate(table)},
                privacy=PrivacySettings(detect=True),
                cache=CacheSettings.model_validate(
                    {"enabled": True, "clearance": "internal", "semantic": {"enabled": True, "model": "vectors/m"}}
                ),
            ),
        )

    def leaks(self, label: Sensitivity, policy: Policy) -> list[str]:
        found = []
        for name, script in self.scripts.items():
            truth, shown = self.truth[name], CANARY in repr(script.requests)
            barred = not cleared(truth.clearance, label) or bool(policy.regions and truth.region not in policy.regions)
            if shown and (barred or f"{name.partition('/')[0]}/*" in policy.deny):
                found.append(name)
        return found


async def _ask(world: _World, request: Request, policy: Policy, *, streams: bool) -> None:
    try:
        if streams:
            async with world.gateway.stream(request, policy) as stream:
                async for _ in stream:
                    pass
        else:
            await world.gateway.chat(request, policy)
    except GatewayError as error:
        assert CANARY not in str(error)  # noqa: PT017  # a call may succeed as well


_ROUTED = st.lists(st.sampled_from(["a/m", "b/m", "c/m", "c/n"]), min_size=1, max_size=4, unique=True)


@settings(max_examples=150, deadline=None)
@given(
    models=_models(),
    routed=_ROUTED,
    escalates=st.booleans(),
    streams=st.booleans(),
    said=_LABELS,
    value=st.sampled_from([("", "public"), ("ann@example.com", "confidential"), ("4111 1111 1111 1111", "restricted")]),
    regions=st.sampled_from([frozenset[str](), frozenset({"eu"})]),
    deny=st.frozensets(st.sampled_from(["a/*", "judge/*", "vectors/*"]), max_size=2),
)
async def test_no_canary_reaches_an_uncleared_recipient(
    *,
    models: list[tuple[Model, str]],
    routed: list[str],
    escalates: bool,
    streams: bool,
    said: Sensitivity,
    value: tuple[str, Sensitivity],
    regions: frozenset[str],
    deny: frozenset[str],
) -> None:
    policy = Policy(sensitivity=said, regions=regions, deny=deny, deadline_s=30)
    request = Request(model="route/main", messages=(Message.user(f"{CANARY} {value[0]}"),))
    world = _World(models, routed, escalates=escalates, believed=False)
    await _ask(world, request, policy, streams=streams)
    assert world.leaks(most_sensitive(said, value[1]), policy) == []


@pytest.mark.parametrize("streams", [False, True])
async def test_a_filter_that_believes_everybody_is_caught(streams: bool) -> None:
    model = Model(
        id="a/m", provider="a", name="m", wire="scripted", capabilities=ALL_CAPABILITIES,
        data_policy=DataPolicy(clearance="public", region="us"),
    )  # fmt: skip
    vectors = replace(model, id="vectors/m", provider="vectors")  # the settings name it
    policy = Policy(sensitivity="confidential", deny=frozenset({"vectors/*"}))
    request = Request(model="route/main", messages=(Message.user(CANARY),))
    for believed, leaks in ((True, ["a/m"]), (False, [])):
        world = _World([(model, "answer"), (vectors, "answer")], ["a/m"], escalates=False, believed=believed)
        await _ask(world, request, policy, streams=streams)
        assert world.leaks("confidential", policy) == leaks
