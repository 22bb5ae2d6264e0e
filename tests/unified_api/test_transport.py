from __future__ import annotations

import gzip
import socket
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import httpx
import pytest
from loopback import Answer, loopback

from unified_api.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    TimedOutError,
)
from unified_api.http.transport import Call, Transport
from unified_api.settings import Timeouts
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock

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


@pytest.mark.parametrize(
    ("fault", "billable"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (HttpAnswer(pieces=(b"half",), cut=True), True),
        (HttpAnswer(wait_s=inf), True),
        (HttpAnswer(pieces=(b"a", b"b"), pause_s=inf), True),
    ],
)
async def test_what_breaks_off_an_answer_may_be_billed_and_what_never_reached_anybody_not(
    fault: HttpAnswer | Exception, billable: bool
) -> None:
    with pytest.raises(ProviderError) as caught:
        await faulty(fault)[0].send(call(), LIMITS)
    assert caught.value.billable is billable


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
        session = next(iter(transport._connections.values())).client
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


@pytest.mark.parametrize(
    "url",
    [
        "http://", "http://a b/", "http://[::1", "ftp://a.example/x", "http://a..b/", f"http://{'a' * 64}.example/",
        "http://xn--a/", "http://\x00/", "http://\ud800/",
    ],
)  # fmt: skip
async def test_an_impossible_address_is_a_typed_error(url: str) -> None:
    transport = Transport()
    with pytest.raises((MalformedResponseError, ConnectionFailedError)):
        await transport.send(call(url), LIMITS)
    await transport.aclose()


@pytest.mark.parametrize("value", ["sk-secret\r\nx-evil: 1", "sk-secret-ü", "sk-secret\x00"])
async def test_a_header_that_cannot_be_sent_is_a_typed_error_without_its_value(value: str) -> None:
    transport = Transport()
    with loopback("x") as server, pytest.raises(InvalidRequestError, match="cannot be sent") as caught:
        await transport.send(call(server.url, headers={"x-a": value}), LIMITS)
    await transport.aclose()
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))
    assert not server.requests


async def test_one_connection_without_delay_serves_call_after_call() -> None:
    transport = Transport()
    with loopback(lambda body: Answer(body=b"{}")) as server:
        for _ in range(5):
            await transport.send(call(f"{server.url}/chat/completions"), LIMITS)
        connector = next(iter(transport._connections.values())).client.connector
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


async def test_https_to_this_machine_takes_no_proxy_either(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback("from the proxy") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        transport = Transport()
        with pytest.raises(ConnectionFailedError):
            await transport.send(call("https://127.0.0.1:9/v1"), LIMITS)
        await transport.aclose()
    assert proxy.paths == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer k"}])
async def test_passwords_of_netrc_are_no_business_of_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with loopback("hello") as server:
        transport = Transport()
        elsewhere = server.url.replace("127.0.0.1", "0.0.0.0")  # an address of this machine that is not called so
        reply = await transport.send(call(f"{elsewhere}/chat/completions", headers=headers), LIMITS)
        await transport.aclose()
    assert reply.status == 200
    assert server.headers[0].get("authorization") == headers.get("authorization")


async def test_a_proxy_of_the_environment_is_asked_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback("from the proxy") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1").replace("http://", "http://user:pass@"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        transport = Transport()
        reply = await transport.send(call("http://other.example/v1/chat/completions"), LIMITS)
        await transport.aclose()
    assert b"from the proxy" in reply.body
    assert proxy.headers[0]["host"] == "other.example"
    assert proxy.headers[0]["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert "authorization" not in proxy.headers[0]


async def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://user:hunter2@proxy.example:1080")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ConfigurationError, match="https_proxy") as caught:
        await Transport().send(call(), LIMITS)
    assert "hunter2" not in str(caught.value)


def squeezed(megabytes: int, *, times: int) -> bytes:
    """That many megabytes of zeros, compressed so many times over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([packer.compress(bytes(2**20)) for _ in range(megabytes)]) + packer.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed)
    return packed


@pytest.mark.parametrize(("encoding", "times"), [("gzip", 1), ("gzip, gzip", 2), ("br", 1)])
async def test_a_small_packet_does_not_become_a_large_body(encoding: str, times: int) -> None:
    bomb = squeezed(200, times=times)
    transport, backend, _ = faulty(HttpAnswer(headers={"content-encoding": encoding}, pieces=(bomb,)))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponseError):
            await transport.send(call(), LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 160 * 2**20
    finally:
        tracemalloc.stop()
    assert backend.open == 0


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_compressed_answer_is_unpacked_however_it_is_cut(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"hello " * 1000)
    headers = {"content-encoding": "gzip" if pack is gzip.compress else "deflate"}
    transport, _, _ = faulty(
        HttpAnswer(headers=headers, pieces=tuple(packed[i : i + 3] for i in range(0, len(packed), 3)))
    )
    assert (await transport.send(call(), LIMITS)).body == b"hello " * 1000
    async with transport.stream(call(), LIMITS) as reply:
        assert b"".join([piece async for piece in reply.body]) == b"hello " * 1000


async def test_closing_twice_is_closing_and_a_closed_transport_opens_again() -> None:
    transport = Transport()
    with loopback() as server:
        for _ in range(2):
            assert (await transport.send(call(f"{server.url}/models", method="GET"), LIMITS)).status == 200
            await transport.aclose()
            await transport.aclose()


async def test_a_refused_connection_is_told_in_the_systems_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = Transport()
    with pytest.raises(ConnectionFailedError, match=r"failed: Connection refused\. Is the address right") as caught:
        await transport.send(call(f"http://127.0.0.1:{port}/v1"), LIMITS)
    await transport.aclose()
    assert "ssl" not in str(caught.value)
