from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from unified_api.routing.latency import Latencies


def test_nothing_is_known_of_what_was_never_asked() -> None:
    assert Latencies().percentile("a/m", 0.95, 0) is None


def test_a_percentile_is_one_of_the_latest_answers() -> None:
    latencies = Latencies()
    for seconds in (3.0, 1.0, 2.0, 4.0):
        latencies.add("a/m", seconds, 0)
    assert [latencies.percentile("a/m", share, 0) for share in (0, 0.25, 0.5, 0.51, 0.95, 1)] == [1, 1, 2, 3, 4, 4]


def test_whole_answers_and_first_contents_are_kept_apart() -> None:
    latencies = Latencies()
    latencies.add("a/m", 9, 0)
    latencies.add("a/m", 1, 0, kind="first_content")
    latencies.add("b/m", 5, 0)
    assert latencies.percentile("a/m", 0.5, 0) == 9
    assert latencies.percentile("a/m", 0.5, 0, kind="first_content") == 1


def test_too_few_answers_say_nothing() -> None:
    latencies = Latencies()
    for _ in range(4):
        latencies.add("a/m", 1, 0)
    assert latencies.percentile("a/m", 0.5, 0, least=5) is None
    assert latencies.percentile("a/m", 0.5, 0, least=4) == 1


def test_answers_age_out() -> None:
    latencies = Latencies(window_s=100)
    latencies.add("a/m", 9, 0)
    latencies.add("a/m", 1, 60)
    assert latencies.percentile("a/m", 1, 99) == 9
    assert latencies.percentile("a/m", 1, 100) == 1
    assert latencies.percentile("a/m", 1, 160) is None


def test_what_is_kept_is_bounded_and_the_latest() -> None:
    latencies = Latencies(kept=10, deployments=3)
    for number in range(1000):
        latencies.add("a/m", number, 0)
    assert latencies.percentile("a/m", 0, 0) == 990
    for name in "bcd":
        latencies.add(f"{name}/m", 1, 0)
    assert latencies.percentile("a/m", 0, 0) is None


def test_a_clock_that_falls_keeps_nothing_for_ever() -> None:
    latencies = Latencies(window_s=100)
    latencies.add("a/m", 9, 1_000_000)
    assert latencies.percentile("a/m", 1, 5) == 9
    assert latencies.percentile("a/m", 1, 105) is None


@given(
    heard=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 100)), max_size=40),
    share=st.floats(0, 1),
    later=st.floats(0, 120),
)
def test_it_is_the_percentile_of_what_the_window_holds(
    heard: list[tuple[float, float]], share: float, later: float
) -> None:
    latencies = Latencies(window_s=100, kept=20)
    now, every = 0.0, []
    for passed, seconds in heard:
        now += passed
        latencies.add("a/m", seconds, now)
        every.append((now, seconds))
    now += later
    known = sorted(seconds for at, seconds in every[-20:] if at > now - 100)
    expected = known[max(ceil(share * len(known)), 1) - 1] if known else None
    assert latencies.percentile("a/m", share, now) == expected
