from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.bill import bill_of
from unified_api.estimates import longest_answer, used_by
from unified_api.models import Model
from unified_api.types import Attempt, EmbedRequest, ImagePart, ImageRequest, Message, Request

MODEL = Model(id="a/m", provider="a", name="m", wire="openai_chat", max_output=4_000)
TEXT = "Tell me how the tides come about, and why there are two a day. " * 20


def chat(text: str = TEXT, **wishes: int) -> Request:
    return Request(model="a/m", messages=(Message.user(text),), **wishes)  # type: ignore[arg-type]


def attempt(**what: object) -> Attempt:
    return Attempt(**{"number": 1, "model": "a/m", "outcome": "cancelled", "billable": True, **what})  # type: ignore[arg-type]


def test_the_prompt_counts_about_as_ordinary_text_does():
    used = used_by(attempt(), chat(), MODEL)
    assert used.input_tokens is not None
    assert len(TEXT) / 5 <= used.input_tokens <= len(TEXT) / 3


def test_everything_that_is_read_counts():
    texts = EmbedRequest(model="a/m", inputs=(TEXT,) * 50)
    used = used_by(attempt(), texts, MODEL)
    assert used.input_tokens is not None
    assert used.input_tokens >= 50 * len(TEXT) / 5
    shown = Request(model="a/m", messages=(Message("user", (ImagePart(data=b"x", media_type="image/png"),)),))
    used = used_by(attempt(), shown, MODEL)
    assert used.input_tokens is not None
    assert used.input_tokens > 1_000


def test_what_had_come_counts_and_else_the_time():
    assert used_by(attempt(received=400, seconds=50.0), chat(), MODEL).output_tokens == 100
    assert used_by(attempt(seconds=2.5), chat(), MODEL).output_tokens == 250
    assert used_by(attempt(), chat(), MODEL).output_tokens == 0


def test_no_answer_is_taken_to_be_longer_than_it_may_be():
    assert used_by(attempt(seconds=1e6), chat(max_tokens=50), MODEL).output_tokens == 50
    assert used_by(attempt(seconds=1e6), chat(), MODEL).output_tokens == 4_000
    assert used_by(attempt(received=10**9), chat(max_tokens=50, n=3), MODEL).output_tokens == 150


def test_images_are_paid_whole_and_vectors_by_what_is_read():
    image = ImageRequest(model="a/m", prompt="a whale", n=2)
    assert used_by(attempt(), image, MODEL).output_tokens == longest_answer(image, MODEL, ())
    assert used_by(attempt(seconds=9), EmbedRequest(model="a/m", inputs=(TEXT,)), MODEL).output_tokens == 0


@given(st.floats(0, 1e9), st.integers(0, 10**12), st.integers(1, 10**6))
def test_an_estimate_is_never_negative_nor_more_than_the_worst(seconds: float, received: int, most: int):
    request = chat(max_tokens=most)
    used = used_by(attempt(seconds=seconds, received=received), request, MODEL)
    assert used.output_tokens is not None
    assert 0 <= used.output_tokens <= longest_answer(request, MODEL, ())


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
