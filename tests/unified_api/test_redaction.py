from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError, NotFoundError, ProviderError
from unified_api.http.adapter import HttpAdapter
from unified_api.http.redaction import Redaction
from unified_api.http.transport import Transport
from unified_api.models import Model
from unified_api.providers import ProviderRow
from unified_api.settings import Timeouts
from unified_api.signing import Credentials, Signer
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock
from unified_api.types import ImageRequest, Message, Request, RerankRequest
from unified_api.wire.quoting import shorten

KEY = "sk-secret/0123456789+abcdefghij=="
MIXED = "IQoJb3JpZ2luX2Vj/keyABCDEFGHIJKLMNOPQ+AbCdEfGhIjKlMnOpQrStUv=="  # in it stands what looks like a key itself
TOKEN = "IQoJb3JpZ2luX2VjE" + "/hf+skABCDEFGHIJKLMNOPQRS/keyABCDEFGHIJKLMNOPQ" * 30 + "=="
LIMITS = Timeouts()
A_KEY = st.text(st.sampled_from("aB3-_+/=.~%\\"), min_size=8, max_size=60)


def adapter(answer: HttpAnswer, *, secret: str = KEY) -> HttpAdapter:
    transport = Transport(clock=ManualClock(), backend=FaultyTransport([answer], clock=ManualClock()))
    row = ProviderRow(base_url="https://a.example/v1")
    if secret == TOKEN:
        signer = Signer(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", TOKEN), region="us-east-1")
        return HttpAdapter("a", row, key=None, signer=signer, transport=transport)
    return HttpAdapter("a", row, key=secret, transport=transport)


def model(wire: str) -> Model:
    return Model(id="a/m", provider="a", name="o/m" if wire == "replicate" else "m", wire=wire)


async def failure(made: HttpAdapter, wire: str = "openai_chat", *, streamed: bool = False) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await asked(made, wire, streamed=streamed)
    return caught.value


async def asked(made: HttpAdapter, wire: str, *, streamed: bool) -> None:
    request = Request(model="a/m", messages=(Message.user("Hello"),), max_tokens=9)
    if wire == "replicate":
        await made.image(model(wire), ImageRequest(model="a/m", prompt="x"), LIMITS)
    elif streamed:
        async with made.stream(model(wire), request, LIMITS) as chunks:
            _ = [chunk async for chunk in chunks]
    else:
        await made.chat(model(wire), request, LIMITS)


def pieces_told(error: ProviderError, secret: str) -> set[str]:
    """The pieces of eight characters of the secret that anything of the error tells, however they are written."""
    told = repr([vars(error), error.args]).replace("\\", "").replace("u002f", "/").replace("%2F", "/")
    return {secret[at : at + 8] for at in range(len(secret) - 7) if secret[at : at + 8] in told}


def plain(text: str) -> str:
    return text


def slashed(text: str) -> str:
    return text.replace("/", "\\/")


def in_code(text: str) -> str:
    return text.replace("/", "\\u002f")


@pytest.mark.parametrize(("secret", "escape"), [(KEY, plain), (KEY, in_code), (MIXED, plain), (TOKEN, slashed)])
@pytest.mark.parametrize("before", [0, 185, 480, 4_080])
@pytest.mark.parametrize("wire", ["openai_chat", "gemini", "bedrock", "replicate"])
async def test_no_piece_of_a_secret_is_told_wherever_a_message_is_cut(
    wire: str, before: int, secret: str, escape: Callable[[str], str]
) -> None:
    spoken = f"{'b ' * (before // 2)}{secret}"
    bodies = [
        json.dumps({"error": {"message": spoken, "code": 400}}),
        json.dumps({"error": spoken, "status": "failed"}),
        json.dumps({"nothing": spoken}),
        json.dumps(spoken),
        f"{' ' * before}{secret}",
        f"<html>{spoken}</html>",
    ]
    for status, streamed in ((200, False), (200, True), (401, False)):
        for body in bodies:
            answer = HttpAnswer(status=status, pieces=(escape(body).encode(),))
            error = await failure(adapter(answer, secret=secret), wire, streamed=streamed)
            assert pieces_told(error, secret) == set(), (status, body[:40], streamed)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("streamed", [False, True])
async def test_no_field_of_an_error_tells_a_secret(status: int, *, streamed: bool) -> None:
    said = {"error": {"message": "bad", "param": KEY, "code": KEY, "request_id": f"r-{KEY}"}}
    error = await failure(adapter(HttpAnswer(status=status, pieces=(json.dumps(said).encode(),))), streamed=streamed)
    assert (error.param, error.provider_code, error.request_id) == ("***", "***", "r-***")
    assert pieces_told(error, KEY) == set()


@pytest.mark.parametrize("header", ["x-request-id", "x-amzn-errortype", "location"])
async def test_no_header_that_repeats_a_secret_is_told(header: str) -> None:
    status = 302 if header == "location" else 400
    repeated = f"https://evil.example/{KEY.replace('/', '%2F')}/x" if header == "location" else KEY
    error = await failure(adapter(HttpAnswer(status=status, headers={header: repeated}, pieces=(b"{}",))))
    assert pieces_told(error, KEY) == set()
    if header == "location":
        assert "https://evil.example/***/x" in error.message


async def test_an_error_amid_a_stream_tells_no_secret() -> None:
    first = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    last = json.dumps({"error": {"message": f"{'b ' * 245}{KEY}", "code": KEY}}).replace("/", "\\/")
    error = await failure(adapter(HttpAnswer(pieces=(first, f"data: {last}\n\n".encode()))), streamed=True)
    assert pieces_told(error, KEY) == set()
    assert error.provider_code == "***"


async def test_what_breaks_the_rules_of_http_is_told_without_the_secret() -> None:
    clock = ManualClock()
    backend = FaultyTransport([httpx.RemoteProtocolError(f"illegal status line: {KEY}")], clock=clock)
    made = HttpAdapter("a", ProviderRow(base_url="https://a.example/v1"), key=KEY, transport=Transport(backend=backend))
    error = await failure(made)
    assert "illegal status line: ***" in error.message


def test_a_parameter_that_is_a_piece_of_a_secret_is_struck_out_and_others_stay() -> None:
    redaction = Redaction((KEY,))
    error = InvalidRequestError("x", param=KEY[:12], provider_code="bad_value", request_id=None)
    redaction.apply(error)
    assert (error.param, error.provider_code, error.request_id) == ("***", "bad_value", None)
    error = InvalidRequestError("x", param="secret")
    redaction.apply(error)
    assert error.param == "secret"


def test_a_redaction_shows_no_secret_and_without_secrets_changes_nothing() -> None:
    assert KEY not in repr(Redaction((KEY,)))
    error = NotFoundError("no none left")
    Redaction(("no", "")).apply(error)
    assert error.message == "no none left"


@given(A_KEY, st.text('b ,."é\n', max_size=700), st.text(max_size=40), st.integers(1, 600))
def test_what_is_shortened_holds_a_word_that_may_be_a_key_whole_or_not_at_all(
    key: str, before: str, after: str, limit: int
) -> None:
    short = shorten(f"{before} \x00{key} {after}", limit)
    assert len(short) <= limit
    assert short.isprintable()
    rest = short.partition("\ufffd")[2].partition(" ")[0]
    assert rest in {"", "…", key, f"{key}…"}


@given(A_KEY)
def test_a_secret_is_known_however_json_an_address_or_repr_writes_it(secret: str) -> None:
    redaction = Redaction((secret,))
    for written in (
        secret,
        json.dumps(secret)[1:-1],
        repr(json.dumps(secret))[2:-2],
        "".join(f"\\u{ord(one):04X}" for one in secret),
        "".join(f"%{ord(one):02x}" for one in secret),
        secret.replace("/", "\\/"),
    ):
        assert redaction.text(f"<{written}>").strip("\\") == "<***>"


@pytest.mark.parametrize("before", range(100, 200, 7))
async def test_an_unreadable_entry_of_a_ranking_tells_no_piece_of_a_secret(before: int) -> None:
    body = json.dumps({"results": [{"index": 0, "score": f"{'b ' * (before // 2)}{KEY}"}]})
    made = adapter(HttpAnswer(pieces=(body.encode(),)))
    with pytest.raises(ProviderError, match="no score") as caught:
        await made.rerank(model("rerank"), RerankRequest(model="a/m", query="q", documents=("x",)), LIMITS)
    assert pieces_told(caught.value, KEY) == set()
