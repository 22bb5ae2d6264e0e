from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.bill import bill_of
from unified_api.estimates import longest_answer, used
from unified_api.models import Model
from unified_api.types import Attempt, EmbedRequest, ImagePart, ImageRequest, Message, Request, Usage

MODEL = Model(id="a/m", provider="a", name="m", wire="openai_chat", max_output=4_000)
TEXT = "Tell me how the tides come about, and why there are two a day. " * 20


def chat(text: str = TEXT, **wishes: int) -> Request:
    return Request(model="a/m", messages=(Message.user(text),), **wishes)  # type: ignore[arg-type]


def attempt(**what: object) -> Attempt:
    return Attempt(**{"number": 1, "model": "a/m", "outcome": "cancelled", "billable": True, **what})  # type: ignore[arg-type]


def test_the_prompt_counts_about_as_ordinary_text_does():
    found = used(chat(), MODEL)
    assert found.input_tokens is not None
    assert len(TEXT) / 5 <= found.input_tokens <= len(TEXT) / 3


def test_everything_that_is_read_counts():
    texts = EmbedRequest(model="a/m", inputs=(TEXT,) * 50)
    found = used(texts, MODEL)
    assert found.input_tokens is not None
    assert found.input_tokens >= 50 * len(TEXT) / 5
    shown = Request(model="a/m", messages=(Message("user", (ImagePart(data=b"x", media_type="image/png"),)),))
    found = used(shown, MODEL)
    assert found.input_tokens is not None
    assert found.input_tokens > 1_000


def test_what_had_come_counts_and_else_the_time():
    assert used(chat(), MODEL, received=400, seconds=50.0).output_tokens == 100
    assert used(chat(), MODEL, seconds=2.5).output_tokens == 250
    assert used(chat(), MODEL).output_tokens == 0


def test_what_a_provider_told_counts_and_is_filled_up():
    told = Usage(input_tokens=7, cached_input_tokens=3, output_tokens=1)
    assert used(chat(), MODEL, told=told, received=400) == replace(told, output_tokens=100)
    assert used(chat(), MODEL, told=replace(told, output_tokens=150), received=400).output_tokens == 150


def test_an_answer_that_is_gone_on_with_is_read_again():
    first, second = (used(chat(), MODEL, shown=shown).input_tokens for shown in (0, 50))
    assert (first or 0) + 50 == second


def test_no_answer_is_taken_to_be_longer_than_it_may_be():
    assert used(chat(max_tokens=50), MODEL, seconds=1e6).output_tokens == 50
    assert used(chat(), MODEL, seconds=1e6).output_tokens == 4_000
    assert used(chat(max_tokens=50, n=3), MODEL, received=10**9).output_tokens == 150


def test_images_are_paid_whole_and_vectors_by_what_is_read():
    image = ImageRequest(model="a/m", prompt="a whale", n=2)
    assert used(image, MODEL).output_tokens == longest_answer(image, MODEL, ())
    assert used(EmbedRequest(model="a/m", inputs=(TEXT,)), MODEL, seconds=9).output_tokens == 0


@given(st.floats(0, 1e9), st.integers(0, 10**12), st.integers(1, 10**6))
def test_an_estimate_is_never_negative_nor_more_than_the_worst(seconds: float, received: int, most: int):
    request = chat(max_tokens=most)
    found = used(request, MODEL, seconds=seconds, received=received)
    assert found.output_tokens is not None
    assert 0 <= found.output_tokens <= longest_answer(request, MODEL, ())


BILLS = [
    (attempt(outcome="succeeded", billable=False, cost_usd=Decimal(2)), (2, 0, 0)),
    (attempt(outcome="succeeded", billable=False), (0, 0, 1)),
    (attempt(outcome="rejected", billable=False, cost_usd=Decimal(3)), (3, 0, 0)),
    (attempt(outcome="failed", billable=False), (0, 0, 0)),
    (attempt(outcome="failed"), (0, 0, 1)),
    (attempt(outcome="failed", cost_usd=Decimal(5)), (0, 5, 0)),
    (attempt(outcome="cancelled"), (0, 0, 1)),
    (attempt(outcome="cancelled", cost_usd=Decimal(7)), (0, 7, 0)),
    (attempt(number=0, outcome="cached", billable=False, cost_usd=Decimal(0)), (0, 0, 0)),
    (attempt(number=0, outcome="dropped", billable=False), (0, 0, 0)),
]


@pytest.mark.parametrize(("one", "amounts"), BILLS)
def test_a_try_is_known_guessed_or_unknown(one: Attempt, amounts: tuple[int, int, int]):
    bill = bill_of([one])
    assert (bill.known, sum(bill.guessed), len(bill.unknown)) == amounts
    assert bill.is_certain == (amounts[1:] == (0, 0))


def test_what_layers_asked_is_on_the_bill_only_where_it_is_wanted():
    noted = [
        attempt(number=0, outcome="noted", billable=False, cost_usd=Decimal(4)),
        attempt(number=0, outcome="noted", billable=True),
    ]
    assert bill_of(noted) == bill_of([])
    bill = bill_of(noted, consulted=True)
    assert (bill.known, len(bill.unknown)) == (4, 1)
