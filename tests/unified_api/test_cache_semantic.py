from __future__ import annotations

import tracemalloc
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.caching.keys import Question
from unified_api.caching.marks import marks
from unified_api.caching.semantic import Alike, SemanticIndex
from unified_api.errors import ConfigurationError, ServerError
from unified_api.gateway import Gateway
from unified_api.local import embedder
from unified_api.settings import CacheSettings, Settings
from unified_api.settings.cache import SemanticSettings
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import Caller, EmbedRequest, Message, Policy, Request

NEAR: dict[str, tuple[float, ...]] = {
    "Why is the sky blue?": (1.0, 0.0, 0.0),
    "Please tell me why the sky is blue": (0.99, 0.14, 0.0),
    "Why is the sky blue at night?": (0.95, 0.31, 0.0),
    "How deep is the sea?": (0.0, 1.0, 0.0),
}


def embed(request: Any) -> list[tuple[float, ...]]:
    assert isinstance(request, EmbedRequest)
    return [NEAR[text] for text in request.inputs]


def gateway_of(
    script: Any, *, embeds: Any = embed, clock: ManualClock | None = None, **semantic: Any
) -> tuple[Gateway, ScriptedModel]:
    model = ScriptedModel(script)
    fields = {"enabled": True, "model": "p/vectors", **semantic}
    settings = Settings(cache=CacheSettings(enabled=True, clearance="internal", semantic=SemanticSettings(**fields)))
    scripts = {"p/m": model, "p/vectors": ScriptedModel(embeds)}
    return scripted_gateway(scripts, settings=settings, clock=clock or ManualClock()), model


def asked(text: str, **fields: Any) -> Request:
    return Request(model="p/m", messages=(Message.user(text),), **fields)


FIRST, SAME, OTHER, FAR = NEAR


async def test_the_same_question_in_other_words_is_answered_from_what_was_kept() -> None:
    gateway, model = gateway_of("scattering")
    await gateway.chat(asked(FIRST))
    response = await gateway.chat(asked(SAME))
    assert (model.calls, response.text, response.cost_usd) == (1, "scattering", 0)
    cached = next(one for one in response.attempts if one.outcome == "cached")
    assert cached.message == "kept 0.0 s ago for a question that is alike by 0.990"
    assert [one.model for one in response.attempts if one.outcome == "noted"] == ["similarity"]


async def test_a_stream_is_answered_so_too() -> None:
    gateway, model = gateway_of("scattering")
    await gateway.chat(asked(FIRST))
    async with gateway.stream(asked(SAME)) as stream:
        async for _ in stream:
            pass
    assert (model.calls, stream.response.text) == (1, "scattering")


@pytest.mark.parametrize(
    ("text", "fields", "policy"),
    [
        (OTHER, {}, {}),
        (FAR, {}, {}),
        (SAME, {"max_tokens": 5}, {}),
        (SAME, {}, {"sensitivity": "internal"}),
        (SAME, {}, {"caller": Caller(tenant="t")}),
    ],
)
async def test_what_differs_in_anything_else_is_another_question(
    text: str, fields: dict[str, Any], policy: dict[str, Any]
) -> None:
    gateway, model = gateway_of("an answer")
    await gateway.chat(asked(FIRST))
    await gateway.chat(asked(text, **fields), Policy(**policy))
    assert model.calls == 2


async def test_without_the_guard_for_words_the_vectors_decide() -> None:
    gateway, model = gateway_of("an answer", same_words=False)
    await gateway.chat(asked(FIRST))
    await gateway.chat(asked(OTHER))
    assert model.calls == 1


async def test_an_answer_that_grew_old_is_not_found_by_its_meaning_either() -> None:
    clock = ManualClock()
    gateway, model = gateway_of("an answer", clock=clock)
    await gateway.chat(asked(FIRST))
    clock.advance(4_000)
    await gateway.chat(asked(SAME))
    assert model.calls == 2


async def test_vectors_that_cannot_be_had_stop_no_call_and_are_noted() -> None:
    gateway, _ = gateway_of("an answer", embeds=lambda _: ServerError("down"))
    response = await gateway.chat(asked(FIRST))
    assert response.text == "an answer"
    assert any((one.model, one.error) == ("cache", "not_compared") for one in response.attempts)


async def test_vectors_that_do_not_come_cost_two_seconds_once_and_their_model_rests() -> None:
    clock = ManualClock()
    asks: list[object] = []

    async def hang(request: object) -> Any:
        asks.append(request)
        await anyio.sleep_forever()

    gateway, model = gateway_of("an answer", embeds=hang, clock=clock)
    began = clock.now()

    async def pass_time() -> None:
        for _ in range(5):
            await anyio.wait_all_tasks_blocked()
            clock.advance(0.5)

    async with anyio.create_task_group() as group:
        group.start_soon(pass_time)
        response = await gateway.chat(asked(FIRST), Policy(deadline_s=3))
        assert clock.now() - began == 2.0
    assert any(one.error == "not_compared" for one in response.attempts)
    await gateway.chat(asked(FAR), Policy(deadline_s=3))  # nobody turns the clock now
    assert (len(asks), model.calls) == (1, 2)


async def test_vectors_are_asked_for_once_and_not_again_until_their_model_has_rested() -> None:
    clock = ManualClock()
    asks: list[object] = []

    def fail(request: object) -> Any:
        asks.append(request)
        return ServerError("down")

    gateway, _ = gateway_of("an answer", embeds=fail, clock=clock)
    await gateway.chat(asked(FIRST))
    await gateway.chat(asked(FAR))
    assert len(asks) == 1
    clock.advance(31)
    await gateway.chat(asked(OTHER))
    assert len(asks) == 2


def test_vectors_take_no_more_memory_than_they_may_and_are_counted_as_what_they_take() -> None:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    index = SemanticIndex(threshold=0.9, max_entries=2_000, max_bytes=400_000, same_words=True)
    for number in range(200):
        index.add(Question(f"how deep is lake {number}", bytes(number % 7)), [float(number)] * 1_536, bytes([number]))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 40 < len(index) < 100
    assert index.taken <= 400_000
    assert 0.8 < index.taken / grown < 1.25


def test_the_work_of_a_comparison_is_bounded_however_long_the_vectors_are() -> None:
    index = SemanticIndex(threshold=0.9, max_entries=2_000, max_bytes=10_000_000, same_words=True)
    index.add(Question("how deep is the sea", b"c"), [1.0] * 3_072, b"oldest")
    index.add(Question("how deep is the lake", b"c"), [1.0] * 3_072, b"other words")
    for _ in range(15):
        index.add(Question("how deep is the sea", b"c"), [1.0, *[-1.0] * 3_071], b"newer")
    assert index.find(Question("how deep is the sea", b"c"), [1.0] * 3_072) == Alike(b"oldest", pytest.approx(1.0))
    index.add(Question("how deep is the sea", b"c"), [1.0, *[-1.0] * 3_071], b"newer")
    assert index.find(Question("how deep is the sea", b"c"), [1.0] * 3_072) is None


async def test_a_model_of_vectors_that_there_is_not_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match=r"\[cache.semantic\] model: .*p/none"):
        gateway_of("an answer", model="p/none")


async def test_no_vector_is_asked_for_a_text_that_is_long_or_no_question() -> None:
    gateway, model = gateway_of("an answer", embeds=lambda _: pytest.fail("asked for a vector"))
    await gateway.chat(asked("word " * 300))
    await gateway.chat(Request(model="p/m", messages=(Message.user("Hi"), Message.assistant("Hello"))))
    assert model.calls == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What happened in 2019?", "What happened in 2020?"),
        ("Is Ann older than Bob?", "Is Bob older than Ann?"),
        ("Is it safe?", "Is it not safe?"),
        ("Is it safe?", "Isn't it unsafe?"),
        ("Read 'a.txt'", "Read 'b.txt'"),
        ("Read https://a.example/x", "Read https://a.example/y"),
        ("What does Paris cost?", "What does Rome cost?"),
        ("Who is older?", "Who is younger?"),
        ("Do it before lunch", "Do it after lunch"),
        ("Take all of them", "Take some of them"),
        ("Did France invade Germany?", "Did Germany invade France?"),
        ("Who does Alice love, Bob?", "Who does Bob love, Alice?"),
        ("What is my name?", "What is your name?"),
        ("Can I delete your account?", "Can you delete my account?"),
        ("Does he owe them money?", "Do they owe him money?"),
        ("What is 5 + 3?", "What is 5 - 3?"),
        ("Is 5 greater than -3?", "Is 5 greater than 3?"),
        ("What is 5!", "What is 5"),
        ("Multiply .5 by 2", "Multiply 5 by 2"),
        ("Is a < b in this code?", "Is a > b in this code?"),
        ("Is x != y?", "Is x == y?"),
        ("Install C++ on Linux", "Install C# on Linux"),
        ("Convert $50", "Convert €50"),
        ("Copy 'a' over 'b'", "Copy 'b' over 'a'"),
        ("Is 50% enough?", "Is 50 enough?"),
    ],
)
def test_texts_that_differ_in_a_mark_never_count_as_the_same(one: str, other: str) -> None:
    assert marks(one, same_words=False) != marks(other, same_words=False)
    assert marks(one, same_words=True) != marks(other, same_words=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Convert the audio to text", "Convert the text to audio"),
        ("Summarise the report", "Translate the report"),
        ("cats chase dogs from yards", "dogs chase cats from yards"),
        ("Does the dog bite the man?", "Does the man bite the dog?"),
        ("Explain why cats chase mice", "Explain why mice chase cats"),
        ("I need to know what you want", "I want to know what you need"),
        ("What is Bob like?", "What does Bob like?"),
        ("What do cats eat?", "Do cats eat?"),
        ("Which is older, the church or the tower?", "Which is older, the tower or the church?"),
    ],
)
def test_the_words_guard_sees_other_words_and_their_order_where_it_counts(one: str, other: str) -> None:
    assert marks(one, same_words=True) != marks(other, same_words=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Why is the sky blue?", "Please tell me: why is the sky blue?"),
        ("Why is the sky blue?", "I would like to know this. Why is the sky blue? Thank you!"),
        ("Why is the sky blue?", "Hello! Could you tell me why the sky is blue, please"),
        ("Why is the sky blue?", "why is the sky blue"),
    ],
)
def test_a_polite_frame_and_an_indirect_question_leave_the_marks_as_they_are(one: str, other: str) -> None:
    assert marks(one, same_words=True) == marks(other, same_words=True)


def test_the_index_is_bounded_and_forgets_what_was_not_asked_for_longest() -> None:
    index = SemanticIndex(threshold=0.9, max_entries=300, max_bytes=1_000_000, same_words=False)
    for context in (b"a", b"b", b"c"):
        for number in range(150):
            index.add(Question("sky", context), (1.0, float(number)), bytes([number]))
    assert len(index) == 300
    assert index.find(Question("sky", b"a"), (1.0, 0.0)) is None
    assert index.find(Question("sky", b"c"), (1.0, 0.0)) is not None
    for number in range(900):
        index.add(Question("sky", b"d"), (1.0, float(number)), b"k")
    assert len(index) <= 300


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), st.floats(0.1, 100))
def test_a_vector_is_alike_to_itself_however_long_it_is(vector: list[float], length: float) -> None:
    index = SemanticIndex(threshold=0.999, max_entries=10, max_bytes=1_000_000, same_words=True)
    index.add(Question("sky", b"c"), vector, b"key")
    found = index.find(Question("sky", b"c"), [number * length for number in vector])
    assert found is not None or sum(number * number for number in vector) < 1e-200


def test_vectors_of_another_size_are_never_alike() -> None:
    index = SemanticIndex(threshold=0.1, max_entries=10, max_bytes=1_000_000, same_words=True)
    index.add(Question("sky", b"c"), (1.0, 0.0), b"key")
    assert index.find(Question("sky", b"c"), (1.0, 0.0, 0.0)) is None


@pytest.mark.skipif(embedder.files() is None, reason="the extra `local` is not installed")
async def test_the_local_embeddings_are_the_default() -> None:
    settings = Settings(cache=CacheSettings(enabled=True, semantic=SemanticSettings(enabled=True)))
    async with Gateway(settings) as gateway:
        assert gateway.catalog.get(settings.cache.semantic.model).ready
