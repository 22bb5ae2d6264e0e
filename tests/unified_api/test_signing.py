from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote, unquote

import pytest
from aws_frames import event_frame

from unified_api import Gateway, Message, Request
from unified_api.catalog import Catalog
from unified_api.errors import AuthenticationError, ConfigurationError, NoCandidateError
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Settings
from unified_api.signing import Credentials, Signer, bearer_key, missing_variable, signer_of

pytest.importorskip("botocore.auth")

NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="  # noqa: E501  # AWS's own test token
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
}


def row(**changes: Any) -> ProviderRow:
    base = {
        "base_url": "https://bedrock-runtime.us-west-2.amazonaws.com", "wire": "bedrock", "auth": "sigv4",
        "api_key_env": "AWS_ACCESS_KEY_ID",
    }  # fmt: skip
    return ProviderRow.model_validate({**base, **changes})


@pytest.mark.parametrize(
    ("method", "token", "headers", "signature"),
    [
        ("GET", None, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", None, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "POST",
            TOKEN,
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ],
)
def test_signatures_are_those_of_the_published_test_suite(
    method: str, token: str | None, headers: str, signature: str
) -> None:
    signer = Signer(Credentials("AKIDEXAMPLE", SECRET, token), region="us-east-1", service="service")
    added = signer.sign(method, "https://example.amazonaws.com/", {}, b"", now=NOW)
    assert added["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={headers}, Signature={signature}"
    )


class Arrived:
    """What a server got: the first line's path and all headers, byte for byte, and the body."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body


@contextmanager
def server(answer: tuple[int, bytes, str]) -> Iterator[tuple[str, list[Arrived]]]:
    arrived: list[Arrived] = []

    class OneAnswer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrived.append(Arrived(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, content, kind = answer
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), OneAnswer)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", arrived
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


@asynccontextmanager
async def gateway(url: str, environ: dict[str, str]) -> AsyncIterator[Gateway]:
    rows = {"b": row(base_url=url)}
    environment = Environment({"AWS_REGION": "us-west-2", **environ})
    async with Gateway(Settings(providers=rows, environment=environment)) as made:
        yield made


def asked(model: str) -> Request:
    return Request(model=f"b/{model}", messages=(Message.user("Hi"),))


def recomputed(got: Arrived, *, token: str | None) -> str:
    """The signature of what arrived, by https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""
    names = sorted(["content-type", "host", "x-amz-date", *(["x-amz-security-token"] if token else [])])
    canonical = "\n".join(
        [
            "POST",
            quote(got.path, safe="/-_.~"),
            "",
            *(f"{name}:{got.headers[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(got.body).hexdigest(),
        ]
    )
    date = got.headers["x-amz-date"]
    scope = f"{date[:8]}/us-west-2/bedrock/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + SECRET.encode()
    for part in (date[:8], "us-west-2", "bedrock", "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={';'.join(names)}, Signature={key.hex()}"


@pytest.mark.parametrize("model", [MODEL, ARN, "odd name+1@(x)=%25~é"])
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_the_signature_covers_what_arrives_byte_for_byte(model: str, token: str | None) -> None:
    keys = {**KEYS, **({"AWS_SESSION_TOKEN": token} if token else {})}
    with server((200, json.dumps(ANSWER).encode(), "application/json")) as (url, arrived):
        async with gateway(url, keys) as made:
            response = await made.chat(asked(model))
    (got,) = arrived
    assert response.text == "Hello"
    assert unquote(got.path) == f"/model/{model}/converse"
    assert "arn" not in model or "profile%2Fus.amazon" in got.path
    assert got.headers.get("x-amz-security-token") == token
    assert got.headers["authorization"] == recomputed(got, token=token)
    assert json.loads(got.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


async def test_a_stream_is_signed_and_read_too() -> None:
    events = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": ANSWER["usage"]}),
    ]
    body = b"".join(event_frame(kind, event) for kind, event in events)
    with server((200, body, "application/vnd.amazon.eventstream")) as (url, arrived):
        async with gateway(url, KEYS) as made, made.stream(asked(MODEL)) as stream:
            async for _ in stream:
                pass
            response = stream.response
    (got,) = arrived
    assert (response.text, response.usage.input_tokens) == ("Hello", 3)
    assert got.path.endswith("/converse-stream")
    assert got.headers["authorization"] == recomputed(got, token=None)


async def test_a_bedrock_key_takes_the_place_of_a_signature() -> None:
    with server((200, json.dumps(ANSWER).encode(), "application/json")) as (url, arrived):
        async with gateway(url, {**KEYS, "AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-0123456789"}) as made:
            await made.chat(asked(MODEL))
    assert arrived[0].headers["authorization"] == "Bearer bedrock-api-key-0123456789"
    assert "x-amz-date" not in arrived[0].headers


async def test_nothing_secret_is_told_even_where_aws_repeats_what_was_signed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"The request signature we calculated does not match. {'x' * 300} x-amz-security-token:{TOKEN} AKIDEXAMPLE"
    with server((403, json.dumps({"message": said}).encode(), "application/json")) as (url, _):
        async with gateway(url, {**KEYS, "AWS_SESSION_TOKEN": TOKEN}) as made:
            with pytest.raises(AuthenticationError) as caught:
                await made.chat(asked(MODEL))
            shown = repr(made.settings)
    everything = "".join([str(caught.value), repr(caught.value.__cause__), shown, caplog.text])
    for secret in (SECRET, TOKEN, TOKEN[:40], "AKIDEXAMPLE"):
        assert secret not in everything
    assert "signature" in str(caught.value)


def test_nothing_secret_is_in_a_representation() -> None:
    credentials = Credentials("AKIDEXAMPLE", SECRET, TOKEN)
    shown = repr(credentials) + repr(Signer(credentials, region="us-east-1"))
    assert not any(secret in shown for secret in (SECRET, TOKEN, "AKIDEXAMPLE"))
    assert Signer(credentials, region="us-east-1").secrets == ("AKIDEXAMPLE", SECRET, TOKEN)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_ACCESS_KEY_ID"),
        (KEYS, None),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, None),
    ],
)
def test_a_model_without_its_keys_is_not_ready_and_names_the_variable(
    environ: dict[str, str], missing: str | None
) -> None:
    rows = {"b": row(tiers={"standard": "amazon.nova-lite-v1:0"})}
    catalog = Catalog(Settings(providers=rows, environment=Environment(environ)), rows=rows)
    model = catalog.models[0]
    assert (model.ready, model.missing) == (missing is None, missing)
    assert missing_variable(rows["b"], Environment(environ)) == missing
    assert (signer_of(rows["b"], Environment(environ)) is not None) == (environ == KEYS)


async def test_a_call_without_keys_is_not_sent() -> None:
    with server((200, b"{}", "application/json")) as (url, arrived):
        async with gateway(url, {}) as made:
            with pytest.raises(NoCandidateError, match="AWS_ACCESS_KEY_ID"):
                await made.chat(asked(MODEL))
    assert arrived == []


def test_a_row_may_name_another_access_key() -> None:
    other = row(api_key_env="WORK_AWS_ACCESS_KEY_ID")
    environment = Environment({**KEYS, "WORK_AWS_ACCESS_KEY_ID": "other", "WORK_AWS_SECRET_ACCESS_KEY": "hidden"})
    signer = signer_of(other, environment)
    assert signer is not None
    assert signer.secrets == ("other", "hidden")
    assert bearer_key(other, Environment({"WORK_AWS_BEARER_TOKEN_BEDROCK": "key"})) == "key"


@pytest.mark.parametrize(
    ("url", "environ", "region"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com", {"AWS_REGION": "us-east-1"}, "eu-central-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, "us-gov-west-1"),
        ("https://vpce-0a1b-2c3d.bedrock-runtime.ap-south-1.vpce.amazonaws.com", {}, "ap-south-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", {}, "cn-north-1"),
        ("https://bedrock-runtime.us-east-2.api.aws", {}, "us-east-2"),
        ("https://proxy.example/bedrock", {"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
        ("https://proxy.example/bedrock", {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-1"),
    ],
)
def test_the_region_is_that_of_the_host_or_else_of_the_environment(
    url: str, environ: dict[str, str], region: str
) -> None:
    assert repr(signer_of(row(base_url=url), Environment({**KEYS, **environ}))) == f"Signer('bedrock', {region!r})"


def test_keys_go_nowhere_that_does_not_name_them() -> None:
    """A built-in provider that is moved to another address loses the name of its key."""
    moved, environment = row(api_key_env=None), Environment({**KEYS, "AWS_BEARER_TOKEN_BEDROCK": "key"})
    assert bearer_key(moved, environment) is None
    assert signer_of(moved, Environment(KEYS)) is None
    assert missing_variable(moved, Environment()) is None


def test_a_variable_that_is_no_access_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        signer_of(row(api_key_env="AWS_BEARER_TOKEN_BEDROCK"), Environment(KEYS))


def test_an_unknown_region_is_told_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        signer_of(row(base_url="https://proxy.example"), Environment(KEYS))


def test_without_botocore_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    signer = Signer(Credentials("a", "b"), region="us-east-1")
    with pytest.raises(ConfigurationError, match=r"meta-orchestrator\[bedrock\]"):
        signer.sign("POST", "https://x.example/", {}, b"")
