"""What OpenTelemetry is told, by its own SDK and exporters in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from unified_api.errors import ConfigurationError, NoCandidateError, NotFoundError, RateLimitError, ServerError
from unified_api.gateway import Gateway
from unified_api.models import Prices
from unified_api.providers import builtin_rows
from unified_api.settings import CacheSettings, Environment, PrivacySettings, RecordSettings, Settings
from unified_api.testing import FaultyTransport, ManualClock, chat_answer, scripted_gateway
from unified_api.types import (
    Caller,
    EmbedRequest,
    FinishChunk,
    Message,
    OutputSchema,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
    Usage,
)

ASKED = Request(model="p/m", messages=(Message.user("the secret question"),), max_tokens=50, temperature=0.0)
ANSWER = Response(
    model="p/m-2026", provider="p", id="x1", parts=(TextPart("yes"),), finish_reason="stop",
    usage=Usage(input_tokens=7, output_tokens=3, cached_input_tokens=2, reasoning_tokens=1),
)  # fmt: skip

_EXPORTER = InMemorySpanExporter()
_READER = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def providers() -> None:
    """OpenTelemetry's providers are set once a program."""
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(_EXPORTER))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([_READER], shutdown_on_exit=False))


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


def gateway_of(script: Any, *, cache: bool = False, **record: Any) -> Gateway:
    settings = Settings(
        record=RecordSettings(**{"traces": True, "metrics": True, **record}), cache=CacheSettings(enabled=cache)
    )
    prices = Prices(input=Decimal(1), output=Decimal(10))
    return scripted_gateway({"p/m": script}, settings=settings, clock=ManualClock(), prices=prices)


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def points(name: str) -> list[tuple[dict[str, Any], float, int]]:
    """Labels, sum and count of every series of a histogram."""
    found = _READER.get_metrics_data()
    listed = (
        [] if found is None else [one for r in found.resource_metrics for s in r.scope_metrics for one in s.metrics]
    )
    return [(dict(p.attributes), p.sum, p.count) for one in listed if one.name == name for p in one.data.data_points]


async def test_a_call_is_a_client_span_with_the_conventions_names(spans: InMemorySpanExporter) -> None:
    await gateway_of(ANSWER).chat(ASKED, Policy(caller=Caller(session="s1")))
    span = only(spans)
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    told = of(span)
    cost = told.pop("unified_api.cost_usd")
    assert cost == pytest.approx((5 * 1 + 2 * 1 + 3 * 10) / 1e6)
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.conversation.id": "s1",
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.id": "x1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "unified_api.outcome": "succeeded",
        "unified_api.tries": 1,
        "unified_api.sensitivity": "public",
    }


async def test_every_try_is_an_event_of_the_span(spans: InMemorySpanExporter) -> None:
    await gateway_of([ServerError("the secret question"), "yes"]).chat(ASKED)
    span = only(spans)
    events = [dict(event.attributes or {}) for event in span.events]
    assert [event["unified_api.attempt.outcome"] for event in events] == ["failed", "succeeded"]
    assert events[0]["error.type"] == "server_error"
    assert of(span)["unified_api.tries"] == 2
    assert "secret" not in span.to_json()


async def test_a_failure_sets_the_spans_status_and_type(spans: InMemorySpanExporter) -> None:
    with pytest.raises(RateLimitError):
        await gateway_of(lambda _: RateLimitError("the secret question")).chat(ASKED, Policy(max_attempts=1))
    span = only(spans)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "rate_limit")
    assert of(span)["error.type"] == "rate_limit"
    assert "secret" not in span.to_json()


async def test_a_stream_is_a_span_from_its_beginning_to_its_end(spans: InMemorySpanExporter) -> None:
    gateway = gateway_of((TextChunk("a"), TextChunk("b"), FinishChunk("stop")))
    async with gateway.stream(ASKED) as stream:
        await anext(stream)
        assert spans.get_finished_spans() == ()
        async for _ in stream:
            pass
        assert trace.get_current_span() is trace.INVALID_SPAN, "the reader's own spans are not inside of it"
    told = of(only(spans))
    assert told["gen_ai.request.stream"] is True
    assert told["gen_ai.response.time_to_first_chunk"] >= 0
    assert told["gen_ai.response.finish_reasons"] == ("stop",)


async def test_spans_of_what_a_call_does_lie_inside_of_its_own(spans: InMemorySpanExporter) -> None:
    def answer(request: object) -> str:
        with trace.get_tracer("test").start_as_current_span("POST"):
            return "yes"

    gateway = gateway_of(answer)
    await gateway.chat(ASKED)
    async with gateway.stream(ASKED) as stream:
        async for _ in stream:
            pass
    inner, outer, inner_of_stream, stream_span = spans.get_finished_spans()
    for one, other in ((inner, outer), (inner_of_stream, stream_span)):
        assert one.parent is not None
        assert one.parent.span_id == other.context.span_id


async def test_a_schema_asks_for_json_and_other_calls_have_their_own_names(spans: InMemorySpanExporter) -> None:
    schema = Request(model="p/m", messages=ASKED.messages, output_schema=OutputSchema({"type": "object"}))
    await gateway_of('{"a": 1}').chat(schema)
    await gateway_of([(1.0,)]).embed(EmbedRequest(model="p/m", inputs=("a",)))
    first, second = spans.get_finished_spans()
    assert of(first)["gen_ai.output.type"] == "json"
    assert (second.name, of(second)["gen_ai.operation.name"]) == ("embeddings m", "embeddings")


async def test_content_is_told_by_the_conventions_names_where_it_is_wanted(spans: InMemorySpanExporter) -> None:
    gateway = gateway_of(["yes", "no"], content=True)
    await gateway.chat(ASKED)
    await gateway.chat(ASKED, Policy(sensitivity="internal"))
    told, withheld = (of(span) for span in spans.get_finished_spans())
    (asked,) = json.loads(told["gen_ai.input.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "the secret question"}]}
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "yes"}]
    assert not any("messages" in name for name in withheld)


async def test_a_kept_answer_used_no_tokens(spans: InMemorySpanExporter) -> None:
    gateway = gateway_of(ANSWER, cache=True)
    before = sum(count for _, _, count in points("gen_ai.client.token.usage"))
    await gateway.chat(ASKED)
    used = sum(count for _, _, count in points("gen_ai.client.token.usage"))
    await gateway.chat(ASKED)
    assert used == before + 2
    assert sum(count for _, _, count in points("gen_ai.client.token.usage")) == used
    told = of(spans.get_finished_spans()[1])
    assert told["unified_api.cached"] is True
    assert "gen_ai.usage.input_tokens" not in told


async def test_times_and_tokens_are_histograms_with_the_conventions_names() -> None:
    gateway = gateway_of(ANSWER, traces=False)
    await gateway.chat(Request(model="p/m", messages=(Message.user("metered"),)))
    labels = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "p",
              "gen_ai.response.model": "m-2026"}  # fmt: skip
    assert any(told == labels for told, _, _ in points("gen_ai.client.operation.duration"))
    sums = {told["gen_ai.token.type"]: (total, count) for told, total, count in points("gen_ai.client.token.usage")
            if {**told, "gen_ai.token.type": ""} == {**labels, "gen_ai.token.type": ""}}  # fmt: skip
    assert sums["input"][0] == 7 * sums["input"][1]
    assert sums["output"][0] == 3 * sums["output"][1]


async def test_failures_are_counted_by_their_type_and_unknown_names_make_no_series() -> None:
    gateway = gateway_of(lambda _: ServerError("down"))
    with pytest.raises(ServerError):
        await gateway.chat(ASKED, Policy(max_attempts=1))
    with pytest.raises(NoCandidateError):
        await gateway.chat(ASKED, Policy(deny=frozenset({"p/*"})))
    durations = [told for told, _, _ in points("gen_ai.client.operation.duration")]
    assert any(told.get("error.type") == "server_error" for told in durations)
    assert any(told.get("error.type") == "no_candidate" for told in durations)


async def test_a_name_that_means_no_model_makes_no_series_whatever_else_is_set_up() -> None:
    settings = Settings(record=RecordSettings(metrics=True), privacy=PrivacySettings(detect=True))
    script = NotFoundError("there is no such model")
    gateway = scripted_gateway({"p/m": script}, settings=settings, clock=ManualClock())
    letter = (Message.user("write to bob@example.com"),)
    for name in ("nobody/made-up", "p/m-made-up"):
        with pytest.raises(ConfigurationError):
            await gateway.chat(Request(model=name, messages=letter))
    with pytest.raises(NotFoundError):
        await gateway.chat(Request(model="p/m", messages=letter))
    durations = [told for told, _, _ in points("gen_ai.client.operation.duration")]
    assert not any("made-up" in str(told) for told in durations)
    failed = [told for told in durations if told.get("error.type") == "not_found"]
    assert failed == [{"gen_ai.operation.name": "chat", "error.type": "not_found"}]


async def test_the_first_chunk_is_timed_for_streams_only() -> None:
    name = "gen_ai.client.operation.time_to_first_chunk"
    gateway = gateway_of("yes")
    before = sum(count for _, _, count in points(name))
    await gateway.chat(ASKED)
    assert sum(count for _, _, count in points(name)) == before
    async with gateway.stream(ASKED) as stream:
        async for _ in stream:
            pass
    assert sum(count for _, _, count in points(name)) == before + 1


async def test_providers_are_called_what_the_conventions_call_them(spans: InMemorySpanExporter) -> None:
    settings = Settings(
        record=RecordSettings(traces=True, metrics=True), environment=Environment({"MISTRAL_API_KEY": "k"})
    )
    network = FaultyTransport([chat_answer("yes", model="mistral-small-1")], clock=ManualClock())
    async with Gateway(settings, backend=network) as gateway:
        await gateway.chat(Request(model="mistral/mistral-small", messages=ASKED.messages))
    assert of(only(spans))["gen_ai.provider.name"] == "mistral_ai"
    assert any(told.get("gen_ai.provider.name") == "mistral_ai" for told, _, _ in points("gen_ai.client.token.usage"))


def test_every_name_of_the_conventions_is_one_of_theirs() -> None:
    """https://github.com/open-telemetry/semantic-conventions-genai, `gen_ai.provider.name`, November 2026."""
    theirs = {
        "anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini",
        "gcp.gen_ai", "gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai", "perplexity",
        "x_ai",
    }  # fmt: skip
    rows = builtin_rows()
    assert {row.known_as for row in rows.values() if row.known_as} <= theirs
    assert {"openai", "anthropic", "cohere", "deepseek", "groq", "perplexity"} <= set(rows)


async def test_nothing_that_the_caller_wrote_is_told_before_its_label_is_known(spans: InMemorySpanExporter) -> None:
    request = Request(model="p/m", messages=(Message.user("canary"),), stop=("canary",), metadata={"a": "canary"})
    await gateway_of("canary").chat(request, Policy(sensitivity="restricted"))
    assert "canary" not in only(spans).to_json()
