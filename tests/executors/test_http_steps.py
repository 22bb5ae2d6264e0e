"""Requests of workflows: sent only where the settings allow, to the address that was checked, and bounded."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from running import failure, value, workflow_of

from executors.failures import StepFailure
from executors.http.addresses import Address, literal, never_reached, not_public
from executors.http.hosts import allowed
from executors.http.outbound import Outbound, _Journey
from executors.http.request import Request
from executors.http.target import Target
from executors.result import RunResult
from executors.runner import run
from unified_api.clock import MonotonicClock
from unified_api.errors import ConfigurationError
from unified_api.settings import Environment, HttpSettings, Settings
from unified_api.testing import scripted_gateway

# --- a server that answers as a function says -------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    cut: bool = False
    """Whether the connection breaks in the middle of the body."""
    hang: bool = False


@dataclass
class Site:
    port: int
    seen: list[Seen] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def site(answer: Callable[[Seen], Reply] = lambda _: Reply(), *, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def _any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            seen = Seen(
                self.command,
                self.path,
                {name.lower(): told for name, told in self.headers.items()},
                self.rfile.read(length),
            )
            place.seen.append(seen)
            reply = answer(seen)
            if reply.hang:
                place.closing.wait(20)
                return
            self.send_response(reply.status)
            for name, told in reply.headers.items():
                self.send_header(name, told)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)

        # the base class names them so
        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            """Clients that go away are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    place = Site(server.server_port)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield place
    finally:
        place.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def local(*ports: int, **fields: Any) -> HttpSettings:
    """Allows servers of the test."""
    return HttpSettings(hosts=[f"127.0.0.1:{port}" for port in ports], private_addresses=True, **fields)


def http(step_id: str = "get", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "http", **fields}


async def requested(
    settings: HttpSettings, *steps: dict[str, Any], environ: dict[str, str] | None = None, **fields: Any
) -> RunResult:
    made = Settings(http=settings, environment=Environment(environ or {}))
    async with scripted_gateway({"scripted/model": "hi"}, settings=made) as gateway:
        return await run(workflow_of(*steps, **fields), {}, gateway=gateway)


def outputs(result: RunResult) -> Any:
    assert result.error is None, result.error
    return result.steps[0].output


# --- what a step is given ---------------------------------------------------------------------------------------------


async def test_a_json_answer_is_a_value_and_its_secrets_stay_behind() -> None:
    headers = {"content-type": "application/problem+json; charset=utf-8", "set-cookie": "id=7", "ETag": '"x"'}
    with site(lambda _: Reply(body=b'{"n": [1, 2]}', headers=headers)) as server:
        found = outputs(await requested(local(server.port), http(url=f"{server.url}/a")))
    assert found["status"] == 200
    assert found["body"] == {"n": [1, 2]}
    assert found["headers"]["etag"] == '"x"'
    assert "set-cookie" not in found["headers"]


async def test_the_address_the_query_the_headers_and_the_body_are_rendered() -> None:
    with site() as server:
        await requested(
            local(server.port),
            value("a", {"x": "é &=/?#", "list": [1, True, None]}),
            http(
                method="POST",
                url=f"{server.url}/find?fixed=1",
                query={"q": "{{ steps.a.output.x }}", "n": "{{ steps.a.output.list }}", "no": None},
                headers={"X-Kind": "{{ steps.a.output.list[0] }}"},
                body={"all": "{{ steps.a.output }}"},
            ),
        )
    seen = server.seen[0]
    assert seen.path == "/find?fixed=1&q=%C3%A9+%26%3D%2F%3F%23&n=1&n=true"
    assert seen.headers["x-kind"] == "1"
    assert json.loads(seen.body) == {"all": {"x": "é &=/?#", "list": [1, True, None]}}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain; charset=iso-8859-1", "é".encode("latin-1"), "é"),
        ("text/html", "é".encode(), "é"),
        ("text/plain; charset=unicode_escape", rb"\x41", r"\x41"),
        ("text/plain; charset=nonsense", b"ok", "ok"),
        ("", b"plain", "plain"),
        ("application/json", b"", None),
        ("application/json", "\ufeff[1]".encode(), [1]),
        ("image/png", b"\x89PNG", "data:image/png;base64,iVBORw=="),
    ],
)
async def test_a_body_is_read_by_its_type(content_type: str, body: bytes, expected: Any) -> None:
    headers = {"content-type": content_type} if content_type else {}
    with site(lambda _: Reply(body=body, headers=headers)) as server:
        assert outputs(await requested(local(server.port), http(url=server.url)))["body"] == expected


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{", "malformed_response"),
        ("application/json", b"[NaN]", "malformed_response"),
        ("application/json", b"[" * 50_000, "malformed_response"),
        ("application/json", b"[" * 900 + b"]" * 900, "malformed_response"),
        ("application/json", b'{"a": [1e999]}', "malformed_response"),
        ("application/json", b'{"a": "\\ud800"}', "malformed_response"),
        ("application/octet-stream", b"\x00\x01", "binary_answer"),
        ("", b"\x00\x01", "binary_answer"),
    ],
)
async def test_a_body_that_nothing_can_be_made_of_is_an_error(content_type: str, body: bytes, code: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    with site(lambda _: Reply(body=body, headers=headers)) as server:
        assert failure(await requested(local(server.port), http(url=server.url)))[0] == code


async def test_a_body_must_satisfy_the_steps_schema() -> None:
    with site(lambda _: Reply(body=b'{"n": "x"}')) as server:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        code, message = failure(await requested(local(server.port), http(url=server.url, output=schema)))
    assert code == "invalid_output"
    assert "the body of the answer" in message


async def test_only_expected_statuses_are_no_failure() -> None:
    with site(lambda seen: Reply(status=404 if seen.path == "/404" else 200)) as server:
        settings = local(server.port)
        assert outputs(await requested(settings, http(url=f"{server.url}/404", expect=[404])))["status"] == 404
        code, message = failure(await requested(settings, http(url=f"{server.url}/404")))
        assert (code, "answered 404: {}" in message) == ("http_status", True)
        assert failure(await requested(settings, http(url=server.url, expect=[404])))[0] == "http_status"


async def test_head_has_no_body_and_get_sends_none() -> None:
    with site() as server:
        settings = local(server.port)
        assert outputs(await requested(settings, http(url=server.url, method="HEAD")))["body"] is None
        assert failure(await requested(settings, http(url=server.url, body={"a": 1})))[0] == "invalid_body"


# --- who may be asked -------------------------------------------------------------------------------------------------


async def test_nothing_is_allowed_by_default_and_the_error_says_how_to_allow() -> None:
    with site() as server:
        code, message = failure(await requested(HttpSettings(), http(url=server.url)))
    assert code == "host_not_allowed"
    assert f'hosts = ["127.0.0.1:{server.port}"]' in message
    assert server.seen == []


async def test_an_allowed_host_at_a_private_address_is_not_reached_unless_that_is_allowed_too() -> None:
    with site() as server:
        hosts = {f"127.0.0.1:{server.port}": {}, f"localhost:{server.port}": {"private_addresses": True}}
        settings = HttpSettings(hosts=hosts)
        code, message = failure(await requested(settings, http(url=server.url)))
        assert (code, "private_addresses = true" in message) == ("private_address", True)
        assert server.seen == []
        assert outputs(await requested(settings, http(url=f"http://localhost:{server.port}")))["status"] == 200


def test_hosts_are_read_from_a_list_or_from_tables(tmp_path: Path) -> None:
    file = tmp_path / "orchestrator.toml"
    file.write_text('[http]\nhosts = ["API.example.com", "*.example.org:8443"]\nmax_bytes = 2048\n')
    assert list(Settings.load(file, {}).http.hosts) == ["api.example.com", "*.example.org:8443"]
    file.write_text('[http.hosts."a.example"]\nclearance = "internal"\ntoken_env = "T"\n[http.hosts."b.example"]\n')
    made = Settings.load(file, {}).http
    assert allowed(Target.of("https://a.example/"), made).clearance == "internal"
    assert allowed(Target.of("https://b.example/"), made).clearance == "public"
    with pytest.raises(StepFailure, match=r'\[http\.hosts\."c\.example"\]'):
        allowed(Target.of("https://c.example/"), made)


@pytest.mark.parametrize(
    "host", ["*", "*.com", "https://a.b", "a b", "me@a.b", "a.b:0", "a.b:x", "a.b:", "::1", "1.2.3", "[::g]", "a/b", ""]
)
def test_a_host_that_cannot_be_is_an_error_of_the_settings_with_its_place(tmp_path: Path, host: str) -> None:
    file = tmp_path / "orchestrator.toml"
    file.write_text(f"[http]\nhosts = [{host!r}]\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(file, {})
    assert "orchestrator.toml" in str(caught.value)
    assert "http.hosts" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "url", "is_allowed"),
    [
        ("api.example.com", "https://API.example.com./x", True),
        ("api.example.com", "http://api.example.com/", True),
        ("api.example.com", "https://api.example.com:8443/", False),
        ("api.example.com:8443", "https://api.example.com:8443/", True),
        ("api.example.com:8443", "https://api.example.com/", False),
        ("*.example.org", "https://a.b.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "https://badexample.org/", False),
        ("api.example.com", "https://api.example.com.evil.net/", False),
        ("api.example.com", "https://evil.net/?https://api.example.com", False),
        ("api.example.com", "https://evil.net/#@api.example.com", False),
        ("bücher.example", "https://xn--bcher-kva.example/", True),
        ("[2001:4860::1]", "https://[2001:4860:0::1]/", True),
        ("1.1.1.1", "https://1.1.1.1/", True),
    ],
)
def test_the_list_of_hosts_means_what_it_says(entry: str, url: str, is_allowed: bool) -> None:
    settings = HttpSettings(hosts=[entry])
    if is_allowed:
        assert allowed(Target.of(url), settings).clearance == "public"
    else:
        with pytest.raises(StepFailure, match="not allowed"):
            allowed(Target.of(url), settings)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example.com/",
        "//api.example.com/",
        "https:///x",
        "https://user:secret@api.example.com/",
        "https://api.example.com\\@evil.net/",
        "https://api.example.com/a b",
        "https://api.example.com/\r\nHost: evil.net",
        "https://api.example.com:0/",
        "https://api.example.com:99999/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://1.2.3.4.5/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://a..b/",
        "https://-a.b/",
        "https://api.example.com/\ud800",
        f"https://api.example.com/{'x' * 9_000}",
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused_and_shows_no_password(url: str) -> None:
    with pytest.raises(StepFailure) as caught:
        Target.of(url)
    assert caught.value.code == "invalid_url"
    assert "secret" not in caught.value.message


async def test_data_that_a_host_is_not_cleared_for_is_not_sent() -> None:
    with site() as server:
        host = f"127.0.0.1:{server.port}"
        secret = value("a", "key", sensitivity="confidential")
        step = http("send", method="POST", url=server.url, body="{{ steps.a.output }}")
        for clearance in ("public", "internal"):
            settings = HttpSettings(hosts={host: {"clearance": clearance}}, private_addresses=True)
            code, message = failure(await requested(settings, secret, step))
            assert (code, "nothing was sent" in message) == ("insufficient_clearance", True)
        assert server.seen == []
        settings = HttpSettings(hosts=[host], clearance="confidential", private_addresses=True)
        assert (await requested(settings, secret, step)).status == "succeeded"


# --- credentials ------------------------------------------------------------------------------------------------------


async def test_credentials_come_from_the_environment_and_go_to_their_host_alone() -> None:
    def onward(seen: Seen) -> Reply:
        return Reply(status=307, headers={"location": f"{other.url}/there"})

    with site() as other, site(onward) as first:
        hosts = {
            f"127.0.0.1:{first.port}": {"token_env": "FIRST_TOKEN", "headers_env": {"X-Tenant": "TENANT"}},
            f"127.0.0.1:{other.port}": {},
        }
        settings = HttpSettings(hosts=hosts, private_addresses=True)
        environ = {"FIRST_TOKEN": "t0ken", "TENANT": "me"}
        step = http(url=first.url, headers={"X-Own": "mine", "Accept": "text/plain"})
        assert (await requested(settings, step, environ=environ)).status == "succeeded"
        assert failure(await requested(settings, step))[0] == "no_credentials"
    assert first.seen[0].headers["authorization"] == "Bearer t0ken"
    assert first.seen[0].headers["x-tenant"] == "me"
    assert other.seen[0].headers["accept"] == "text/plain"
    assert not {"authorization", "x-tenant", "x-own", "cookie"} & other.seen[0].headers.keys()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"cookie": "a=b"},
        {"Host": "evil.net"},
        {"Transfer-Encoding": "chunked"},
        {"X-A": "a\r\nX-B: b"},
        {"X A": "a"},
        {"X-A": "é"},
    ],
)
async def test_headers_that_speak_for_somebody_else_are_refused(headers: dict[str, str]) -> None:
    with site() as server:
        assert (
            failure(await requested(local(server.port), http(url=server.url, headers=headers)))[0] == "invalid_header"
        )
    assert server.seen == []


async def test_a_server_that_repeats_a_credential_tells_it_to_no_workflow() -> None:
    def echo(seen: Seen) -> Reply:
        told = {"sent": dict(seen.headers)}
        headers = {"content-type": "application/json", "x-request-id": seen.headers["x-key"]}
        return Reply(status=401 if seen.path == "/401" else 200, body=json.dumps(told).encode(), headers=headers)

    with site(echo) as server:
        host = {"token_env": "TOKEN", "headers_env": {"X-Key": "KEY"}}
        settings = HttpSettings(hosts={f"127.0.0.1:{server.port}": host}, private_addresses=True)
        for path in ("/", "/401"):
            result = await requested(
                settings, http(url=server.url + path), environ={"TOKEN": "t0ken-of-mine", "KEY": "k3y-of-mine"}
            )
            assert "of-mine" not in repr(result)
            assert "[credential]" in repr(result)
    assert server.seen[0].headers["authorization"] == "Bearer t0ken-of-mine"


async def test_credentials_are_not_sent_unencrypted_through_the_internet() -> None:
    settings = HttpSettings(hosts={"api.example.com": {"token_env": "TOKEN"}})
    outbound = _outbound(settings, ["93.184.216.34"], environ={"TOKEN": "x"})
    with pytest.raises(StepFailure, match="unencrypted"):
        await outbound.send(_get(), Target.of("http://api.example.com/"), label="public", repeatable=True)


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 303, "GET"),
        ("DELETE", 302, "DELETE"),
        ("GET", 303, "GET"),
        ("HEAD", 303, "HEAD"),
    ],
)
async def test_a_redirect_keeps_or_changes_the_method_as_rfc_9110_says(method: str, status: int, then: str) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply() if seen.path == "/b" else Reply(status=status, headers={"location": "b"})

    body = {"a": 1} if method in {"POST", "PUT"} else None
    with site(answer) as server:
        assert (
            await requested(local(server.port), http(url=f"{server.url}/a", method=method, body=body))
        ).error is None
    assert [(one.method, one.path) for one in server.seen] == [(method, "/a"), (then, "/b")]
    assert bool(server.seen[1].body) == (then == method and body is not None)
    assert ("content-type" in server.seen[1].headers) == bool(server.seen[1].body)


async def test_a_redirect_to_a_host_that_is_not_allowed_ends_there() -> None:
    with site() as other, site(lambda _: Reply(status=302, headers={"location": other.url})) as server:
        code, message = failure(await requested(local(server.port), http(url=server.url)))
    assert (code, "a redirect led on to" in message) == ("host_not_allowed", True)
    assert other.seen == []


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("own", [{}, {"token_env": "TOKEN"}, {"headers_env": {"X-Key": "TOKEN"}}])
async def test_a_redirect_spends_no_other_hosts_credentials_and_moves_no_effect_to_another_host(
    method: str, own: dict[str, Any]
) -> None:
    with site() as bank, site(lambda _: Reply(status=307, headers={"location": f"{bank.url}/pay"})) as evil:
        hosts = {f"127.0.0.1:{evil.port}": {}, f"127.0.0.1:{bank.port}": own}
        settings = HttpSettings(hosts=hosts, private_addresses=True)
        result = await requested(settings, http(url=evil.url, method=method), environ={"TOKEN": "secret"})
    if method == "GET" and not own:
        assert (result.status, len(bank.seen)) == ("succeeded", 1)
    else:
        assert (failure(result)[0], bank.seen) == ("redirect_refused", [])


async def test_a_redirect_among_the_hosts_of_one_table_keeps_their_credentials() -> None:
    def answer(seen: Seen) -> Reply:
        there = f"http://b.example.com:{server.port}/there"
        return Reply() if seen.path == "/there" else Reply(status=302, headers={"location": there})

    with site(answer) as server:
        hosts = {f"*.example.com:{server.port}": {"token_env": "TOKEN"}}
        settings = HttpSettings(hosts=hosts, private_addresses=True)
        outbound = _outbound(settings, ["127.0.0.1"], ["127.0.0.1"], environ={"TOKEN": "x"})
        target = Target.of(f"http://a.example.com:{server.port}/")
        await outbound.send(_get(), target, label="public", repeatable=True)
    assert [one.headers["authorization"] for one in server.seen] == ["Bearer x", "Bearer x"]


async def test_a_redirect_does_not_lead_from_the_internet_into_a_private_network() -> None:
    outbound = _outbound(HttpSettings(hosts=["a.example.com", "b.intranet"], private_addresses=True), ["10.0.0.7"])
    journey = _Journey(_get(), Target.of("http://b.intranet/"), sent=True, was_public=True)
    with pytest.raises(StepFailure) as caught:
        await outbound._hop(journey, "public")
    assert (caught.value.code, "private network" in caught.value.message) == ("redirect_refused", True)


async def test_five_redirects_are_followed_and_no_sixth() -> None:
    def answer(seen: Seen) -> Reply:
        number = int(seen.path[1:])
        return Reply() if number == 0 else Reply(status=302, headers={"location": f"/{number - 1}"})

    with site(answer) as server:
        settings = local(server.port)
        assert (await requested(settings, http(url=f"{server.url}/5"))).status == "succeeded"
        assert failure(await requested(settings, http(url=f"{server.url}/6")))[0] == "too_many_redirects"


async def test_a_redirect_that_is_expected_is_the_answer() -> None:
    with site(lambda _: Reply(status=302, headers={"location": "/b"})) as server:
        found = outputs(await requested(local(server.port), http(url=server.url, expect=[302])))
    assert (found["status"], found["headers"]["location"]) == (302, "/b")


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_an_answer_is_bounded_packed_and_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    replies = {
        "/bomb": Reply(body=bomb, headers={"content-type": "text/plain", "content-encoding": "gzip"}),
        "/long": Reply(body=b"x" * 200_000, headers={"content-type": "text/plain"}),
        "/twice": Reply(body=b"x", headers={"content-type": "text/plain", "content-encoding": "gzip, gzip"}),
        "/fits": Reply(body=gzip.compress(b"0" * 90_000), headers={"content-encoding": "gzip"}),
    }
    with site(lambda seen: replies[seen.path]) as server:
        settings = local(server.port, max_bytes=100_000)
        for path, code in {"/bomb": "too_large", "/long": "too_large", "/twice": "malformed_response"}.items():
            assert failure(await requested(settings, http(url=server.url + path)))[0] == code
        assert len(outputs(await requested(settings, http(url=f"{server.url}/fits")))["body"]) == 90_000
        step = http(url=server.url, method="POST", body="x" * 200_000)
        assert failure(await requested(settings, step))[0] == "too_large"


async def test_a_server_that_hangs_costs_no_more_than_the_timeout_and_its_outcome_is_told() -> None:
    with site(lambda _: Reply(hang=True)) as server:
        settings = local(server.port, timeout_s=0.2)
        assert failure(await requested(settings, http(url=server.url)))[0] == "timed_out"
        code, message = failure(await requested(settings, http(url=server.url, method="POST", body="pay")))
        assert (code, "idempotent" in message) == ("unknown_outcome", True)


async def test_a_connection_that_breaks_is_tried_again_only_where_that_does_no_harm() -> None:
    def answer(_: Seen) -> Reply:
        return Reply(cut=len(server.seen) == 1, body=b'{"a": 1}')

    retry = {"attempts": 2, "backoff_s": 0}
    for fields, code in [
        ({}, None),
        ({"method": "POST"}, "unknown_outcome"),
        ({"method": "POST", "idempotent": True}, None),
        ({"method": "PUT"}, None),
        ({"method": "DELETE", "idempotent": False}, "unknown_outcome"),
    ]:
        with site(answer) as server:
            result = await requested(local(server.port), http(url=server.url, retry=retry, **fields))
            assert (result.error and result.error.code) == code
            assert len(server.seen) == (1 if code else 2)


async def test_a_server_that_asks_to_wait_is_asked_again_no_sooner() -> None:
    def answer(_: Seen) -> Reply:
        return Reply() if len(server.seen) > 1 else Reply(status=429, headers={"retry-after": "1"})

    with site(answer) as server:
        before = anyio.current_time()
        result = await requested(
            local(server.port), http(url=server.url, method="POST", retry={"attempts": 2, "backoff_s": 0})
        )
        assert result.status == "succeeded"
        assert anyio.current_time() - before >= 1.0


async def test_nobody_at_the_address_is_told() -> None:
    with site() as server:
        port = server.port
    code, message = failure(await requested(local(port), http(url=f"http://127.0.0.1:{port}/")))
    assert code == "connection_failed"
    assert f"127.0.0.1:{port}" in message


# --- addresses --------------------------------------------------------------------------------------------------------


def _get() -> Request:
    return Request.of("GET", {}, None, max_bytes=1_000)


def _outbound(
    settings: HttpSettings,
    *answers: Sequence[str],
    environ: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Outbound:
    """With a name server that gives each of the answers once, in turn."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        if not left:
            raise AssertionError(f"{host} was looked up once more")
        return [ip_address(one) for one in left.pop(0)]

    return Outbound(
        settings=settings, environment=Environment(environ or {}), clock=MonotonicClock(), resolve=resolve, tls=tls
    )


async def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked() -> None:
    with site() as server:
        settings = HttpSettings(hosts=[f"api.example.com:{server.port}"], private_addresses=True)
        outbound = _outbound(settings, ["127.0.0.1"], ["10.0.0.1"])
        target = Target.of(f"http://api.example.com:{server.port}/x")
        answer = await outbound.send(_get(), target, label="public", repeatable=True)
    assert answer.status == 200
    assert server.seen[0].headers["host"] == f"api.example.com:{server.port}"


@pytest.mark.parametrize(
    "addresses", [["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::7f00:1"], ["::1"]]
)
async def test_a_single_private_address_among_those_of_a_name_is_enough_to_refuse(addresses: list[str]) -> None:
    outbound = _outbound(HttpSettings(hosts=["api.example.com"]), addresses)
    with pytest.raises(StepFailure) as caught:
        await outbound.send(_get(), Target.of("https://api.example.com/"), label="public", repeatable=True)
    assert caught.value.code == "private_address"


async def test_metadata_is_never_reached_even_where_private_addresses_are() -> None:
    settings = HttpSettings(hosts=["api.example.com", "169.254.169.254"], private_addresses=True)
    for url in ("http://169.254.169.254/latest", "http://api.example.com/"):
        outbound = _outbound(settings, ["::ffff:169.254.169.254"])
        with pytest.raises(StepFailure, match="never reached"):
            await outbound.send(_get(), Target.of(url), label="public", repeatable=True)


def _certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's certificate for the name, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pem)
    return server, client


async def test_the_certificate_must_be_that_of_the_name_though_the_connection_goes_to_the_address(
    tmp_path: Path,
) -> None:
    server_tls, client_tls = _certificate("api.example.com", tmp_path)
    with site(tls=server_tls) as server:
        names = [f"api.example.com:{server.port}", f"other.example.com:{server.port}"]
        settings = HttpSettings(hosts={name: {"token_env": "TOKEN"} for name in names}, private_addresses=True)
        outbound = _outbound(settings, ["127.0.0.1"], ["127.0.0.1"], environ={"TOKEN": "x"}, tls=client_tls)
        for name, reaches in zip(names, [True, False], strict=True):
            target = Target.of(f"https://{name}/")
            if reaches:
                answer = await outbound.send(_get(), target, label="public", repeatable=True)
                assert answer.status == 200
            else:
                with pytest.raises(StepFailure) as caught:
                    await outbound.send(_get(), target, label="public", repeatable=True)
                assert caught.value.code == "connection_failed"
    assert [one.headers["host"] for one in server.seen] == names[:1]


def _is_special(address: Address) -> bool:
    """What Python itself holds for no address of the open internet."""
    special = (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or address.is_private
    )
    return special or (isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour) is not None)


_EXCEPTED = {ip_address(one) for one in ("192.0.0.9", "192.0.0.10")}


@given(st.ip_addresses())
def test_whatever_python_calls_special_is_not_public_here(address: Address) -> None:
    if _is_special(address):
        assert not_public(address) is not None
    if never_reached(address):
        assert not_public(address) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_the_clothes_of_ipv6_is_never_public(address: IPv4Address) -> None:
    number = int(address)
    dressed = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x0064FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(0x20010000 << 96 | 1 << 64 | (number ^ 0xFFFFFFFF)),
        IPv6Address(0x20014860 << 96 | 0x5EFE << 32 | number),
    ]
    for one in dressed:
        assert not_public(one) is not None
        if never_reached(address):
            assert never_reached(one)


@given(st.ip_addresses())
def test_an_address_in_a_url_is_that_address(address: Address) -> None:
    written = f"[{address}]" if address.version == 6 else str(address)
    target = Target.of(f"https://{written}/")
    assert target.address == address
    assert literal(target.host) == address


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert not_public(ip_address(address)) is None


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_readable_refusal(text: str) -> None:
    for url in (text, f"https://{text}", f"https://api.example.com/{text}"):
        try:
            target = Target.of(url)
        except StepFailure:
            continue  # any other exception is a fault
        assert target.url.isascii()
        assert Target.of(target.url).origin == target.origin
