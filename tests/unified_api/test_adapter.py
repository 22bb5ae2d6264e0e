from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from corpus import needs_corpora
from wire_recordings import everything

from unified_api.adapter import Adapter
from unified_api.catalog import Catalog
from unified_api.errors import (
    AuthenticationError,
    GatewayError,
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    ServerError,
    UnsupportedParameterError,
)
from unified_api.http.adapter import HttpAdapter
from unified_api.http.transport import Transport
from unified_api.local import LocalAdapter
from unified_api.models import Model
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.settings import Settings, Timeouts
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock, chat_answer, stream_answer
from unified_api.types import EmbedRequest, Message, Request
from unified_api.wire.collect import Collector

LIMITS = Timeouts()
KEY = "sk-very-secret"


def adapter(
    *answers: HttpAnswer, row: ProviderRow | None = None, key: str | None = KEY
) -> tuple[HttpAdapter, FaultyTransport]:
    clock = ManualClock()
    backend = FaultyTransport(answers, clock=clock)
    row = row or ProviderRow(base_url="https://a.example/v1/")
    return HttpAdapter("a", row, key=key, transport=Transport(clock=clock, backend=backend)), backend


def model(name: str = "m", **facts: object) -> Model:
    return Model(id=f"a/{name}", provider="a", name=name, wire="openai_chat", **facts)


def request(**more: object) -> Request:
    return Request(**{"model": "a/m", "messages": (Message.user("Hello"),), **more})


async def test_a_stream_tells_at_its_end_how_much_of_it_could_not_be_read() -> None:
    damaged = HttpAnswer(
        headers={"content-type": "text/event-stream"},
        pieces=(
            b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"cont\n\n',
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        ),
    )
    made, _ = adapter(damaged)
    collector = Collector()
    async with made.stream(model(), request(), LIMITS) as chunks:
        async for chunk in chunks:
            collector.add(chunk)
    response = collector.response(provider="a", model="m")
    assert (response.text, response.finish_reason, response.skipped_events) == ("Hel", "stop", 1)


def test_both_adapters_fill_the_same_seam(tmp_path) -> None:
    made, _ = adapter(chat_answer("x"))
    assert isinstance(made, Adapter)
    assert isinstance(LocalAdapter(tmp_path), Adapter)


async def test_the_request_goes_to_the_base_url_with_the_key_as_bearer_token() -> None:
    made, backend = adapter(chat_answer("ok"))
    await made.chat(model("org/name:8b"), request(max_tokens=5), LIMITS)
    sent = backend.requests[0]
    assert str(sent.url) == "https://a.example/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(sent.content) == {
        "model": "org/name:8b",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 5,
    }


async def test_without_a_key_no_authorization_is_sent() -> None:
    made, backend = adapter(chat_answer("ok"), key=None)
    await made.chat(model(), request(), LIMITS)
    assert "authorization" not in backend.requests[0].headers


async def test_a_rows_profile_shapes_the_wire() -> None:
    row = ProviderRow.model_validate(
        {"base_url": "https://a.example", "profile": {"max_tokens_field": "max_completion_tokens"}}
    )
    made, backend = adapter(chat_answer("ok"), row=row)
    await made.chat(model(), request(max_tokens=5), LIMITS)
    assert json.loads(backend.requests[0].content)["max_completion_tokens"] == 5


async def test_what_the_model_refuses_is_refused_before_anything_is_sent() -> None:
    made, backend = adapter(chat_answer("ok"))
    with pytest.raises(UnsupportedParameterError, match="temperature"):
        await made.chat(model(unsupported=frozenset({"temperature"})), request(temperature=1.0), LIMITS)
    assert backend.requests == []


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_key_that_a_server_repeats_is_struck_out(status: int, streamed: bool) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "type": "invalid_request_error"}})
    made, _ = adapter(HttpAnswer(status=status, pieces=(body.encode(),)))

    async def ask() -> None:
        if not streamed:
            await made.chat(model(), request(), LIMITS)
            return
        async with made.stream(model(), request(), LIMITS) as chunks:
            _ = [chunk async for chunk in chunks]

    with pytest.raises(ProviderError) as caught:
        await ask()
    assert KEY not in str(caught.value) + caught.value.message + repr(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    made, backend = adapter(HttpAnswer(status=status, headers={"location": "https://evil.example/v1?x=1"}))
    with pytest.raises(NotFoundError, match=r"https://evil.example/v1, .*base_url in \[providers.a\]"):
        await made.chat(model(), request(), LIMITS)
    with pytest.raises(NotFoundError):
        await made.embed(model(), EmbedRequest(model="a/m", inputs=("x",)), LIMITS)
    with pytest.raises(GatewayError):
        await made.list_models(LIMITS)
    assert {sent.url.host for sent in backend.requests} == {"a.example"}


async def test_a_redirect_tells_no_key_that_it_repeats_and_no_more_than_a_line() -> None:
    made, _ = adapter(HttpAnswer(status=302, headers={"location": f"https://evil.example/{KEY}/" + "x" * 9_000}))
    with pytest.raises(NotFoundError) as caught:
        await made.chat(model(), request(), LIMITS)
    assert KEY not in str(caught.value)
    assert len(str(caught.value)) < 600


async def test_a_key_that_is_only_a_word_does_not_garble_what_a_server_says() -> None:
    made, _ = adapter(HttpAnswer(status=500, pieces=(b'{"error":{"message":"no none left"}}',)), key="no")
    with pytest.raises(ServerError, match="no none left"):
        await made.chat(model(), request(), LIMITS)


async def test_an_error_status_of_a_stream_is_read_and_typed() -> None:
    made, backend = adapter(HttpAnswer(status=401, pieces=(b'{"error":{"message":"no"}}',)))
    with pytest.raises(AuthenticationError, match="no"):
        async with made.stream(model(), request(), LIMITS):
            pytest.fail("an error status is no stream")
    assert backend.open == 0


async def test_leaving_a_stream_closes_it() -> None:
    made, backend = adapter(stream_answer("one", "two"))
    async with made.stream(model(), request(), LIMITS) as chunks:
        await anext(chunks)
        assert backend.open == 1
    assert backend.open == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"object":"list","data":[{"id":"b"},{"id":"a"},{"id":"b"},{"id":""},{"x":1},3]}', ("b", "a")),
        (b'[{"id":"org/model"}]', ("org/model",)),
        (b'{"data":[]}', ()),
        (b'{"object":"list","data":null}', ()),
        (b'{"models":[{"name":"models/gemini-x"},{"name":"models/gemini-x"}],"nextPageToken":"t"}', ("gemini-x",)),
    ],
)
async def test_models_are_listed_each_once(body: bytes, expected: tuple[str, ...]) -> None:
    made, backend = adapter(HttpAnswer(pieces=(body,)))
    assert await made.list_models(LIMITS) == expected
    assert str(backend.requests[0].url) == "https://a.example/v1/models"


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"wire": "ollama"}, "/api/tags"),
        ({"wire": "gemini"}, "/models?pageSize=1000"),
        ({"wire": "anthropic"}, "/models?limit=1000"),
        ({"wire": "anthropic", "profile": {"paths": {"/models": "/v1/models"}}}, "/v1/models"),
        ({"profile": {"paths": {"/models": "/v1/models"}}}, "/v1/models"),
    ],
)
async def test_models_are_listed_where_the_family_or_the_row_has_the_list(row: dict[str, object], path: str) -> None:
    made, backend = adapter(
        HttpAnswer(pieces=(b'{"models":[{"name":"a:8b"}]}',)),
        row=ProviderRow.model_validate({"base_url": "https://a.example", **row}),
    )
    assert await made.list_models(LIMITS) == ("a:8b",)
    sent = backend.requests[0]
    assert (sent.method, str(sent.url)) == ("GET", f"https://a.example{path}")
    assert ("anthropic-version" in sent.headers) is (row.get("wire") == "anthropic")


async def test_a_header_that_the_row_and_the_wire_set_is_sent_once_as_the_row_has_it() -> None:
    made, backend = adapter(
        HttpAnswer(pieces=(b'{"data":[]}',)),
        row=ProviderRow(base_url="https://a.example", wire="anthropic", headers={"Anthropic-Version": "2099-01-01"}),
    )
    await made.list_models(LIMITS)
    assert backend.requests[0].headers.get_list("anthropic-version") == ["2099-01-01"]


@needs_corpora
async def test_every_recorded_list_of_models_is_asked_for_at_its_address_and_read() -> None:
    """Names as the bodies have them, read naively, each once; the row's own address is the recorded one."""
    lists = [one for one in everything() if one.path.endswith("/models") and one.status == 200]
    rows = {urlsplit(row.base_url).hostname: row for row in builtin_rows().values() if row.base_url is not None}
    assert len(lists) >= 9
    for one in lists:
        body = json.loads(one.body)
        expected = [entry.get("id") or entry["name"].partition("/")[2] for entry in body.get("data") or body["models"]]
        made, backend = adapter(HttpAnswer(pieces=(one.body,)), row=rows[one.host])
        assert await made.list_models(LIMITS) == tuple(dict.fromkeys(expected)), one.id
        assert (backend.requests[0].url.host, backend.requests[0].url.path) == (one.host, one.path)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'"text"', b'{"data":{"id":"a"}}', b"\xff\xfe", b"[" * 10_000])
async def test_a_listing_that_is_none_says_so(body: bytes) -> None:
    made, _ = adapter(HttpAnswer(pieces=(body,)))
    with pytest.raises(MalformedResponseError, match="does not list models"):
        await made.list_models(LIMITS)


def test_every_builtin_rows_profile_is_one_the_wire_knows() -> None:
    catalog = Catalog(Settings())
    for provider, row in builtin_rows().items():
        if row.base_url is None:
            continue
        made = HttpAdapter(provider, row, key=None, transport=Transport())
        for listed in (one for one in catalog.models if one.provider == provider):
            assert made._profile(listed).unsupported == listed.unsupported


def vectors(texts: list[str], **more: object) -> HttpAnswer:
    entries = [{"index": place, "embedding": [float(len(text)), 1.0]} for place, text in enumerate(texts)]
    body = {"data": entries, "model": "e-1", "usage": {"prompt_tokens": len(texts)}, **more}
    return HttpAnswer(pieces=(json.dumps(body).encode(),))


def embedder(script: object) -> tuple[HttpAdapter, FaultyTransport]:
    clock = ManualClock()
    backend = FaultyTransport(script, clock=clock)
    row = ProviderRow.model_validate({"base_url": "https://a.example", "profile": {"embedding_batch": {"e*": 2}}})
    return HttpAdapter("a", row, key=None, transport=Transport(clock=clock, backend=backend), clock=clock), backend


EMBEDDER = Model(id="a/e", provider="a", name="e", wire="openai_embeddings", capabilities=frozenset({"embeddings"}))
TEXTS = ("a", "bb", "ccc", "dddd", "eeeee")


async def test_more_texts_than_one_call_holds_are_embedded_in_several_and_come_back_in_order() -> None:
    made, backend = embedder(lambda request: vectors(json.loads(request.content)["input"]))
    response = await made.embed(EMBEDDER, EmbedRequest(model="a/e", inputs=TEXTS), LIMITS)
    assert [vector[0] for vector in response.vectors] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [json.loads(one.content)["input"] for one in backend.requests] == [["a", "bb"], ["ccc", "dddd"], ["eeeee"]]
    assert response.usage.input_tokens == 5
    assert response.model == "a/e-1"


async def test_a_count_that_one_of_the_calls_does_not_tell_is_unknown_of_all() -> None:
    made, _ = embedder([vectors(["a", "bb"]), vectors(["ccc", "dddd"], usage=None), vectors(["eeeee"])])
    response = await made.embed(EMBEDDER, EmbedRequest(model="a/e", inputs=TEXTS), LIMITS)
    assert response.usage.input_tokens is None


async def test_a_later_call_that_fails_may_be_billed_for_those_before_it() -> None:
    made, _ = embedder([HttpAnswer(status=500)])
    with pytest.raises(ServerError) as first:
        await made.embed(EMBEDDER, EmbedRequest(model="a/e", inputs=TEXTS), LIMITS)
    assert not first.value.billable
    made, _ = embedder([vectors(["a", "bb"]), HttpAnswer(status=500)])
    with pytest.raises(ServerError) as later:
        await made.embed(EMBEDDER, EmbedRequest(model="a/e", inputs=TEXTS), LIMITS)
    assert later.value.billable


async def test_vectors_of_several_lengths_are_a_malformed_response() -> None:
    other = HttpAnswer(pieces=(json.dumps({"data": [{"index": 0, "embedding": [1.0]}]}).encode(),))
    made, _ = embedder([vectors(["a", "bb"]), other])
    with pytest.raises(MalformedResponseError, match="1 and 2 numbers"):
        await made.embed(EMBEDDER, EmbedRequest(model="a/e", inputs=TEXTS[:3]), LIMITS)
