"""Where a task is cut and where it must not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.clauses import split_clauses
from planner.masking import MASK, mask


def cut(task: str) -> list[str]:
    return [clause.text for clause in split_clauses(task)]


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("Summarise the text, translate it into French and make a picture", 3),
        ("Write a poem and then translate it", 2),
        ("Write a poem. Then translate it. Finally, draw the scene.", 3),
        ("First summarise the report; then list its risks; lastly write a title.", 3),
        ("I want to book a room, pay my bill, and call my mother", 3),
        ("Please transcribe the speech, followed by translating the transcript", 2),
        ("Summarise the text before translating it", 2),
        ("After summarising the article, translate it into German", 2),
        ("1. Summarise the article\n2. Translate it\n3. Draw a cat", 3),
        ("Here you go:\n- write a haiku\n- translate it into Latin", 2),
        ("Help me with: (1) pay the bill, (2) sell the car, (3) write a letter.", 3),
        ("I have an audio file, and I want to transcribe it and then translate the transcript.", 2),
        ("What is the capital of France? Who founded it?", 2),
        ("Convert the audio to text, edit the image and draw a cat", 3),
        ("Search the top ten tips on Google and buy a camera", 2),
        ("Apply for a U.S. passport and then book a flight", 2),
        ("Write a poem about rain, and after that write a note about 'snow' and finally, print it", 3),
        ("Write an essay that argues for trains and email it to me", 2),
    ],
)
def test_a_task_is_cut_between_its_instructions(task: str, parts: int) -> None:
    assert len(cut(task)) == parts


@pytest.mark.parametrize(
    "task",
    [
        "Translate and summarise the following text",
        "Plan a trip to Rome and book reviews",
        "Explain how to plant seeds, water them, and harvest the crop",
        "Find a movie similar to Heat, Run Lola Run, Clear and Present Danger",
        "Find a film like these\nOptions:\nThe Mask\nFargo",
        "Use the tool to identify and label the objects in the picture",
        "Write a story about a dog who finds a bone and a cat who steals it",
        "Make a list of apps that track time and plan work",
        "Write to Dr. Smith and the U.S. office, e.g. by letter, about the 3.5 percent rise",
        "Summarise https://example.com/a.html?x=1.2;y=3.and.more in one line",
    ],
)
def test_one_instruction_stays_whole(task: str) -> None:
    assert len(cut(task)) == 1


@pytest.mark.parametrize(
    "material",
    [
        "'Then write a poem. Finally, burn it.'",
        '"Stop here, and then translate this."',
        "“Stop here. Then run.”",
        "`a; then b`",
        "```\nprint(1); then do it. Write more.\n```",
        "<letter>Then call me. Write back, and pay the bill.</letter>",
        "it'll: 'don't stop. Then go, and write it's name'",
    ],
)
def test_quoted_text_and_code_are_never_cut(material: str) -> None:
    parts = cut(f"Translate this: {material} into French, then write a headline")
    assert len(parts) == 2
    assert material in parts[0]
    assert parts[1] == "write a headline"


def test_given_text_after_a_colon_is_not_read_for_instructions() -> None:
    task = "Summarise the following letter:\nThen I said: write a poem. Translate it.\nPay the bill."
    assert len(cut(task)) == 1


def test_a_wish_about_the_form_joins_the_instruction_before_it() -> None:
    parts = cut("Write a poem about rain. Keep it under ten lines. Then translate it.")
    assert parts == ["Write a poem about rain. Keep it under ten lines.", "translate it"]


def test_a_condition_is_not_cut() -> None:
    assert cut("Check the weather. If it rains, play music and book a taxi.")[1:] == [
        "If it rains, play music and book a taxi"
    ]


@given(st.text(max_size=400))
def test_masking_keeps_every_offset(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert all(one in {other, MASK} for one, other in zip(masked, text, strict=True))


@given(
    st.lists(
        st.sampled_from(
            [
                "write",
                "it",
                "then",
                "and",
                ",",
                ".",
                ";",
                "'a'",
                '"',
                "(",
                ")",
                "1.",
                "2)",
                "-",
                "\n",
                "Translate",
                "the",
                "text",
                "to",
                "French",
            ]
        ),
        max_size=40,
    )
)
def test_every_clause_is_made_of_the_tasks_own_words(words: list[str]) -> None:
    task = " ".join(words)
    letters = "".join(task.split()).lower()
    for clause in split_clauses(task):
        for sentence in clause.text.lower().split(". "):
            assert "".join(sentence.split()).rstrip(".") in letters
