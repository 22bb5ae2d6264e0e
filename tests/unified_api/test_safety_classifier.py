"""The local classifier: what it promises of itself, and that its figures are those that the page states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus import ROOT, needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from safety_corpus import CATEGORIES, Labelled, alarms, counts, divided, in_pieces, measured, ordinary

from unified_api.safety.classifier import Classifier, packed_classifier
from unified_api.settings import SafetySettings, Settings
from unified_api.settings.safety import LOCAL_CATEGORIES
from unified_api.testing import scripted_gateway
from unified_api.types import Message, Request

REPOSITORY = Path(__file__).parents[2]
WEIGHTS = REPOSITORY / "unified_api" / "safety" / "classifier.weights"
PAGE = (REPOSITORY / "docs" / "safety.md").read_text("utf-8")


def test_it_knows_the_categories_that_the_settings_offer() -> None:
    assert packed_classifier().categories == LOCAL_CATEGORIES == CATEGORIES
    assert set(packed_classifier().thresholds) == set(CATEGORIES)


def test_its_weights_are_small_and_hold_no_words() -> None:
    import zlib

    assert WEIGHTS.stat().st_size <= 300_000
    _, _, tables = zlib.decompress(WEIGHTS.read_bytes()).partition(b"\n")
    assert re.search(rb"[a-z]{7}", tables) is None


@given(st.text(max_size=300))
def test_any_text_has_scores_from_zero_to_one_and_always_the_same(text: str) -> None:
    scores = packed_classifier().scores(text)
    assert set(scores) == set(CATEGORIES)
    assert all(0 <= score <= 1 for score in scores.values())
    assert packed_classifier().scores(text) == scores


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "x" * 10_000])
def test_a_text_without_words_is_safe(text: str) -> None:
    assert set(packed_classifier().scores(text).values()) == {0.0}


def test_what_it_remembers_of_words_changes_no_score() -> None:
    text = "The tide comes in twice a day because the moon pulls at the sea."
    fresh = Classifier(WEIGHTS.read_bytes())
    first = fresh.scores(text)
    for number in range(30_000):  # more words than it remembers
        fresh.scores(f"word{number}")
    assert fresh.scores(text) == first
    assert len(fresh._seen) <= 20_000


async def test_a_verdict_says_that_it_is_a_demonstration() -> None:
    table = SafetySettings(thresholds={"violence": 0.0}, categories=("violence",))
    gateway = scripted_gateway({"a/writer": "The tide comes in"}, settings=Settings(safety=table))
    answer = await gateway.chat(Request(model="a/writer", messages=(Message.user("?"),)))
    (note,) = (one for one in answer.attempts if one.model == "safety")
    assert re.fullmatch(r"withheld: violence 0\.\d\d, by the local classifier \(demo quality\)", note.message or "")
    assert "demo quality" in (answer.refusal or "")


@needs_corpora
def test_no_text_is_both_learned_from_and_held_out() -> None:
    for learned, held_out in (divided(ROOT), ordinary(ROOT)):
        assert len(learned) > 500
        assert len(held_out) > 500
        assert not {one.text for one in learned} & {one.text for one in held_out}


@needs_corpora
def test_what_nobody_labelled_is_unknown() -> None:
    texts = [one for part in divided(ROOT) for one in part]
    unlabelled = [one for one in texts if None in one.labels.values()]
    assert len(unlabelled) > 500
    judged = counts(lambda _: dict.fromkeys(CATEGORIES, 0.0), packed_classifier().thresholds, unlabelled)
    known = sum(one.labels["hate"] is not None for one in unlabelled)
    assert judged["hate"].missed + judged["hate"].rightly_silent == known


@needs_corpora
def test_the_page_states_the_figures_of_the_held_out_texts_and_no_others() -> None:
    classifier = packed_classifier()
    scores = in_pieces(classifier.scores)
    _, held_out = divided(ROOT)
    for line in measured(scores, classifier.thresholds, held_out):
        found = re.fullmatch(
            r"(\S+) +precision (\S+) \((.*) alarms\), recall (\S+) \((.*) unsafe texts\), \d+ safe", line
        )
        assert found is not None
        row = f"| {found[1]} | {found[2]} | {found[3]} | {found[4]} | {found[5]} |"
        assert row in PAGE
    calm = [one.text for one in ordinary(ROOT)[1]]
    assert f"{alarms(scores, classifier.thresholds, calm)} of {len(calm)}" in PAGE


@needs_corpora
def test_it_is_better_than_chance_on_texts_that_it_has_not_learned_from() -> None:
    classifier = packed_classifier()
    _, held_out = divided(ROOT)

    def fair(texts: list[Labelled]) -> float:
        return counts(in_pieces(classifier.scores), classifier.thresholds, texts)["any"].recall

    unsafe = [one for one in held_out if one.unsafe]
    calm = counts(in_pieces(classifier.scores), classifier.thresholds, [o for o in held_out if o.unsafe is False])
    assert fair(unsafe) > calm["any"].alarm_rate + 0.25
