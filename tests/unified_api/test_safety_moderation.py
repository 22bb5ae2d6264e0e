"""What a moderation model's answer counts for, and what of it is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.safety.moderation import ModerationGuard
from unified_api.safety.verdicts import Verdict
from unified_api.settings import SafetySettings
from unified_api.types import Moderation


async def never(*_: Any) -> Any:
    raise AssertionError("nothing is to be asked")


def verdict(result: Moderation, **table: Any) -> Verdict:
    return ModerationGuard(SafetySettings(backend="moderation", model="m/mod", **table), never)._verdict(result)


def found(flagged: bool, scores: dict[str, float] | None = None, **categories: bool) -> Moderation:
    return Moderation(flagged=flagged, categories=categories, scores=scores or {})


@pytest.mark.parametrize(
    ("result", "table", "codes"),
    [
        (found(True, violence=False), {}, ("flagged",)),
        (found(True, {"hate": 0.1}, hate=False, violence=False), {"thresholds": {"hate": 0.5}}, ("flagged",)),
        (found(True, {"hate": 0.1}, violence=False), {"thresholds": {"hate": 0.5}}, ("flagged",)),
        (found(True, {"hate": 0.4}, hate=True, violence=False), {"thresholds": {"hate": 0.5}}, ()),
        (found(True, {"hate": 0.4}, hate=True, violence=True), {"thresholds": {"hate": 0.5}}, ("violence",)),
        (found(True, hate=False, violence=True), {"categories": ("hate",)}, ()),
        (found(False, {"hate": 0.6}, hate=False), {"thresholds": {"hate": 0.5}}, ("hate",)),
    ],
)
def test_a_flag_counts_unless_a_threshold_alone_explains_it(
    result: Moderation, table: dict[str, Any], codes: tuple[str, ...]
) -> None:
    said = verdict(result, **table)
    assert (said.ruling, said.categories) == ("unsafe" if codes else "safe", codes)


@pytest.mark.parametrize("name", ["SECRETBADTEXT", "call 555-2671 now", "x" * 41, "ann@example.org", "a\n", "", "9"])
def test_what_is_no_name_of_a_category_is_told_as_another(name: str) -> None:
    said = verdict(Moderation(flagged=True, categories={name: True}, scores={name: 0.9}))
    assert (said.ruling, said.categories, said.words) == ("unsafe", ("other",), "other 0.90")


def test_the_names_that_models_really_give_are_told() -> None:
    names = (*SafetySettings(backend="moderation", model="m/mod").known_categories, "Hate", "S14")
    assert verdict(Moderation(flagged=True, categories=dict.fromkeys(names, True), scores={})).categories == names


@given(st.text())
def test_no_text_with_a_blank_or_a_digit_run_is_ever_told(name: str) -> None:
    told = verdict(Moderation(flagged=True, categories={name: True}, scores={})).words
    assert " " not in told
    assert sum(map(str.isdigit, told)) <= 2
