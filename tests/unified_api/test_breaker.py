"""The circuit breaker, held against a simple model of it that remembers everything."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from unified_api.routing.breaker import Breaker, Limits, Ticket
from unified_api.routing.breakers import Breakers
from unified_api.routing.refusals import Refusals

LIMITS = Limits(failures=3, window_s=60, cooldown_s=30, cooldown_cap_s=100, failure_ratio=0.5, least_calls=6)


def opened(*, now: float = 0.0, limits: Limits = LIMITS) -> Breaker:
    breaker = Breaker(limits)
    for _ in range(limits.failures):
        breaker.failed(admitted(breaker, now), "rate_limit", now)
    assert breaker.state(now) == "open"
    return breaker


def admitted(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def test_three_rate_limits_within_the_window_open_it() -> None:
    breaker = Breaker(LIMITS)
    for now in (0.0, 30.0, 59.0):
        assert breaker.state(now) == "closed"
        breaker.failed(admitted(breaker, now), "rate_limit", now)
    assert breaker.state(59.0) == "open"
    assert breaker.cause == "3 answers of 429 within 60 s"
    assert breaker.admit(88.9) is None
    assert breaker.admit(89.0) is not None


def test_the_window_slides() -> None:
    breaker = Breaker(LIMITS)
    for now in (0.0, 30.0, 61.0, 95.0, 125.0):
        breaker.failed(admitted(breaker, now), "rate_limit", now)
        assert breaker.state(now) == "closed"
    breaker.failed(admitted(breaker, 126), "rate_limit", 126)
    assert breaker.state(126) == "open"


def test_successes_between_do_not_excuse_rate_limits() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(3):
        for _ in range(20):
            breaker.succeeded(admitted(breaker, 1), 1)
        breaker.failed(admitted(breaker, 1), "rate_limit", 1)
    assert breaker.state(1) == "open"


def test_the_ratio_of_faults_counts_from_the_least_number_of_calls_on() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(5):
        breaker.failed(admitted(breaker, 1), "fault", 1)
        assert breaker.state(1) == "closed"
    breaker.failed(admitted(breaker, 1), "fault", 1)
    assert breaker.state(1) == "open"
    assert breaker.cause == "6 of 6 calls failed"
    good = Breaker(LIMITS)
    for _ in range(13):
        good.succeeded(admitted(good, 1), 1)
    for _ in range(12):
        good.failed(admitted(good, 1), "fault", 1)
    assert good.state(1) == "closed"
    good.failed(admitted(good, 61.5), "fault", 61.5)
    assert good.state(61.5) == "closed"  # the others are too long ago


@pytest.mark.parametrize(("asked", "until"), [(None, 30), (10, 30), (50, 50), (1e9, 86_400), (-5, 30)])
def test_it_is_open_for_the_longer_of_cooldown_and_retry_after(asked: float | None, until: float) -> None:
    breaker = Breaker(LIMITS)
    for _ in range(3):
        breaker.failed(admitted(breaker, 0), "rate_limit", 0, retry_after=asked)
    assert breaker.reopens(0) == until


def test_a_later_deadline_extends_and_a_shorter_one_never_shortens() -> None:
    breaker = Breaker(LIMITS)
    late = [admitted(breaker, 0) for _ in range(3)]
    breaker.failed(admitted(breaker, 0), "rate_limit", 0, retry_after=80)
    for _ in range(2):
        breaker.failed(admitted(breaker, 0), "rate_limit", 0, retry_after=1)
    assert breaker.reopens(0) == 80
    breaker.failed(late[0], "rate_limit", 10, retry_after=5)
    assert breaker.reopens(10) == 80
    breaker.failed(late[1], "rate_limit", 10, retry_after=90)
    assert breaker.reopens(10) == 100
    breaker.failed(late[2], "fault", 10)
    assert breaker.reopens(10) == 100


def test_one_probe_is_let_through_and_its_success_closes_and_clears() -> None:
    breaker = opened()
    assert breaker.state(30) == "half_open"
    probe = admitted(breaker, 30)
    assert [breaker.admit(30) for _ in range(50)] == [None] * 50
    breaker.succeeded(probe, 31)
    assert breaker.state(31) == "closed"
    for _ in range(2):
        breaker.failed(admitted(breaker, 31), "rate_limit", 31)
    assert breaker.state(31) == "closed"


def test_a_failed_probe_doubles_the_cooldown_up_to_the_cap_and_a_success_takes_it_back() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(4):
        now += (breaker.reopens(now) or now) - now
        breaker.failed(admitted(breaker, now), "fault", now)
        waits.append((breaker.reopens(now) or 0) - now)
    assert waits == [60, 100, 100, 100]
    now += 100
    breaker.succeeded(admitted(breaker, now), now)
    for _ in range(3):
        breaker.failed(admitted(breaker, now), "rate_limit", now)
    assert breaker.reopens(now) == now + 30


def test_a_cancelled_probe_does_neither_and_lets_the_next_one_through() -> None:
    breaker = opened()
    breaker.let_go(admitted(breaker, 30))
    assert breaker.state(30) == "half_open"
    breaker.failed(admitted(breaker, 30), "fault", 30)
    assert breaker.reopens(30) == 90


def test_a_late_answer_neither_closes_nor_reopens_it() -> None:
    breaker = Breaker(LIMITS)
    late = [admitted(breaker, 0) for _ in range(60)]
    for _ in range(3):
        breaker.failed(admitted(breaker, 0), "rate_limit", 0)
    breaker.succeeded(late.pop(), 1)
    breaker.answered(late.pop())
    assert breaker.state(1) == "open"
    for _ in range(10):
        breaker.failed(late.pop(), "rate_limit", 31, retry_after=500)
    assert breaker.state(31) == "half_open"
    breaker.succeeded(admitted(breaker, 31), 31)
    for _ in range(20):
        breaker.failed(late.pop(), "rate_limit", 32, retry_after=500)
    assert breaker.state(32) == "closed"


def test_a_streams_first_content_closes_it_and_a_break_afterwards_counts() -> None:
    breaker = opened()
    probe = admitted(breaker, 30)
    breaker.answered(probe)
    assert breaker.state(30) == "closed"
    breaker.failed(probe, "fault", 31)
    for _ in range(4):
        breaker.failed(admitted(breaker, 31), "fault", 31)
    assert breaker.state(31) == "closed"
    breaker.failed(admitted(breaker, 31), "fault", 31)
    assert breaker.state(31) == "open"


def test_a_call_counts_once_however_often_its_end_is_told() -> None:
    breaker = Breaker(LIMITS)
    one = admitted(breaker, 0)
    for _ in range(10):
        breaker.failed(one, "rate_limit", 0)
        breaker.failed(one, "fault", 0)
    assert breaker.state(0) == "closed"


@given(falls=st.lists(st.floats(min_value=0.1, max_value=1e9), min_size=1, max_size=5))
def test_a_clock_that_falls_does_not_prolong_the_rest(falls: list[float]) -> None:
    now = 1e9
    breaker = opened(now=now)
    for fall in falls:
        now -= fall
        assert breaker.state(now) == "open"
        assert (breaker.reopens(now) or 0) - now == pytest.approx(30, abs=1e-3)
    assert breaker.admit(now + 30.01) is not None


@dataclass
class Model:
    """The rules as they are written, with nothing forgotten: `age` only grows, whatever the clock does."""

    age: float = 0.0
    era: int = 0
    until: float | None = None
    probe: int | None = None
    failed_probes: int = 0
    limited: list[float] = field(default_factory=list)
    calls: list[tuple[float, bool]] = field(default_factory=list)
    hints: list[float] = field(default_factory=list)

    def lets_through(self) -> bool:
        return self.until is None or (self.age >= self.until and self.probe is None)

    def clear(self) -> None:
        self.until = self.probe = None
        self.limited, self.calls, self.hints, self.failed_probes = [], [], [], 0

    def open(self) -> None:
        cooldown = min(LIMITS.cooldown_s * 2**self.failed_probes, LIMITS.cooldown_cap_s)
        self.until = max([self.age + cooldown, *self.hints])
        self.era += 1
        self.probe = None
        self.limited, self.calls = [], []

    def must_open(self) -> bool:
        recent = [at for at in self.limited if at > self.age - LIMITS.window_s]
        calls = [fault for at, fault in self.calls if at > self.age - LIMITS.window_s]
        enough = len(calls) >= LIMITS.least_calls and sum(calls) > 0
        return len(recent) >= LIMITS.failures or (enough and sum(calls) / len(calls) >= LIMITS.failure_ratio)


@settings(max_examples=150, stateful_step_count=60)
class BreakerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(LIMITS)
        self.model = Model()
        self.offset = 1_000_000.0
        self.open: list[tuple[int, int, Ticket]] = []
        self.numbers = 0

    @property
    def now(self) -> float:
        return self.model.age + self.offset

    @rule(seconds=st.sampled_from([0, 1, 7, 30, 31, 59, 60, 100]))
    def time_passes(self, seconds: float) -> None:
        self.model.age += seconds

    @rule(seconds=st.integers(1, 500))
    def the_clock_falls(self, seconds: int) -> None:
        self.breaker.state(self.now)
        self.offset -= seconds
        self.breaker.state(self.now)

    @rule(times=st.integers(1, 4))
    def calls_begin(self, times: int) -> None:
        for _ in range(times):
            expected = self.model.lets_through()
            ticket = self.breaker.admit(self.now)
            assert (ticket is not None) is expected
            if ticket is None:
                continue
            self.numbers += 1
            self.open.append((self.numbers, self.model.era, ticket))
            if self.model.until is not None:
                self.model.probe = self.numbers

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def a_call_succeeds(self, data: st.DataObject) -> None:
        number, era, ticket = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.breaker.succeeded(ticket, self.now)
        model = self.model
        if number == model.probe:
            model.clear()
        if model.until is None and era == model.era:
            model.calls.append((model.age, False))
            model.hints = []

    @precondition(lambda self: self.open)
    @rule(data=st.data(), kind=st.sampled_from(["rate_limit", "fault"]), asked=st.sampled_from([None, 0, 5, 45, 90]))
    def a_call_fails(self, data: st.DataObject, kind: str, asked: float | None) -> None:
        number, era, ticket = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.breaker.failed(ticket, kind, self.now, retry_after=asked)
        model = self.model
        if number == model.probe:
            model.failed_probes += 1
            model.hints.append(model.age + (asked or 0))
            model.open()
        elif model.until is not None:
            if asked and model.age < model.until:
                model.until = max(model.until, model.age + asked)
        elif era == model.era:
            model.hints.append(model.age + (asked or 0))
            model.calls.append((model.age, kind == "fault"))
            model.limited += [model.age] if kind == "rate_limit" else []
            if model.must_open():
                model.open()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def a_call_is_cancelled(self, data: st.DataObject) -> None:
        number, _, ticket = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.breaker.let_go(ticket)
        if number == self.model.probe:
            self.model.probe = None

    @invariant()
    def they_agree(self) -> None:
        model, now = self.model, self.now
        state = "closed" if model.until is None else "open" if model.age < model.until else "half_open"
        assert self.breaker.state(now) == state
        expected = None if model.lets_through() else model.until
        found = self.breaker.reopens(now)
        assert (None if found is None else found - now) == (None if expected is None else expected - model.age)


TestBreaker = BreakerMachine.TestCase


def test_only_the_breakers_used_last_are_remembered_and_open_ones_longest() -> None:
    breakers: Breakers[int] = Breakers(LIMITS, kept=3)
    first = breakers.of(1)
    for _ in range(3):
        first.failed(admitted(first, 0), "rate_limit", 0)
    assert breakers.file(1, first) is None
    for key in range(2, 500):
        breakers.of(key)
        if key % 2:
            breakers.of(2)
    assert len(breakers) == 4
    assert breakers.tripped(1) is first
    assert {key for key, _ in breakers} >= {1, 2, 499}


def test_of_too_many_open_breakers_the_oldest_is_forgotten() -> None:
    breakers: Breakers[int] = Breakers(LIMITS, kept=2)
    forgotten = []
    for key in range(4):
        one = breakers.of(key)
        for _ in range(3):
            one.failed(admitted(one, 0), "rate_limit", 0)
        forgotten.append(breakers.file(key, one))
    assert forgotten == [None, None, 0, 1]
    assert breakers.of(0).is_closed


def test_a_refusal_counts_for_its_time_or_until_a_later_success() -> None:
    refusals: Refusals[str] = Refusals(100)
    refusals.refuse("k", "its key was refused", 10)
    assert refusals.words("k", 109) == "its key was refused"
    refusals.revive("k", 9)
    assert refusals.words("k", 109)
    refusals.revive("k", 10)
    assert refusals.words("k", 109) is None
    refusals.refuse("k", "again", 10)
    assert refusals.words("k", 110) is None
    refusals.refuse("k", "again", 10)
    assert refusals.words("k", 5) is None  # the clock fell
