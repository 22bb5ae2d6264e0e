"""Each class of defect, put into sound workflows at random places, is found by its code at its pointer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import gold
import pytest
from corpus import needs_corpora, rows

from workflows import library
from workflows.checks import Inspection, inspect
from workflows.findings import pointer
from workflows.models import Candidate, ModelProblem, Rates
from workflows.parse import from_json
from workflows.sources import Folder, Library, Shelf, Shelves
from workflows.tools import ToolSpec

FOLDER = Path(__file__).with_name("translations")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "workflow-language.md").read_text(encoding="utf-8")
SEND = ToolSpec(
    "send_it",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["text"],
    },
    repeatable=False,
)
TITLED = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
NESTED = {
    "workflow": "1",
    "name": "nested",
    "inputs": {"books": {"type": "array", "items": TITLED, "maxItems": 20}, "tone": {"type": "string", "default": ""}},
    "steps": [
        {"id": "plan", "kind": "llm", "prompt": "Plan in a tone: {{ inputs.tone }}"},
        {
            "id": "books",
            "kind": "map",
            "over": "{{ inputs.books }}",
            "as": "book",
            "max_items": 20,
            "steps": [
                {
                    "id": "review",
                    "kind": "loop",
                    "max_rounds": 3,
                    "until": "{{ steps.verdict.output.good }}",
                    "steps": [
                        {"id": "draft", "kind": "llm", "prompt": "{{ book.title }} {{ steps.plan.output }}"},
                        {
                            "id": "checked",
                            "kind": "branch",
                            "cases": [
                                {
                                    "when": "{{ steps.draft.output | length > 9 }}",
                                    "steps": [{"id": "short", "kind": "llm", "prompt": "Cut {{ steps.draft.output }}"}],
                                },
                            ],
                            "else": {"result": "{{ steps.draft.output }}"},
                        },
                        {
                            "id": "verdict",
                            "kind": "llm",
                            "prompt": "Good? {{ steps.checked.output }}",
                            "output": {
                                "type": "object",
                                "properties": {"good": {"type": "boolean"}},
                                "required": ["good"],
                            },
                        },
                    ],
                    "result": "{{ steps.checked.output }}",
                },
                {"id": "asked", "kind": "approval", "message": "{{ book_index }}: {{ steps.review.output }}"},
            ],
            "result": {"text": "{{ steps.review.output }}", "good": "{{ steps.asked.output.approved }}"},
        },
        {"id": "all", "kind": "set", "value": "{{ steps.books.output | map(attribute='text') | join }}"},
    ],
}  # fmt: skip


def named(name: str, *steps: dict, **keys: Any) -> dict:
    return {"workflow": "1", "name": name, "steps": list(steps), **keys}


def running(name: str, step_id: str = "zz", **keys: Any) -> dict:
    return {"id": step_id, "kind": "workflow", "workflow": name, "version": "1.0.0", **keys}


OTHERS = Shelf(
    [
        from_json(one)
        for one in (
            named("zz-asking", {"id": "a", "kind": "set", "value": "{{ inputs.q }}"}, inputs={"q": {"type": "string"}}),
            named("zz-circle", running("zz-round")),
            named("zz-round", running("zz-circle")),
            named("zz-wrong", {"id": "a", "kind": "set", "value": "{{ steps.b.output }}"}),
        )
    ]
)
SOURCE = Shelves(OTHERS, Library(), Folder(FOLDER))


ORDER = ("public", "internal", "confidential", "restricted")
DOLLAR = Rates(given=Decimal(1), made=Decimal(1))
FREE = Rates(given=Decimal(0), made=Decimal(0))


def candidate(**facts: Any) -> tuple[Candidate, ...]:
    return (Candidate(**{"model": "zz/m", "provider": "zz", "clearance": "restricted", **facts}),)


CANDIDATES = {
    "zz/small": candidate(context=100),
    "zz/dear": candidate(least=DOLLAR, most=DOLLAR, usual=DOLLAR),
    "zz/unpriced": candidate(),
    "zz/slow": candidate(least_s=30, least=FREE, most=FREE, usual=FREE),
    "zz/open": candidate(clearance="internal"),
}


class Models:
    """Serves everything but one name, and what may be sent nowhere."""

    def problem(self, choice, *, needs, sensitivity):
        if choice == "zz/none":
            return ModelProblem(code="unknown_model", message="there is no such model")
        if choice == "zz/open" and ORDER.index(sensitivity) > 1:
            return ModelProblem(code="insufficient_clearance", message="its provider is not cleared")
        return None

    def candidates(self, choice, *, needs, sensitivity):
        return CANDIDATES.get(choice, ()) if isinstance(choice, str) else ()


class Recipients:
    """Every host but two may be sent everything, and so may tools."""

    def clearance_of_host(self, host):
        return {"zz.example": None, "open.example": "internal"}.get(host, "restricted")

    def clearance_of_tool(self, name):
        return "restricted"


def sound() -> Iterator[tuple[str, dict]]:
    yield "nested", NESTED
    for name in library.names():
        yield name, json.loads(Path(library.__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    yield from ((path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json")))
    for block in PAGE.split("```json\n")[1:]:
        made = json.loads(block.split("```")[0])
        yield f"page-{made['name']}", made


SOUND = dict(sound())


def blocks(holder: dict, path: tuple = ()) -> Iterator[tuple[tuple, dict]]:
    """Every block of steps with the path of what holds it."""
    if holder.get("steps"):
        yield path, holder
    for place, step in enumerate(holder.get("steps", [])):
        at = (*path, "steps", place)
        if step.get("kind") in {"map", "loop"}:
            yield from blocks(step, at)
        for number, case in enumerate(step.get("cases", [])):
            yield from blocks(case, (*at, "cases", number))
        if "else" in step:
            yield from blocks(step["else"], (*at, "else"))


def tools() -> dict[str, ToolSpec]:
    """Those that the sound workflows call, of which nothing else is known, and one of which all is."""
    steps = [step for document in SOUND.values() for _, block in blocks(document) for step in block["steps"]]
    called = {step["tool"] for step in steps if step.get("kind") == "tool"}
    return {name: ToolSpec(name, parameters={"additionalProperties": True}) for name in called} | {"send_it": SEND}


TOOLS = tools()


def inspected(document: Any) -> Inspection:
    return inspect(document, tools=TOOLS, models=Models(), workflows=SOURCE, recipients=Recipients())


@dataclass
class Site:
    """A block of a workflow that a defect is put into."""

    document: dict
    path: tuple
    block: dict
    random: Random

    def put(self, *steps: dict) -> tuple:
        """Adds steps, never as the last ones; the path of the first."""
        place = self.random.randrange(len(self.block["steps"]))
        self.block["steps"][place:place] = steps
        return (*self.path, "steps", place)

    def value(self, value: Any, *before: dict) -> tuple:
        """Adds a step that computes a value, behind others; the path of the value."""
        at = self.put(*before, {"id": "zz", "kind": "set", "value": value})
        return (*at[:-1], at[-1] + len(before), "value")

    @property
    def nested(self) -> bool:
        return bool(self.path)


Defect = Callable[[Site], tuple[str, tuple] | None]
DEFECTS: dict[str, Defect] = {}


def defect(made: Defect) -> Defect:
    DEFECTS[made.__name__] = made
    return made


def llm(step_id: str = "zz", prompt: str = "x", **keys: Any) -> dict:
    return {"id": step_id, "kind": "llm", "prompt": prompt, **keys}


def each(over: Any, *steps: dict, **keys: Any) -> dict:
    return {"id": "zz", "kind": "map", "over": over, "steps": list(steps), **keys}


def branch(*cases: dict, **keys: Any) -> dict:
    return {"id": "zz", "kind": "branch", "cases": list(cases), **keys}


# Shape.


@defect
def a_key_is_missing(site: Site):
    at = site.put(llm())
    del site.block["steps"][at[-1]]["prompt"]
    return "missing_key", (*at, "prompt")


@defect
def a_kind_is_missing(site: Site):
    return "missing_key", (*site.put({"id": "zz", "prompt": "x"}), "kind")


@defect
def a_key_is_unknown(site: Site):
    return "unknown_key", (*site.put(llm(depends_on=[])), "depends_on")


@defect
def a_key_of_a_map_is_another_systems(site: Site):
    at = site.put(each([1], llm("zz_in", "{{ item }}"), max_concurrency=3))
    return "unknown_key", (*at, "max_concurrency")


@defect
def a_key_of_a_case_is_unknown(site: Site):
    at = site.put(branch({"when": "{{ true }}", "then": []}))
    return "unknown_key", (*at, "cases", 0, "then")


@defect
def a_number_is_a_text(site: Site):
    return "wrong_type", (*site.put(llm(timeout_s="3")), "timeout_s")


@defect
def a_list_of_cases_is_an_object(site: Site):
    return "wrong_type", (*site.put({**branch(), "cases": {}}), "cases")


@defect
def a_number_is_out_of_range(site: Site):
    at = site.put({"id": "zz", "kind": "loop", "until": "{{ true }}", "max_rounds": 0, "steps": [llm("zz_in")]})
    return "invalid_value", (*at, "max_rounds")


@defect
def an_id_is_no_name(site: Site):
    return "invalid_value", (*site.put(llm("zz zz")), "id")


@defect
def a_kind_is_unknown(site: Site):
    return "unknown_kind", (*site.put({"id": "zz", "kind": "for_each"}), "kind")


# Names and order.


@defect
def an_id_is_taken(site: Site):
    at = site.put(each([1], llm("zz_in", "{{ item }}")), llm("zz_in"))
    return "duplicate_id", (*at[:-1], at[-1] + 1, "id")


@defect
def a_reference_names_no_step(site: Site):
    return "unknown_step", site.value("{{ steps.zz_none.output }}")


@defect
def an_after_names_no_step(site: Site):
    return "unknown_step", (*site.put(llm(after=["zz_none"])), "after", 0)


@defect
def a_result_names_no_step(site: Site):
    return "unknown_step", (
        *site.put(each([1], llm("zz_in", "{{ item }}"), result="{{ steps.zz_none.output }}")),
        "result",
    )


@defect
def a_reference_names_no_input(site: Site):
    return "unknown_input", site.value("{{ inputs.zz_none }}")


@defect
def a_reference_leads_into_a_block(site: Site):
    at = site.put(each([1], llm("zz_in", "{{ item }}")), llm("zz_out", "{{ steps.zz_in.output }}"))
    return "out_of_sight", (*at[:-1], at[-1] + 1, "prompt")


@defect
def a_reference_leads_into_another_case(site: Site):
    one = {"when": "{{ true }}", "steps": [llm("zz_one")]}
    at = site.put(branch(one, **{"else": {"steps": [llm("zz_other", "{{ steps.zz_one.output }}")]}}))
    return "out_of_sight", (*at, "else", "steps", 0, "prompt")


@defect
def an_after_names_a_step_around(site: Site):
    at = site.put(llm("zz_around"), each([1], llm("zz_in", "{{ item }}", after=["zz_around"])))
    return "out_of_sight", (*at[:-1], at[-1] + 1, "steps", 0, "after", 0)


@defect
def a_step_waits_for_itself(site: Site):
    return "self_reference", site.value("{{ steps.zz.output | default(1) }}")


@defect
def a_step_inside_waits_for_what_holds_it(site: Site):
    return "self_reference", (
        *site.put(each([1], llm("zz_in", "{{ item }}{{ steps.zz.output }}"))),
        "steps",
        0,
        "prompt",
    )


@defect
def steps_wait_for_each_other(site: Site):
    return "cycle", site.put(llm("zz_a", after=["zz_b"]), llm("zz_b", "{{ steps.zz_a.output }}"))


@defect
def a_map_and_what_it_needs_wait_for_each_other(site: Site):
    inside = llm("zz_in", "{{ item }} {{ steps.zz_b.output }}")
    return "cycle", site.put(each([1], inside), llm("zz_b", "{{ steps.zz.output }}"))


@defect
def a_variable_has_a_reserved_name(site: Site):
    return "reserved_name", (*site.put(each([1], llm("zz_in", "{{ inputs_index }}"), **{"as": "inputs"})), "as")


@defect
def a_variable_hides_another(site: Site):
    inner = {**each(["{{ item }}"], llm("zz_deep", "{{ item }}")), "id": "zz_in"}
    return "shadowed_variable", (*site.put(each([1], inner)), "steps", 0, "as")


@defect
def nothing_uses_the_items_of_a_map(site: Site):
    return "unused_variable", site.put(each([1, 2], llm("zz_in")))


@defect
def a_step_inside_leads_nowhere(site: Site):
    at = site.put(each([1], llm("zz_lost"), llm("zz_in", "{{ item }}")))
    return "unused_step", (*at, "steps", 0)


# Expressions.


@defect
def a_filter_does_not_exist(site: Site):
    return "invalid_expression", site.value("{{ 1 | zz_none }}")


@defect
def a_template_is_not_closed(site: Site):
    return "invalid_expression", site.value("{{ 1 + ")


@defect
def a_condition_is_a_text(site: Site):
    return "invalid_expression", (*site.put(llm(when="inputs.x == 1")), "when")


@defect
def a_condition_of_a_case_is_a_text(site: Site):
    return "invalid_expression", (*site.put(branch({"when": "yes"})), "cases", 0, "when")


@defect
def the_end_of_a_loop_is_a_text(site: Site):
    at = site.put({"id": "zz", "kind": "loop", "until": "done", "max_rounds": 2, "steps": [llm("zz_in")]})
    return "invalid_expression", (*at, "until")


@defect
def a_name_means_nothing(site: Site):
    return "unknown_name", site.value("{{ zz_topic.title }}")


@defect
def a_variable_is_used_outside_of_its_map(site: Site):
    at = site.put(each([1], llm("zz_in", "{{ zz_one }}"), **{"as": "zz_one"}), llm("zz_out", "{{ zz_one }}"))
    return "unknown_name", (*at[:-1], at[-1] + 1, "prompt")


@defect
def a_reference_is_misspelled(site: Site):
    return "unsupported_reference", site.value("{{ steps['zz_a'].output }}", llm("zz_a"))


@defect
def what_may_be_skipped_is_taken_for_granted(site: Site):
    return "unguarded_reference", site.value("{{ steps.zz_a.output }}", llm("zz_a", on_error="skip"))


@defect
def a_branch_without_else_is_taken_for_granted(site: Site):
    skipped = {**branch({"when": "{{ true }}", "steps": [llm("zz_in")]}), "id": "zz_a"}
    return "unguarded_reference", site.value("{{ steps.zz_a.output }}", skipped)


@defect
def the_result_of_a_map_takes_for_granted_what_may_be_skipped(site: Site):
    inside = llm("zz_in", when="{{ item }}")
    return "unguarded_reference", (
        *site.put(each([1], inside, result={"t": "{{ steps.zz_in.output }}"})),
        "result",
        "t",
    )


@defect
def the_end_of_a_loop_takes_for_granted_what_may_be_skipped(site: Site):
    inside = llm("zz_in", when="{{ round.number > 1 }}")
    loop = {"id": "zz", "kind": "loop", "until": "{{ steps.zz_in.output == 'x' }}", "max_rounds": 2, "steps": [inside]}
    return "unguarded_reference", (*site.put(loop), "until")


# Types.


@defect
def an_output_has_no_such_field(site: Site):
    return "unknown_output_field", site.value("{{ steps.zz_a.output.titel }}", llm("zz_a", output=TITLED))


@defect
def a_list_of_a_map_has_no_fields(site: Site):
    many = {**each([1], llm("zz_in", "{{ item }}")), "id": "zz_a"}
    return "unknown_output_field", site.value("{{ steps.zz_a.output.title }}", many)


@defect
def an_approval_has_no_such_field(site: Site):
    asked = {"id": "zz_a", "kind": "approval", "message": "?"}
    return "unknown_output_field", site.value("{{ steps.zz_a.output.accepted }}", asked)


@defect
def an_answer_has_no_such_field(site: Site):
    sent = {"id": "zz_a", "kind": "http", "url": "https://example.com"}
    return "unknown_output_field", site.value("{{ steps.zz_a.output.text }}", sent)


@defect
def another_workflow_gives_no_such_field(site: Site):
    return "unknown_output_field", site.value(
        "{{ steps.zz_a.output.b }}", running("zz-asking", "zz_a", inputs={"q": ""})
    )


@defect
def an_input_has_no_such_field(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = TITLED
    return "unknown_input_field", site.value("{{ inputs.zz_in.titel }}")


@defect
def an_item_has_no_such_field(site: Site):
    at = site.put(each([{"title": "a"}, {"title": "b"}], llm("zz_in", "{{ item.titel }}")))
    return "unknown_variable_field", (*at, "steps", 0, "prompt")


@defect
def a_round_has_no_such_field(site: Site):
    inside = llm("zz_in", "{{ round.last }}")
    at = site.put({"id": "zz", "kind": "loop", "until": "{{ true }}", "max_rounds": 2, "steps": [inside]})
    return "unknown_variable_field", (*at, "steps", 0, "prompt")


@defect
def a_field_may_be_left_out(site: Site):
    return "optional_field", site.value("{{ steps.zz_a.output.title }}", llm("zz_a", output={**TITLED, "required": []}))


@defect
def a_map_is_over_a_text(site: Site):
    at = site.put(llm("zz_a"), each("{{ steps.zz_a.output }}", llm("zz_in", "{{ item }}")))
    return "type_mismatch", (*at[:-1], at[-1] + 1, "over")


@defect
def a_picture_stands_in_a_text(site: Site):
    at = site.put({"id": "zz_a", "kind": "image", "prompt": "x"}, llm("zz", "{{ steps.zz_a.output }}"))
    return "type_mismatch", (*at[:-1], at[-1] + 1, "prompt")


@defect
def results_of_cases_are_of_several_types(site: Site):
    one = {"when": "{{ true }}", "result": "a text"}
    return "mixed_results", (*site.put(branch(one, **{"else": {"result": {"a": 1}}})), "else", "result")


@defect
def a_result_does_not_satisfy_the_branch(site: Site):
    at = site.put(branch({"when": "{{ true }}", "result": {"name": "a"}}, output=TITLED))
    return "invalid_value", (*at, "cases", 0, "result")


@defect
def a_schema_is_none(site: Site):
    return "invalid_schema", (*site.put(llm(output={"type": "text"})), "output", "type")


@defect
def a_default_does_not_fit(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "string", "default": 1}
    return "invalid_default", ("inputs", "zz_in", "default")


@defect
def a_stand_in_does_not_fit(site: Site):
    return "invalid_stand_in", (*site.put(llm(on_error={"output": 1})), "on_error", "output")


@defect
def a_stand_in_for_a_map_is_no_list(site: Site):
    at = site.put(each([1], llm("zz_in", "{{ item }}"), on_error={"output": "none"}))
    return "invalid_stand_in", (*at, "on_error", "output")


# Tools, models, other workflows, and repetition.


@defect
def a_tool_does_not_exist(site: Site):
    return "unknown_tool", (*site.put({"id": "zz", "kind": "tool", "tool": "zz_none"}), "tool")


@defect
def an_argument_is_unknown(site: Site):
    at = site.put({"id": "zz", "kind": "tool", "tool": "send_it", "arguments": {"text": "x", "zz": 1}})
    return "unknown_argument", (*at, "arguments", "zz")


@defect
def an_argument_is_missing(site: Site):
    return "missing_argument", (*site.put({"id": "zz", "kind": "tool", "tool": "send_it"}), "arguments", "text")


@defect
def an_argument_is_of_another_type(site: Site):
    at = site.put({"id": "zz", "kind": "tool", "tool": "send_it", "arguments": {"text": 1}})
    return "invalid_argument", (*at, "arguments", "text")


@defect
def an_item_is_no_argument(site: Site):
    sending = {"id": "zz_in", "kind": "tool", "tool": "send_it", "arguments": {"text": "x", "times": "{{ item }}"}}
    return "type_mismatch", (*site.put(each(["a", "b"], sending)), "steps", 0, "arguments", "times")


@defect
def an_effect_is_tried_again(site: Site):
    call = {"id": "zz", "kind": "tool", "tool": "send_it", "arguments": {"text": "x"}, "retry": {"attempts": 2}}
    return "unsafe_retry", (*site.put(call), "retry", "attempts")


@defect
def a_model_does_not_exist(site: Site):
    return "unknown_model", (*site.put(llm(model="zz/none")), "model")


@defect
def a_host_is_not_allowed(site: Site):
    return "host_not_allowed", (*site.put({"id": "zz", "kind": "http", "url": "https://zz.example/"}), "url")


@defect
def a_model_is_sent_what_it_must_not_see(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "string", "sensitivity": "restricted"}
    at = site.put(llm("zz_a", "{{ inputs.zz_in }}"), llm("zz", "{{ steps.zz_a.output }}", model="zz/open"))
    return "insufficient_clearance", (*at[:-1], at[-1] + 1, "model")


@defect
def a_model_inside_is_sent_an_item_that_it_must_not_see(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "array", "sensitivity": "confidential"}
    at = site.put(each("{{ inputs.zz_in }}", llm("zz_in", "{{ item }}", model="zz/open")))
    return "insufficient_clearance", (*at, "steps", 0, "model")


@defect
def a_host_is_sent_what_it_must_not_see(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "string", "sensitivity": "restricted"}
    sent = {"id": "zz", "kind": "http", "url": "https://open.example/", "method": "POST", "body": "{{ inputs.zz_in }}"}
    return "insufficient_clearance", (*site.put(sent), "url")


@defect
def a_label_is_none(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "string", "sensitivity": "secret"}
    return "unknown_label", ("inputs", "zz_in", "sensitivity")


@defect
def a_prompt_is_too_long_for_its_model(site: Site):
    return "too_long_for_models", (*site.put(llm("zz", "x " * 700, model="zz/small")), "prompt")


@defect
def a_step_costs_more_than_it_may(site: Site):
    return "over_budget", (*site.put(llm(model="zz/dear", max_tokens=9, budget_usd=0.5, cache="run")), "budget_usd")


@defect
def a_price_is_unknown_where_there_is_a_budget(site: Site):
    return "unknown_price", (*site.put(llm(model="zz/unpriced", budget_usd=0.5)), "model")


@defect
def a_step_takes_longer_than_it_may(site: Site):
    return "deadline_unreachable", (*site.put(llm(model="zz/slow", deadline_s=3, cache="run")), "deadline_s")


@defect
def a_try_may_take_longer_than_the_step(site: Site):
    return "deadline_too_short", (*site.put(llm(timeout_s=9, deadline_s=3)), "timeout_s")


@defect
def an_effect_is_taken_from_other_runs(site: Site):
    call = {"id": "zz", "kind": "tool", "tool": "send_it", "arguments": {"text": "x"}, "cache": "always"}
    return "cached_effect", (*site.put(call), "cache")


@defect
def a_workflow_does_not_exist(site: Site):
    return "unknown_workflow", (*site.put(running("zz-nobody")), "workflow")


@defect
def a_workflow_is_of_another_version(site: Site):
    return "unknown_version", (*site.put({**running("zz-asking"), "version": "2.0.0"}), "version")


@defect
def a_workflow_has_another_content(site: Site):
    at = site.put(running("zz-asking", inputs={"q": ""}, digest=f"sha256:{0:064}"))
    return "digest_mismatch", (*at, "digest")


@defect
def a_workflow_leads_back_to_itself(site: Site):
    return "recursive_workflow", (*site.put(running("zz-circle")), "workflow")


@defect
def a_workflow_is_broken_itself(site: Site):
    return "unknown_step", (*site.put(running("zz-wrong")), "workflow")


@defect
def a_workflow_lacks_an_input(site: Site):
    return "missing_input", (*site.put(running("zz-asking")), "inputs", "q")


@defect
def a_workflow_has_no_such_input(site: Site):
    return "unknown_input", (*site.put(running("zz-asking", inputs={"q": "", "zz": 1})), "inputs", "zz")


@defect
def a_workflow_is_given_another_type(site: Site):
    return "invalid_input", (*site.put(running("zz-asking", inputs={"q": 1})), "inputs", "q")


@defect
def a_list_is_longer_than_its_map_takes(site: Site):
    return "fan_out_too_large", (*site.put(each([1, 2, 3], llm("zz_in", "{{ item }}"), max_items=2)), "over")


@defect
def an_input_may_be_longer_than_its_map_takes(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "array", "maxItems": 50}
    at = site.put(each("{{ inputs.zz_in }}", llm("zz_in", "{{ item }}"), max_items=49))
    return "fan_out_too_large", (*at, "over")


@defect
def maps_inside_of_each_other_repeat_too_often(site: Site):
    site.document.setdefault("inputs", {})["zz_in"] = {"type": "array"}
    inner = {
        "id": "zz_b",
        "kind": "loop",
        "until": "{{ true }}",
        "max_rounds": 101,
        "steps": [llm("zz_c", "{{ zz_i }}")],
    }
    outer = each("{{ inputs.zz_in }}", inner, max_items=10_000, **{"as": "zz_i"})
    if site.nested:
        return None  # there the bound depends on what is around, and may be passed further out
    return "fan_out_too_large", (*site.put(outer), "steps", 0, "max_rounds")


def test_the_sound_workflows_are_many_nested_and_without_errors():
    for name, document in SOUND.items():
        assert [str(one) for one in inspected(document).findings if one.severity == "error"] == [], name
    assert len(SOUND) >= 30
    assert sum(len(list(blocks(document))) - 1 for document in SOUND.values()) > 30


def test_there_are_many_classes_of_defects():
    assert len(DEFECTS) >= 80


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_by_its_code_at_its_pointer(name: str, nested: bool):
    random = Random(f"{name} {nested}")
    places = [
        (key, number)
        for key, one in SOUND.items()
        for number, (path, _) in enumerate(blocks(one))
        if bool(path) == nested
    ]
    for key, number in random.sample(places, 4):
        document = copy.deepcopy(SOUND[key])
        path, block = list(blocks(document))[number]
        expected = DEFECTS[name](Site(document, path, block, random))
        if expected is None:
            continue
        code, where = expected
        told = {(one.code, one.pointer) for one in inspected(document).findings}
        assert (code, pointer(*where)) in told, f"{key} at {pointer(*path)}: {sorted(told)}"


@needs_corpora
def test_defects_are_found_in_plans_by_people_too():
    random = Random(5)
    plans = [gold.workflow(row) for row in rows("plans/gold_*.jsonl")]
    for name, put in DEFECTS.items():
        document = copy.deepcopy(random.choice(plans))
        expected = put(Site(document, (), document, random))
        assert expected is not None
        told = {(one.code, one.pointer) for one in inspected(document).findings}
        assert (expected[0], pointer(*expected[1])) in told, name
