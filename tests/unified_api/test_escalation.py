from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unified_api.errors import (
    AttemptsExhaustedError,
    GatewayError,
    ServerError,
    TimedOutError,
    UnsupportedParameterError,
)
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import Settings
from unified_api.testing import ALL_CAPABILITIES, ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    Caller,
    FinishChunk,
    LogprobsChunk,
    Message,
    OutputSchema,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
    TokenLogprob,
    Usage,
    UsageChunk,
)

USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
ASK = Request(model="route/r", messages=(Message.user("What is due?"),))


def told(text: str, *, sure: float | None = None, finish: str = "stop", cost: str | None = None) -> Response:
    logprobs = () if sure is None else (TokenLogprob(text, sure),)
    return Response(
        model="x",
        provider="x",
        parts=(TextPart(text),),
        finish_reason=finish,
        usage=USAGE,
        logprobs=logprobs,
        cost_usd=None if cost is None else Decimal(cost),
    )


def gateway(
    folder: Path, escalate: str, scripts: dict[str, Any], *, last: str = "", models: tuple[Model, ...] = (), **more: Any
) -> Gateway:
    path = folder / "orchestrator.toml"
    named = [name for name in scripts if name.startswith("m/") and name != last]
    text = f"[routes.r]\nmodels = {named}\n" + (f"last_resort = ['{last}']\n" if last else "")
    path.write_text(f"{text}[routes.r.escalate]\n{escalate}", "utf-8")
    more = {"prices": Prices(input=Decimal(1), output=Decimal(2)), **more}
    return scripted_gateway(
        scripts, settings=Settings.load(path, environ={}), models=models, random=lambda: 0.0, **more
    )


def story(response: Response) -> list[tuple[str, str]]:
    return [(one.model, one.outcome) for one in response.attempts if one.number]


def model(name: str, **facts: Any) -> Model:
    provider, _, rest = name.partition("/")
    facts = {"capabilities": ALL_CAPABILITIES, "data_policy": DataPolicy(clearance="restricted"), **facts}
    return Model(id=name, provider=provider, name=rest, wire="scripted", **facts)


async def test_a_good_answer_of_the_cheap_model_serves_and_nobody_else_is_asked(tmp_path: Path) -> None:
    strong = ScriptedModel("strong")
    ready = gateway(tmp_path, "", {"m/cheap": "cheap", "m/strong": strong})
    response = await ready.chat(ASK)
    assert response.text == "cheap"
    assert strong.calls == 0
    (attempt,) = [one for one in response.attempts if one.number]
    assert attempt.confidence == 1.0


@pytest.mark.parametrize("bad", [told(""), told("half", finish="length"), told("no", finish="content_filter")])
async def test_an_answer_that_is_none_is_rejected_and_its_cost_is_told_apart(tmp_path: Path, bad: Response) -> None:
    ready = gateway(tmp_path, "", {"m/cheap": bad, "m/strong": told("strong", cost="7")})
    response = await ready.chat(ASK)
    assert response.text == "strong"
    assert response.cost_usd == Decimal(7)
    rejected, succeeded = [one for one in response.attempts if one.number]
    assert (rejected.outcome, rejected.cost_usd, rejected.confidence) == ("rejected", Decimal(3), 0.0)
    assert (succeeded.outcome, succeeded.cost_usd) == ("succeeded", Decimal(7))


async def test_an_answer_that_fails_its_schema_goes_to_the_stronger_model(tmp_path: Path) -> None:
    schema = OutputSchema({"type": "object", "required": ["n"]})
    ready = gateway(tmp_path, "", {"m/cheap": '{"m": 1}', "m/strong": '{"n": 1}'})
    response = await ready.chat(Request(model="route/r", messages=ASK.messages, output_schema=schema))
    assert json.loads(response.text) == {"n": 1}
    assert story(response) == [("m/cheap", "rejected"), ("m/strong", "succeeded")]


async def test_the_best_of_the_rejected_serves_where_nobody_does_better(tmp_path: Path) -> None:
    scripts = {
        "m/one": told("unsure", sure=-1.0),
        "m/two": told("less sure", sure=-2.0),
        "m/three": ServerError("down"),
    }
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", scripts)
    response = await ready.chat(ASK, Policy(max_attempts=9))
    assert response.text == "unsure"
    assert {one.outcome for one in response.attempts if one.number} == {"rejected", "failed"}
    assert any(one.error == "best_rejected" for one in response.attempts)
    assert response.cost_usd == Decimal(3)


async def test_unsure_tokens_send_the_call_on_and_probabilities_are_asked_for_and_not_shown(tmp_path: Path) -> None:
    cheap, strong = ScriptedModel(told("unsure", sure=-1.0)), ScriptedModel(told("strong", sure=-0.01))
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", {"m/cheap": cheap, "m/strong": strong})
    response = await ready.chat(ASK)
    assert (response.text, response.logprobs) == ("strong", ())
    assert cheap.requests[0].logprobs == 0
    assert strong.requests[0].logprobs is None  # the last one is not judged
    rejected = next(one for one in response.attempts if one.outcome == "rejected")
    assert rejected.confidence == pytest.approx(0.3679, abs=1e-3)


async def test_probabilities_that_the_caller_asked_for_are_shown(tmp_path: Path) -> None:
    cheap = ScriptedModel(told("sure", sure=-0.01))
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", {"m/cheap": cheap, "m/strong": "strong"})
    response = await ready.chat(Request(model="route/r", messages=ASK.messages, logprobs=2))
    assert len(response.logprobs) == 1
    assert cheap.requests[0].logprobs == 2


async def test_a_model_without_probabilities_is_not_asked_for_them_and_its_shape_alone_counts(tmp_path: Path) -> None:
    cheap = ScriptedModel(["fine", told("")])
    models = (model("m/cheap", unsupported=frozenset({"logprobs"})),)
    scripts = {"m/cheap": cheap, "m/strong": "strong", "m/best": "best"}
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", scripts, models=models)
    response = await ready.chat(ASK)
    assert response.text == "fine"
    assert cheap.requests[0].logprobs is None
    assert any(one.error == "not_judged" and "no log-prob" in (one.message or "") for one in response.attempts)
    assert (await ready.chat(ASK)).text == "strong"


async def test_a_server_that_refuses_probabilities_is_asked_without_and_remembered(tmp_path: Path) -> None:
    def reply(request: Request) -> Response:
        if request.logprobs is not None:
            raise UnsupportedParameterError("logprobs are not supported with this model", status=400, param="logprobs")
        return told("fine")

    cheap = ScriptedModel(reply)
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", {"m/cheap": cheap, "m/strong": "strong"})
    for _ in range(2):
        response = await ready.chat(ASK)
        assert story(response) == [("m/cheap", "succeeded")]
    assert [request.logprobs for request in cheap.requests] == [0, None, None]


JUDGE = "evaluator = 'judge'\nthreshold = 0.7\njudge = 'j/judge'"


@pytest.mark.parametrize(("mark", "text"), [("9", "cheap"), ("7", "cheap"), ("6.9", "strong"), ("well done", "cheap")])
async def test_a_judge_decides_and_what_it_costs_is_on_the_trail(tmp_path: Path, mark: str, text: str) -> None:
    judge = ScriptedModel(told(mark, cost="0.5"))
    ready = gateway(tmp_path, JUDGE, {"m/cheap": "cheap", "m/strong": "strong", "j/judge": judge})
    response = await ready.chat(ASK)
    assert response.text == text
    assert judge.calls == 1
    (consulted,) = [one for one in response.attempts if one.error == "consulted"]
    assert consulted.cost_usd == Decimal("0.5")


async def test_an_answer_of_no_shape_is_rejected_without_asking_the_judge(tmp_path: Path) -> None:
    judge = ScriptedModel("10")
    ready = gateway(tmp_path, JUDGE, {"m/cheap": told(""), "m/strong": "strong", "j/judge": judge})
    assert (await ready.chat(ASK)).text == "strong"
    assert judge.calls == 0


async def test_a_judge_without_clearance_is_not_asked_and_the_answer_passes_unjudged(tmp_path: Path) -> None:
    judge = ScriptedModel("0")
    models = (model("j/judge", data_policy=DataPolicy(clearance="public")),)
    scripts = {"m/cheap": "cheap", "m/strong": "strong", "j/judge": judge}
    ready = gateway(tmp_path, JUDGE, scripts, models=models)
    response = await ready.chat(ASK, Policy(sensitivity="confidential"))
    assert response.text == "cheap"
    assert judge.calls == 0
    (note,) = [one for one in response.attempts if one.error == "not_judged"]
    assert "no_candidate" in (note.message or "")
    assert (await ready.chat(ASK)).text == "strong"  # public data it may see


@pytest.mark.parametrize("fault", [ServerError("down"), TimedOutError("silent")])
async def test_an_answer_is_not_lost_for_want_of_a_judge(tmp_path: Path, fault: Exception) -> None:
    ready = gateway(tmp_path, JUDGE, {"m/cheap": "cheap", "m/strong": "strong", "j/judge": fault})
    response = await ready.chat(ASK)
    assert response.text == "cheap"
    assert any(one.error == "not_judged" for one in response.attempts)


async def test_a_judge_that_is_late_holds_nobody_up(tmp_path: Path) -> None:
    clock = ManualClock()
    asked = anyio.Event()

    async def never(_: Any) -> str:
        asked.set()
        await anyio.sleep_forever()
        return "0"

    scripts = {"m/cheap": "cheap", "m/strong": "strong", "j/judge": never}
    ready = gateway(tmp_path, f"{JUDGE}\ntimeout_s = 2", scripts, clock=clock)
    got: list[Response] = []

    async def ask() -> None:
        got.append(await ready.chat(ASK))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await asked.wait()
        clock.advance(2.5)
    assert got[0].text == "cheap"
    assert any("came within 2 s" in (one.message or "") for one in got[0].attempts)


async def test_the_last_resort_serves_where_the_others_fail_and_gets_no_escalation(tmp_path: Path) -> None:
    last = ScriptedModel("the last word")
    scripts = {"m/cheap": TimedOutError("silent"), "m/strong": TimedOutError("silent"), "m/last": last}
    ready = gateway(tmp_path, "", scripts, last="m/last")
    assert (await ready.chat(ASK, Policy(max_attempts=9))).text == "the last word"
    unsure = gateway(tmp_path, "", {"m/cheap": told(""), "m/strong": "strong", "m/last": last}, last="m/last")
    assert (await unsure.chat(ASK)).text == "strong"
    assert last.calls == 1


async def test_a_route_may_not_escalate_where_the_caller_allows_no_fallback(tmp_path: Path) -> None:
    strong = ScriptedModel("strong")
    ready = gateway(tmp_path, "", {"m/cheap": told(""), "m/strong": strong})
    response = await ready.chat(ASK, Policy(fallback=False))
    assert (response.text, strong.calls) == ("", 0)


async def test_nothing_of_question_or_answer_is_on_the_trail(tmp_path: Path) -> None:
    secret = "Ada owes 17 crowns"
    scripts = {"m/cheap": secret, "m/strong": secret, "j/judge": "2"}
    response = await gateway(tmp_path, JUDGE, scripts).chat(Request(model="route/r", messages=(Message.user(secret),)))
    assert "crowns" not in repr(response.attempts)


async def read(ready: Gateway, policy: Policy = Policy()) -> tuple[list[Any], Response]:
    async with ready.stream(ASK, policy) as stream:
        return [chunk async for chunk in stream], stream.response


@pytest.mark.parametrize("reader", ["person", "step"])
async def test_a_streamed_answer_is_held_back_until_it_is_judged(tmp_path: Path, reader: str) -> None:
    ready = gateway(tmp_path, JUDGE, {"m/cheap": "cheap answer", "m/strong": "strong answer", "j/judge": "2"})
    chunks, response = await read(ready, Policy(reader=reader))
    assert "".join(one.text for one in chunks if isinstance(one, TextChunk)) == "strong answer"
    assert response.text == "strong answer"
    assert story(response) == [("m/cheap", "rejected"), ("m/strong", "succeeded")]
    rejected, succeeded = [one for one in response.attempts if one.number]
    assert response.cost_usd == succeeded.cost_usd
    assert (rejected.cost_usd or 0) > 0


@pytest.mark.parametrize("reader", ["person", "step"])
async def test_a_streamed_answer_that_is_good_is_replayed_whole(tmp_path: Path, reader: str) -> None:
    strong = ScriptedModel("strong answer")
    ready = gateway(tmp_path, JUDGE, {"m/cheap": "a cheap answer", "m/strong": strong, "j/judge": "9"})
    chunks, response = await read(ready, Policy(reader=reader))
    assert [one.text for one in chunks if isinstance(one, TextChunk)] == ["a ", "cheap ", "answer"]
    assert isinstance(chunks[-1], UsageChunk)
    assert response.text == "a cheap answer"
    assert story(response) == [("m/cheap", "succeeded")]
    assert next(one for one in response.attempts if one.number).confidence == pytest.approx(0.9)
    assert strong.calls == 0


async def test_a_stream_that_breaks_while_it_is_held_back_is_left_unseen(tmp_path: Path) -> None:
    broken = [TextChunk("half an "), ServerError("cut")]
    ready = gateway(tmp_path, "", {"m/cheap": broken, "m/strong": "strong answer"})
    chunks, response = await read(ready)
    assert "".join(one.text for one in chunks if isinstance(one, TextChunk)) == "strong answer"
    outcomes = story(response)
    assert outcomes[0] == ("m/cheap", "failed")
    assert outcomes[-1] == ("m/strong", "succeeded")


async def test_the_last_candidate_streams_freely(tmp_path: Path) -> None:
    broken = [TextChunk("the first words "), ServerError("cut")]
    ready = gateway(tmp_path, "", {"m/cheap": told(""), "m/strong": broken})
    async with ready.stream(ASK) as stream:
        assert (await anext(aiter(stream))).text == "the first words "
        with pytest.raises(ServerError):  # it was shown, so it cannot be taken back
            await anext(aiter(stream))


async def test_probabilities_are_taken_out_of_a_replayed_stream(tmp_path: Path) -> None:
    sure = [TextChunk("sure"), LogprobsChunk((TokenLogprob("sure", -0.01),)), FinishChunk("stop"), UsageChunk(USAGE)]
    cheap = ScriptedModel(sure)
    ready = gateway(tmp_path, "evaluator = 'logprobs'\nthreshold = 0.9", {"m/cheap": cheap, "m/strong": "strong"})
    chunks, response = await read(ready)
    assert not any(isinstance(one, LogprobsChunk) for one in chunks)
    assert response.text == "sure"
    assert cheap.requests[0].logprobs == 0


async def test_the_best_rejected_stream_is_replayed_where_all_others_failed(tmp_path: Path) -> None:
    ready = gateway(tmp_path, JUDGE, {"m/cheap": "poor but there", "m/strong": ServerError("down"), "j/judge": "2"})
    chunks, response = await read(ready)
    assert "".join(one.text for one in chunks if isinstance(one, TextChunk)) == "poor but there"
    assert [outcome for _, outcome in story(response)].count("rejected") == 1
    assert "succeeded" not in {outcome for _, outcome in story(response)}


async def test_a_reader_who_leaves_a_replayed_stream_leaves_nothing_behind(tmp_path: Path) -> None:
    ready = gateway(tmp_path, "", {"m/cheap": "one two three", "m/strong": "strong"})
    async with ready.stream(ASK) as stream:
        first = await anext(aiter(stream))
    assert isinstance(first, TextChunk)


async def test_everything_failing_is_told_as_ever(tmp_path: Path) -> None:
    ready = gateway(tmp_path, "", {"m/cheap": ServerError("down"), "m/strong": ServerError("down")})
    with pytest.raises(AttemptsExhaustedError):
        await ready.chat(ASK, Policy(max_attempts=3))


async def test_the_rejected_answer_serves_where_the_deadline_passes_before_a_better_one(tmp_path: Path) -> None:
    clock = ManualClock()

    async def slow(_: Any) -> str:
        await clock.sleep(100)
        return "too late"

    scripts = {"m/cheap": "cheap", "m/strong": slow, "j/judge": "2"}
    response = await gateway(tmp_path, JUDGE, scripts, clock=clock).chat(ASK, Policy(deadline_s=5))
    assert response.text == "cheap"
    assert any(one.error == "best_rejected" for one in response.attempts)


async def test_a_judge_ends_with_the_deadline_of_the_call_and_the_answer_is_there(tmp_path: Path) -> None:
    clock = ManualClock()

    async def slow(_: Any) -> str:
        await clock.sleep(100)
        return "0"

    scripts = {"m/cheap": "cheap", "m/strong": "strong", "j/judge": slow}
    response = await gateway(tmp_path, JUDGE, scripts, clock=clock).chat(ASK, Policy(deadline_s=5))
    assert response.text == "cheap"
    assert any(one.error == "not_judged" for one in response.attempts)
    assert clock.now() <= 1_005


async def test_a_caller_who_leaves_while_the_judge_thinks_is_let_go(tmp_path: Path) -> None:
    thinking, gone = anyio.Event(), anyio.Event()

    async def think(_: Any) -> str:
        thinking.set()
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()
        return "9"

    ready = gateway(tmp_path, JUDGE, {"m/cheap": "cheap", "m/strong": "strong", "j/judge": think})
    async with anyio.create_task_group() as group:
        group.start_soon(ready.chat, ASK)
        await thinking.wait()
        group.cancel_scope.cancel()
    assert gone.is_set()


LABELS = ("public", "internal", "confidential", "restricted")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    label=st.sampled_from(LABELS),
    clearances=st.lists(st.sampled_from(LABELS), min_size=5, max_size=5),
    replies=st.lists(
        st.sampled_from(["fine", "", ServerError("down"), TimedOutError("silent")]), min_size=3, max_size=3
    ),
    mark=st.sampled_from(["2", "9", "?", ServerError("down")]),
    evaluator=st.sampled_from(["judge", "similarity", "structural"]),
    streamed=st.booleans(),
)
async def test_nothing_labelled_reaches_an_uncleared_model_judge_or_embedder(
    tmp_path: Path,
    label: Any,
    clearances: list[Any],
    replies: list[Any],
    mark: Any,
    evaluator: str,
    streamed: bool,
) -> None:
    (tmp_path / "good.jsonl").write_text('"fine"\n', "utf-8")
    keys = {
        "judge": JUDGE,
        "similarity": "evaluator = 'similarity'\nthreshold = 0.5\nembedder = 'e/vectors'\nexamples = 'good.jsonl'",
        "structural": "",
    }
    names = ["m/cheap", "m/strong", "m/last", "j/judge", "e/vectors"]
    asked = {name: ScriptedModel(reply) for name, reply in zip(names, [*replies, mark, [[1.0, 0.0]]], strict=True)}
    models = tuple(
        model(name, data_policy=DataPolicy(clearance=clearance))
        for name, clearance in zip(names, clearances, strict=True)
    )
    ready = gateway(tmp_path, keys[evaluator], dict(asked), last="m/last", models=models, clock=ManualClock())
    policy = Policy(sensitivity=label, max_attempts=6)
    with contextlib.suppress(GatewayError):
        await (read(ready, policy) if streamed else ready.chat(ASK, policy))
    cleared = dict(zip(names, clearances, strict=True))
    for name, one in asked.items():
        assert not one.calls or LABELS.index(cleared[name]) >= LABELS.index(label)


async def test_a_judge_that_the_budget_has_no_room_for_has_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "orchestrator.toml").write_text(
        "[routes.r]\nmodels = ['m/cheap', 'm/strong']\n[routes.r.escalate]\n"
        f"{JUDGE}\n[budgets.default]\nper_user_month_usd = 0.001\n",
        "utf-8",
    )
    environ = {"ORCHESTRATOR_HOME": str(tmp_path)}
    judge = ScriptedModel("9")
    free = Prices(input=Decimal(0), output=Decimal(0))
    dear = model("j/judge", prices=Prices(input=Decimal(100), output=Decimal(100)))
    ready = scripted_gateway(
        {"m/cheap": "cheap", "m/strong": "strong", "j/judge": judge},
        settings=Settings.load(tmp_path / "orchestrator.toml", environ=environ),
        models=(dear,),
        prices=free,
    )
    async with ready:
        response = await ready.chat(ASK, Policy(caller=Caller(user="u")))
    assert (response.text, judge.calls) == ("cheap", 0)
    (consulted,) = [one for one in response.attempts if one.error == "consulted"]
    assert consulted.cost_usd == 0
    assert any("budget_exceeded" in (one.message or "") for one in response.attempts)
