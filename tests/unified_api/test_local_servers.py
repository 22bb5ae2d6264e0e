"""How Ollama, vLLM, LM Studio and llama.cpp answer, as their sources and issues show it, over a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from loopback import Answer, Loopback, loopback

from unified_api.errors import ConnectionFailedError, ContextOverflowError, NotFoundError, ServerError
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.settings import Settings, Timeouts
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock, stream_answer
from unified_api.types import Message, Policy, ProviderState, ReasoningPart, Request, TextChunk


def settings(server: Loopback | str, folder: Path, extra: str = "") -> Settings:
    url = server if isinstance(server, str) else server.url
    path = folder / "orchestrator.toml"
    path.write_text(f'[providers.box]\nbase_url = "{url}"\n{extra}\n', "utf-8")
    return Settings.load(path, environ={"ORCHESTRATOR_HOME": str(folder)})


def ask(model: str = "box/m") -> Request:
    return Request(model=model, messages=(Message.user("Hello"),))


def listing(*entries: dict[str, Any] | str, **more: Any) -> HttpAnswer:
    data = [{"id": entry, "object": "model"} if isinstance(entry, str) else entry for entry in entries]
    return HttpAnswer(pieces=(json.dumps({"object": "list", "data": data, **more}).encode(),))


def at(url: str, answer: HttpAnswer, *further: HttpAnswer, timeouts: Timeouts = Timeouts()) -> Gateway:
    clock = ManualClock()
    made = Settings(providers={"box": ProviderRow(base_url=url)}, timeouts=timeouts)
    return Gateway(made, backend=FaultyTransport((answer, *further), clock=clock), clock=clock, random=lambda: 0.0)


# Ollama and LM Studio list every model there is, embedding models among them; LM Studio prefixes those.
LISTED = {
    "llama3.1:8b": {"chat"}, "qwen3:4b": {"chat"}, "nomic-embed-text:latest": {"embeddings"},
    "mxbai-embed-large": {"embeddings"}, "bge-m3:567m": {"embeddings"}, "all-minilm:33m": {"embeddings"},
    "text-embedding-nomic-embed-text-v1.5": {"embeddings"}, "intfloat/e5-mistral-7b-instruct": {"embeddings"},
    "thenlper/gte-large": {"embeddings"}, "paraphrase-multilingual": {"embeddings"},
    "BAAI/bge-reranker-v2-m3": set(), "openai/whisper-large-v3": set(), "dolphin-mixtral": {"chat"},
    "/models/Qwen2.5-7B-Instruct-Q4_K_M.gguf": {"chat"}, "gpt-3.5-turbo": {"chat"},
}  # fmt: skip


async def test_listed_models_are_told_apart_by_their_names() -> None:
    async with at("http://127.0.0.1:1/v1", listing(*LISTED)) as gateway:
        kinds = {name: gateway.catalog.get(f"box/{name}").capabilities & {"chat", "embeddings"} for name in LISTED}
        chosen = gateway.catalog.candidates("auto").candidates
    assert kinds == LISTED
    assert [model.name for model in chosen] == [name for name, kind in LISTED.items() if "chat" in kind]


async def test_llama_cpp_names_its_one_model_by_its_path() -> None:
    path = "/models/Qwen2.5-7B-Instruct-Q4_K_M.gguf"
    answer = {"id": path, "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768, "vocab_type": 2}}
    chat = HttpAnswer(pieces=(json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
                                          "model": path}).encode(),))  # fmt: skip
    async with at("http://127.0.0.1:1/v1", listing(answer, models=[{"name": path}]), chat, chat) as gateway:
        assert (await gateway.chat(ask(f"box/{path}"))).model == f"box/{path}"
        assert (await gateway.chat(ask("auto"))).model == f"box/{path}"


@pytest.mark.parametrize("answer", [{"data": None}, {"object": "list", "data": []}])
async def test_a_server_without_models_is_no_fault(answer: dict[str, Any]) -> None:
    async with at("http://127.0.0.1:1/v1", HttpAnswer(pieces=(json.dumps(answer).encode(),))) as gateway:
        assert gateway.catalog.unreachable == {}


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(status=404, pieces=(b"404 page not found",)),  # Ollama
        HttpAnswer(status=404, pieces=(b'{"detail":"Not Found"}',)),  # vLLM
        HttpAnswer(pieces=(b'{"error":"Unexpected endpoint or method. (GET /models)"}',)),  # LM Studio
    ],
)
async def test_an_address_without_v1_is_told_what_is_missing(answer: HttpAnswer) -> None:
    async with at("http://127.0.0.1:11434", answer) as gateway:
        assert 'most servers want "http://127.0.0.1:11434/v1"' in gateway.catalog.unreachable["box"]
        with pytest.raises(Exception, match=r'"http://127\.0\.0\.1:11434/v1" as base_url in'):
            await gateway.chat(ask())


async def test_an_address_that_has_a_path_is_not_second_guessed() -> None:
    async with at("http://127.0.0.1:1/v1", HttpAnswer(status=404, pieces=(b"404 page not found",))) as gateway:
        assert "/v1/v1" not in gateway.catalog.unreachable["box"]


async def test_lm_studio_says_under_200_that_a_path_is_unknown() -> None:
    answer = HttpAnswer(pieces=(b'{"error":"Unexpected endpoint or method. (POST /chat/completions)"}',))
    async with at("http://127.0.0.1:1/api", listing("m"), answer) as gateway:
        with pytest.raises(NotFoundError):
            await gateway.chat(ask())
        with pytest.raises(NotFoundError):
            async with gateway.stream(ask()):
                pass


@pytest.mark.parametrize("path", ["chat/completions", "completions/", "embeddings"])
def test_an_address_that_says_too_much_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="must end before"):
        settings(f"http://127.0.0.1:1/v1/{path}", tmp_path)


async def test_a_slash_at_the_end_makes_no_difference(tmp_path: Path) -> None:
    with loopback("hi") as server:
        async with Gateway(settings(f"{server.url}/", tmp_path)) as gateway:
            await gateway.chat(ask())
    assert server.paths == ["/v1/models", "/v1/chat/completions"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": {"message": 'model "m" not found, try pulling it first', "type": "api_error", "code": None}}),
        (404, {"object": "error", "message": "The model `m` does not exist.", "type": "NotFoundError", "code": 404}),
        (404, {"error": {"message": 'Failed to load model "m". Error: Model not found', "code": "model_not_found"}}),
    ],
)
async def test_a_model_that_is_not_there_is_not_found(status: int, body: dict[str, Any], tmp_path: Path) -> None:
    with loopback(Answer(status=status, body=json.dumps(body).encode())) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(NotFoundError) as caught:
                await gateway.chat(ask())
    assert "/v1/v1" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "type": "exceed_context_size_error", "n_ctx": 4096,
                   "message": "the request exceeds the available context size, try increasing it"}},
        {"error": "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with "
                  "context length of only 4096 tokens, which is not enough."},
        {"error": "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: "
                  "13055>= n_ctx: 4096). Try to load the model with a larger context length"},
        {"error": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"},
        {"error": "Context size has been exceeded."},
        {"object": "error", "type": "BadRequestError", "code": 400,
         "message": "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens"},
        {"error": {"message": "prompt too long; exceeded max context length by 3 tokens", "type": "api_error"}},
    ],
)  # fmt: skip
async def test_each_servers_words_for_too_long_are_understood(body: dict[str, Any], tmp_path: Path) -> None:
    with loopback(Answer(status=400, body=json.dumps(body).encode())) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(ContextOverflowError):
                await gateway.chat(ask())


async def test_a_server_that_is_still_loading_its_model_is_given_half_a_minute() -> None:
    loading = HttpAnswer(status=503, pieces=(
        b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',))  # fmt: skip
    there = HttpAnswer(pieces=(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}',))
    async with at("http://127.0.0.1:1/v1", listing("m"), loading, loading, loading, there) as gateway:
        response = await gateway.chat(ask())
    assert response.text == "hi"
    assert [attempt.error for attempt in response.attempts] == ["server_error"] * 3 + [None]
    busy = HttpAnswer(status=503, pieces=(b'{"error":{"message":"server busy, please try again"}}',))
    async with at("http://127.0.0.1:1/v1", listing("m"), busy) as gateway:
        with pytest.raises(Exception) as caught:
            await gateway.chat(ask())
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__.retry_after is None


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_model_on_this_machine_may_take_minutes_to_load(streamed: bool) -> None:
    whole = HttpAnswer(pieces=(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}',), wait_s=500)
    first = stream_answer("hi")
    late = HttpAnswer(headers=first.headers, pieces=first.pieces, wait_s=500)
    clock = ManualClock()
    backend = FaultyTransport((listing("m"), late if streamed else whole), clock=clock)
    made = Settings(providers={"box": ProviderRow(base_url="http://127.0.0.1:1/v1")})
    async with Gateway(made, backend=backend, clock=clock, random=lambda: 0.0) as gateway:
        if streamed:
            async with gateway.stream(ask()) as stream:
                assert [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)] == ["hi"]
        else:
            assert (await gateway.chat(ask())).text == "hi"


def test_patience_keeps_to_what_was_set() -> None:
    assert (Timeouts().patient().headers_s, Timeouts().patient().first_token_s) == (600, 600)
    assert Timeouts(first_token_s=5).patient() == Timeouts(first_token_s=5, headers_s=600)
    assert Timeouts(total_s=900).patient().headers_s == 900


async def test_usage_may_be_absent_and_the_finish_reason_empty(tmp_path: Path) -> None:
    bare = {"choices": [{"message": {"role": "assistant", "content": "hi", "reasoning": "well"}, "finish_reason": ""}],
            "usage": None}  # fmt: skip
    with loopback(Answer(body=json.dumps(bare).encode()), Answer(text="one two", usage=None)) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            whole = await gateway.chat(ask())
            async with gateway.stream(ask()) as stream:
                assert [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)] == ["one ", "two"]
    assert whole.text == "hi"
    assert whole.finish_reason == "unknown"
    assert whole.usage.output_tokens is None
    assert ReasoningPart("well", ProviderState("box", {})) in whole.parts
    assert stream.response.usage.output_tokens is None
    assert server.requests[1]["stream_options"] == {"include_usage": True}


def closed() -> Exception:
    """What comes of a kept connection that its server has closed, before anything went out on it."""
    reset = aiohttp.ClientConnectionResetError("Cannot write to closing transport")
    unwritten = aiohttp.ClientOSError(None, "Can not write request body")
    unwritten.__cause__ = reset
    error = httpx.ConnectTimeout("Can not write request body")
    error.__cause__ = unwritten
    return error


async def test_a_request_that_could_not_go_out_goes_out_on_another_connection() -> None:
    clock = ManualClock()
    there = HttpAnswer(pieces=(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}',))
    backend = FaultyTransport((listing("m"), closed(), closed(), there), clock=clock)
    made = Settings(providers={"box": ProviderRow(base_url="http://127.0.0.1:1/v1")})
    async with Gateway(made, backend=backend, clock=clock) as gateway:
        response = await gateway.chat(ask(), Policy(max_attempts=1))
    assert (response.text, len(backend.requests)) == ("hi", 4)


async def test_a_connection_that_never_takes_a_request_is_an_error_in_the_end() -> None:
    clock = ManualClock()
    backend = FaultyTransport((listing("m"), closed()), clock=clock)
    made = Settings(providers={"box": ProviderRow(base_url="http://127.0.0.1:1/v1")})
    async with Gateway(made, backend=backend, clock=clock) as gateway:
        with pytest.raises(ConnectionFailedError):
            await gateway.chat(ask(), Policy(max_attempts=1))
    assert len(backend.requests) == 7
