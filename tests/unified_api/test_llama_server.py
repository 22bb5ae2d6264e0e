"""The gateway against llama.cpp's own HTTP server, which comes with the embedded engine: a real one, named by URL."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from unified_api.errors import ContextOverflowError, NotFoundError
from unified_api.gateway import Gateway
from unified_api.local import engine, weights
from unified_api.providers import ProviderRow
from unified_api.settings import Settings
from unified_api.types import EmbedRequest, Message, OutputSchema, Request, TextChunk

CACHE = Settings.load().cache_dir
WEIGHTS = weights.find(CACHE)

pytestmark = [
    pytest.mark.skipif(WEIGHTS is None, reason=f"no weights in {CACHE}: {weights.PULL_COMMAND}"),
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="the extra `local` is not installed"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    library = engine._import_library(WEIGHTS.parent)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    params = library.CommonParams()
    params.model.path = str(WEIGHTS)
    params.n_parallel, params.n_ctx, params.n_threads_http, params.cpuparams.n_threads = 1, 1024, 2, 1
    params.verbosity, params.warmup, params.ui, params.cache_ram_mib = 0, False, False, 0
    params.hostnames, params.port = ["127.0.0.1"], port
    server = library.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def gateway(url: str) -> Gateway:
    return Gateway(Settings(providers={"box": ProviderRow(base_url=url)}), random=lambda: 0.0)


def ask(text: str, model: str = "auto", **fields: Any) -> Request:
    return Request(model=model, messages=(Message.user(text),), max_tokens=200, **fields)


async def test_its_model_is_found_and_answers_whole_and_streamed(url: str) -> None:
    async with gateway(url) as made:
        assert made.catalog.unreachable == {}
        whole = await made.chat(ask("Say hello"))
        async with made.stream(ask("Say hello")) as stream:
            words = [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]
    assert whole.model == f"box/{WEIGHTS}"
    assert whole.text
    assert whole.usage.output_tokens
    assert whole.quality is None
    assert "".join(words) == stream.response.text
    assert stream.response.usage.output_tokens
    assert stream.response.finish_reason in ("stop", "length")


async def test_a_call_after_a_stream_needs_no_second_attempt(url: str) -> None:
    async with gateway(url) as made:
        for _ in range(4):
            async with made.stream(ask("Say hello")) as stream:
                assert [chunk async for chunk in stream]
            response = await made.chat(ask("Say hello"))
            assert [attempt.outcome for attempt in response.attempts if attempt.number] == ["succeeded"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "object", "properties": {"n": {"type": "integer", "enum": [1, 2]}}, "required": ["n"],
          "additionalProperties": False}, dict),
        ({"type": "array", "items": {"type": "integer", "enum": [1, 2]}, "minItems": 2, "maxItems": 2}, list),
        ({"enum": ["yes", "no"]}, str),
        ({"type": "boolean"}, bool),
    ],
)  # fmt: skip
async def test_it_keeps_to_a_schema_with_any_root(url: str, schema: dict[str, Any], kind: type) -> None:
    async with gateway(url) as made:
        response = await made.chat(ask("Is water wet?", output_schema=OutputSchema(schema)))
    assert isinstance(json.loads(response.text), kind)
    assert "schema_refused" not in {attempt.error for attempt in response.attempts}


async def test_a_schema_that_it_refuses_is_told_in_words_and_the_next_is_enforced(url: str) -> None:
    lost = {"type": "object", "properties": {"a": {"$ref": "#/$defs/lost"}}, "required": ["a"]}
    async with gateway(url) as made:
        told = await made.chat(ask("Is water wet?", output_schema=OutputSchema(lost)))
        kept = await made.chat(ask("Is water wet?", output_schema=OutputSchema({"type": "boolean"})))
    assert "schema_refused" in {attempt.error for attempt in told.attempts}
    assert kept.text in ("true", "false")


async def test_its_errors_are_understood(url: str) -> None:
    async with gateway(url) as made:
        with pytest.raises(ContextOverflowError):
            await made.chat(ask("word " * 3000))
        with pytest.raises(ContextOverflowError):
            async with made.stream(ask("word " * 3000)):
                pass
        with pytest.raises(NotFoundError, match="--embeddings"):
            await made.embed(EmbedRequest(model="box/some-embed", inputs=("a",)))
