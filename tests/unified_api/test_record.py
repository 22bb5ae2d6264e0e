from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from unified_api.call import through, through_stream
from unified_api.errors import ConfigurationError, GatewayError, InvalidRequestError, RateLimitError, ServerError
from unified_api.gateway import Gateway
from unified_api.layers.record import Record
from unified_api.models import Prices
from unified_api.settings import CacheSettings, PrivacySettings, RecordSettings, Settings
from unified_api.telemetry.log import JsonFormatter
from unified_api.testing import ManualClock, scripted_gateway
from unified_api.types import (
    Caller,
    DocumentPart,
    EmbedRequest,
    FinishChunk,
    ImagePart,
    Message,
    ModerationRequest,
    Policy,
    Request,
    RerankRequest,
    TextChunk,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)

ASKED = Request(model="p/m", messages=(Message.user("the secret question"),))
PRICES = Prices(input=Decimal(1), output=Decimal(10))


class Lines:
    """What the file of a gateway's record holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def only(self) -> dict[str, Any]:
        (line,) = self.all
        return line

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8") if self.path.exists() else ""


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    return Lines(tmp_path / "new" / "calls.jsonl")


def gateway_of(
    script: Any, lines: Lines, *, clock: Any = None, others: dict[str, Any] | None = None, **record: Any
) -> Gateway:
    settings = Settings(record=RecordSettings(file=lines.path, **record), **(others or {}))
    return scripted_gateway({"p/m": script}, settings=settings, prices=PRICES, clock=clock or ManualClock())


async def test_a_call_is_one_line_that_says_who_asked_what_answered_and_what_it_took(lines: Lines) -> None:
    gateway = gateway_of("an answer", lines)
    caller = Caller(tenant="t", user="ann", key="laptop", run="r1", session="s1", tags=frozenset({"b", "a"}))
    response = await gateway.chat(ASKED, Policy(caller=caller))
    line = lines.only
    assert line["message"].startswith("chat p/m succeeded in ")
    told = ("level", "operation", "outcome", "request_model", "model", "provider", "finish_reasons", "streamed")
    assert [line[name] for name in told] == ["info", "chat", "succeeded", "p/m", "p/m", "p", ["stop"], False]
    assert [line[name] for name in ("tenant", "user", "key", "run", "session", "tags")] == [
        *("t", "ann", "laptop", "r1", "s1"),
        ["a", "b"],
    ]
    assert line["usage"] == {"input_tokens": response.usage.input_tokens, "output_tokens": response.usage.output_tokens}
    assert line["cost_usd"] == float(response.cost_usd or 0)
    assert line["sensitivity"] == "public"
    (attempt,) = line["attempts"]
    assert (attempt["number"], attempt["model"], attempt["outcome"]) == (1, "p/m", "succeeded")


async def test_no_content_is_told_unless_it_is_wanted(lines: Lines) -> None:
    gateway = gateway_of([ServerError("they said: the secret question"), "the secret answer"], lines)
    await gateway.chat(ASKED)
    line = lines.only
    assert "secret" not in lines.text
    assert [one["outcome"] for one in line["attempts"]] == ["failed", "succeeded"]
    assert line["attempts"][0]["error"] == "server_error"


async def test_a_failure_is_a_warning_with_its_code_and_status(lines: Lines) -> None:
    gateway = gateway_of(lambda _: RateLimitError("the secret question is too much", status=429), lines)
    with pytest.raises(RateLimitError):
        await gateway.chat(ASKED, Policy(max_attempts=1))
    line = lines.only
    assert [line[name] for name in ("level", "outcome", "error", "status", "model", "provider")] == [
        *("warning", "failed", "rate_limit", 429, "p/m", "p")
    ]
    assert "secret" not in lines.text


async def test_a_cancelled_call_is_told_of(lines: Lines) -> None:
    async def never(request: object) -> str:
        await anyio.sleep_forever()
        return ""

    gateway = gateway_of(never, lines)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(gateway.chat, ASKED)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert (lines.only["outcome"], lines.only["error"]) == ("cancelled", "cancelled")


CHUNKS = (TextChunk("the secret "), TextChunk("answer"), FinishChunk("stop"))


async def read(gateway: Gateway, *, chunks: int = 99) -> None:
    async with gateway.stream(ASKED) as stream:
        for _ in range(chunks):
            if await anext(stream, None) is None:
                return
            assert not lines_of(gateway).text, "told of before the end"


def lines_of(gateway: Gateway) -> Lines:
    path = gateway.settings.record.file
    assert path is not None
    return Lines(path)


async def test_a_stream_is_told_of_when_it_ends(lines: Lines) -> None:
    await read(gateway_of(CHUNKS, lines))
    line = lines.only
    told = ("streamed", "outcome", "model", "finish_reasons")
    assert [line[name] for name in told] == [True, "succeeded", "p/m", ["stop"]]
    assert line["first_chunk_s"] >= 0


async def test_a_stream_that_is_left_is_told_of_with_what_it_cost(lines: Lines) -> None:
    await read(gateway_of(CHUNKS, lines), chunks=1)
    line = lines.only
    assert (line["outcome"], line["model"]) == ("left", "p/m")
    (attempt,) = line["attempts"]
    assert (attempt["outcome"], attempt["cost_usd"]) == ("cancelled", line["cost_usd"])
    assert line["cost_usd"] > 0


async def test_a_stream_that_breaks_is_told_of_as_a_failure(lines: Lines) -> None:
    gateway = gateway_of((TextChunk("the secret "), ServerError("it broke")), lines)
    with pytest.raises(ServerError):
        await read(gateway)
    assert (lines.only["outcome"], lines.only["error"], lines.only["model"]) == ("failed", "server_error", "p/m")


async def test_a_stream_whose_reader_is_cancelled_is_told_of_as_cancelled(lines: Lines) -> None:
    gateway = gateway_of(CHUNKS, lines)
    with anyio.CancelScope() as scope:
        async with gateway.stream(ASKED) as stream:
            await anext(stream)
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert lines.only["outcome"] == "cancelled"


async def test_content_is_told_where_it_is_wanted_and_the_sink_is_cleared(lines: Lines) -> None:
    gateway = gateway_of(["one", "two"], lines, content=True, clearance="internal")
    for label in ("internal", "confidential"):
        await gateway.chat(ASKED, Policy(sensitivity=label))
    told, withheld = lines.all
    assert told["content"] == {
        "input": [{"role": "user", "parts": [{"type": "text", "content": "the secret question"}]}],
        "output": [{"role": "assistant", "parts": [{"type": "text", "content": "one"}], "finish_reason": "stop"}],
    }
    assert "content" not in withheld
    assert (told["sensitivity"], withheld["sensitivity"]) == ("internal", "confidential")


async def test_the_content_of_a_stream_is_what_its_reader_was_given(lines: Lines) -> None:
    await read(gateway_of(CHUNKS, lines, content=True), chunks=1)
    (message,) = lines.only["content"]["output"]
    assert message["parts"] == [{"type": "text", "content": "the secret "}]


async def test_personal_data_raises_the_label_and_its_content_is_not_told(lines: Lines) -> None:
    privacy = {"privacy": PrivacySettings(detect=True)}
    gateway = gateway_of("an answer", lines, content=True, clearance="public", others=privacy)
    await gateway.chat(Request(model="p/m", messages=(Message.user("Write to ann.lee@example.org, please."),)))
    assert "ann.lee" not in lines.text
    assert lines.only["sensitivity"] != "public"


async def test_content_of_calls_about_calls_is_never_told(lines: Lines) -> None:
    gateway = gateway_of("an answer", lines, content=True)
    about = gateway._call("chat", ASKED, Policy())
    await gateway._consult(about, "chat", ASKED, "evaluation")
    assert lines.only["purpose"] == "evaluation"
    assert "secret" not in lines.text


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (EmbedRequest(model="p/m", inputs=("alpha", "beta")), ["alpha", "beta"]),
        (RerankRequest(model="p/m", query="alpha", documents=("beta",)), ["alpha", "beta"]),
        (ModerationRequest(model="p/m", inputs=("alpha", ImagePart(data=b"x", media_type="image/png"))), ["alpha"]),
    ],
)
async def test_texts_of_other_calls_are_told_too_and_nothing_that_is_no_text(
    lines: Lines, request_: Any, words: list[str]
) -> None:
    replies = {"EmbedRequest": [(1.0,), (2.0,)], "RerankRequest": [0.5], "ModerationRequest": [False]}
    gateway = gateway_of(lambda _: replies[type(request_).__name__], lines, content=True)
    call = {"EmbedRequest": gateway.embed, "RerankRequest": gateway.rerank}.get(
        type(request_).__name__, gateway.moderate
    )
    await call(request_)
    (message,) = lines.only["content"]["input"]
    assert [part["content"] for part in message["parts"] if part["type"] == "text"] == words
    assert lines.only["content"]["output"] == []


async def test_every_part_of_a_conversation_has_words_and_no_bytes(lines: Lines) -> None:
    parts = (TextPart("look"), ImagePart(data=b"x" * 999, media_type="image/png"))
    messages = (
        Message("user", parts),
        Message("assistant", (ToolCallPart("c1", "find", '{"a": 1}'),)),
        Message("tool", (ToolResultPart("c1", "found"),)),
    )
    await gateway_of("fine", lines, content=True).chat(Request(model="p/m", messages=messages))
    asked = lines.only["content"]["input"]
    assert [part["type"] for message in asked for part in message["parts"]] == [
        *("text", "blob", "tool_call", "tool_call_response")
    ]
    assert "xxx" not in lines.text
    assert asked[0]["parts"][1] == {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""}
    assert asked[2]["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "found"}]


async def test_what_lies_elsewhere_is_told_by_its_address_and_what_is_written_into_one_is_not(lines: Lines) -> None:
    parts = (
        VideoPart(url="https://a.example/v.mp4"),
        DocumentPart(url="data:application/pdf;base64,eHh4", media_type="application/pdf"),
    )
    await gateway_of("fine", lines, content=True).chat(Request(model="p/m", messages=(Message("user", parts),)))
    (message,) = lines.only["content"]["input"]
    assert message["parts"] == [
        {"type": "uri", "modality": "video", "uri": "https://a.example/v.mp4"},
        {"type": "blob", "modality": "document", "mime_type": "application/pdf", "content": ""},
    ]


async def test_an_answer_from_the_cache_is_told_as_one(lines: Lines) -> None:
    gateway = gateway_of("an answer", lines, others={"cache": CacheSettings(enabled=True)})
    await gateway.chat(ASKED)
    await gateway.chat(ASKED)
    first, second = lines.all
    assert (first.get("cached"), second["cached"], second["cost_usd"]) == (None, True, 0.0)
    assert second["attempts"][0]["message"].startswith("kept ")


async def test_the_file_is_its_owners_alone_and_is_added_to(lines: Lines) -> None:
    for _ in range(2):
        await gateway_of("an answer", lines).chat(ASKED)
    assert len(lines.all) == 2
    if sys.platform != "win32":
        assert stat.S_IMODE(lines.path.stat().st_mode) == 0o600


async def test_a_text_that_no_file_can_hold_does_not_stop_the_call(lines: Lines) -> None:
    request = Request(model="p/m", messages=(Message.user("half a pair: \ud83d"),))
    response = await gateway_of("an answer", lines, content=True).chat(request)
    assert response.text == "an answer"
    assert lines.only["content"]["input"][0]["parts"][0]["content"] == "half a pair: \ud83d"


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, keeper = logging.getLogger("unified_api"), Keeper()
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(keeper)
    logger.setLevel(before)


async def test_the_logger_is_told_words_and_json(logged: list[logging.LogRecord]) -> None:
    gateway = scripted_gateway({"p/m": "an answer"}, settings=Settings(record=RecordSettings(log=True)))
    await gateway.chat(ASKED)
    (record,) = logged
    assert record.getMessage().startswith("chat p/m succeeded in ")
    assert record.call["model"] == "p/m"  # type: ignore[attr-defined]  # given as `extra`
    line = json.loads(JsonFormatter().format(record))
    assert (line["logger"], line["level"], line["operation"], line["outcome"]) == (
        "unified_api",
        "info",
        "chat",
        "succeeded",
    )
    assert "secret" not in json.dumps(line)


def test_the_formatter_takes_any_record_and_its_exception() -> None:
    try:
        raise ValueError("half: \ud83d")
    except ValueError:
        record = logging.LogRecord("other", logging.ERROR, "", 0, "it %s", ("broke",), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["level"]) == ("it broke", "error")
    assert "ValueError" in line["exception"]


async def test_nothing_is_told_of_a_gateway_that_is_not_set_up(logged: list[logging.LogRecord]) -> None:
    await scripted_gateway({"p/m": "an answer"}).chat(ASKED)
    assert logged == []


def test_opentelemetry_is_imported_only_where_it_is_wanted() -> None:
    script = (
        "import sys; from unified_api.gateway import Gateway;"
        "from unified_api.settings import Settings, RecordSettings;"
        "Gateway(Settings(record=RecordSettings(log=True))); print('opentelemetry' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


@pytest.mark.parametrize("key", ["traces", "metrics"])
def test_wanting_what_is_not_installed_is_an_error_that_says_what_to_install(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("opentelemetry", "opentelemetry.trace", "opentelemetry.metrics"):
        monkeypatch.setitem(sys.modules, name, None)  # as the import system marks what is not there
    with pytest.raises(ConfigurationError, match=rf"{key} .*meta-orchestrator\[otel\]"):
        Gateway(Settings(record=RecordSettings(**{key: True})))


async def test_a_file_that_cannot_be_written_fails_no_call_and_is_told_of_once(
    tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    gateway = gateway_of("an answer", Lines(tmp_path))  # a folder
    for _ in range(3):
        assert (await gateway.chat(ASKED)).text == "an answer"
    (record,) = logged
    assert "cannot be written" in record.getMessage()


async def test_a_filter_that_breaks_fails_no_call(
    logged: list[logging.LogRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(record: logging.LogRecord) -> bool:
        raise ValueError("my own filter")

    gateway = scripted_gateway({"p/m": "an answer"}, settings=Settings(record=RecordSettings(log=True)))
    logger = logging.getLogger("unified_api")
    logger.addFilter(broken)
    try:
        assert (await gateway.chat(ASKED)).text == "an answer"
    finally:
        logger.removeFilter(broken)
    assert logged == []
    assert "my own filter" in capsys.readouterr().err


async def test_nothing_is_left_behind_however_a_call_ends(lines: Lines) -> None:
    script = ["an answer", ServerError("down"), CHUNKS, CHUNKS, (TextChunk("half"), ServerError("broke"))]
    gateway = gateway_of(script, lines, others={"cache": CacheSettings()})
    record = next(layer for layer in gateway._layers() if isinstance(layer, Record))
    under_way = record._under_way
    handler = through([record], gateway._serving.whole)
    streamed = through_stream([record], gateway._serving.stream)
    await handler(gateway._call("chat", ASKED, Policy()))
    with pytest.raises(ServerError):
        await handler(gateway._call("chat", ASKED, Policy(max_attempts=1)))
    for _ in range(2):
        async with streamed(gateway._call("stream", ASKED, Policy())) as chunks:
            await anext(chunks)
            assert len(under_way) == 1
    assert len(under_way) == 0
    assert [line["outcome"] for line in lines.all] == ["succeeded", "failed", "left", "left"]


class Raising(logging.Handler):
    """A handler of the user's that breaks as the ones of Python's own logging may."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            raise RuntimeError("my own handler")
        except RuntimeError:
            self.handleError(record)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "script", [InvalidRequestError("bad: 'my secret'"), (TextChunk("a"), ServerError("my secret"))]
)
async def test_a_sink_that_breaks_silences_no_other_and_tells_nothing_of_what_a_provider_said(
    lines: Lines, capsys: pytest.CaptureFixture[str], script: Any, streamed: bool
) -> None:
    gateway = gateway_of(script, lines, log=True)

    async def ask() -> None:
        if not streamed:
            await gateway.chat(ASKED, Policy(max_attempts=1))
        async with gateway.stream(ASKED) as stream:
            async for _ in stream:
                pass

    logger, handler = logging.getLogger("unified_api"), Raising()

    def broken(record: logging.LogRecord) -> bool:
        raise ValueError("my own filter")

    logger.addHandler(handler)
    logger.addFilter(broken)
    try:
        for _ in range(2):
            with pytest.raises(GatewayError):
                await ask()
            logger.removeFilter(broken)  # now the handler's turn
    finally:
        logger.removeHandler(handler)
        logger.removeFilter(broken)
    assert len(lines.all) == 2
    told = capsys.readouterr().err
    assert "my own filter" in told
    assert "my own handler" in told
    assert "secret" not in told


@pytest.mark.skipif(not hasattr(os, "fchmod"), reason="the system has no modes of files")
async def test_a_file_that_was_there_becomes_its_owners_alone(lines: Lines) -> None:
    lines.path.parent.mkdir()
    lines.path.touch()
    lines.path.chmod(0o644)
    await gateway_of("an answer", lines).chat(ASKED)
    assert stat.S_IMODE(lines.path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed there")
async def test_a_file_that_was_renamed_or_removed_is_begun_anew(lines: Lines) -> None:
    gateway = gateway_of("an answer", lines)
    await gateway.chat(ASKED)
    before = lines.path.rename(lines.path.with_suffix(".1"))
    await gateway.chat(ASKED)
    assert (len(lines.all), len(before.read_text().splitlines())) == (1, 1)
    lines.path.unlink()
    await gateway.chat(ASKED)
    assert len(lines.all) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
async def test_a_pipe_that_nobody_reads_holds_up_no_call(lines: Lines, logged: list[logging.LogRecord]) -> None:
    lines.path.parent.mkdir()
    os.mkfifo(lines.path)
    await gateway_of("an answer", lines).chat(ASKED)
    assert "cannot be written" in logged[0].getMessage()


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
async def test_a_line_that_is_cut_off_by_a_full_disk_spoils_no_other(
    lines: Lines, logged: list[logging.LogRecord]
) -> None:
    import resource
    import signal

    gateway = gateway_of("an answer", lines)
    await gateway.chat(ASKED)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lines.path.stat().st_size + 100, before[1]))
    try:
        await gateway.chat(ASKED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "a part of a line" in logged[0].getMessage()
    for _ in range(2):
        await gateway.chat(ASKED)
    written = lines.path.read_text().splitlines()
    assert [_is_json(line) for line in written] == [True, False, True, True]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


async def test_a_name_begins_no_line_of_its_own_in_a_log(logged: list[logging.LogRecord]) -> None:
    gateway = scripted_gateway({"p/m": "an answer"}, settings=Settings(record=RecordSettings(log=True)))
    with pytest.raises(GatewayError):
        await gateway.chat(Request(model="x\nINFO all is well\x1b[31m é", messages=ASKED.messages))
    (record,) = logged
    assert record.getMessage().startswith(r"chat x\nINFO all is well\x1b[31m é failed in ")


async def test_the_time_to_the_first_chunk_is_not_what_the_reader_idles(lines: Lines) -> None:
    clock = ManualClock()

    async def slow(_: object) -> Any:
        clock.advance(0.5)
        return CHUNKS

    settings = Settings(record=RecordSettings(file=lines.path))
    gateway = scripted_gateway({"p/m": slow}, settings=settings, clock=clock)
    async with gateway.stream(ASKED) as stream:
        clock.advance(7.0)
        async for _ in stream:
            pass
    assert (lines.only["first_chunk_s"], lines.only["seconds"]) == (0.5, 7.5)


async def test_a_call_made_while_its_caller_handles_a_failure_prints_nothing_of_that_failure(
    lines: Lines, logged: list[logging.LogRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = gateway_of("an answer", lines, log=True)
    logger = logging.getLogger("unified_api")

    def broken(record: logging.LogRecord) -> bool:
        raise ValueError("my own filter")

    logger.addFilter(broken)
    try:
        raise InvalidRequestError("bad: 'my secret'")
    except InvalidRequestError:
        await gateway.chat(ASKED)
    finally:
        logger.removeFilter(broken)
    assert logged == []
    told = capsys.readouterr().err
    assert "my own filter" in told
    assert "secret" not in told
