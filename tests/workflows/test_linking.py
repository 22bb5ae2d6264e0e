from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from workflows import library
from workflows.checks import inspect
from workflows.digest import digest
from workflows.findings import WorkflowError
from workflows.linking import linked
from workflows.model import Workflow
from workflows.parse import from_json, parse
from workflows.sources import Folder, Library, Missing, Shelf, Shelves


def document(name: str, *steps: dict, **keys: Any) -> dict:
    return {"workflow": "1", "name": name, "steps": list(steps), **keys}


def llm(step_id: str, prompt: str = "x") -> dict:
    return {"id": step_id, "kind": "llm", "prompt": prompt}


def call(name: str, step_id: str = "a", version: str = "1.0.0", **keys: Any) -> dict:
    return {"id": step_id, "kind": "workflow", "workflow": name, "version": version, **keys}


def shelf(*documents: dict) -> Shelf:
    return Shelf([from_json(one) for one in documents])


def told(made: dict, source: Any) -> list[tuple[str, str, str]]:
    return [(one.code, one.pointer, one.message) for one in inspect(made, workflows=source).findings]


SUMMARY = document(
    "summary",
    llm("short", "{{ inputs.text }}"),
    inputs={"text": {"type": "string"}, "words": {"type": "integer", "default": 50}},
    outputs={"summary": "{{ steps.short.output }}"},
)


def test_all_that_a_workflow_runs_is_found_each_once_and_behind_what_it_runs():
    source = shelf(SUMMARY, document("pair", call("summary"), call("summary", "b")), document("lone", call("pair")))
    nested = {"id": "m", "kind": "map", "over": [1], "steps": [call("lone", "deep"), call("summary", "flat")]}
    found = linked(from_json(document("top", nested, call("pair"))), source)
    assert list(found) == ["summary@1.0.0", "pair@1.0.0", "lone@1.0.0"]
    assert all(isinstance(one, Workflow) for one in found.values())


@pytest.mark.parametrize(
    ("documents", "way"),
    [
        ([document("top", call("top"))], "top@1.0.0 -> top@1.0.0"),
        ([document("one", call("top"))], "one@1.0.0 -> top@1.0.0 -> one@1.0.0"),
        ([document("one", call("two")), document("two", call("one"))], "one@1.0.0 -> two@1.0.0 -> one@1.0.0"),
    ],
)
def test_a_workflow_that_runs_itself_is_refused_with_the_way_round(documents: list[dict], way: str):
    name = documents[0]["name"]
    top = document("top", llm("x"), call(name))
    ((code, pointer, message),) = told(top, shelf(*documents))
    assert (code, pointer) == ("recursive_workflow", "/steps/1/workflow")
    assert message.endswith(way)
    with pytest.raises(WorkflowError, match="leads back to itself"):
        linked(from_json(top), shelf(*documents))


def test_a_name_a_version_and_a_content_that_are_not_there_are_told_apart():
    source = shelf(SUMMARY)
    given = {"inputs": {"text": ""}}
    findings = inspect(
        document(
            "top",
            call("sumary", "a", **given),
            call("summary", "b", "1.2.0", **given),
            call("summary", "c", digest=f"sha256:{0:064}", **given),
        ),
        workflows=source,
    ).findings
    assert [(one.code, one.pointer) for one in findings] == [
        ("unknown_workflow", "/steps/0/workflow"),
        ("unknown_version", "/steps/1/version"),
        ("digest_mismatch", "/steps/2/digest"),
    ]
    assert [one.allowed[0] for one in findings] == ["summary", "1.0.0", digest(from_json(SUMMARY))]
    assert findings[0].fix == "Did you mean 'summary'?"


def test_without_a_source_nothing_is_said_of_other_workflows():
    assert told(document("top", call("nobody")), None) == []
    assert told(document("top", call("nobody")), {}) != []


def test_what_is_given_to_another_workflow_is_held_against_its_inputs():
    steps = (
        llm("t"),
        call("summary", "b", inputs={"text": "{{ steps.t.output }}"}),
        call("summary", "c", inputs={"text": "{{ steps.b.output }}", "words": "many"}),
        call("summary", "d", inputs={"txt": "x"}),
        {"id": "m", "kind": "map", "over": [1], "steps": [call("summary", "e", inputs={"text": "{{ item }}"})]},
    )
    assert [(code, pointer) for code, pointer, _ in told(document("top", *steps), shelf(SUMMARY))] == [
        ("type_mismatch", "/steps/2/inputs/text"),
        ("invalid_input", "/steps/2/inputs/words"),
        ("unknown_input", "/steps/3/inputs/txt"),
        ("missing_input", "/steps/3/inputs/text"),
        ("type_mismatch", "/steps/4/steps/0/inputs/text"),
    ]


def test_the_output_of_a_workflow_has_the_shape_of_its_outputs():
    given = call("summary", inputs={"text": ""})
    assert told(document("top", given, llm("b", "{{ steps.a.output.summary }}")), shelf(SUMMARY)) == []
    ((code, pointer, message),) = told(document("top", given, llm("b", "{{ steps.a.output.text }}")), shelf(SUMMARY))
    assert (code, pointer) == ("unknown_output_field", "/steps/1/prompt")
    assert "'summary'" in message
    implied = document("plain", llm("one"), llm("two", "{{ steps.one.output }}"))
    ((code, _, message),) = told(document("top", call("plain"), llm("b", "{{ steps.a.output.one }}")), shelf(implied))
    assert (code, "'two'" in message) == ("unknown_output_field", True)


def test_what_is_wrong_with_another_workflow_is_told_at_the_step_that_runs_it():
    broken = document("broken", llm("a", "{{ steps.none.output }}"))
    between = document("between", call("broken"))
    top = document("top", {"id": "m", "kind": "map", "over": ["{{ 1 }}"], "steps": [call("between")], "as": "one"})
    ((code, pointer, message), *_) = told(top, shelf(broken, between))
    assert (code, pointer) == ("unknown_step", "/steps/0/steps/0/workflow")
    assert "'between'" in message
    assert "'broken' at /steps/0/prompt" in message


def test_formatting_never_changes_a_digest_and_meaning_always_does():
    first = digest(from_json(SUMMARY))
    turned = dict(reversed(list(SUMMARY.items())))
    written_out = {**SUMMARY, "version": "1.0.0", "policy": {"max_parallel": 8}, "description": ""}
    for same in (json.dumps(turned, indent=7), json.dumps(written_out), json.dumps(SUMMARY, separators=(",", ":"))):
        assert digest(parse(same)) == first
    others = (
        {**SUMMARY, "version": "1.0.1"},
        {**SUMMARY, "steps": [llm("short", "{{ inputs.text }} ")]},
        {**SUMMARY, "policy": {"max_parallel": 7}},
        {**SUMMARY, "inputs": {"text": {"type": "string"}, "words": {"type": "integer", "default": 51}}},
    )
    assert len({first, *(digest(from_json(one)) for one in others)}) == 5


def test_every_ready_workflow_can_be_pinned_and_run_as_a_step():
    for name in library.names():
        ready = library.load(name)
        step = call(name, version=ready.version, digest=digest(ready))
        codes = {code for code, _, _ in told(document("top", step), Library())}
        assert codes <= {"missing_input"}, name


def test_files_beside_a_workflow_are_found_by_name_and_no_name_leads_out(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.json").write_text(json.dumps({**SUMMARY, "name": "secret"}))
    (tmp_path / "folder" / "summary.json").write_text(json.dumps(SUMMARY))
    (tmp_path / "folder" / "broken.json").write_text("{")
    folder = Folder(tmp_path / "folder")
    assert isinstance(folder.find("summary", "1.0.0"), Workflow)
    assert folder.find("summary", "2.0.0") == Missing(("broken", "summary"), ("1.0.0",))
    assert folder.find("../secret", "1.0.0") == Missing(("broken", "summary"))
    ((code, pointer, _),) = told(document("top", call("broken")), folder)
    assert (code, pointer) == ("broken_workflow", "/steps/0/workflow")
    assert isinstance(Folder(tmp_path / "none").find("a", "1.0.0"), Missing)


def test_the_first_of_several_sources_that_has_it_gives_the_workflow(tmp_path: Path):
    (tmp_path / "summary.json").write_text(json.dumps({**SUMMARY, "version": "2.0.0"}))
    both = Shelves(shelf(SUMMARY), Folder(tmp_path))
    assert [both.find("summary", version).version for version in ("1.0.0", "2.0.0")] == ["1.0.0", "2.0.0"]  # type: ignore[union-attr]
    assert both.find("summary", "3.0.0") == Missing(("summary",), ("1.0.0", "2.0.0"))


def test_only_ordinary_files_of_the_folder_itself_are_opened(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("password: canary", encoding="utf-8")
    (folder / "link.json").symlink_to(tmp_path / "secret.txt")
    (folder / "endless.json").symlink_to("/dev/zero")
    (folder / "circle.json").symlink_to(folder / "circle.json")
    (folder / "inside.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    with (folder / "large.json").open("wb") as file:
        file.truncate(10**10)
    for name in ("link", "endless", "circle", "inside", "pipe", "large"):
        found = Folder(str(folder)).find(name, "1.0.0")
        assert isinstance(found, Missing)
        [told] = found.findings
        assert told.message.startswith(f"the file {name}.json cannot be read")
        assert "canary" not in told.message


def test_a_link_inside_of_the_folder_is_followed(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    assert Folder(tmp_path).find("b", "1.0.0") == from_json(SUMMARY)
