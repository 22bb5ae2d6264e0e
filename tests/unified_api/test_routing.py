from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContextOverflowError,
    InvalidRequestError,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
    UnsupportedParameterError,
)
from unified_api.models import DataPolicy, Model, Requirements
from unified_api.routing.filters import CLEARANCES, select
from unified_api.routing.moves import BACKOFF_CAP_S, Ask, GiveUp, Tried, next_move
from unified_api.routing.ranking import rank
from unified_api.types import Policy

KINDS = [
    AuthenticationError, ConnectionFailedError, ContextOverflowError, InvalidRequestError, MalformedResponseError,
    NotFoundError, PermissionDeniedError, QuotaError, RateLimitError, ServerError, TimedOutError,
    TruncatedStreamError, UnsupportedParameterError,
]  # fmt: skip


def model(name: str, **facts: object) -> Model:
    provider, _, rest = name.partition("/")
    facts = {"capabilities": frozenset({"chat"}), **facts}
    return Model(id=name, provider=provider, name=rest, wire="openai_chat", **facts)


ROUTE = (model("a/one"), model("a/two"), model("b/one"))


def move(
    *errors: tuple[int, ProviderError], route: tuple[Model, ...] = ROUTE, remaining: float = 100, **policy: object
):
    tried = [Tried(index, error) for index, error in errors]
    return next_move(route, tried, Policy(**policy), remaining=remaining, jitter=0.5)


def test_the_first_candidate_is_asked_first_and_at_once() -> None:
    assert move() == Ask(0)


def test_a_passing_fault_gets_one_short_second_chance_before_the_next_deployment() -> None:
    first = move((0, ServerError("x")))
    assert first == Ask(0, 0.25)
    assert move((0, ServerError("x")), (0, ServerError("x"))) == Ask(1)


def test_alone_a_deployment_is_asked_again_with_growing_waits_until_the_budget_is_spent() -> None:
    alone = ROUTE[:1]
    fault = (0, ServerError("x"))
    waits = [move(*[fault] * times, route=alone, max_attempts=5).delay for times in (1, 2, 3, 4)]
    assert waits == [0.25, 0.5, 1.0, 2.0]
    assert isinstance(move(*[fault] * 5, route=alone, max_attempts=5), GiveUp)


def test_a_long_wait_asked_for_is_not_waited_while_another_deployment_is_free() -> None:
    assert move((0, RateLimitError("x", retry_after=30))) == Ask(1)
    assert move((0, RateLimitError("x", retry_after=0.5))) == Ask(0, 0.75)


def test_with_no_other_deployment_the_wait_asked_for_is_kept_and_never_shortened() -> None:
    waited = move((0, RateLimitError("x", retry_after=30)), route=ROUTE[:1])
    assert isinstance(waited, Ask)
    assert waited.delay >= 30


def test_a_wait_beyond_the_deadline_ends_the_call_at_once() -> None:
    ended = move((0, RateLimitError("x", retry_after=30)), route=ROUTE[:1], remaining=20)
    assert isinstance(ended, GiveUp)
    assert "30" in ended.reason


def test_a_silent_deployment_is_left_and_not_asked_again() -> None:
    assert move((0, TimedOutError("x"))) == Ask(1)
    assert isinstance(move((0, TimedOutError("x")), route=ROUTE[:1]), GiveUp)


@pytest.mark.parametrize("kind", [AuthenticationError, QuotaError])
def test_a_dead_credential_rules_out_every_model_of_its_provider(kind: type[ProviderError]) -> None:
    assert move((0, kind("x"))) == Ask(2)
    assert isinstance(move((0, kind("x")), route=ROUTE[:2]), GiveUp)


def test_a_missing_model_rules_out_only_itself() -> None:
    assert move((0, NotFoundError("x"))) == Ask(1)


def test_a_fault_of_the_request_is_taken_nowhere_else() -> None:
    assert isinstance(move((0, InvalidRequestError("x"))), GiveUp)
    assert isinstance(move((0, UnsupportedParameterError("x"))), GiveUp)


def test_an_overflow_goes_only_to_a_longer_or_unknown_context() -> None:
    route = (model("a/m", context=100), model("b/short", context=100), model("c/long", context=200))
    assert move((0, ContextOverflowError("x")), route=route) == Ask(2)
    assert isinstance(move((0, ContextOverflowError("x")), route=route[:2]), GiveUp)


def test_without_permission_there_is_no_fallback() -> None:
    assert isinstance(move((0, TimedOutError("x")), fallback=False), GiveUp)
    assert move((0, ServerError("x")), (0, ServerError("x")), fallback=False) == Ask(0, 0.5)


_errors = st.builds(
    lambda kind, wait: kind("x", retry_after=wait),
    st.sampled_from(KINDS),
    st.none() | st.floats(min_value=0, max_value=1e6),
)


@given(
    errors=st.lists(_errors, min_size=1, max_size=60),
    size=st.integers(1, 3),
    policy=st.builds(Policy, max_attempts=st.integers(1, 12), fallback=st.booleans()),
    seconds=st.floats(min_value=0, max_value=1e4),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_every_call_ends_within_its_budget_and_its_deadline_and_never_returns_to_what_it_left(
    errors: list[ProviderError], size: int, policy: Policy, seconds: float, jitter: float
) -> None:
    tried: list[Tried] = []
    remaining = seconds
    for error in errors:
        found = next_move(ROUTE[:size], tried, policy, remaining=remaining, jitter=jitter)
        if isinstance(found, GiveUp):
            break
        assert 0 <= found.index < size
        assert found.delay == 0 or 0 <= found.delay < remaining
        if tried and found.index != tried[-1].index:
            assert policy.fallback
            assert found.delay == 0
            assert found.index not in {one.index for one in tried}
        if tried and found.index == tried[-1].index:
            assert tried[-1].error.retryable
            assert found.delay >= (tried[-1].error.retry_after or 0)
            assert found.delay <= BACKOFF_CAP_S + (tried[-1].error.retry_after or 0)
        remaining -= found.delay
        tried.append(Tried(found.index, error))
    assert len(tried) <= policy.max_attempts


def test_clearances_are_ordered() -> None:
    for highest, cleared in enumerate(CLEARANCES):
        one = model("a/m", data_policy=DataPolicy(clearance=cleared))
        passing = [s for s in CLEARANCES if select([one], Requirements(sensitivity=s), named=True).candidates]
        assert passing == list(CLEARANCES[: highest + 1])


def test_every_model_is_either_a_candidate_or_dropped_with_a_reason() -> None:
    models = [
        model("a/can"),
        model("a/keyless", ready=False, missing="A_KEY"),
        model("a/unready", ready=False, missing="the weights: pull them"),
        model("a/short", context=5),
        model("a/demo", quality="demo"),
        model("a/embedder", capabilities=frozenset({"embeddings"})),
    ]
    found = select(models, Requirements(needs=frozenset({"chat"}), tokens=6), named=False)
    assert [one.id for one in found.candidates] == ["a/can"]
    assert {drop.model: drop.code for drop in found.dropped} == {
        "a/keyless": "no_credentials",
        "a/unready": "not_ready",
        "a/short": "context_too_small",
        "a/demo": "stand_in",
        "a/embedder": "missing_capability",
    }
    assert all(drop.reason for drop in found.dropped)


def test_ranking_prefers_real_remote_near_and_cheap_in_this_order() -> None:
    models = [
        model("z/demo", quality="demo", tier="standard"),
        model("a/premium", tier="premium"),
        model("a/economy", tier="economy"),
        model("a/standard", tier="standard"),
        model("b/untiered"),
    ]
    assert [m.id for m in rank(models, None)] == ["a/standard", "b/untiered", "a/economy", "a/premium", "z/demo"]
    assert [m.id for m in rank(models, "premium")][:3] == ["a/premium", "b/untiered", "a/standard"]
