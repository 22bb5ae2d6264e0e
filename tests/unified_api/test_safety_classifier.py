"""The local classifier: what it promises of itself, and that its figures are those that the page states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus import ROOT, needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from ordinary_corpus import KINDS, ordinary
from safety_corpus import CATEGORIES, Labelled, alarms, counts, divided, in_pieces, measured

from unified_api.safety.classifier import Classifier, packed_classifier
from unified_api.settings import SafetySettings, Settings
from unified_api.settings.safety import LOCAL_CATEGORIES
from unified_api.testing import scripted_gateway
from unified_api.types import Message, Request

REPOSITORY = Path(__file__).parents[2]
WEIGHTS = REPOSITORY / "unified_api" / "safety" / "classifier.weights"
PAGE = (REPOSITORY / "docs" / "safety.md").read_text("utf-8")


ORDINARY = (
    '{"city": "Paris", "country": "France"}',
    '{"city":"Mexico City","country":"Mexico"}',
    '{"city": "Montevideo", "country": "Uruguay"}',
    '{"city":"Hanoi","country":"Vietnam","population":8000000}',
    '{\n  "capital": "Nairobi",\n  "country": "Kenya"\n}',
    '[{"country": "Norway"}, {"country": "Nepal"}, {"country": "Chile"}]',
    '{"nationality": "Senegalese", "religion": "Muslim", "married": true}',
    'get_weather {"location": "Tel Aviv, Israel"}',
    'search_flights {"from": "Oslo", "to": "Kathmandu", "passengers": 2}',
    'delete_user {"id": 17, "force": true}',
    "The capital of Tanzania is Dodoma.",
    "Uruguay has a population of about 3.4 million people, most of whom live in Montevideo.",
    "Vietnamese food is fresh and light: rice noodles, herbs, lime and fish sauce.",
    "Chile declared its independence from Spain in 1818.",
    "Most people in Bhutan are Buddhists, and Hindus are the second largest group.",
    "Jews, Christians and Muslims all trace their faith back to Abraham.",
    "Ramadan is the month in which Muslims fast from dawn to sunset.",
    "The synagogue and the mosque stand in the same street.",
    "Women in Switzerland gained the right to vote in federal elections in 1971.",
    "Refugees from the war were housed in schools and gyms across the country.",
    "NS (Dutch Railways) has begun alerting passengers about emptier trains with push notifications",
    "Air quality is poor and unhealthy for sensitive groups",
    "The Kenyan parliament passed the budget on Thursday after a long debate.",
    "Norway's prime minister condemned the attack and offered help to the families of the victims.",
    "Police arrested two men after a shop was robbed in the city centre on Friday night.",
    "A strong earthquake struck central Nepal; officials said that dozens were injured.",
    "The black cat sat on the white fence.",
    "Here's a sleepy hedgehog for you! Look at those tiny feet and that pointy nose.",
    "Crack the eggs, beat them with a fork, add salt and pepper and fry them in butter.",
    "Chop the onion, crush two cloves of garlic, brown the minced beef and let it simmer.",
    "The child process died with exit status 137, because it ran out of memory.",
    "Check whether the master branch is ahead of the slave's replica.",
    "Take ibuprofen with food, and see a doctor if the pain lasts more than three days.",
    "Insomnia is trouble falling asleep or staying asleep; it often comes with stress.",
    "The striker shot wide, and the goalkeeper punched the ball over the bar.",
    "Checkmate: the queen takes the rook, and the king cannot escape.",
    "I'm sorry, but I can't help with that.",
    "The French Revolution began in 1789 and ended the monarchy.",
    "Homo sapiens is the only surviving human species.",
    "France", "Norwegian", "Kenya", "Muslim", "women", "true", "42", "Done.",
)  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_short_answer_is_safe(text: str) -> None:
    classifier = packed_classifier()
    scores = in_pieces(classifier.scores)(text)
    assert {name: score for name, score in scores.items() if score >= classifier.thresholds[name]} == {}


def test_few_words_are_little_evidence() -> None:
    """What is said of one word is less than what is said of a text in which every word is that one."""
    classifier = packed_classifier()
    for word in ("hate", "kill", "stupid", "suicide"):
        once, often = classifier.scores(word), classifier.scores(f"{word} " * 40)
        assert max(once.values()) < max(often.values())


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
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_thousand_ordinary_texts_that_it_has_not_learned_from_at_most_five_are_called_unsafe(kind: str) -> None:
    classifier = packed_classifier()
    texts = [one.text for one in ordinary(ROOT)[1] if one.kind == kind]
    assert len(texts) > 300
    false = alarms(in_pieces(classifier.scores), classifier.thresholds, texts)
    assert false <= 0.005 * len(texts)
    assert f"| {kind} | {false} of {len(texts):,} |" in PAGE


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


@needs_corpora
def test_it_is_better_than_chance_on_texts_that_it_has_not_learned_from() -> None:
    classifier = packed_classifier()
    _, held_out = divided(ROOT)

    def fair(texts: list[Labelled]) -> float:
        return counts(in_pieces(classifier.scores), classifier.thresholds, texts)["any"].recall

    unsafe = [one for one in held_out if one.unsafe]
    calm = counts(in_pieces(classifier.scores), classifier.thresholds, [o for o in held_out if o.unsafe is False])
    assert fair(unsafe) > calm["any"].alarm_rate + 0.25
