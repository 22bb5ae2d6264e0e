"""The plans that rules make: their edges, their kinds, their safety, and that they are always sound."""

from __future__ import annotations

import random
import time

import pytest
from corpus import needs_corpora, rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

from executors.runner import run
from planner.plan import plan
from planner.rules import LONGEST_CUT, Decomposition, decompose
from planner.task import LONGEST_TASK
from planner.types import TaskError
from unified_api.testing import ALL_CAPABILITIES, ScriptedModel, scripted_gateway
from unified_api.types import Image, ImageRequest, Request, TextPart
from workflows.checks import check
from workflows.graph import Graph
from workflows.model import LlmStep

DEMO = "Compare solar and wind power in two short paragraphs, then write a one-line headline for the comparison"


def edges(task: str) -> dict[str, set[str]]:
    """Each step's direct needs, by id."""
    graph = Graph.of(decompose(task).workflow)
    return {step: set(graph.parents(step)) for step in graph.ids}


def kinds(task: str) -> dict[str, str]:
    return {step.id: step.kind for step in decompose(task).workflow.steps}


def sound(made: Decomposition) -> bool:
    return check(made.workflow, ordered=True) == ()


def test_the_task_of_the_readme_studies_both_sides_at_once() -> None:
    assert edges(DEMO) == {
        "facts_solar_power": set(),
        "facts_wind_power": set(),
        "compare": {"facts_solar_power", "facts_wind_power"},
        "write_headline": {"compare"},
    }


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Summarise the report and translate it into French", [set(), {0}]),
        ("Write a poem about rain and a letter to Ann, then translate both", [set(), {0}]),
        ("Write a poem about rain. Write a letter to Ann. Translate both into French.", [set(), set(), {0, 1}]),
        ("Write a poem about rain. Also write a limerick about snow.", [set(), set()]),
        ("Write a poem and sell my car, then call my mother", [set(), set(), {0, 1}]),
        ("Write a poem about rain, then translate it and draw a cat", [set(), {0}, {0}]),
        ("Write a poem. Write a song. Finally, print everything.", [set(), set(), {0, 1}]),
        ("Summarise the report. List the risks of the plan. Draw a chart of the summary.", [set(), set(), {0}]),
        ("Transcribe the speech, translate the transcript, and write a title for the translation", [set(), {0}, {1}]),
        ("1. Write a poem\n2. Write a story\n3. Combine the results of steps 1 and 2", [set(), set(), {0, 1}]),
        ("Follow these steps:\n1. Fetch my mail\n2. Water the plants\n3. Lock the door", [set(), {0}, {1}]),
        ("Do this:\n- write a haiku\n- translate it into Latin", [set(), {0}]),
        ("Generate an image of a fox. Describe the generated image.", [set(), {0}]),
        ("Sell my car. Finally, I want a robot to clean my house.", [set(), {0}]),
        ("I would like the image to be coloured, and then I want to describe it", [set(), {0}]),
        ("Which band is older, Poor Old Lu or Shudder to Think?", [set(), set(), {0, 1}]),
        ("Play the film, write a note after watching it, and pay my bill", [set(), {0}, set()]),
        ("Pay my bill, book a flight and share this information with Ann", [set(), set(), {0, 1}]),
        ("Sell my car. Then take a train to Rome, book a room there and buy a map", [set(), {0}, {1}, {0}]),
        ("Write a poem about rain. Write a poem about snow.", [set(), set()]),
        (
            "I want to make a song from my poem and my tune. Please shorten my poem, slow my tune, then join both.",
            [set(), set(), {0, 1}],
        ),
        ("Pay my bill and sell my car. Please help me with all of these tasks.", [set(), set()]),
        ("I want to crop the photo. Describe the sky. Please edit the photo.", [set(), set()]),
        ("Extract the text from my letter, correct the grammar in the text and write a headline", [set(), {0}, {1}]),
    ],
)
def test_a_part_builds_on_what_its_words_refer_to(task: str, expected: list[set[int]]) -> None:
    found = edges(task)
    places = {name: place for place, name in enumerate(found)}
    assert [{places[need] for need in needs} for needs in found.values()] == expected


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("Draw a cat", "image"),
        ("Please create an image of a red house", "image"),
        ("Generate a logo for a bakery", "image"),
        ("Please assist me in generating an image of a fox", "image"),
        ("Create a coloured image out of my story", "image"),
        ("Write a caption for an image", "llm"),
        ("Create an image description of the sea", "llm"),
        ("Draw conclusions from the figures", "llm"),
        ("Make a video about cats", "llm"),
    ],
)
def test_a_picture_is_drawn_only_where_one_is_asked_for(task: str, kind: str) -> None:
    assert list(kinds(task).values()) == [kind]


def test_a_step_after_a_picture_is_told_what_was_ordered_and_never_gets_its_bytes() -> None:
    made = decompose("Draw a cat, then write a caption for it")
    caption = made.workflow.steps[1]
    assert isinstance(caption, LlmStep)
    assert caption.after == ("draw_cat",)
    assert '"Draw a cat"' in caption.prompt
    assert "steps.draw_cat.output" not in caption.prompt
    seeing = decompose("Draw a cat, then write a caption for it", vision=True).workflow.steps[1]
    assert isinstance(seeing, LlmStep)
    assert seeing.images == ("{{ steps.draw_cat.output }}",)


@pytest.mark.parametrize("able", ["vision", "image_output", "chat"])
async def test_a_picture_is_shown_only_where_one_can_be_made_and_seen(able: str) -> None:
    capabilities = ALL_CAPABILITIES if able == "chat" else ALL_CAPABILITIES - {able}
    gateway = scripted_gateway({"scripted/model": "unused"}, capabilities=capabilities)
    made = await plan("Draw a cat, then write a caption for it", gateway=gateway)
    caption = made.workflow.steps[1]
    assert isinstance(caption, LlmStep)
    assert bool(caption.images) == (able == "chat")


def test_a_picture_made_after_a_picture_comes_after_it_and_knows_its_words() -> None:
    second = decompose("Draw a cat, then draw it again in blue").workflow.steps[1]
    assert second.kind == "image"
    assert second.after == ("draw_cat",)
    assert '"Draw a cat"' in second.prompt


def test_the_difficulty_of_a_part_chooses_its_tier() -> None:
    steps = decompose("Extract the dates, then analyse the trend and write a letter about it").workflow.steps
    assert [step.model.tier for step in steps] == ["economy", "premium", "standard"]  # type: ignore[union-attr]


async def test_every_prompt_carries_the_task_its_part_and_what_it_builds_on() -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: object) -> str | Image:
        if isinstance(request, ImageRequest):
            return Image("image/png", data=b"png")
        assert isinstance(request, Request)
        system, user = ("".join(part.text for part in m.parts if isinstance(part, TextPart)) for m in request.messages)
        asked.append((system, user))
        return f"answer {len(asked)}"

    made = decompose(DEMO)
    gateway = scripted_gateway({"scripted/model": ScriptedModel(answer)})
    result = await run(made.workflow, made.inputs, gateway=gateway)
    assert result.error is None
    assert all(DEMO in system for system, _ in asked)
    compare, headline = asked[2][1], asked[3][1]
    assert "answer 1" in compare
    assert "answer 2" in compare
    assert compare.endswith("Compare solar and wind power in two short paragraphs")
    assert "answer 3" in headline
    assert "answer 1" not in headline
    assert result.outputs == {"compare": "answer 3", "write_headline": "answer 4"}


@pytest.mark.parametrize(
    "attack",
    [
        "{{ inputs.secret }}",
        "{% for x in range(99999999) %}x{% endfor %}",
        "{# a comment #}",
        "{{ steps.translate_french.output }}",
        "}} {{",
        "{",
        "{{",
    ],
)
async def test_template_syntax_in_a_task_reaches_the_model_as_it_was_typed(attack: str) -> None:
    task = f"Translate {attack} into French, then explain what {attack} means {attack}"
    said: list[str] = []

    def answer(request: object) -> str:
        assert isinstance(request, Request)
        said.append("\n".join(part.text for m in request.messages for part in m.parts if isinstance(part, TextPart)))
        return "done"

    made = decompose(task)
    assert sound(made)
    result = await run(made.workflow, made.inputs, gateway=scripted_gateway({"scripted/model": answer}))
    assert result.error is None
    assert len(said) == 2
    assert all(task in text for text in said)
    assert f"Translate {attack} into French" in said[0].removeprefix(task)
    alone = await run(made.workflow, {}, gateway=scripted_gateway({"scripted/model": answer}))
    assert alone.error is None, "the plan carries its own task, so it also runs from a file"
    assert said[2:] == said[:2]


@pytest.mark.parametrize(
    "task", ["Compare 0 or {{", "Compare {{ a }} and {% b %}", "Compare {# x and y #}", "Compare { and }"]
)
async def test_template_syntax_in_a_comparison_is_no_template_either(task: str) -> None:
    said: list[str] = []

    def answer(request: object) -> str:
        assert isinstance(request, Request)
        said.append("\n".join(part.text for m in request.messages for part in m.parts if isinstance(part, TextPart)))
        return "done"

    made = decompose(task)
    assert sound(made)
    result = await run(made.workflow, made.inputs, gateway=scripted_gateway({"scripted/model": answer}))
    assert result.error is None
    assert all(task in text for text in said)


def test_what_cannot_be_cut_is_one_step_with_the_whole_task() -> None:
    made = decompose("Explain why the sky is blue")
    (step,) = made.workflow.steps
    assert isinstance(step, LlmStep)
    assert step.prompt == "{{ inputs.task }}"
    assert made.inputs == {"task": "Explain why the sky is blue"}


@pytest.mark.parametrize("task", [DEMO, "Explain why the sky is blue", "写一首诗"])
def test_a_plan_says_that_rules_made_it(task: str) -> None:
    assert "rules, without a model" in decompose(task).notes[0]


def test_what_no_step_can_do_is_said() -> None:
    notes = " ".join(decompose("Book a table at Luigi's, then transcribe the audio in talk.wav").notes)
    assert "book" in notes
    assert "audio" in notes
    assert "talk.wav" in notes


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("总结这篇文章，然后翻译成法语，最后写一个标题。", 3),
        ("写一首诗", 1),
        ("1. 写一首诗\n2. 翻译成英文", 2),
        ("لخص هذا النص ثم ترجمه إلى الفرنسية", 2),
        ("Résume ce texte, puis traduis-le en anglais", 2),
        ("Fasse den Text zusammen, dann übersetze ihn ins Englische", 2),
        ("要約してください。次に英語に翻訳してください。", 2),
        ("اكتب قصيدة", 1),
    ],
)
def test_another_language_is_cut_only_where_that_is_sure(task: str, parts: int) -> None:
    made = decompose(task)
    assert sound(made)
    assert len(made.workflow.steps) == parts
    graph = Graph.of(made.workflow)
    assert all(len(graph.parents(step)) == (place > 0) for place, step in enumerate(graph.ids))


@pytest.mark.parametrize("task", ["", "  \n\t", "x" * (LONGEST_TASK + 1), "bad \ud800 text", None, 7])
def test_a_task_that_cannot_be_planned_is_refused_in_words(task: object) -> None:
    with pytest.raises(TaskError, match="task"):
        decompose(task)  # type: ignore[arg-type]


def test_a_very_long_task_is_one_step() -> None:
    task = "Write a poem, then translate it. " * (LONGEST_CUT // 30)
    made = decompose(task)
    assert len(made.workflow.steps) == 1
    assert made.inputs["task"] == task


@pytest.mark.parametrize("hard", ["'" * 8_000, '"' * 7_999, "(" * 8_000, "a," * 4_000, "write a. " * 880, "`x" * 4_000,
                                  "then " * 1_600, "1. write it\n" * 660, "“" * 8_000, "<a>" * 2_600, "A and " * 1_300,
                                  "compare A and B or " * 400, "," * 8_000, "a.b" * 2_600])  # fmt: skip
def test_no_text_makes_the_rules_slow(hard: str) -> None:
    began = time.process_time()
    assert sound(decompose(hard))
    assert time.process_time() - began < 1.0


TOKENS = st.sampled_from(
    [
        "write",
        "translate",
        "draw",
        "compare",
        "it",
        "the",
        "a",
        "summary",
        "and",
        "then",
        "finally",
        ",",
        ".",
        ";",
        ":",
        "?",
        "!",
        "\n",
        "'",
        '"',
        "`",
        "(",
        ")",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{",
        "}",
        "\\",
        "1.",
        "2.",
        "3.",
        "-",
        "both",
        "each",
        "results",
        "French",
        "'quoted'",
        "image",
        "I",
        "want",
        "to",
        "please",
        "Then",
        "of",
        "for",
        "before",
        "after",
        "if",
        "Ann",
        "Bob",
        "or",
        "```",
        "<",
        ">",
        "_",
        "\x00",
        "写",
        "然后",
        "ثم",
        "😀",
        "\ue000",
    ]
)


@settings(max_examples=300, deadline=None)
@example("Write. Draw. 0{")
@given(st.one_of(st.text(max_size=300), st.lists(TOKENS, max_size=60).map(" ".join)))
def test_any_text_gives_a_sound_plan_or_a_clear_refusal(task: str) -> None:
    if not task.strip():
        with pytest.raises(TaskError):
            decompose(task)
        return
    made = decompose(task)
    assert sound(made)
    assert made == decompose(task)


@needs_corpora
def test_real_tasks_of_every_domain_give_sound_plans_quickly_and_always_the_same() -> None:
    by_file: dict[str, list[str]] = {}
    for row in rows("plans/requests_*.jsonl"):
        by_file.setdefault(row["_file"], []).append(row.get("user_request") or row["question"])
    draw = random.Random(20261122)
    drawn = [task for name in sorted(by_file) for task in draw.sample(by_file[name], min(60, len(by_file[name])))]
    assert len(drawn) >= 300
    began = time.process_time()
    plans = [decompose(task) for task in drawn]
    seconds = time.process_time() - began
    assert all(sound(plan) for plan in plans)
    assert plans == [decompose(task) for task in drawn]
    assert seconds / len(drawn) < 0.005
