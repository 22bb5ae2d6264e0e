"""Where a continuation meets the text that its reader has already."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unified_api.errors import AuthenticationError, ProviderError, RateLimitError, TimedOutError
from unified_api.models import Model, Selection
from unified_api.providers import builtin_rows
from unified_api.routing.continuing import allowance, candidates_after, continued, tokens_of, why_unsafe
from unified_api.streams.seam import Seam, joined
from unified_api.types import (
    Attempt,
    Chunk,
    FinishChunk,
    JsonObject,
    Message,
    Policy,
    ReasoningChunk,
    Request,
    SentChunk,
    TextChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire import families

BLANKS = st.text(" \n\t", max_size=3)
WORD = st.text("abc", min_size=1, max_size=4)
TEXT = st.lists(st.tuples(WORD, BLANKS), min_size=1, max_size=4).map(lambda pairs: "".join(a + b for a, b in pairs))


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def fed(shown: str, pieces: list[str], *, repeats: bool = False) -> str:
    seam = Seam(shown, repeats=repeats)
    return "".join(seam.feed(piece) for piece in pieces) + seam.end()


@given(shown=TEXT, new=TEXT, places=st.lists(st.integers(0, 100), max_size=6), repeats=st.booleans())
def test_what_comes_of_a_continuation_does_not_hang_on_how_it_is_cut(
    shown: str, new: str, places: list[int], repeats: bool
) -> None:
    assert fed(shown, cut(new, places), repeats=repeats) == fed(shown, [new], repeats=repeats)


@given(shown=TEXT, new=TEXT, places=st.lists(st.integers(0, 100), max_size=6))
def test_a_repeated_beginning_and_repeated_blanks_are_left_out(shown: str, new: str, places: list[int]) -> None:
    begun, blanks = shown.rstrip(), shown[len(shown.rstrip()) :]
    repeats = len(begun) < 20
    assert fed(shown, cut(begun + blanks + new, places), repeats=repeats) == new
    if not new.startswith(begun) and not begun.startswith(new):
        assert fed(shown, cut(blanks + new, places), repeats=repeats) == new
        assert fed(shown, cut(new, places), repeats=repeats) == new


@given(shown=TEXT, new=TEXT, blanks=BLANKS, places=st.lists(st.integers(0, 100), max_size=6))
def test_what_a_model_adds_is_never_lost_but_for_blanks_that_are_there(
    shown: str, new: str, blanks: str, places: list[int]
) -> None:
    """The words, and of each blank between them as many as in the one or in the other."""
    assume(len(shown.strip()) < 20 or not new.startswith(shown.strip()))
    whole = shown + fed(shown, cut(blanks + new, places))
    assert whole.endswith(new)
    between = Counter(whole[len(shown.rstrip()) : len(whole) - len(new)])
    had, added = Counter(shown[len(shown.rstrip()) :]), Counter(blanks)
    assert had | added <= between <= had + added


@pytest.mark.parametrize(
    ("shown", "pieces", "new"),
    [
        ("Once upon ", ["a time"], "a time"),
        ("Once upon ", [" a time"], "a time"),
        ("Once upon", [" a time"], " a time"),
        ("Once up", ["on"], "on"),
        ("One.\n\n", ["\n", "\nTwo."], "Two."),
        ("One.\n\n", ["\n\n\n", "  Two."], "\n  Two."),
        ("One.\n\n", [" Two."], " Two."),
        ("Items: ", ["\n- one"], "\n- one"),
        ("Items: ", [" \n", "- one"], "\n- one"),
        ("Items:\n", ["\n\n- one"], "\n- one"),
        ("def f():\n", ["    return"], "    return"),
        ("Ha", ["Haha!"], "Haha!"),
        ("1", ["10 apples"], "10 apples"),
        ("no", [" no no"], " no no"),
        ("ha " * 6, ["ha " * 7], "ha " * 7),
        ("ha " * 7, ["ha " * 8], "ha "),
        ("Once upon a time there", ["Once upon a", " time there was"], " was"),
        ("Once", [""], ""),
    ],
)
def test_the_seam_by_example(shown: str, pieces: list[str], new: str) -> None:
    assert fed(shown, pieces) == new


@pytest.mark.parametrize(
    ("shown", "pieces", "new"),
    [
        ("Once", ["Once", " upon"], " upon"),
        ("  Once ", ["On", "ce upon"], "upon"),
        ("1", ["110 apples"], "10 apples"),
        ("Once upon", ["Once again"], "Once again"),
        ("Once upon", ["Once"], "Once"),
        ("Once ", ["  "], " "),
        ("Once", [""], ""),
    ],
)
def test_the_seam_of_a_server_that_repeats_by_example(shown: str, pieces: list[str], new: str) -> None:
    assert fed(shown, pieces, repeats=True) == new


async def told(*chunks: Chunk) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk


async def test_what_comes_before_the_first_words_does_not_end_the_search_for_a_repetition() -> None:
    first = (SentChunk(), UsageChunk(Usage()), ReasoningChunk("hm"))
    chunks = [
        one
        async for one in joined(
            told(*first, TextChunk("Once"), TextChunk(" upon"), FinishChunk("stop")), "Once", repeats=True
        )
    ]
    assert chunks == [*first, TextChunk(" upon"), FinishChunk("stop")]
    chunks = [one async for one in joined(told(TextChunk("On"), FinishChunk("stop")), "Once", repeats=True)]
    assert chunks == [TextChunk("On"), FinishChunk("stop")]


def test_max_tokens_are_reduced_by_what_is_written() -> None:
    request = Request(model="m", messages=(Message.user("hi"),), max_tokens=10)
    onward = continued(request, "Once upon a ", written=tokens_of("Once upon a "))
    assert onward.messages == (Message.user("hi"), Message.assistant("Once upon a"))
    assert onward.max_tokens == 7
    assert continued(request, "x", written=99).max_tokens == 1
    assert continued(replace(request, max_tokens=None), "x", written=99).max_tokens is None


def model(name: str, provider: str = "p") -> Model:
    return Model(id=f"{provider}/{name}", provider=provider, name=name, wire="openai_chat")


A, B, C = model("a"), model("b"), model("c", "q")


def past(*codes: tuple[Model, str]) -> list[Attempt]:
    return [
        Attempt(number=at, model=one.id, outcome="failed", error=code) for at, (one, code) in enumerate(codes, start=1)
    ]


def test_whoever_has_not_failed_yet_is_asked_first_and_the_broken_one_last() -> None:
    route, error = Selection((A, B, C)), RateLimitError("busy")
    assert candidates_after(route, A, error, Policy(), past((A, "rate_limit"))) == (B, C, A)
    assert candidates_after(route, B, error, Policy(), past((A, "server_error"), (B, "rate_limit"))) == (C, A, B)
    assert candidates_after(route, B, error, Policy(), past((A, "authentication"), (B, "rate_limit"))) == (C, B)
    assert candidates_after(route, A, TimedOutError("silent"), Policy(), past((A, "timed_out"))) == (B, C)
    assert candidates_after(route, A, AuthenticationError("key"), Policy(), past((A, "authentication"))) == (C,)
    assert candidates_after(route, A, error, Policy(fallback=False), past((A, "rate_limit"))) == (A,)
    assert candidates_after(route, A, ProviderError("odd"), Policy(fallback=False), past((A, "provider_error"))) == ()


def test_what_is_left_of_the_tries() -> None:
    left = allowance(Policy(max_attempts=4, max_billable=3), tries=2, billable=1)
    assert left == Policy(max_attempts=2, max_billable=2)
    assert allowance(Policy(max_attempts=2), tries=2, billable=0) is None
    assert allowance(Policy(max_billable=1), tries=1, billable=1) is None


def test_an_answer_that_the_caller_began_is_not_continued() -> None:
    request = Request(model="m", messages=(Message.user("hi"), Message.assistant("Once")))
    assert why_unsafe(request) == "the request begins the answer itself"
    assert why_unsafe(replace(request, messages=request.messages[:1])) is None


BEGUN = Request(model="m", messages=(Message.user("hi"), Message.assistant("Once upon")), max_tokens=9)
PLAIN = {"role": "assistant", "content": "Once upon"}
BLOCKS = {"role": "assistant", "content": [{"type": "text", "text": "Once upon"}]}


@pytest.mark.parametrize(
    ("provider", "model", "last", "beside"),
    [
        ("anthropic", "claude-haiku-4-5", BLOCKS, {}),
        ("bedrock", "anthropic.claude-3-haiku-v1:0", {"role": "assistant", "content": [{"text": "Once upon"}]}, {}),
        ("mistral", "mistral-large-latest", {**PLAIN, "prefix": True}, {}),
        ("moonshot", "moonshot-v1-8k", {**PLAIN, "partial": True}, {}),
        ("dashscope", "qwen-plus", {**PLAIN, "partial": True}, {}),
        ("vllm", "m", PLAIN, {"continue_final_message": True, "add_generation_prompt": False}),
        ("llamacpp", "m", PLAIN, {}),
    ],
)
def test_a_beginning_is_written_as_its_provider_wants_it(
    provider: str, model: str, last: JsonObject, beside: JsonObject
) -> None:
    row = builtin_rows()[provider]
    assert row.takes_prefill(model)

    def body(request: Request) -> JsonObject:
        wire = families.CHAT[row.wire_of(model)]
        sent = wire.encode(request, provider=provider, model=model, profile=row.profile.for_wire(), stream=True)
        return json.loads(sent.body)

    sent = body(BEGUN)
    assert sent["messages"][-1] == last
    assert sent.items() >= beside.items()
    finished = body(replace(BEGUN, messages=(*BEGUN.messages, Message.user("And?"))))
    assert not finished.keys() & beside.keys()


def test_of_the_servers_that_take_a_beginning_mistrals_repeats_it() -> None:
    assert [name for name, row in builtin_rows().items() if row.repeats_prefill] == ["mistral"]


def test_what_the_caller_says_of_a_beginning_stands() -> None:
    row, own = builtin_rows()["vllm"], {"continue_final_message": False, "add_generation_prompt": True}
    request = replace(BEGUN, extra={"vllm": own})
    sent = families.CHAT["openai_chat"].encode(request, provider="vllm", model="m", profile=row.profile.for_wire())
    assert json.loads(sent.body).items() >= own.items()
