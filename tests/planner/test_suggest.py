"""A ready workflow is suggested where it does just what is asked, and hardly ever where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from corpus import needs_corpora, rows
from jsonschema import Draft202012Validator

from planner.profiles import PROFILES
from planner.suggest import STRONG, Suggestion, suggest
from workflows import library

CODE = "def f(x):\n    return eval(x)"
REPORT = "The council met and decided about trees. " * 150
TASKS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "Research the effect of heat pumps on household energy costs and write a brief",
        "research-brief",
        {"topic": "the effect of heat pumps on household energy costs"},
    ),
    ("Write a research report on microplastics", "research-brief", {"topic": "microplastics"}),
    ("Explain how tides work and draw a captioned picture", "illustrated-answer",
     {"request": "Explain how tides work and draw a captioned picture"}),
    ("Translate 'We meet on Monday at nine.' into German and check the translation", "translate-and-review",
     {"text": "We meet on Monday at nine.", "language": "German"}),
    ('Translate "The shop is closed on Sundays." to Brazilian Portuguese, then review the translation',
     "translate-and-review", {"text": "The shop is closed on Sundays.", "language": "Brazilian Portuguese"}),
    ("Extract the invoice number, date and total from this text as JSON: 'Invoice 4711 of 3 May, 99 EUR'",
     "extract-to-json",
     {"text": "Invoice 4711 of 3 May, 99 EUR", "fields": ["invoice number", "date", "total"]}),
    ('Ask two models "Why is the night sky dark?" and judge which answer is better', "compare-and-judge",
     {"question": "Why is the night sky dark?"}),
    (f"Summarize this long report:\n{REPORT}", "long-document-summary", {"text": REPORT.strip()}),
    (f"Review this code:\n```python\n{CODE}\n```", "code-review", {"code": CODE, "language": "python"}),
    ("Write a toast for Ann's wedding, critique it and revise it", "draft-critique-revise",
     {"task": "Write a toast for Ann's wedding"}),
    ('Turn these meeting notes into action items: "Ann sends the offer, Bob asks who pays"',
     "meeting-notes-to-actions", {"notes": "Ann sends the offer, Bob asks who pays"}),
    ("Write a reply to this customer's message: 'I was charged twice and want my money back.'",
     "support-reply-triage", {"message": "I was charged twice and want my money back."}),
]  # fmt: skip


@pytest.mark.parametrize(("task", "name", "inputs"), TASKS)
async def test_a_task_that_a_ready_workflow_does_is_given_it_with_its_inputs(
    task: str, name: str, inputs: dict[str, Any]
) -> None:
    found = await suggest(task)
    assert found == Suggestion(name=name, inputs=inputs, missing=(), score=1.0)
    for key, value in inputs.items():
        Draft202012Validator(library.load(name).inputs[key]).validate(value)


def test_every_ready_workflow_can_be_suggested() -> None:
    assert set(PROFILES) == set(library.names()) == {name for _, name, _ in TASKS}


@pytest.mark.parametrize(
    "task",
    [
        "",
        "Explain why the sky is blue",
        "Translate 'Good morning, everybody.' into French",
        "Summarise this short note: 'We meet at nine.'",
        "Write a poem about code reviews",
        "Extract the text from the image",
        "Translate 'We meet on Monday at nine.' into German, check the translation and book a table",
        "Write a draft, criticise it, revise it and send it to my boss",
        "Review this code:\n```python\nx = 1\n```\nThen write a poem about it and draw a cat",
        "Research the history of video and make a video report about it",
        "写一份研究报告",
        "x" * 200_000,
    ],
)
async def test_a_task_that_asks_for_less_or_more_or_something_else_is_given_none(task: str) -> None:
    assert await suggest(task) is None


async def test_inputs_that_are_not_certain_are_named_and_not_guessed() -> None:
    found = await suggest("Translate my letter into German and check the translation")
    assert found is not None
    assert found.inputs == {"language": "German"}
    assert found.missing == ("text",)
    two = await suggest("Translate 'We meet on Monday.' into German and into French and check the translation")
    assert two is not None
    assert "language" in two.missing


@pytest.mark.parametrize(("cosine", "given"), [(STRONG + 0.01, True), (STRONG - 0.01, False)])
async def test_meaning_must_confirm_the_words_where_it_is_known(cosine: float, given: bool) -> None:
    asked: list[Sequence[str]] = []

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.append(texts)
        rest = (1 - cosine**2) ** 0.5
        return [[1.0, 0.0]] + [[cosine, rest]] * (len(texts) - 1)

    found = await suggest(TASKS[0][0], embed=embed)
    assert (found is not None) == given
    assert "heat pumps" not in asked[0][0], "the subject would drown the meaning"


async def test_embeddings_are_not_asked_for_without_a_match_by_words() -> None:
    async def embed(texts: Sequence[str]) -> list[list[float]]:
        raise AssertionError(texts)

    assert await suggest("Explain why the sky is blue", embed=embed) is None


@needs_corpora
async def test_among_thousands_of_tasks_that_no_ready_workflow_does_hardly_one_is_given_any() -> None:
    tasks = [row.get("user_request") or row["question"] for row in rows("plans/requests_*.jsonl")][::3]
    found = [task for task in tasks if await suggest(task) is not None]
    assert len(tasks) > 3_000
    assert len(found) <= len(tasks) / 1_000
