"""What becomes of what a model cannot take: refused with its name, or left out and said so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from unified_api.catalog import Catalog
from unified_api.errors import (
    NoCandidateError,
    ParameterRefusedError,
    RateLimitError,
    UnsupportedParameterError,
)
from unified_api.fitting import Fitting, left_out, way_of
from unified_api.gateway import Gateway
from unified_api.models import Model, Prices
from unified_api.settings import Route, Settings
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    BuiltinTool,
    EmbedRequest,
    Image,
    ImageRequest,
    Message,
    OutputSchema,
    Policy,
    Request,
    Response,
    SentChunk,
    TextChunk,
    Tool,
)

DROP = Policy(on_unsupported="drop")
PRICED = Prices(input=Decimal(1), output=Decimal(10))
CHAT = frozenset({"chat", "streaming", "tools", "structured_output"})


def ask(model: str = "s/m", **more: object) -> Request:
    return Request(model=model, messages=(Message.user("Hello"),), **more)


def model(name: str = "s/m", **more: object) -> Model:
    facts = {"capabilities": CHAT, "prices": PRICED, **more}
    return Model(id=name, provider=name[0], name=name[2:], wire="scripted", **facts)


def gateway(script: object, *models: Model, **more: object) -> Gateway:
    models = models or (model(),)
    scripts = {one.id: script for one in models}
    return scripted_gateway(scripts, models=models, clock=ManualClock(), **more)


def refusing(*params: str, status: int | None = 400, where: str | None = None) -> ScriptedModel:
    """Refuses each of these fields that a request sets, one after the other, and answers what is left."""

    def reply(request: Request) -> object:
        for param in params:
            if getattr(request, param) not in (None, (), {}):
                message = f"Unsupported parameter: {where or param}"
                return UnsupportedParameterError(message, param=where or param, status=status)
        return "answered"

    return ScriptedModel(reply)


async def answered(made: Gateway, request: Request, policy: Policy, *, streamed: bool) -> Response:
    if not streamed:
        return await made.chat(request, policy)
    async with made.stream(request, policy) as stream:
        chunks = [chunk async for chunk in stream]
    sent = [chunk for chunk in chunks if isinstance(chunk, SentChunk)]
    assert sent == chunks[: len(sent)]
    assert [one.dropped for one in sent] == ([stream.response.dropped] if stream.response.dropped else [])
    return stream.response


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_the_catalog_knows_to_be_refused_is_refused_with_its_name_or_left_out_and_reported(
    streamed: bool,
) -> None:
    script = ScriptedModel("x")
    made = gateway(script, model(unsupported=frozenset({"temperature", "stop", "metadata"})))
    request = ask(temperature=0.5, stop=("x",), seed=3, metadata={"a": "b"})
    with pytest.raises(NoCandidateError, match="metadata, stop, temperature"):
        await answered(made, request, Policy(), streamed=streamed)
    response = await answered(made, request, DROP, streamed=streamed)
    assert response.dropped == ("metadata", "stop", "temperature")
    sent = script.requests[0]
    assert (sent.temperature, sent.stop, sent.metadata, sent.seed) == (None, (), {}, 3)
    assert "left out metadata, stop, temperature" in response.attempts[0].message


@pytest.mark.parametrize("streamed", [False, True])
async def test_where_the_router_chose_hints_are_left_out_and_reported_and_nothing_else(streamed: bool) -> None:
    made = gateway("x", model(unsupported=frozenset({"top_k", "reasoning_effort", "stop"})))
    response = await answered(made, ask("auto", top_k=4, reasoning_effort="low"), Policy(), streamed=streamed)
    assert response.dropped == ("reasoning_effort", "top_k")
    with pytest.raises(NoCandidateError, match="stop"):
        await answered(made, ask("auto", top_k=4, stop=("x",)), Policy(), streamed=streamed)


async def test_every_kind_of_call_reports_what_it_left_out() -> None:
    refuses = frozenset({"dimensions", "seed"})
    vectors = model("s/e", capabilities=frozenset({"embeddings"}), unsupported=refuses)
    images = model("s/i", capabilities=frozenset({"image_output"}), unsupported=refuses)
    made = scripted_gateway({"s/e": [[1.0]], "s/i": Image("image/png", b"x")}, models=(vectors, images))
    assert (await made.embed(EmbedRequest(model="s/e", inputs=("x",), dimensions=3), DROP)).dropped == ("dimensions",)
    assert (await made.image(ImageRequest(model="s/i", prompt="x", seed=3), DROP)).dropped == ("seed",)
    with pytest.raises(NoCandidateError, match="dimensions"):
        await made.embed(EmbedRequest(model="s/e", inputs=("x",), dimensions=3))


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_cannot_be_written_for_the_model_is_left_out_before_anything_is_sent(streamed: bool) -> None:
    script = refusing("stop", "n", status=None)
    made = gateway(script)
    response = await answered(made, ask(stop=("x",), n=2), DROP, streamed=streamed)
    assert response.dropped == ("n", "stop")
    assert [(one.number, one.outcome) for one in response.attempts] == [(1, "succeeded")]
    with pytest.raises(UnsupportedParameterError, match="stop"):
        await answered(made, ask(stop=("x",)), Policy(), streamed=streamed)


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_the_server_refuses_is_left_out_the_next_time_without_a_wait(streamed: bool) -> None:
    made = gateway(refusing("stop", "temperature"))
    response = await answered(made, ask(stop=("x",), temperature=1.0), DROP, streamed=streamed)
    assert response.dropped == ("stop", "temperature")
    assert [one.error for one in response.attempts] == ["parameter_refused", "parameter_refused", None]
    assert [one.billable for one in response.attempts] == [False] * 3
    assert made._clock.sleeps == []
    with pytest.raises(UnsupportedParameterError) as caught:
        await answered(made, ask(stop=("x",)), Policy(), streamed=streamed)
    assert [one.error for one in caught.value.attempts] == ["unsupported_parameter"]


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("max_tokens", 5, "max_completion_tokens"),
        ("top_k", 5, "generationConfig.topK"),
        ("reasoning_effort", "low", "reasoning.effort"),
        ("logprobs", 2, "top_logprobs"),
        ("stop", ("x",), "inferenceConfig.stopSequences[0]"),
        ("user", "u", "metadata.user_id"),
        ("metadata", {"a": "b"}, "metadata.a"),
        ("show_reasoning", True, "thinking"),
    ],
)
async def test_a_server_names_the_field_in_its_own_words(field: str, value: object, where: str) -> None:
    response = await gateway(refusing(field, where=where)).chat(ask(**{field: value}), DROP)
    assert response.dropped == (field,)


async def test_a_server_that_refuses_what_it_was_not_sent_is_not_asked_for_ever() -> None:
    script = ScriptedModel(lambda request: UnsupportedParameterError("no", param="temperature", status=400))
    with pytest.raises(UnsupportedParameterError):
        await gateway(script).chat(ask(temperature=1.0), DROP)
    assert script.calls == 2
    unsent = ScriptedModel(lambda request: UnsupportedParameterError("no", param="temperature"))
    with pytest.raises(UnsupportedParameterError):
        await gateway(unsent).chat(ask(temperature=1.0), DROP)
    assert unsent.calls == 2


@pytest.mark.parametrize("param", ["messages", "tools", "builtin_tools", "seed", None, "no.such[thing]"])
@pytest.mark.parametrize("status", [None, 400])
async def test_what_makes_the_request_what_it_is_and_what_was_never_set_is_not_left_out(
    param: str | None, status: int | None
) -> None:
    script = ScriptedModel(lambda request: UnsupportedParameterError("no", param=param, status=status))
    with pytest.raises(UnsupportedParameterError):
        await gateway(script).chat(ask(tools=(Tool("f"),), builtin_tools=(BuiltinTool("s", {}),)), DROP)
    assert script.calls == 1


async def test_one_permitted_attempt_ends_in_the_servers_own_words() -> None:
    with pytest.raises(ParameterRefusedError, match="Unsupported parameter: stop") as caught:
        await gateway(refusing("stop")).chat(ask(stop=("x",)), Policy(on_unsupported="drop", max_attempts=1))
    assert (caught.value.param, caught.value.status) == ("stop", 400)


async def test_a_fallback_is_sent_what_it_can_take() -> None:
    first = ScriptedModel(RateLimitError("busy", retry_after=100))
    second = ScriptedModel("second")
    made = scripted_gateway(
        {"s/a": first, "t/b": second},
        models=(model("s/a", unsupported=frozenset({"stop"})), model("t/b", unsupported=frozenset({"seed"}))),
        settings=Settings(routes={"main": Route(models=("s/a", "t/b"))}),
        clock=ManualClock(),
    )
    response = await made.chat(ask("route/main", stop=("x",), seed=1), DROP)
    assert response.dropped == ("seed",)
    assert [(one.stop, one.seed) for one in (*first.requests, *second.requests)] == [((), 1), (("x",), None)]


async def test_a_refused_field_is_mended_at_the_same_model_even_where_another_is_free() -> None:
    first, second = refusing("stop", "seed"), ScriptedModel("second")
    made = scripted_gateway(
        {"s/a": first, "t/b": second},
        models=(model("s/a"), model("t/b")),
        settings=Settings(routes={"main": Route(models=("s/a", "t/b"))}),
        clock=ManualClock(),
    )
    assert (await made.chat(ask("route/main", stop=("x",), seed=1), DROP)).dropped == ("seed", "stop")
    assert second.calls == 0


async def test_built_in_tools_are_served_by_their_own_provider_alone() -> None:
    own = (BuiltinTool("t", {"type": "web_search"}),)
    made = gateway("x", model("s/a"), model("t/b"))
    response = await made.chat(ask("auto", builtin_tools=own))
    assert response.attempts[0].model == "t/b"
    assert [(one.model, one.error) for one in response.attempts[1:]] == [("s/a", "foreign_tool")]
    with pytest.raises(NoCandidateError, match="built-in tools of t"):
        await made.chat(ask("s/a", builtin_tools=own), DROP)


async def test_a_schema_that_cannot_be_written_for_the_model_is_asked_for_another_way_at_once() -> None:
    def reply(request: Request) -> object:
        if request.output_schema is not None:
            return UnsupportedParameterError("no recursive schemas", param="output_schema")
        return [TextChunk("{}")]

    script = ScriptedModel(reply)
    made = gateway(script)
    response = await made.chat(ask(output_schema=OutputSchema({"type": "object"})))
    assert (response.structured_by, len(response.attempts)) == ("tool", 1)
    assert [len(one.tools) for one in script.requests] == [0, 1]


def test_the_surest_way_to_a_schema_comes_first() -> None:
    native = model()
    assert way_of(native) == "native"
    assert way_of(model(structured_by="grammar")) == "grammar"
    assert way_of(native, {"native"}) == "tool"
    assert way_of(native, {"native", "tool"}) == "words"
    assert way_of(model(unsupported=frozenset({"output_schema"}))) == "tool"
    assert way_of(model(capabilities=frozenset({"chat"}))) == "words"


def test_the_servers_that_decode_by_a_grammar_say_so() -> None:
    catalog = Catalog()
    for name in ("local/smollm2-135m-instruct", "ollama/llama3.1:8b", "llamacpp/any", "vllm/any", "lmstudio/any"):
        assert way_of(catalog.get(name)) == "grammar"
    assert way_of(catalog.get("openai/gpt-5.1")) == "native"


def test_nothing_is_left_out_that_the_request_does_not_set() -> None:
    assert left_out(ask(temperature=0.0), DROP, {"temperature", "seed"}) == ("temperature",)
    assert left_out(ask(temperature=0.0), Policy(), {"temperature"}) == ()


def test_an_estimate_counts_every_answer_and_no_limit_that_is_left_out() -> None:
    made = gateway("x", model("s/a"), model("s/b", unsupported=frozenset({"max_tokens"}), max_output=9_000))
    one = made.estimate(ask("s/a", max_tokens=100))
    assert made.estimate(ask("s/a", max_tokens=100, n=3)) - one == Decimal("0.002")
    assert made.estimate(ask("s/b", max_tokens=100), DROP) >= Decimal("0.09")


def test_an_estimate_takes_no_chat_for_longer_than_the_model_holds() -> None:
    made = gateway("x", model(context=1_000))
    assert made.estimate(ask(max_tokens=1), DROP) < Decimal("0.0011")
    request = Request(model="s/m", messages=(Message.user("," * 5_000),), max_tokens=10)
    assert made.estimate(request) == Decimal("0.0011")


OPTIONAL = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
CLOSED = {**OPTIONAL, "required": ["a"]}


@pytest.mark.parametrize(
    ("schema", "wire", "strict", "said"),
    [
        (OPTIONAL, "openai_chat", True, True),
        (OPTIONAL, "openai_responses", True, True),
        (CLOSED, "openai_chat", True, False),
        ({"type": "array", "items": CLOSED}, "openai_chat", True, False),
        ({"type": "array", "items": OPTIONAL}, "openai_chat", True, True),
        (OPTIONAL, "openai_chat", False, False),
        (OPTIONAL, "gemini", True, False),
    ],
)
def test_a_schema_that_only_guides_the_model_is_said_to(
    schema: dict[str, object], wire: str, strict: bool, said: bool
) -> None:
    asked = ask(output_schema=OutputSchema(schema, strict=strict))
    fitted = Fitting(asked, DROP, {}).fitted(replace(model(), wire=wire))
    assert fitted.structured_by == "native"
    assert ("the schema only guides s/m" in (fitted.note or "")) is said
