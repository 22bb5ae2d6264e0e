"""The workflows of examples/ do what their descriptions say, on scripted models."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from json_site import allowing, site
from jsonschema import Draft202012Validator

from executors.journal.entries import Approval, Decision
from executors.result import RunResult
from executors.runner import run
from orchestrator.cli import main
from unified_api.settings import Settings
from unified_api.testing import ScriptedModel, scripted_gateway
from workflows import library
from workflows.checks import check
from workflows.parse import read
from workflows.sources import Library

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def answering(rules: Mapping[str, Any], prompts: list[str]) -> Callable[[Any], str]:
    """A model that answers by the first rule whose words stand in the prompt; a list of answers is used up."""

    def answer(request: Any) -> str:
        prompt = "".join(part.text for part in request.messages[-1].parts)
        prompts.append(prompt)
        found = [told for words, told in rules.items() if words in prompt]
        assert found, f"no rule for the prompt {prompt!r}"
        told = found[0].pop(0) if isinstance(found[0], list) else found[0]
        return told if isinstance(told, str) else json.dumps(told)

    return answer


async def ended(
    name: str,
    inputs: dict[str, Any],
    rules: Mapping[str, Any],
    *,
    approve: Callable[[Approval], Awaitable[Decision | None]] | None = None,
    settings: Settings | None = None,
) -> tuple[RunResult, list[str]]:
    prompts: list[str] = []
    model = ScriptedModel(answering(rules, prompts))
    tiers = ("economy", "standard", "premium")
    gateway = scripted_gateway({f"scripted/{tier}": model for tier in tiers}, settings=settings)
    others = {f"{one}@{library.load(one).version}": library.load(one) for one in library.names()}
    async with gateway:
        result = await run(read(FOLDER / f"{name}.json"), inputs, gateway=gateway, workflows=others, approve=approve)
    return result, prompts


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_no_finding_and_describes_itself(name: str) -> None:
    workflow = read(FOLDER / f"{name}.json")
    assert check(workflow, workflows=Library()) == ()
    assert workflow.name == name
    assert len(workflow.description) > 50
    assert workflow.outputs
    for schema in workflow.inputs.values():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description")
        if "default" in schema:
            Draft202012Validator(schema).validate(schema["default"])


def test_the_examples_use_every_kind_that_holds_steps() -> None:
    texts = "".join((FOLDER / f"{name}.json").read_text("utf-8") for name in NAMES)
    assert all(f'"kind": "{kind}"' in texts for kind in ("map", "branch", "loop", "approval", "workflow", "http"))


async def test_many_documents_are_summarised_and_one_that_fails_is_counted() -> None:
    documents = [{"title": f"D{number}", "text": f"text {number}"} for number in range(12)]
    rules = {
        **{f"\ntext {number}\n": f"summary {number}" for number in range(12) if number != 5},
        "\ntext 5\n": "",
        "separate documents": "OVERVIEW",
    }
    result, prompts = await ended("summarise-many", {"documents": documents, "focus": "money"}, rules)
    assert result.error is None, result.error
    assert result.outputs["overview"] == "OVERVIEW"
    assert result.outputs["failed"] == 1
    assert [one["title"] for one in result.outputs["summaries"]] == [f"D{n}" for n in range(12) if n != 5]
    overview = next(prompt for prompt in prompts if "separate documents" in prompt)
    assert re.findall(r"summary (\d+)", overview) == [str(number) for number in range(12) if number != 5]
    assert all("money" in prompt for prompt in prompts)


@pytest.mark.parametrize(("marks", "mark", "rounds"), [([9], 9, 1), ([3, 6, 8], 8, 3), ([1, 2, 3, 4], 4, 4)])
async def test_a_text_is_rewritten_until_the_judge_is_content(marks: list[int], mark: int, rounds: int) -> None:
    judged = [{"mark": one, "advice": [f"advice {number}"]} for number, one in enumerate(marks, start=1)]
    drafts = [f"draft {number}" for number in range(1, rounds + 1)]
    result, prompts = await ended(
        "write-until-good", {"task": "a toast"}, {"Give a mark": judged, "Write this": drafts}
    )
    assert result.error is None, result.error
    assert (result.outputs["text"], result.outputs["mark"]) == (f"draft {rounds}", mark)
    written = [prompt for prompt in prompts if prompt.startswith("Write this")]
    assert len(written) == rounds
    assert "<draft>" not in written[0]
    for number, prompt in enumerate(written[1:], start=1):
        assert f"draft {number}\n" in prompt
        assert f"- advice {number}\n" in prompt


async def test_each_message_is_treated_by_its_kind() -> None:
    rules = {
        "Sort this message.\n\n<message>\nWhen open?": {"kind": "question", "urgent": False},
        "Sort this message.\n\n<message>\nIt broke!": {"kind": "complaint", "urgent": False},
        "Sort this message.\n\n<message>\nBuy now": {"kind": "advertising", "urgent": False},
        "Sort this message.\n\n<message>\nFire!": {"kind": "other", "urgent": True},
        "Answer this message": "At nine.",
        "Write a note": ["A note.", "Another."],
    }
    given = {"messages": ["When open?", "It broke!", "Buy now", "Fire!"], "facts": "Open at nine."}
    result, prompts = await ended("route-inquiries", given, rules)
    assert result.error is None, result.error
    assert [one["kind"] for one in result.outputs["treated"]] == ["question", "complaint", "advertising", "complaint"]
    assert result.outputs["treated"][0]["text"] == "At nine."
    assert result.outputs["for_a_person"] == 2
    assert sum("Open at nine." in prompt for prompt in prompts) == 1
    assert len(prompts) == 7


@pytest.mark.parametrize(
    ("decision", "late", "why"),
    [
        (Decision(approved=True), False, ""),
        (Decision(approved=False, comment="too long"), False, "too long"),
        (Decision(approved=False), False, "rejected"),
        (Decision(approved=True), True, "nobody answered in time"),
    ],
)
async def test_only_what_a_person_approved_is_published(decision: Decision, late: bool, why: str) -> None:
    asked: list[Approval] = []

    async def approve(question: Approval) -> Decision:
        asked.append(question)
        assert question.expires is not None
        return replace(decision, at=question.expires + timedelta(days=1)) if late else decision

    rules = {"Write a headline": "HEAD", "Rewrite the draft": "FINAL", "Name the three": "C", "Write this": "DRAFT"}
    result, prompts = await ended("publish-with-approval", {"task": "a toast"}, rules, approve=approve)
    assert result.error is None, result.error
    published = not why
    assert result.outputs["result"] == {
        "published": published,
        "headline": "HEAD" if published else "",
        "text": "FINAL" if published else "",
        "why": why,
    }
    assert [one.show for one in asked] == [{"text": "FINAL", "critique": "C"}]
    assert len(prompts) == 3 + published


async def test_a_digest_is_made_of_the_pages_that_answer() -> None:
    with site({"/a": {"text": "ferries sail"}, "/b": {"text": "trains run"}}) as address:
        rules = {"Write a digest": "DIGEST", "ferries sail": "on ferries", "trains run": "on trains"}
        given = {"urls": [f"{address}/a", f"{address}/gone", f"{address}/b"]}
        result, prompts = await ended("digest-pages", given, rules, settings=allowing(address))
    assert result.error is None, result.error
    assert result.outputs == {"digest": "DIGEST", "pages": 2}
    digest = next(prompt for prompt in prompts if "Write a digest" in prompt)
    assert re.findall(r"/(\w+)\">\n(on \w+)", digest) == [("a", "on ferries"), ("b", "on trains")]


PAGE = (Path(__file__).parents[2] / "docs" / "authoring.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line.strip()
]


def test_the_commands_of_the_page_on_authoring_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tried = [shlex.split(line)[1:] for line in COMMANDS if "workflow run" not in line]  # a run asks models
    assert len(tried) >= 10
    for arguments in tried:
        assert main(arguments) == 0, (arguments, capsys.readouterr().err)
    assert (tmp_path / "summaries.svg").read_text("utf-8").startswith("<svg")
