"""No word of a task is lost between the parts of its plan, and what stands for the whole reaches every part."""

from __future__ import annotations

import random
import re

import pytest
from corpus import needs_corpora, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.lexicon import BASE_OF, word_set
from planner.remainder import FILLERS, LONG
from planner.rules import decompose
from workflows.model import ImageStep, LlmStep

FRAMES = FILLERS | word_set(
    "user don t forget make sure must should may might intend hoping try require planning plan going looking trying "
    "interested simply love concurrently done finished complete eventually say completed ready "
    "take care handle accomplish these"
)
"""Words with which one asks and orders; the plan's edges and steps stand for them."""
WORD = re.compile(r"[^\W_]+")


def prompts(task: str) -> list[str]:
    """What each step that the task asks for is told of its own, beside the whole task in its system message."""
    made = decompose(task)
    told = []
    for step in made.workflow.steps:
        assert isinstance(step, LlmStep | ImageStep)
        alone = isinstance(step, ImageStep) or len(made.workflow.steps) == 1
        prompt = step.prompt.replace("{{ inputs.task }}", task if alone else "")
        for name, value in made.inputs.items():
            prompt = prompt.replace(f"{{{{ inputs.{name} }}}}", str(value))
        if step.id in str(made.workflow.outputs):
            told.append(re.sub(r'Result of ".*?":\n\{\{.*?\}\}', "", prompt, flags=re.DOTALL))
    return told


def lost(task: str) -> set[str]:
    """The words of the task that reach no step."""
    told = set(WORD.findall(" ".join(prompts(task)).lower()))
    return {
        word
        for word in WORD.findall(task.lower())
        if word not in told
        and BASE_OF.get(word) not in told
        and word not in FRAMES
        and not re.fullmatch(r"\d\d?", word)
    }


PIECES = [
    *("write a poem about {}", "draft a letter to {}", "translate the {} into French", "draw a {}", "explain {}"),
    *(
        "carefully summarise the {}",
        "make it {}",
        "send it to {}",
        "do that with {}",
        "take the {}",
        "compare {} and it",
    ),
    *("I have a {}", "the {} is red", "my {} is old and I want to sell it", "I want to know its {}", "please edit it"),
    *("I have a {} that I would like to trim", "in the {} style", "for {} children", "use {} words", "keep all {}"),
    *("`{}`", "'{}'", "({})", "see {}", "after writing a {}, print it", "what is a {}?", "if it is {}, call me", "{}"),
    *("once the {} is done, sing", "with {}", "after the {}, rest", "in French", "the {} should be short", "[{}]"),
]
JOINTS = [", ", " and ", "; ", ". ", ", then ", "\n", ". Finally, ", " — ", ": ", " but ", ".\n\n", "\n- ", " before ",
          ", and ", "! ", ". Then ", " which ",
          ". Can you ", ". I want to ", " 1) ", "\n2. ", ", followed by "]  # fmt: skip


@st.composite
def marked_tasks(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A task of joined pieces, each with a word of its own."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=2, max_size=7))
    marks = [f"zeb{place}ra" for place in range(len(pieces))]
    said = [piece.format(mark) for piece, mark in zip(pieces, marks, strict=True)]
    joints = [draw(st.sampled_from(JOINTS)) for _ in pieces]
    task = "".join(one + joint for one, joint in zip(said, joints, strict=True))
    return task, [mark for piece, mark in zip(pieces, marks, strict=True) if "{}" in piece]


@settings(max_examples=400, deadline=None)
@given(marked_tasks())
def test_every_piece_of_a_task_reaches_a_step_however_it_is_joined(made: tuple[str, list[str]]) -> None:
    task, marks = made
    told = " ".join(prompts(task)).lower()
    assert [mark for mark in marks if mark not in told] == []


@needs_corpora
def test_no_word_of_a_real_task_is_lost() -> None:
    by_file: dict[str, list[str]] = {}
    for row in rows("plans/requests_*.jsonl"):
        by_file.setdefault(row["_file"], []).append(row.get("user_request") or row["question"])
    draw = random.Random(22112026)
    drawn = [task for name in sorted(by_file) for task in draw.sample(by_file[name], min(500, len(by_file[name])))]
    latin = [task for task in drawn if task.isascii()]
    assert sum(len(prompts(task)) > 1 for task in latin) > 500
    assert {task: words for task in latin if (words := lost(task))} == {}


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("Write a poem about rain, then write a letter to Ann; `ls`", "`ls`"),
        ("I have a photo 'a.jpg' of a table. Describe the photo and list its colours.", "I have a photo 'a.jpg'"),
        ("In French, write a poem about rain and draft a letter to Ann.", "In French"),
        (
            "For children, in at most 50 words: write a poem about rain and draft a letter",
            "For children, in at most 50",
        ),
        ("Write a poem about rain and draft a letter to Ann, in French.", "in French"),
        (
            "Write a poem about rain and draft a letter, for children, in at most 50 words",
            "for children, in at most 50",
        ),
        ("Write a poem about rain, then draft a letter about it, in French", "in French"),
        ("Write a poem about rain. Draft a letter to Ann. Both in at most 50 words.", "in at most 50 words"),
        ("Write a poem about rain and draft a letter to Ann. Use simple language.", "Use simple language"),
        ("Use simple language. Write a poem about rain and draft a letter to Ann.", "Use simple language"),
        ("Write a poem. Keep everything under 50 words. Draft a letter to Ann.", "Keep everything under 50 words"),
        ("Explain tides and list three sources. The audience is ten years old.", "The audience is ten years old"),
        ("请用法语完成: 1. 写一首诗 2. 写一个标题", "请用法语完成"),
    ],
)
def test_what_stands_for_the_whole_reaches_every_part(task: str, said: str) -> None:
    told = prompts(task)
    assert len(told) > 1
    assert [said in prompt for prompt in told] == [True] * len(told)


@pytest.mark.parametrize(
    ("task", "said", "places"),
    [
        ("Write a poem about rain, then translate it into German, in at most 50 words", "at most 50 words", [1]),
        ("Write a poem in ten lines and draft a letter, in at most 50 words", "at most 50 words", [1]),
        ("Translate the text into German and write a headline, in French", "in French", [1]),
        ("Write a poem about rain. Keep it under ten lines. Then draft a letter.", "under ten lines", [0]),
        ("Write a poem about rain. Draft a letter. Keep it short.", "Keep it short", [1]),
        ("Write a poem. I have a song, and I want to cut it and then email it.", "I have a song", [1, 2]),
        ("Compare solar and wind power in two short paragraphs, then write a one-line headline for the comparison",
         "in two short paragraphs", [0]),
        ("请总结这篇文章; `ls` 然后翻译成法语", "`ls`", [0]),
    ],
)  # fmt: skip
def test_what_stands_for_one_part_stays_with_it(task: str, said: str, places: list[int]) -> None:
    assert [place for place, prompt in enumerate(prompts(task)) if said in prompt] == places


def test_order_words_that_say_more_than_an_order_are_kept() -> None:
    told = prompts("Briefly explain tides. Once the kettle is ready, 'make' tea. After the meeting, write a note.")
    assert told[0].endswith("Briefly explain tides")
    assert "the kettle is ready" in " ".join(told)
    assert "After the meeting" in told[-1]


def test_long_material_is_given_to_the_parts_that_begin_and_not_again_to_those_after_them() -> None:
    story = "The river rose again. " * (LONG // 10)
    told = prompts(f"Here is my story: '{story}' Please summarise the story, then translate the summary.")
    assert [story.strip() in prompt for prompt in told] == [True, False]
    late = prompts(f"Write a poem. I have a story '{story}', and then I want you to translate it and to print it.")
    assert [story.strip() in prompt for prompt in late] == [False, True, False]


def test_template_syntax_between_the_parts_is_no_template() -> None:
    made = decompose("I have a {{ inputs.secret }} here. Write a poem about rain and draft a letter to Ann.")
    assert all("secret" not in str(getattr(step, "prompt", "")) for step in made.workflow.steps)
    assert all("secret" in prompt for prompt in prompts(made.inputs["task"]))  # type: ignore[arg-type]
