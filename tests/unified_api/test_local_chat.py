"""The embedded model itself, loaded once for the file."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import anyio
import jsonschema
import pytest

from unified_api.errors import ConfigurationError, ContextOverflowError, InvalidRequestError
from unified_api.local import LocalAdapter, engine, weights
from unified_api.models import Model
from unified_api.settings import Settings, Timeouts
from unified_api.types import FinishChunk, Message, OutputSchema, Request, TextChunk, UsageChunk

CACHE = Settings.load().cache_dir
WEIGHTS = weights.find(CACHE)

pytestmark = [
    pytest.mark.skipif(WEIGHTS is None, reason=f"no weights in {CACHE}: {weights.PULL_COMMAND}"),
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="the extra `local` is not installed"),
]

MODEL = Model(id="local/smollm2-135m-instruct", provider="local", name="smollm2-135m-instruct", wire="local")
TIMEOUTS = Timeouts()


def request(text: str, **fields) -> Request:
    return Request(model=MODEL.id, messages=(Message.user(text),), **fields)


ENDLESS = OutputSchema({"type": "array", "items": {"enum": ["wave"]}, "minItems": 900, "maxItems": 900})
LONG = request("List the waves of the sea.", max_tokens=3500, output_schema=ENDLESS)
"""Takes half a minute unless it is stopped: its grammar allows no early end."""


@pytest.fixture(scope="module")
def loaded():
    shared = engine.acquire(WEIGHTS)
    yield shared
    engine.release(WEIGHTS)


@pytest.fixture
async def adapter(loaded):
    adapter = LocalAdapter(CACHE)
    yield adapter
    await adapter.aclose()


async def test_a_question_gets_a_text_and_its_usage(adapter):
    answer = await adapter.chat(MODEL, request("Name three colours.", max_tokens=40), TIMEOUTS)

    assert answer.text.strip()
    assert answer.provider == "local"
    assert answer.usage.input_tokens > 10
    assert 0 < answer.usage.output_tokens <= 40


async def test_a_stream_is_many_texts_then_the_finish_then_the_usage(adapter):
    async with adapter.stream(MODEL, request("Count to ten.", max_tokens=12, seed=1), TIMEOUTS) as stream:
        chunks = [chunk async for chunk in stream]

    *texts, finish, usage = chunks
    assert len(texts) > 3
    assert all(isinstance(chunk, TextChunk) for chunk in texts)
    assert isinstance(finish, FinishChunk)
    assert isinstance(usage, UsageChunk)


async def test_an_answer_that_was_begun_is_gone_on_with(adapter):
    """It may end the broken stream of another model (`prefill` of its row)."""
    begun = "The first ten letters of the alphabet are: A, B, C, D,"
    asked = request("Write the first ten letters of the alphabet.", max_tokens=8, temperature=0, seed=1)
    messages = (*asked.messages, Message.assistant(begun))

    answer = await adapter.chat(MODEL, replace(asked, messages=messages), TIMEOUTS)

    assert answer.text.startswith(" E")


async def test_a_seed_makes_an_answer_repeatable(adapter):
    asked = request("Invent a name for a ship.", max_tokens=20, temperature=1.5, seed=11)

    first, second = [(await adapter.chat(MODEL, asked, TIMEOUTS)).text for _ in range(2)]

    assert first == second


async def test_a_stop_word_ends_the_answer_before_it(adapter):
    asked = request("Repeat exactly: alpha beta gamma delta", stop=(" ",), max_tokens=30)

    answer = await adapter.chat(MODEL, asked, TIMEOUTS)

    assert answer.finish_reason == "stop"
    assert " " not in answer.text


async def test_structured_output_fits_its_schema(adapter):
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "mood": {"enum": ["calm", "busy"]},
            "sights": {"type": "array", "items": {"type": "string", "maxLength": 30}, "maxItems": 4},
        },
        "required": ["city", "mood", "sights"],
        "additionalProperties": False,
    }
    asked = request("Describe Paris.", output_schema=OutputSchema(schema), seed=2)

    answer = await adapter.chat(MODEL, asked, TIMEOUTS)

    assert answer.finish_reason == "stop"
    jsonschema.validate(json.loads(answer.text), schema)


async def test_structured_output_that_is_cut_says_so(adapter):
    schema = OutputSchema({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})

    answer = await adapter.chat(MODEL, request("Describe Paris.", output_schema=schema, max_tokens=3), TIMEOUTS)

    assert answer.finish_reason == "length"


async def test_a_schema_that_no_grammar_can_hold_is_refused(adapter):
    with pytest.raises(InvalidRequestError, match="nonsense"):
        await adapter.chat(MODEL, request("hi", output_schema=OutputSchema({"type": "nonsense"})), TIMEOUTS)


async def test_a_prompt_beyond_the_context_is_refused_with_both_sizes(adapter):
    with pytest.raises(ContextOverflowError, match=str(engine.CONTEXT)) as caught:
        await adapter.chat(MODEL, request("word " * 5000), TIMEOUTS)

    assert "5031 tokens" in caught.value.message


async def test_a_reader_who_leaves_stops_the_decoding(adapter):
    with anyio.fail_after(20):
        for _ in range(engine.PARALLEL + 1):
            async with adapter.stream(MODEL, LONG, TIMEOUTS) as stream:
                async for _ in stream:
                    break
        assert (await adapter.chat(MODEL, request("hi", max_tokens=1), TIMEOUTS)).usage.output_tokens == 1


async def test_a_cancelled_call_stops_while_its_prompt_is_read(adapter):
    with anyio.fail_after(20):
        for _ in range(engine.PARALLEL + 1):
            with anyio.move_on_after(0.2) as scope:
                await adapter.chat(MODEL, request("word " * 4000), TIMEOUTS)
            assert scope.cancelled_caught
        await adapter.chat(MODEL, request("hi", max_tokens=1), TIMEOUTS)


async def test_an_error_of_the_reader_comes_out_as_it_is(adapter):
    async def read() -> None:
        async with adapter.stream(MODEL, LONG, TIMEOUTS) as stream:
            async for _ in stream:
                raise LookupError("of the reader")

    with pytest.raises(LookupError, match="of the reader"):
        await read()


async def test_more_calls_than_slots_all_get_their_answer(adapter):
    answers = []

    async def ask(number: int) -> None:
        answers.append(await adapter.chat(MODEL, request(f"Say {number}", max_tokens=5), TIMEOUTS))

    async with anyio.create_task_group() as tasks:
        for number in range(engine.PARALLEL * 3):
            tasks.start_soon(ask, number)

    assert len(answers) == engine.PARALLEL * 3


async def test_a_closed_adapter_loads_again_when_it_is_used_again(adapter):
    await adapter.aclose()

    assert (await adapter.chat(MODEL, request("hi", max_tokens=1), TIMEOUTS)).usage.output_tokens == 1


def test_the_process_has_one_engine_until_the_last_user_lets_go(loaded, tmp_path):
    path = tmp_path / "other.gguf"
    path.symlink_to(WEIGHTS)

    first, second = engine.acquire(path), engine.acquire(path)
    engine.release(path)
    third = engine.acquire(path)
    assert first is second is third
    engine.release(path)
    engine.release(path)

    fourth = engine.acquire(path)
    engine.release(path)
    assert fourth is not first


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a loopback port, guarded by a key")
def test_nobody_can_reach_the_engines_server(loaded):
    address = loaded._server.listening_address

    assert address.startswith("unix://")
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
        client.connect(address.removeprefix("unix://"))


ON_A_PORT = """
import sys, urllib.error, urllib.request
from pathlib import Path
from unified_api.local import engine
address = engine.acquire(Path(sys.argv[1]))._server.listening_address
body = b'{"messages": [{"role": "user", "content": "hi"}]}'
try:
    urllib.request.urlopen(urllib.request.Request(address + "/v1/chat/completions", body), timeout=10)
except urllib.error.HTTPError as error:
    print(address.rsplit(":", 1)[0], error.code)
"""


def test_where_no_socket_can_be_had_the_port_is_local_and_guarded(loaded, tmp_path):
    long_name = tmp_path / ("long" * 30)
    long_name.mkdir()

    ran = subprocess.run(
        [sys.executable, "-c", ON_A_PORT, str(WEIGHTS)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(long_name), "NO_PROXY": "*"},
    )

    assert ran.stdout.split() == ["http://127.0.0.1", "401"]


def test_a_file_that_is_no_model_is_refused_with_the_command_that_mends_it(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"not a model" * 100)

    with pytest.raises(ConfigurationError, match=r"bad\.gguf.*pull local --verify"):
        engine.Engine(tmp_path / "bad.gguf")


QUIET = """
import sys
from pathlib import Path
from unified_api.local import engine
loaded = engine.acquire(Path(sys.argv[1]))
loaded.decode({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "stream": True}, lambda piece: False)
"""


def test_the_engine_writes_nothing_and_lets_the_process_end():
    ran = subprocess.run(
        [sys.executable, "-c", QUIET, str(WEIGHTS)], capture_output=True, text=True, check=True, timeout=30
    )

    assert (ran.stdout, ran.stderr) == ("", "")
