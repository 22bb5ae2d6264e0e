"""The whole gateway over a real socket."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from loopback import Answer, Loopback, loopback

from unified_api.errors import (
    AttemptsExhaustedError,
    AuthenticationError,
    ConnectionFailedError,
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import EmbedRequest, ImageRequest, Message, Policy, Request, TextChunk, Tool

ONCE = Policy(max_attempts=1)


def settings(
    server: Loopback | str, folder: Path, *, extra: str = "", more: str = "", key: str | None = None
) -> Settings:
    url = server if isinstance(server, str) else server.url
    path = folder / "orchestrator.toml"
    path.write_text(f'[providers.test]\nbase_url = "{url}"\n{extra}\n{more}', "utf-8")
    return Settings.load(path, environ={"TEST_KEY": key} if key else {})


def ask(text: str = "Hello", model: str = "test/scripted") -> Request:
    return Request(model=model, messages=(Message.user(text),))


async def test_a_chat_call_reaches_the_server_and_comes_back_whole(tmp_path: Path) -> None:
    with loopback("Good day", models=("a", "b")) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            response = await gateway.chat(ask())
    assert response.text == "Good day"
    assert response.model == "test/scripted"
    assert response.usage.input_tokens == 11
    assert response.cost_usd is None
    assert server.requests[0]["messages"] == [{"role": "user", "content": "Hello"}]


async def test_a_server_that_needs_only_its_url_has_its_models_discovered(tmp_path: Path) -> None:
    with loopback("hi", models=("small", "nomic-embed")) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            assert [m.id for m in gateway.catalog.models if m.provider == "test"] == ["test/small", "test/nomic-embed"]
            response = await gateway.chat(ask(model="auto"))
    assert response.model == "test/small"
    assert gateway.catalog.get("test/nomic-embed").capabilities == {"embeddings"}
    assert gateway.catalog.get("test/small").data_policy.clearance == "restricted"


async def test_a_stream_arrives_word_by_word_with_its_response_at_the_end(tmp_path: Path) -> None:
    with loopback("one two three") as server:
        async with Gateway(settings(server, tmp_path)) as gateway, gateway.stream(ask()) as stream:
            words = [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]
    assert words == ["one ", "two ", "three"]
    assert stream.response.text == "one two three"
    assert stream.response.usage.output_tokens == 7
    assert [attempt.outcome for attempt in stream.response.attempts] == ["succeeded"]


async def test_tool_calls_come_back_from_the_wire(tmp_path: Path) -> None:
    with loopback(Answer(tool_calls=(("weather", {"city": "Oslo"}),))) as server:
        request = Request(model="test/m", messages=(Message.user("?"),), tools=(Tool("weather"),))
        async with Gateway(settings(server, tmp_path)) as gateway:
            response = await gateway.chat(request)
    assert (response.finish_reason, response.tool_calls[0].name) == ("tool_calls", "weather")


async def test_embeddings_and_images_go_through_the_same_gateway(tmp_path: Path) -> None:
    extra = 'models = ["draw", "embed"]\ncapabilities = { image_output = ["draw"] }'
    with loopback(lambda body: Answer()) as server:
        async with Gateway(settings(server, tmp_path, extra=extra)) as gateway:
            vectors = await gateway.embed(EmbedRequest(model="test/embed", inputs=("ab", "abcd")))
            image = await gateway.image(ImageRequest(model="test/draw", prompt="a dot"))
    assert [vector[0] for vector in vectors.vectors] == [2.0, 4.0]
    assert image.images[0].media_type == "image/png"


async def test_a_server_error_is_tried_again(tmp_path: Path) -> None:
    with loopback(Answer(status=500, retry_after="0"), "better") as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            response = await gateway.chat(ask())
    assert response.text == "better"
    assert [(a.number, a.outcome, a.error) for a in response.attempts] == [
        (1, "failed", "server_error"),
        (2, "succeeded", None),
    ]


async def test_a_server_that_stays_down_ends_in_one_error_that_tells_every_try(tmp_path: Path) -> None:
    with loopback(lambda body: Answer(status=503)) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            with pytest.raises(AttemptsExhaustedError) as caught:
                await gateway.chat(ask())
    assert len(server.requests) == 4
    assert len(caught.value.attempts) == 4
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_refused_connection_names_the_address(tmp_path: Path) -> None:
    with loopback() as server:
        pass
    async with Gateway(settings(server, tmp_path)) as gateway:
        assert "test" in gateway.catalog.unreachable
        with pytest.raises(ConnectionFailedError, match=server.url):
            await gateway.chat(ask(), ONCE)


async def test_a_wrong_key_is_told_without_being_repeated(tmp_path: Path) -> None:
    with loopback("never", key="right") as server:
        made = settings(server, tmp_path, extra='api_key_env = "TEST_KEY"', key="sk-very-secret")
        async with Gateway(made) as gateway:
            with pytest.raises(AuthenticationError) as caught:
                await gateway.chat(ask())
    assert "sk-very-secret" not in str(caught.value)
    assert "***" in str(caught.value)
    assert "sk-very-secret" not in repr(made)
    assert not any("sk-very-secret" in reason for reason in gateway.catalog.unreachable.values())


async def test_an_unknown_model_is_not_found(tmp_path: Path) -> None:
    missing = Answer(status=404, body=b'{"error":{"message":"no model m","type":"x","code":"model_not_found"}}')
    with loopback(missing) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(NotFoundError):
                await gateway.chat(ask())
    assert len(server.requests) == 1


async def test_a_stream_cut_after_its_first_words_ends_in_an_error_and_is_not_repeated(tmp_path: Path) -> None:
    with loopback(Answer(text="one two three four", cut_after=3), "other") as server:
        words: list[str] = []
        async with Gateway(settings(server, tmp_path)) as gateway, gateway.stream(ask()) as stream:
            with pytest.raises((ConnectionFailedError, TruncatedStreamError)) as caught:
                words.extend([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)])
    assert len(server.requests) == 1
    assert caught.value.attempts[0].outcome == "failed"
    with pytest.raises(RuntimeError):
        _ = stream.response


async def test_a_stream_cut_before_its_first_words_is_begun_again(tmp_path: Path) -> None:
    with loopback(Answer(text="one two", cut_after=1), "again") as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway, gateway.stream(ask()) as stream:
            words = [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]
    assert words == ["again"]
    assert [a.outcome for a in stream.response.attempts] == ["failed", "succeeded"]


async def test_an_error_inside_a_stream_before_content_falls_back_and_after_it_does_not(tmp_path: Path) -> None:
    with loopback(Answer(text="one two", error_after=1), "second", Answer(text="one two", error_after=2)) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            async with gateway.stream(ask()) as stream:
                assert [c.text async for c in stream if isinstance(c, TextChunk)] == ["second"]
            async with gateway.stream(ask()) as stream:
                assert (await anext(aiter(stream))) is not None
                with pytest.raises(ProviderError):
                    _ = [chunk async for chunk in stream]
    assert len(server.requests) == 3


async def test_a_stream_without_a_finish_reason_is_truncated(tmp_path: Path) -> None:
    with loopback(Answer(text="one two", drop_finish=True)) as server:
        async with Gateway(settings(server, tmp_path)) as gateway, gateway.stream(ask()) as stream:
            with pytest.raises(TruncatedStreamError):
                _ = [chunk async for chunk in stream]


async def test_leaving_a_stream_early_closes_the_connection_upstream(tmp_path: Path) -> None:
    with loopback(Answer(text="one two three", hang_after=2)) as server:
        async with Gateway(settings(server, tmp_path)) as gateway, gateway.stream(ask()) as stream:
            async for _ in stream:
                break
        assert server.left.wait(5)


async def test_a_cancelled_call_closes_its_connection(tmp_path: Path) -> None:
    with loopback(Answer(hang=True)) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with anyio.move_on_after(0.1) as scope:
                await gateway.chat(ask())
            assert scope.cancelled_caught
        assert server.left.wait(5)


async def test_a_silent_server_is_left_after_the_timeout(tmp_path: Path) -> None:
    with loopback(Answer(hang=True), Answer(text="one two", hang_after=2)) as server:
        made = settings(server, tmp_path, more="[timeouts]\nheaders_s = 0.1\nsilence_s = 0.1")
        async with Gateway(made) as gateway:
            with pytest.raises(TimedOutError, match="no answer"):
                await gateway.chat(ask())
            async with gateway.stream(ask()) as stream:
                with pytest.raises(TimedOutError, match="silent"):
                    _ = [chunk async for chunk in stream]
        assert server.left.wait(5)
    assert len(server.requests) == 2


async def test_an_answer_that_is_no_json_or_breaks_off_says_so(tmp_path: Path) -> None:
    with loopback(
        Answer(body=b"<html>hello</html>", media_type="text/html"), Answer(text="x" * 50, cut_after=0)
    ) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(MalformedResponseError, match="html"):
                await gateway.chat(ask(), ONCE)
            with pytest.raises(ConnectionFailedError):
                await gateway.chat(ask(), ONCE)


async def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path) -> None:
    with loopback("leaked") as other, loopback(Answer(status=307, body=b"")) as server:
        made = settings(server, tmp_path, extra='api_key_env = "TEST_KEY"\nmodels = ["scripted"]', key="sk-1")
        async with Gateway(made) as gateway:
            with pytest.raises(NotFoundError, match="redirects"):
                await gateway.chat(ask())
    assert other.requests == []


async def test_connections_are_kept_and_used_again_by_many_calls(tmp_path: Path) -> None:
    with loopback(lambda body: str(body["messages"][0]["content"])) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            answers: dict[int, str] = {}

            async def call(number: int) -> None:
                answers[number] = (await gateway.chat(ask(str(number)))).text

            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(call, number)
    assert answers == {number: str(number) for number in range(50)}
