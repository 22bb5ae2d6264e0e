from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContentRefusedError,
    ContextOverflowError,
    InvalidRequestError,
    MalformedResponseError,
    NotFoundError,
    ParameterRefusedError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
    UnsupportedParameterError,
)
from unified_api.models import Model, RouteRules
from unified_api.routing.moves import BACKOFF_CAP_S, CALM, Ask, Await, GiveUp, Standing, Tried, next_move, pause
from unified_api.types import Policy

KINDS = [
    AuthenticationError, ConnectionFailedError, ContentRefusedError, ContextOverflowError, InvalidRequestError,
    MalformedResponseError, NotFoundError, PermissionDeniedError, QuotaError, RateLimitError, ServerError,
    TimedOutError, TruncatedStreamError, UnsupportedParameterError,
]  # fmt: skip


def model(name: str, **facts: object) -> Model:
    provider, _, rest = name.partition("/")
    return Model(id=name, provider=provider, name=rest, wire="openai_chat", **facts)


ROUTE = (model("a/one"), model("a/two"), model("b/one"))
APART = (model("a/m"), model("b/m"), model("c/m"))


def fault(index: int, *, ready: float = 0.25) -> Tried:
    return Tried(index, ServerError("x"), ready)


def move(
    *tried: Tried | tuple[int, ProviderError | None],
    route: tuple[Model, ...] = ROUTE,
    remaining: float = 100,
    rules: RouteRules | None = None,
    standing: Standing = CALM,
    **policy: object,
):
    """At time 0, where every failure may be mended after a quarter of a second or as long as it says."""
    made = [
        one if isinstance(one, Tried) else Tried(*one, getattr(one[1], "retry_after", None) or 0.25) for one in tried
    ]
    return next_move(
        route, made, Policy(**policy), now=0, deadline=remaining, rules=rules or RouteRules(), standing=standing
    )


def test_the_first_candidate_is_asked_first_and_at_once() -> None:
    assert move() == Ask(0)


def test_another_free_candidate_is_asked_at_once_whatever_the_failure() -> None:
    assert move(fault(0)) == Ask(1)
    assert move((0, RateLimitError("x", retry_after=30))) == Ask(1)
    assert move((0, RateLimitError("x", retry_after=0.1))) == Ask(1)
    assert move(fault(0), fault(1)) == Ask(2)


def test_with_no_fresh_candidate_left_the_one_that_is_ready_first_is_asked_again() -> None:
    assert move(fault(0, ready=5), fault(1, ready=2), fault(2, ready=3)) == Ask(1, 2)
    assert move(fault(0, ready=-1), fault(1, ready=2), fault(2, ready=3)) == Ask(0)
    assert move((0, TimedOutError("x")), fault(1, ready=2), (2, NotFoundError("x"))) == Ask(1, 2)


def test_alone_a_deployment_is_asked_again_with_growing_waits() -> None:
    tried: list[Tried] = []
    waits = []
    for _ in range(8):
        waits.append(pause(tried, 0, ServerError("x"), jitter=0.5))
        tried.append(fault(0))
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert pause(tried * 1000, 0, ServerError("x"), jitter=0.5) == 10
    assert pause([], 0, ServerError("x"), jitter=0) == 0


def test_the_wait_asked_for_is_never_shortened() -> None:
    assert pause([], 0, RateLimitError("x", retry_after=30), jitter=0) == 30
    assert 30 < pause([], 0, RateLimitError("x", retry_after=30), jitter=0.5) < 31
    assert pause([], 0, RateLimitError("x", retry_after=-3), jitter=0) == 0
    assert move((0, RateLimitError("x", retry_after=30)), route=ROUTE[:1]) == Ask(0, 30)


def test_a_wait_beyond_the_deadline_ends_the_call_at_once() -> None:
    ended = move((0, RateLimitError("x", retry_after=30)), route=ROUTE[:1], remaining=20)
    assert ended == GiveUp("the next try would come after 30.0 s, and the deadline is in 20.0 s")


def test_the_attempts_are_counted_over_all_candidates() -> None:
    assert isinstance(move(fault(0), fault(1), fault(2), fault(0)), GiveUp)
    assert isinstance(move(fault(0), max_attempts=1), GiveUp)
    assert move(fault(0), fault(1), fault(2), fault(0), max_attempts=5) == Ask(0, 0.25)


def test_billable_failures_have_an_allowance_of_their_own() -> None:
    assert isinstance(move((0, TimedOutError("x")), max_billable=1), GiveUp)
    assert move((0, TimedOutError("x")), max_billable=2) == Ask(1)
    assert move(fault(0), max_billable=1) == Ask(1)


def test_a_silent_deployment_is_left_and_not_asked_again() -> None:
    assert move((0, TimedOutError("x"))) == Ask(1)
    assert isinstance(move((0, TimedOutError("x")), route=ROUTE[:1]), GiveUp)


@pytest.mark.parametrize("kind", [AuthenticationError, QuotaError])
def test_a_dead_credential_rules_out_every_model_of_its_provider(kind: type[ProviderError]) -> None:
    assert move((0, kind("x"))) == Ask(2)
    assert isinstance(move((0, kind("x")), route=ROUTE[:2]), GiveUp)


def test_an_unreachable_provider_is_left_and_the_same_model_asked_again_later() -> None:
    assert move((0, ConnectionFailedError("x"))) == Ask(2)
    assert move((0, ConnectionFailedError("x")), route=ROUTE[:2]) == Ask(0, 0.25)


def test_a_missing_model_rules_out_only_itself() -> None:
    assert move((0, NotFoundError("x"))) == Ask(1)


@pytest.mark.parametrize("kind", [InvalidRequestError, UnsupportedParameterError, ContentRefusedError])
def test_a_fault_of_the_request_and_a_refusal_are_taken_nowhere_else(kind: type[ProviderError]) -> None:
    assert isinstance(move((0, kind("x"))), GiveUp)


def test_what_the_server_refuses_and_can_be_left_out_is_mended_on_the_spot() -> None:
    assert move((0, ParameterRefusedError("x"))) == Ask(0)
    resting = Standing(resting={0: 5})
    assert move((0, ParameterRefusedError("x")), standing=resting) == Ask(1)


def test_an_overflow_goes_only_to_a_longer_or_unknown_context() -> None:
    route = (model("a/m", context=100), model("b/short", context=100), model("c/long", context=200), model("d/m"))
    assert move((0, ContextOverflowError("x")), route=route) == Ask(2)
    assert move((0, ContextOverflowError("x")), (2, ContextOverflowError("x")), route=route) == Ask(3)
    assert isinstance(move((0, ContextOverflowError("x")), route=route[:2]), GiveUp)
    assert isinstance(move(fault(0), (1, ContextOverflowError("x")), route=route[:2]), GiveUp)


def test_without_permission_there_is_no_fallback() -> None:
    assert isinstance(move((0, TimedOutError("x")), fallback=False), GiveUp)
    assert move(fault(0), fallback=False) == Ask(0, 0.25)
    assert move(fallback=False, standing=Standing(resting={0: 5})) == Await((0,), 5)


LAST = RouteRules(last_resort=frozenset({"c/m"}))


def test_a_last_resort_is_asked_only_when_every_other_candidate_has_failed_for_good() -> None:
    assert move(fault(0, ready=3), fault(1, ready=2), route=APART, rules=LAST) == Ask(1, 2)
    gone = ((0, TimedOutError("x")), (1, NotFoundError("x")))
    assert move(*gone, route=APART, rules=LAST) == Ask(2)
    first = RouteRules(last_resort=frozenset({"a/m"}))
    assert move(route=APART, rules=first) == Ask(1)


def test_the_last_attempt_is_the_last_resorts() -> None:
    tried = (fault(0), fault(1), fault(0))
    assert move(*tried, route=APART, rules=LAST) == Ask(2)
    assert move(*tried, route=APART, rules=LAST, max_attempts=5) == Ask(0, 0.25)


def test_a_last_resort_is_asked_rather_than_waiting_beyond_the_deadline_or_for_an_open_breaker() -> None:
    late = fault(0, ready=500)
    assert move(late, (1, TimedOutError("x")), route=APART, rules=LAST) == Ask(2)
    assert move(route=APART, rules=LAST, standing=Standing(resting={0: 20, 1: 20})) == Ask(2)


def test_no_escalation_goes_to_a_last_resort_nor_to_what_was_rejected() -> None:
    assert move((0, None), route=APART, rules=LAST) == Ask(1)
    assert isinstance(move((0, None), (1, None), route=APART, rules=LAST), GiveUp)
    assert move((0, None), fault(1), route=APART[:2]) == Ask(1, 0.25)


def test_a_last_resort_serves_where_whoever_was_to_better_a_rejected_answer_failed() -> None:
    assert move((0, None), (1, TimedOutError("x")), route=APART, rules=LAST) == Ask(2)
    assert isinstance(move((0, TimedOutError("x")), (1, None), route=APART, rules=LAST), GiveUp)


def test_a_resting_candidate_is_passed_over_and_waited_for_only_when_it_is_the_last() -> None:
    resting = Standing(resting={0: 5})
    assert move(standing=resting) == Ask(1)
    assert move(fault(1), fault(2), standing=resting) == Ask(1, 0.25)
    gone = ((1, TimedOutError("x")), (2, TimedOutError("x")))
    assert move(*gone, standing=resting) == Await((0,), 5)
    assert isinstance(move(*gone, standing=resting, remaining=4), GiveUp)


def test_several_resting_candidates_are_awaited_together_until_the_first_opens() -> None:
    assert move(route=APART, standing=Standing(resting={0: 7, 1: 5, 2: 900})) == Await((1, 0, 2), 5)
    waits_for_a_probe = move(route=APART, standing=Standing(resting={0: -1, 1: 900, 2: 900}))
    assert waits_for_a_probe == Await((0, 1, 2), 900)


def test_a_dead_credential_is_asked_last_and_not_never() -> None:
    assert move(standing=Standing(dead={0, 1})) == Ask(2)
    assert move(fault(2), standing=Standing(dead={0, 1})) == Ask(2, 0.25)
    assert move((2, TimedOutError("x")), standing=Standing(dead={0, 1})) == Ask(0)
    assert move(route=ROUTE[:1], standing=Standing(dead={0})) == Ask(0)


def test_an_only_attempt_waits_for_a_resting_candidate_rather_than_go_to_a_dead_credential() -> None:
    standing = Standing(dead={0}, resting={1: 5})
    assert move(route=APART[:2], standing=standing) == Ask(0)
    assert move(route=APART[:2], standing=standing, max_attempts=1) == Await((1,), 5)
    assert move(route=APART[:2], standing=standing, max_attempts=1, remaining=2) == Ask(0)


_failures = st.builds(
    lambda kind, wait: kind("x", retry_after=wait),
    st.sampled_from(KINDS),
    st.none() | st.floats(min_value=0, max_value=1e6),
)


@given(
    outcomes=st.lists(st.none() | _failures, min_size=1, max_size=60),
    size=st.integers(1, 3),
    policy=st.builds(Policy, max_attempts=st.integers(1, 12), fallback=st.booleans()),
    last_resort=st.frozensets(st.sampled_from([one.id for one in ROUTE])),
    seconds=st.floats(min_value=0, max_value=1e4),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_every_call_ends_within_its_budget_and_its_deadline_and_never_returns_to_what_it_left(
    outcomes: list[ProviderError | None],
    size: int,
    policy: Policy,
    last_resort: frozenset[str],
    seconds: float,
    jitter: float,
) -> None:
    tried: list[Tried] = []
    now = 0.0
    rules = RouteRules(last_resort=last_resort)
    for outcome in outcomes:
        found = next_move(ROUTE[:size], tried, policy, now=now, deadline=seconds, rules=rules)
        if not isinstance(found, Ask):
            assert isinstance(found, GiveUp)
            break
        assert 0 <= found.index < size
        assert found.delay == 0 or 0 <= found.delay < seconds - now
        earlier = [one for one in tried if one.index == found.index]
        if earlier:
            assert earlier[-1].error is not None
            assert earlier[-1].error.retryable
            assert found.delay <= BACKOFF_CAP_S + (earlier[-1].error.retry_after or 0)
            assert now + found.delay >= earlier[-1].ready - 0.002
        else:
            assert found.delay == 0
            assert policy.fallback or found.index == 0
        if ROUTE[found.index].id in last_resort:
            assert not tried or tried[-1].error is not None
        now += found.delay
        wait = 0.0 if outcome is None else pause(tried, found.index, outcome, jitter=jitter)
        tried.append(Tried(found.index, outcome, now + wait))
    assert len(tried) <= policy.max_attempts
