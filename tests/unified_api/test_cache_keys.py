from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.caching.keys import MEANING, NO_MEANING, asks_for_chance, key_of, question_of
from unified_api.types import (
    BuiltinTool,
    CacheMark,
    Caller,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    ModerationRequest,
    OutputSchema,
    Part,
    Policy,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    TextPart,
    Tool,
)

REQUESTS: dict[type, Any] = {
    Request: Request(model="p/m", messages=(Message.user("Hi"),)),
    EmbedRequest: EmbedRequest(model="p/m", inputs=("a", "b")),
    ImageRequest: ImageRequest(model="p/m", prompt="a cat"),
    RerankRequest: RerankRequest(model="p/m", query="q", documents=("a", "b")),
    ModerationRequest: ModerationRequest(model="p/m", inputs=("a",)),
}
OTHERS: dict[type, dict[str, Any]] = {
    Request: {
        "model": "p/other",
        "messages": (Message.user("Hi."),),
        "tools": (Tool("f"),),
        "builtin_tools": (BuiltinTool("p", {"type": "search"}),),
        "tool_choice": "none",
        "parallel_tool_calls": True,
        "output_schema": OutputSchema({"type": "object"}),
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "max_tokens": 5,
        "stop": ("x",),
        "seed": 1,
        "reasoning_effort": "low",
        "reasoning_budget": 10,
        "show_reasoning": True,
        "logprobs": 0,
        "n": 2,
        "user": "u",
        "metadata": {"a": "b"},
        "extra": {"p": {"x": 1}},
    },
    EmbedRequest: {"model": "p/other", "inputs": ("b", "a"), "dimensions": 64, "purpose": "query"},
    ImageRequest: {
        "model": "p/other",
        "prompt": "a dog",
        "size": "8x8",
        "n": 2,
        "negative_prompt": "dogs",
        "seed": 1,
        "user": "u",
        "extra": {"p": {"x": 1}},
    },
    RerankRequest: {"model": "p/other", "query": "r", "documents": ("b", "a"), "top_n": 1},
    ModerationRequest: {"model": "p/other", "inputs": (ImagePart(url="https://x.example/a.png"),)},
    Policy: {
        "needs": frozenset({"vision"}),
        "sensitivity": "internal",
        "regions": frozenset({"eu"}),
        "allow": frozenset({"p/*"}),
        "deny": frozenset({"q/*"}),
        "max_cost_usd": Decimal("0.1"),
        "tier": "premium",
        "strategy": "cost",
        "category": "code",
        "fallback": False,
        "on_unsupported": "drop",
        "max_attempts": 9,
        "max_billable": 1,
        "deadline_s": 5.0,
        "hedge": True,
        "reader": "step",
        "cache": False,
        "caller": Caller(user="u"),
    },
    Caller: {
        "tenant": "t",
        "user": "u",
        "key": "k",
        "run": "r",
        "session": "s",
        "tags": frozenset({"x"}),
    },
}


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_every_field_is_declared_to_shape_answers_or_not_to(kind: type) -> None:
    names = {field.name for field in fields(kind)}
    meaning, none = MEANING[kind], NO_MEANING.get(kind, frozenset())
    assert meaning | none == names, "declare a new field in caching/keys.py: may it change an answer?"
    assert not meaning & none
    assert set(OTHERS[kind]) == names, "give the new field another value here"


def keyed(kind: type, name: str, value: Any) -> bytes | None:
    if kind is Caller:
        return key_of(REQUESTS[Request], Policy(caller=replace(Caller(), **{name: value})))
    if kind is Policy:
        return key_of(REQUESTS[Request], replace(Policy(), **{name: value}))
    return key_of(replace(REQUESTS[kind], **{name: value}), Policy())


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, others in OTHERS.items() for name in others])
def test_a_field_changes_the_key_exactly_when_it_may_change_the_answer(kind: type, name: str) -> None:
    base = key_of(REQUESTS.get(kind, REQUESTS[Request]), Policy())
    changed = keyed(kind, name, OTHERS[kind][name])
    assert base is not None
    assert (changed != base) is (name in MEANING[kind])


def test_no_two_requests_with_one_other_field_share_a_key() -> None:
    keys = [keyed(kind, name, value) for kind, others in OTHERS.items() for name, value in others.items()
            if name in MEANING[kind]]  # fmt: skip
    assert len(set(keys)) == len(keys)


def test_the_kinds_of_parts_are_told_apart_by_their_fields() -> None:
    shapes = [frozenset(field.name for field in fields(kind)) for kind in get_args(Part)]
    assert len(set(shapes)) == len(shapes)
    kinds = (TextPart("a"), RefusalPart("a"), ReasoningPart("a"))
    keys = {key_of(replace(REQUESTS[Request], messages=(Message("user", (part,)),)), Policy()) for part in kinds}
    assert len(keys) == 3


def test_bytes_count_by_what_they_hold() -> None:
    def one(content: bytes) -> bytes | None:
        part = DocumentPart(data=content, media_type="application/pdf")
        return key_of(replace(REQUESTS[Request], messages=(Message("user", (part,)),)), Policy())

    assert one(b"a") == one(b"a")
    assert one(b"a") != one(b"b")


def test_the_order_of_keys_and_sets_does_not_count() -> None:
    one = replace(REQUESTS[Request], extra={"p": {"a": 1, "b": 2}})
    other = replace(REQUESTS[Request], extra={"p": {"b": 2, "a": 1}})
    assert key_of(one, Policy(deny=frozenset({"a/*", "b/*"}))) == key_of(other, Policy(deny=frozenset({"b/*", "a/*"})))


def test_the_order_of_a_schemas_properties_counts_as_models_answer_in_it() -> None:
    one: Any = {"type": "object", "properties": {"why": {}, "answer": {}}}
    other: Any = {"type": "object", "properties": {"answer": {}, "why": {}}}
    asked = REQUESTS[Request]
    schemas = [key_of(replace(asked, output_schema=OutputSchema(schema)), Policy()) for schema in (one, other, one)]
    tools = [key_of(replace(asked, tools=(Tool("f", parameters=schema),)), Policy()) for schema in (one, other, one)]
    assert schemas[0] == schemas[2] != schemas[1]
    assert tools[0] == tools[2] != tools[1]


def test_equal_prices_are_equal_however_they_are_written() -> None:
    def one(price: str) -> bytes | None:
        return key_of(REQUESTS[Request], Policy(max_cost_usd=Decimal(price)))

    assert one("0.10") == one("0.1") != one("0.2")


@pytest.mark.parametrize("odd", [10**30, "\ud800"])
def test_what_the_fast_writer_refuses_has_a_key_of_its_own(odd: Any) -> None:
    one = replace(REQUESTS[Request], extra={"p": {"a": odd}}, messages=(Message("user", (ImagePart(data=b"x"),)),))
    assert key_of(one, Policy()) == key_of(one, Policy()) is not None
    assert key_of(one, Policy()) != key_of(replace(one, extra={"p": {"a": 1}}), Policy())


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUESTS[Request], extra={"p": {"a": object()}}),
        replace(REQUESTS[Request], temperature=float("nan")),
        replace(REQUESTS[Request], top_p=float("inf")),
    ],
)
def test_what_is_no_json_has_no_key(request_: Request) -> None:
    assert key_of(request_, Policy()) is None


@given(st.text(), st.text())
def test_two_texts_share_a_key_only_when_they_are_one(one: str, other: str) -> None:
    def key(text: str) -> bytes | None:
        return key_of(replace(REQUESTS[Request], messages=(Message.user(text),)), Policy())

    assert (key(one) == key(other)) is (one == other)


@pytest.mark.parametrize(
    ("asked", "chance"),
    [
        ({}, False),
        ({"temperature": 0}, False),
        ({"temperature": 0.7}, True),
        ({"temperature": 0.7, "seed": 3}, False),
        ({"n": 2}, True),
        ({"n": 1}, False),
    ],
)
def test_a_request_asks_for_chance_by_its_own_words_only(asked: dict[str, Any], chance: bool) -> None:
    assert asks_for_chance(replace(REQUESTS[Request], **asked)) is chance


def test_the_context_of_a_question_is_all_but_the_last_words() -> None:
    def context(*texts: str, **fields: Any) -> bytes:
        request = Request(model="p/m", messages=tuple(map(Message.user, texts)), **fields)
        question = question_of(request, Policy())
        assert question is not None
        assert question.text == texts[-1]
        return question.context

    assert context("before", "a") == context("before", "b")
    assert context("before", "a") != context("after", "a")
    assert context("a") != context("a", max_tokens=5)


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message.assistant("Hi"),),
        (Message.user("  "),),
        (Message("user", (TextPart("What is this?"), ImagePart(url="https://x.example/a.png"))),),
    ],
)
def test_only_a_users_plain_words_are_a_question(messages: tuple[Message, ...]) -> None:
    assert question_of(Request(model="p/m", messages=messages), Policy()) is None


def test_a_mark_for_the_providers_own_cache_is_part_of_the_request() -> None:
    marked = replace(REQUESTS[Request], messages=(Message("user", (TextPart("Hi", cache=CacheMark()),)),))
    assert key_of(marked, Policy()) != key_of(REQUESTS[Request], Policy())
