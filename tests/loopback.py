"""A small real OpenAI-compatible HTTP server on 127.0.0.1 that answers from a script, for end-to-end tests.

    with loopback("first answer", Answer(status=429, retry_after="0"), "second answer") as server:
        ...  # server.url is the base_url; server.requests are the JSON bodies it was sent

It runs in threads, so that async tests, plain tests and child processes may all talk to it. A script is one entry a
POST, in order; when it runs out the server answers 400 and says so. One function instead of entries answers every
POST. `GET /models` lists `models`. `pieces` and a `media_type` answer in any other provider's format, and with `polls`
the script answers other GETs too. The server ends with the block, whatever its clients do, and serves at most
`MAX_REQUESTS` requests.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

__all__ = ["Answer", "Loopback", "loopback"]

MAX_REQUESTS = 5_000
MAX_BODY_BYTES = 16 * 2**20
HANG_S = 20.0
"""Longest that an answer that never comes keeps its thread; the end of the block ends it at once."""

Body: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer: a chat answer made of `text`, streamed if the request asks for it, unless a fault says otherwise."""

    text: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Name and arguments of each."""
    finish: str | None = None
    """Finish reason; by default `stop`, or `tool_calls` with such."""
    usage: tuple[int, int] | None = (11, 7)
    """Prompt and completion tokens."""
    model: str | None = None
    """Name to echo; by default the one asked for."""
    status: int = 200
    retry_after: str | None = None
    body: bytes | None = None
    """Sent as it is, instead of a chat answer; with an error status the default is an OpenAI error object."""
    pieces: tuple[bytes, ...] = ()
    """Sent as they are, each in a chunk of its own, instead of a chat answer."""
    media_type: str = "application/json"
    hang: bool = False
    """Never answers; ends when the client goes away."""
    hang_after: int | None = None
    """A stream falls silent after this many of its events."""
    cut_after: int | None = None
    """A stream's connection breaks after this many of its events; an unstreamed answer breaks in the middle."""
    error_after: int | None = None
    """After this many of its events the stream holds an error object instead of the rest."""
    drop_finish: bool = False
    """The stream ends in good order but without finish reason, usage and [DONE]."""


Entry: TypeAlias = "str | Answer"
Script: TypeAlias = "Sequence[Entry] | Callable[[Body], Entry]"


@dataclass
class Loopback:
    """A running server."""

    url: str
    script: Script
    models: tuple[str, ...]
    key: str | None
    polls: bool = False
    requests: list[Body] = field(default_factory=list)
    """The JSON bodies of the POSTs, in order of arrival; a form stands there with its text as `form`."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Their headers, names in lower case."""
    paths: list[str] = field(default_factory=list)
    """Every request's path, GETs too."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client has gone away from an answer that was still open."""
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, body: Body, headers: dict[str, str]) -> Answer:
        with self.lock:
            self.requests.append(body)
            self.headers.append(headers)
            number = len(self.requests)
        if callable(self.script):
            entry = self.script(body)
        elif number <= len(self.script):
            entry = self.script[number - 1]
        else:
            return Answer(status=400, body=_error(f"the script of {len(self.script)} entries is at its end"))
        return Answer(text=entry) if isinstance(entry, str) else entry


@contextmanager
def loopback(
    *script: Entry | Callable[[Body], Entry],
    models: Sequence[str] = ("scripted",),
    key: str | None = None,
    polls: bool = False,
) -> Iterator[Loopback]:
    """A server for as long as the block lasts. With a `key`, requests without it as bearer token get 401."""
    entries: Script = script[0] if len(script) == 1 and callable(script[0]) else list(script)  # type: ignore[arg-type]
    server = _Server(("127.0.0.1", 0), _RequestHandler)
    server.loopback = Loopback(f"http://127.0.0.1:{server.server_port}/v1", entries, tuple(models), key, polls)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server.loopback
    finally:
        server.loopback.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    loopback: Loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about; nothing is printed."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANG_S
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        loop = self.server.loopback
        loop.paths.append(self.path)
        if self._refused():
            return
        if re.fullmatch(r"(/v1)?/models", self.path):
            listed = [{"id": name, "object": "model", "owned_by": "loopback"} for name in loop.models]
            self._send(200, json.dumps({"object": "list", "data": listed}).encode())
        elif loop.polls:
            self._answer({}, loop.next_answer({}, {name.lower(): value for name, value in self.headers.items()}))
        else:
            self._send(404, _error(f"no such path: {self.path}"))

    def do_POST(self) -> None:
        loop = self.server.loopback
        loop.paths.append(self.path)
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES or len(loop.requests) >= MAX_REQUESTS:
            self._send(413, _error("too much"))
            return
        raw = self.rfile.read(length)
        if self._refused():
            return
        try:
            is_form = self.headers.get_content_type() == "multipart/form-data"
            body = {"form": raw.decode()} if is_form else json.loads(raw)
        except ValueError:
            self._send(400, _error("the body is no JSON"))
            return
        answer = loop.next_answer(body, {name.lower(): value for name, value in self.headers.items()})
        self._answer(body, answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Quiet."""

    def _refused(self) -> bool:
        key = self.server.loopback.key
        if key is None or self.headers.get("authorization") == f"Bearer {key}":
            return False
        given = (self.headers.get("authorization") or "nothing").removeprefix("Bearer ")
        # Repeats the key, as some providers do.
        self._send(401, _error(f"Incorrect API key provided: {given}", code="invalid_api_key"))
        return True

    def _answer(self, body: Body, answer: Answer) -> None:
        if answer.hang:
            self._hang()
        elif answer.pieces:
            self._stream(list(answer.pieces), answer)
        elif answer.status != 200 or answer.body is not None:
            raw = answer.body if answer.body is not None else _error(f"scripted error {answer.status}")
            self._send(answer.status, raw, answer)
        elif self.path.endswith("/embeddings"):
            self._send(200, _embeddings(body, answer), answer)
        elif self.path.endswith("/images/generations"):
            self._send(200, _image(answer), answer)
        elif body.get("stream"):
            self._stream(_events(body, answer), answer)
        else:
            self._send(200, _completion(body, answer), answer)

    def _send(self, status: int, raw: bytes, answer: Answer | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", answer.media_type if answer else "application/json")
        self.send_header("content-length", str(len(raw)))
        if answer is not None and answer.retry_after is not None:
            self.send_header("retry-after", answer.retry_after)
        self.end_headers()
        if answer is not None and answer.cut_after is not None:
            self.wfile.write(raw[: len(raw) // 2])
            self._break()
            return
        self.wfile.write(raw)

    def _stream(self, events: list[bytes], answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", answer.media_type if answer.pieces else "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for number, event in enumerate(events):
                if number == answer.cut_after:
                    self._break()
                    return
                if number == answer.hang_after:
                    self._hang()
                    return
                self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.loopback.left.set()
            self.close_connection = True

    def _hang(self) -> None:
        """Wait for the client to go away, which reading notices; or for the end of the block."""
        loop = self.server.loopback
        self.close_connection = True
        self.connection.settimeout(0.05)
        for _ in range(int(HANG_S / 0.05)):
            if loop.closing.is_set():
                return
            try:
                if not self.connection.recv(1):
                    loop.left.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                loop.left.set()
                return

    def _break(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


def _completion(body: Body, answer: Answer) -> bytes:
    message: Body = {"role": "assistant", "content": answer.text or None}
    if answer.tool_calls:
        message["tool_calls"] = _calls(answer)
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
    return json.dumps({**_frame(body, answer, "chat.completion"), "choices": [choice], **_usage(answer)}).encode()


def _events(body: Body, answer: Answer) -> list[bytes]:
    """The role, a word an event, the calls, the finish, the usage, [DONE]."""
    deltas: list[tuple[Body, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in re.findall(r"\S+\s*|\s+", answer.text)]
    deltas += [({"tool_calls": [{"index": i, **call}]}, None) for i, call in enumerate(_calls(answer))]
    if not answer.drop_finish:
        deltas.append(({}, _finish(answer)))
    frame = _frame(body, answer, "chat.completion.chunk")
    events: list[Body] = [
        {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    if wants_usage and answer.usage is not None and not answer.drop_finish:
        events.append({**frame, "choices": [], **_usage(answer)})
    if answer.error_after is not None:
        events = [*events[: answer.error_after], json.loads(_error("the engine failed", kind="server_error"))]
        return [_event(event) for event in events]
    return [_event(event) for event in events] + ([] if answer.drop_finish else [b"data: [DONE]\n\n"])


def _event(event: Body) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


def _frame(body: Body, answer: Answer, kind: str) -> Body:
    return {"id": "chatcmpl-loopback", "object": kind, "created": 0, "model": answer.model or body.get("model")}


def _calls(answer: Answer) -> list[Body]:
    return [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for i, (name, arguments) in enumerate(answer.tool_calls)
    ]


def _finish(answer: Answer) -> str:
    return answer.finish or ("tool_calls" if answer.tool_calls else "stop")


def _usage(answer: Answer) -> Body:
    if answer.usage is None:
        return {}
    asked, answered = answer.usage
    return {"usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}}


def _embeddings(body: Body, answer: Answer) -> bytes:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    size = body.get("dimensions") or 4
    entries = [
        {"object": "embedding", "index": i, "embedding": [float(len(text)), *[0.5] * (size - 1)]}
        for i, text in enumerate(texts)
    ]
    return json.dumps({"object": "list", "model": body["model"], "data": entries, **_usage(answer)}).encode()


# One transparent pixel.
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def _image(answer: Answer) -> bytes:
    return json.dumps({"created": 0, "data": [{"b64_json": _PIXEL, "revised_prompt": answer.text or None}]}).encode()


def _error(message: str, *, kind: str = "invalid_request_error", code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
