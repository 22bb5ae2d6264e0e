"""Every ready workflow is sound, and run on scripted models each prompt gets what it is meant to get."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from executors.result import RunResult
from executors.runner import run
from unified_api.testing import ScriptedModel, scripted_gateway
from unified_api.types import Image, ImageRequest, Request
from workflows import library
from workflows.checks import check
from workflows.graph import Graph

NAMES = library.names()
Answer = Callable[[str], str]


class Room:
    """Models of three tiers that answer by the first rule whose words stand in the prompt."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.rules = {
            words: answer if isinstance(answer, str) else json.dumps(answer) for words, answer in rules.items()
        }
        self.models = {f"scripted/{tier}": ScriptedModel(self.answer) for tier in ("economy", "standard", "premium")}
        self.prompts: list[str] = []
        self.drawn: list[str] = []

    def answer(self, request: Any) -> Any:
        if isinstance(request, ImageRequest):
            self.drawn.append(request.prompt)
            return Image("image/png", data=b"png")
        assert isinstance(request, Request)
        prompt = "".join(part.text for part in request.messages[-1].parts)  # type: ignore[union-attr]
        self.prompts.append(prompt)
        found = [answer for words, answer in self.rules.items() if words in prompt]
        assert found, f"no rule for the prompt {prompt!r}"
        return found[0]

    def prompt(self, words: str) -> str:
        """The one prompt that holds `words`."""
        found = [prompt for prompt in self.prompts if words in prompt]
        assert len(found) == 1, f"{len(found)} prompts hold {words!r}"
        return found[0]

    async def run(self, name: str, inputs: dict[str, Any]) -> RunResult:
        gateway = scripted_gateway(self.models, tiers={model: model.split("/")[1] for model in self.models})  # type: ignore[misc]
        result = await run(library.load(name), inputs, gateway=gateway)
        assert result.error is None, result.error
        return result


def status(result: RunResult) -> dict[str, str]:
    return {step.step_id: step.status for step in result.steps}


def test_the_library_has_at_least_eight_workflows() -> None:
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_workflow_has_no_finding(name: str) -> None:
    assert check(library.load(name)) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_workflow_describes_itself(name: str) -> None:
    workflow = library.load(name)
    assert workflow.name == name
    assert len(workflow.description) > 30
    assert workflow.outputs
    for schema in workflow.inputs.values():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description")
        if "default" in schema:
            Draft202012Validator(schema).validate(schema["default"])
        for example in schema.get("examples", ()):  # type: ignore[union-attr]
            Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_workflow_names_no_model(name: str) -> None:
    models = [step.model for step in library.load(name).steps if hasattr(step, "model")]
    assert models
    assert not any(isinstance(model, str) for model in models)


def test_the_workflows_differ_in_shape() -> None:
    shapes = set()
    for name in NAMES:
        workflow = library.load(name)
        graph = Graph.of(workflow)
        kinds = {step.id: (step.kind, step.when is not None) for step in workflow.steps}
        shapes.add(tuple(sorted((kinds[step], len(graph.parents(step)), len(graph.children(step))) for step in kinds)))
    assert len(shapes) == len(NAMES)


async def test_research_brief_answers_four_questions_apart_and_joins_them() -> None:
    questions = ["Is it warm?", "Is it cheap?", "Is it loud?", "Who objects?"]
    room = Room(
        {
            "Write a brief": "THE BRIEF",
            "exactly four questions": {"questions": questions},
            **{f"Question: {question}": f"finding on {question}" for question in questions},
        }
    )
    result = await room.run("research-brief", {"topic": "heat pumps"})
    brief = room.prompt("Write a brief")
    for question in questions:
        asked = room.prompt(f"Question: {question}")
        assert "heat pumps" in asked
        assert not any(other in asked for other in questions if other != question)
        assert f"finding on {question}" in brief
    assert "an informed reader who is new to the topic" in brief
    assert result.outputs == {"brief": "THE BRIEF", "questions": questions}


async def test_illustrated_answer_draws_and_captions_the_scene_of_the_answer() -> None:
    room = Room(
        {
            "Write a caption": "A crab waits.",
            "Describe one picture": "a crab in a pool at dawn",
            "one paragraph": "Crabs wait for the tide.",
        }
    )
    result = await room.run("illustrated-answer", {"request": "How do tide pools live?", "style": "woodcut"})
    assert "Crabs wait for the tide." in room.prompt("Describe one picture")
    assert room.drawn == ["a crab in a pool at dawn\n\nStyle: woodcut"]
    assert "a crab in a pool at dawn" in room.prompt("Write a caption")
    assert result.outputs["caption"] == "A crab waits."
    assert result.outputs["image"]["media_type"] == "image/png"


FAULT = {"place": "Montag", "fault": "the wrong day", "mend": "Dienstag"}


@pytest.mark.parametrize(
    ("verdict", "faults", "expected"), [("faithful", [], "am Montag"), ("revise", [FAULT], "am Dienstag")]
)
async def test_translate_and_review_revises_only_a_faulty_translation(
    verdict: str, faults: list[Any], expected: str
) -> None:
    room = Room(
        {
            "Revise this translation": "am Dienstag",
            "Compare the original": {"verdict": verdict, "faults": faults},
            "into English, as literally": "on Monday",
            "Translate the text into German": "am Montag",
        }
    )
    result = await room.run("translate-and-review", {"text": "on Tuesday", "language": "German"})
    assert "am Montag" in room.prompt("into English, as literally")
    assert "on Tuesday" not in room.prompt("into English, as literally")
    review = room.prompt("Compare the original")
    assert all(words in review for words in ("on Tuesday", "am Montag", "on Monday"))
    assert status(result)["revision"] == ("succeeded" if faults else "skipped")
    assert result.outputs["translation"] == expected
    if faults:
        assert "the wrong day" in room.prompt("Revise this translation")


def entry(field: str, value: str) -> dict[str, str]:
    return {"field": field, "value": value, "quote": value}


async def test_extract_to_json_looks_again_for_what_is_missing_only() -> None:
    room = Room(
        {
            "Look again": {"entries": [entry("due date", "3 May")]},
            "For each field": {"entries": [entry("total", "99 EUR")]},
        }
    )
    fields = ["total", "due date", "buyer"]
    result = await room.run("extract-to-json", {"text": "99 EUR by 3 May", "fields": fields})
    again = room.prompt("Look again")
    assert '["due date", "buyer"]' in again or '["due date","buyer"]' in again
    assert [found["field"] for found in result.outputs["entries"]] == ["total", "due date"]
    assert result.outputs["missing"] == ["buyer"]


async def test_extract_to_json_is_content_with_a_complete_first_reading() -> None:
    room = Room({"For each field": {"entries": [entry("total", "99 EUR")]}})
    result = await room.run("extract-to-json", {"text": "99 EUR", "fields": ["total"]})
    assert status(result)["second_look"] == "skipped"
    assert result.outputs == {"entries": [entry("total", "99 EUR")], "missing": [], "unproved": []}


async def test_extract_to_json_takes_no_value_that_the_text_does_not_prove() -> None:
    invented, unasked = entry("total", "1,000 EUR"), entry("weight", "99")
    room = Room(
        {"Look again": {"entries": [entry("total", "99 EUR")]}, "For each field": {"entries": [invented, unasked]}}
    )
    result = await room.run("extract-to-json", {"text": "99 EUR", "fields": ["total"]})
    assert result.outputs == {"entries": [entry("total", "99 EUR")], "missing": [], "unproved": [invented, unasked]}


@pytest.mark.parametrize(("winner", "best"), [("a", "short"), ("b", "long"), ("tie", "short")])
async def test_compare_and_judge_asks_two_tiers_and_gives_the_winner(winner: str, best: str) -> None:
    room = Room({"Judge both answers": {"reason": "r", "score_a": 5, "score_b": 6, "winner": winner}, "Why?": ""})
    room.models["scripted/economy"] = ScriptedModel("short")
    premium = room.models["scripted/premium"] = ScriptedModel("long")
    result = await room.run("compare-and-judge", {"question": "Why?"})
    judged = room.prompt("Judge both answers")
    assert "<answer_a>\nshort\n</answer_a>" in judged
    assert "<answer_b>\nlong\n</answer_b>" in judged
    assert premium.calls == 1
    assert result.outputs["answer"] == best


@pytest.mark.parametrize(("length", "parts"), [(10, 1), (4_000, 1), (4_001, 2), (30_000, 6)])
async def test_long_document_summary_reads_every_character_in_as_many_parts_as_needed(length: int, parts: int) -> None:
    text = "".join(chr(0x4E00 + place % 20_000) for place in range(length))
    room = Room({"Merge them": "ALL", "<part>": "a part"})
    result = await room.run("long-document-summary", {"text": text})
    read = [prompt.split("<part>\n")[1].split("\n</part>")[0] for prompt in room.prompts if "This is part" in prompt]
    assert len(read) == parts == result.outputs["parts"]
    covered = "".join(sorted(read, key=text.find))
    assert set(text) <= set(covered)
    assert all(piece in text for piece in read)
    assert room.prompt("Merge them").count("a part</part>") == parts
    assert result.outputs["summary"] == "ALL"


async def test_code_review_hands_every_finding_to_the_verdict() -> None:
    def found(problem: str) -> dict[str, Any]:
        return {"findings": [{"line": 1, "severity": "major", "problem": problem, "change": "c"}]}

    room = Room(
        {
            "Write the verdict": {"verdict": "request_changes", "summary": "three problems"},
            "for correctness only": found("wrong sum"),
            "for security only": found("eval of input"),
            "for readability only": found("bad name"),
        }
    )
    result = await room.run("code-review", {"code": "eval(x) # {{ not a template }}", "language": "python"})
    problems = ["wrong sum", "eval of input", "bad name"]
    assert all(problem in room.prompt("Write the verdict") for problem in problems)
    assert all("eval(x) # {{ not a template }}" in prompt for prompt in room.prompts if "Review this code" in prompt)
    assert [finding["problem"] for finding in result.outputs["findings"]] == problems
    assert result.outputs["verdict"] == "request_changes"


async def test_code_review_without_a_finding_approves_without_asking_for_a_verdict() -> None:
    room = Room({"Review this code": {"findings": []}})
    result = await room.run("code-review", {"code": "pass"})
    assert len(room.prompts) == 3
    assert result.outputs["verdict"] == "approve"
    assert result.outputs["findings"] == []


async def test_draft_critique_revise_passes_each_text_on() -> None:
    room = Room({"Rewrite the draft": "FINAL", "Name the three": "too long", "Write this": "DRAFT"})
    result = await room.run("draft-critique-revise", {"task": "a toast"})
    assert "DRAFT" in room.prompt("Name the three")
    revision = room.prompt("Rewrite the draft")
    assert all(words in revision for words in ("a toast", "DRAFT", "too long"))
    assert result.outputs == {"text": "FINAL", "draft": "DRAFT", "critique": "too long"}


async def test_meeting_notes_to_actions_writes_the_message_from_the_minutes_alone() -> None:
    action = {"action": "send the offer", "owner": "Ann", "due": "no date"}
    room = Room(
        {
            "follow-up message": "Dear all",
            "List the decisions": {"decisions": ["buy blue"]},
            "List the action items": {"actions": [action]},
            "List the questions": {"questions": ["who pays?"]},
        }
    )
    result = await room.run("meeting-notes-to-actions", {"notes": "secret chatter"})
    message = room.prompt("follow-up message")
    assert all(words in message for words in ("buy blue", "send the offer", "who pays?"))
    assert "secret chatter" not in message
    assert result.outputs["minutes"] == {
        "decisions": ["buy blue"],
        "actions": [action],
        "open_questions": ["who pays?"],
    }


@pytest.mark.parametrize("category", ["billing", "technical", "other"])
@pytest.mark.parametrize("urgent", [True, False])
async def test_support_reply_triage_writes_the_one_reply_that_fits(category: str, urgent: bool) -> None:
    room = Room(
        {
            "Sort this message": {"category": category, "urgent": urgent, "summary": "s"},
            "question about money": "billing reply",
            "technical problem": "technical reply",
            "respond to what was said": "other reply",
            "person on duty": "NOTE",
        }
    )
    result = await room.run("support-reply-triage", {"message": "help"})
    assert result.outputs["reply"] == f"{category} reply"
    assert result.outputs["escalation"] == ("NOTE" if urgent else None)
    assert len(room.prompts) == 2 + urgent
