from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import httpx
import pytest
from loopback import Answer, loopback

from unified_api.errors import ConnectionFailedError, MalformedResponseError, TimedOutError
from unified_api.settings import Timeouts
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock
from unified_api.transport import Call, Transport

LIMITS = Timeouts()


def call(url: str = "https://a.example/v1/x", **more: object) -> Call:
    return Call(**{"method": "POST", "url": url, "content": b"{}", "provider": "a", **more})


def faulty(*answers: HttpAnswer | Exception) -> tuple[Transport, FaultyTransport, ManualClock]:
    clock = ManualClock()
    backend = FaultyTransport(answers, clock=clock)
    return Transport(clock=clock, backend=backend), backend, clock


@contextmanager
def raw_server(reply: bytes) -> Iterator[str]:
    """A socket that answers every connection with `reply` and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


async def test_a_whole_answer_comes_with_status_and_lower_case_headers() -> None:
    transport, backend, _ = faulty(HttpAnswer(status=418, headers={"X-Request-Id": "r1"}, pieces=(b"a", b"b")))
    reply = await transport.send(call(headers={"authorization": "Bearer k"}), LIMITS)
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (418, b"ab", "r1")
    assert backend.requests[0].headers["authorization"] == "Bearer k"
    assert backend.open == 0


async def test_the_key_is_never_shown() -> None:
    shown = repr(call(headers={"authorization": "Bearer sk-secret"}, content=b"sk-secret"))
    assert "sk-secret" not in shown


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("refused"), ConnectionFailedError),
        (httpx.ConnectTimeout("slow"), TimedOutError),
        (httpx.RemoteProtocolError("what?"), MalformedResponseError),
        (HttpAnswer(pieces=(b"half",), cut=True), ConnectionFailedError),
        (HttpAnswer(wait_s=inf), TimedOutError),
        (HttpAnswer(pieces=(b"a", b"b"), pause_s=inf), TimedOutError),
        (HttpAnswer(headers={"content-encoding": "gzip"}, pieces=(b"no gzip",)), MalformedResponseError),
    ],
)
async def test_every_failure_on_the_way_has_its_own_error_naming_the_provider(
    fault: HttpAnswer | Exception, kind: type[Exception]
) -> None:
    transport, backend, _ = faulty(fault)
    with pytest.raises(kind) as caught:
        await transport.send(call(model="a/m"), LIMITS)
    assert (caught.value.provider, caught.value.model) == ("a", "a/m")
    assert backend.open == 0


async def test_an_answer_without_end_is_not_read_without_end() -> None:
    transport, backend, _ = faulty(HttpAnswer(pieces=(b"x" * 2**22,) * 1000))
    with pytest.raises(MalformedResponseError, match="larger than 64 MiB"):
        await transport.send(call(), LIMITS)
    async with transport.stream(call(), LIMITS) as reply:
        with pytest.raises(MalformedResponseError, match="larger than 256 MiB"):
            _ = [None async for _ in reply.body]
    assert backend.open == 0


async def test_an_error_body_is_read_only_so_far() -> None:
    transport, _, _ = faulty(HttpAnswer(status=500, pieces=(b"x" * 50_000,) * 10))
    async with transport.stream(call(), LIMITS) as reply:
        assert len(await reply.read()) == 64 * 2**10


async def test_cookies_are_not_kept() -> None:
    transport, backend, _ = faulty(HttpAnswer(headers={"set-cookie": "session=1; Path=/"}))
    for _ in range(2):
        await transport.send(call(), LIMITS)
    assert "cookie" not in backend.requests[1].headers


async def test_cookies_are_not_kept_by_the_real_connections_either() -> None:
    reply = b"HTTP/1.1 200 OK\r\nset-cookie: s=1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    transport = Transport()
    with raw_server(reply) as url:
        for _ in range(2):
            assert (await transport.send(call(url), LIMITS)).body == b"ok"
        session = transport._clients[True]._transport.client
        assert len(list(session.cookie_jar)) == 0
        await transport.aclose()


@pytest.mark.parametrize("reply", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 banana\r\n\r\n", b""])
async def test_a_server_that_does_not_speak_http_is_a_typed_error_without_the_key(reply: bytes) -> None:
    headers = {"authorization": "Bearer sk-secret"}
    transport = Transport()
    with raw_server(reply) as url, pytest.raises((MalformedResponseError, ConnectionFailedError)) as caught:
        await transport.send(call(url, headers=headers), LIMITS)
    await transport.aclose()
    cause = caught.value.__cause__
    shown = "".join(traceback.format_exception(caught.value)) + repr(cause) + repr(cause and cause.__cause__)
    assert "sk-secret" not in shown


@pytest.mark.parametrize("url", ["http://", "http://a b/", "http://[::1", "ftp://a.example/x"])
async def test_an_impossible_address_is_a_typed_error(url: str) -> None:
    transport = Transport()
    with pytest.raises((MalformedResponseError, ConnectionFailedError)):
        await transport.send(call(url), LIMITS)
    await transport.aclose()


async def test_one_connection_without_delay_serves_call_after_call() -> None:
    transport = Transport()
    with loopback(lambda body: Answer(body=b"{}")) as server:
        for _ in range(5):
            await transport.send(call(f"{server.url}/chat/completions"), LIMITS)
        connector = transport._clients[True]._transport.client.connector
        kept = [protocol for pool in connector._conns.values() for protocol, _ in pool]
        assert len(kept) == 1
        raw = kept[0].transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        await transport.aclose()


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    transport = Transport()
    with loopback("x") as server:
        assert (await transport.send(call(f"{server.url}/models", method="GET"), LIMITS)).status == 200
    await transport.aclose()


async def test_closing_twice_is_closing_and_a_closed_transport_opens_again() -> None:
    transport = Transport()
    with loopback() as server:
        for _ in range(2):
            assert (await transport.send(call(f"{server.url}/models", method="GET"), LIMITS)).status == 200
            await transport.aclose()
            await transport.aclose()
