from __future__ import annotations

import json
import time

import pytest

from workflows.checks import check, inspect
from workflows.model import ModelNeeds
from workflows.models import ModelProblem
from workflows.parse import from_json
from workflows.tools import ToolSpec


def llm(step_id: str, prompt: str = "x", **keys) -> dict:
    return {"id": step_id, "kind": "llm", "prompt": prompt, **keys}


def document(*steps: dict, **keys) -> dict:
    return {"workflow": "1", "name": "x", "steps": list(steps), **keys}


def found(*steps: dict, tools=None, models=None, ordered=False, **keys) -> list[tuple[str, str]]:
    inspection = inspect(document(*steps, **keys), tools=tools, models=models, ordered=ordered)
    return [(finding.code, finding.pointer) for finding in inspection.findings]


def test_every_problem_is_told_at_once_errors_first():
    codes = [
        code
        for code, _ in found(
            llm("a", "{{ inputs.unknown }} {{ steps.c.output | nope }}"),
            llm("b", "{{ steps.a.output.field }}", after=["b", "ghost"]),
            llm("c", "{{ steps['a'].output }}", timeout_s=99, after=["b"]),
            llm("c", "{{ topic }}"),
            inputs={"unread": {"type": "nonsense"}},
            policy={"deadline_s": 1},
        )
    ]
    assert set(codes) >= {
        "unknown_input", "invalid_expression", "unknown_output_field", "self_reference", "unknown_step", "cycle",
        "unsupported_reference", "duplicate_id", "unknown_name", "invalid_schema", "deadline_too_short", "unused_input",
    }  # fmt: skip
    assert codes[-2:] == ["deadline_too_short", "unused_input"]


def test_a_broken_shape_does_not_hide_what_is_wrong_elsewhere():
    told = found(
        llm("a", promt="typo"),
        {"id": "b", "kind": "llm"},
        llm("c", "{{ steps.b.output.anything }} {{ steps.gost.output }} {{ inputs.q }}"),
        inputs={"q": "string"},
        policy={"budget": 1},
    )
    assert sorted(told) == sorted(
        [
            ("unknown_key", "/steps/0/promt"),
            ("missing_key", "/steps/1/prompt"),
            ("unknown_step", "/steps/2/prompt"),
            ("wrong_type", "/inputs/q"),
            ("unknown_key", "/policy/budget"),
        ]
    )


def test_a_step_without_a_usable_id_makes_no_false_alarms():
    told = found({"id": "my step", "kind": "llm", "prompt": "x"}, llm("b", "{{ steps.my_step.output }}"))
    assert told == [("invalid_value", "/steps/0/id")]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("reserch", "research"), ("Research", "research"), ("reviw_draft", "review-draft".replace("-", "_"))],
)
def test_the_nearest_step_is_suggested(wrong: str, right: str):
    steps = (llm("research"), llm("review_draft"), llm("last", f"{{{{ steps.{wrong}.output }}}}"))
    finding = inspect(document(*steps)).findings[0]
    assert finding.code == "unknown_step"
    assert finding.allowed[0] == right
    assert right in (finding.fix or "")


def test_a_step_taken_for_an_input_is_told_apart():
    findings = inspect(document(llm("a"), llm("b", "{{ inputs.a }} {{ steps.q.output }}"), inputs={"q": {}})).findings
    assert [finding.fix for finding in findings if finding.severity == "error"] == [
        "Write `steps.a.output`: it is a step.",
        "Write `inputs.q`: it is an input.",
    ]


def test_a_cycle_is_shown_as_a_way_and_each_tangle_once():
    inspection = inspect(
        document(
            llm("a", "{{ steps.c.output }}"),
            llm("b", "{{ steps.a.output }}"),
            llm("c", "{{ steps.b.output }}"),
            llm("d", after=["e"]),
            llm("e", after=["d"]),
        )
    )
    assert [finding.message for finding in inspection.findings] == [
        "the steps wait for each other: a -> b -> c -> a",
        "the steps wait for each other: d -> e -> d",
    ]


def test_the_order_of_the_file_matters_only_for_plans():
    steps = (llm("b", "{{ steps.a.output }}"), llm("a"))
    assert found(*steps) == []
    assert found(*steps, ordered=True) == [("forward_reference", "/steps/0/prompt")]
    assert found(*reversed(steps), ordered=True) == []
    assert found(llm("a", after=["b"]), llm("b"), ordered=True) == [("forward_reference", "/steps/0/after/0")]


@pytest.mark.parametrize("when", ["inputs.go", "true", "yes {{ inputs.go }}", "{% if inputs.go %}1{% endif %}", ""])
def test_a_condition_is_one_expression(when: str):
    (finding,) = inspect(document(llm("a", "{{ inputs.go }}", when=when), inputs={"go": {}})).findings
    assert (finding.code, finding.pointer) == ("invalid_expression", "/steps/0/when")


GUARD = "{{ steps.g.output == 'y' }}"


@pytest.mark.parametrize(
    ("step", "safe"),
    [
        (llm("b", "{{ steps.a.output }}"), False),
        (llm("b", "{{ steps.a.output | default('') }}"), True),
        (llm("b", "{{ steps.a.output.x | default('') }}"), False),
        (llm("b", "{{ (steps.a.output | default({})).x | default('') }}"), True),
        (llm("b", "{% if steps.a.output is defined %}{{ steps.a.output }}{% endif %}"), True),
        (llm("b", "{{ steps.a.output if steps.a.output is defined else 'n' }}"), True),
        (llm("b", "{{ steps.a.output }}", when=GUARD), True),
        (llm("b", "{{ steps.a.output }}", when='{{steps.g.output=="y"}}'), True),
        (llm("b", "{{ steps.a.output }}", when="{{ (steps.g.output == 'y') and inputs.q }}"), True),
        (llm("b", "{{ steps.a.output }}", when="{{ steps.g.output == 'y' or inputs.q }}"), False),
        (llm("b", "{{ steps.a.output }}", when="{{ steps.g.output == 'n' }}"), False),
        (llm("b", "{{ steps.a.output }}", when="{{ steps.a.output is defined }}"), True),
        (llm("b", "{{ steps.a.output }}", when="{{ steps.a.output is not defined }}"), False),
        (llm("b", "{{ steps.a.output }}", when="{{ steps.a.output }}"), False),
        (llm("b", "x", after=["a"]), True),
    ],
)
def test_a_step_that_may_be_skipped_is_used_only_under_a_guard(step: dict, *, safe: bool):
    told = found(llm("g"), llm("a", when=GUARD), step, llm("z", "{{ inputs.q }}"), inputs={"q": {}})
    assert ("unguarded_reference" in {code for code, _ in told}) is not safe


def test_the_same_condition_does_not_help_against_a_failure_that_skips():
    skipping = llm("a", when="{{ inputs.q }}", on_error="skip")
    told = found(skipping, llm("b", "{{ steps.a.output }}", when="{{ inputs.q }}"), inputs={"q": {}})
    assert told == [("unguarded_reference", "/steps/1/prompt")]


def test_a_guard_is_followed_through_the_steps_it_tests():
    assert found(
        llm("a", when="{{ inputs.q }}"),
        llm("b", "{{ steps.a.output }}", when="{{ inputs.q }}"),
        llm("c", "{{ steps.a.output }}{{ steps.b.output }}", when="{{ steps.b.output is defined }}"),
        inputs={"q": {}},
    ) == []  # fmt: skip


def test_outputs_need_a_default_for_a_step_that_may_be_skipped():
    step = llm("a", on_error="skip")
    assert found(step, outputs={"o": ["{{ steps.a.output }}"]}) == [("unguarded_reference", "/outputs/o/0")]
    assert found(step, outputs={"o": "{{ steps.a.output | default(none) }}"}) == []
    assert found(step) == []


TITLE = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["title", "tags"],
}
NESTED = {
    "type": "object",
    "properties": {"book": {"$ref": "#/$defs/book"}, "other": {"anyOf": [{"$ref": "#/$defs/book"}, {"type": "null"}]}},
    "required": ["book", "other"],
    "$defs": {"book": {"type": "object", "properties": {"pages": {"type": "integer"}}, "required": ["pages"]}},
}


@pytest.mark.parametrize(
    ("giver", "path", "codes"),
    [
        (llm("a"), "", []),
        (llm("a"), ".x", ["unknown_output_field"]),
        (llm("a"), "[0]", ["unknown_output_field"]),
        (llm("a", output=TITLE), ".title", []),
        (llm("a", output=TITLE), ".titel", ["unknown_output_field"]),
        (llm("a", output=TITLE), ".tags[0]", []),
        (llm("a", output=TITLE), ".tags[0].x", ["unknown_output_field"]),
        (llm("a", output={**TITLE, "additionalProperties": True}), ".more", []),
        (llm("a", output={"type": "object"}), ".any.thing", []),
        (llm("a", output=NESTED), ".book.pages", []),
        (llm("a", output=NESTED), ".book.page", ["unknown_output_field"]),
        (llm("a", output=NESTED), ".other.pages", []),
        (llm("a", output=NESTED), ".other.page", ["unknown_output_field"]),
        (llm("a", on_error={"output": "n"}), ".x", ["unknown_output_field"]),
        ({"id": "a", "kind": "image", "prompt": "x"}, ".url", []),
        ({"id": "a", "kind": "image", "prompt": "x"}, ".link", ["unknown_output_field"]),
        ({"id": "a", "kind": "embed", "input": "x"}, ".vector", ["unknown_output_field"]),
        ({"id": "a", "kind": "set", "value": {"k": [1, {"d": 2}]}}, ".k[1].d", []),
        ({"id": "a", "kind": "set", "value": {"k": [1, {"d": 2}]}}, ".k[1].e", ["unknown_output_field"]),
        ({"id": "a", "kind": "set", "value": {"k": "{{ inputs.q }}"}}, ".k.title", []),
        ({"id": "a", "kind": "set", "value": {"k": "{{ inputs.q }}"}}, ".k.tittle", ["unknown_output_field"]),
        ({"id": "a", "kind": "set", "value": {"k": "a {{ inputs.q }}"}}, ".k.title", ["unknown_output_field"]),
        ({"id": "a", "kind": "tool", "tool": "t"}, ".title", []),
        ({"id": "a", "kind": "tool", "tool": "t"}, ".nope", ["unknown_output_field"]),
        ({"id": "a", "kind": "tool", "tool": "t", "output": {"type": "string"}}, ".title", ["unknown_output_field"]),
        ({"id": "a", "kind": "tool", "tool": "blind"}, ".anything", []),
    ],
)
def test_a_path_must_exist_in_what_the_step_gives(giver: dict, path: str, codes: list[str]):
    tools = {"t": ToolSpec("t", returns=TITLE), "blind": ToolSpec("blind")}
    taker = {"id": "z", "kind": "set", "value": f"{{{{ steps.a.output{path} }}}} {{{{ inputs.q.title }}}}"}
    assert [code for code, _ in found(giver, taker, inputs={"q": TITLE}, tools=tools)] == codes


def test_the_nearest_field_is_suggested_with_its_whole_path():
    finding = inspect(document(llm("a", output=NESTED), llm("b", "{{ steps.a.output.book.pagse }}"))).findings[0]
    assert finding.allowed == ("pages",)
    assert finding.fix == "Did you mean `steps.a.output.book.pages`?"


IMAGE = {"id": "i", "kind": "image", "prompt": "x"}
VECTOR = {"id": "v", "kind": "embed", "input": "x"}
NUMBER = {"id": "n", "kind": "set", "value": 3}


@pytest.mark.parametrize(
    ("giver", "taker", "codes"),
    [
        (IMAGE, llm("z", "{{ steps.i.output }}"), ["type_mismatch"]),
        (IMAGE, llm("z", "x", system="see {{ steps.i.output }}"), ["type_mismatch"]),
        (IMAGE, llm("z", "see {{ steps.i.output.url }}"), []),
        (IMAGE, llm("z", "x", images=["{{ steps.i.output }}"]), []),
        (IMAGE, llm("z", "x", images=["{{ steps.i.output.url }}"]), []),
        (VECTOR, llm("z", "x", images=["{{ steps.v.output }}"]), ["type_mismatch"]),
        (VECTOR, llm("z", "{{ steps.v.output }}"), ["type_mismatch"]),
        (IMAGE, {"id": "z", "kind": "embed", "input": "{{ steps.i.output }}"}, ["type_mismatch"]),
        (NUMBER, {"id": "z", "kind": "embed", "input": "{{ steps.n.output }}"}, ["type_mismatch"]),
        (NUMBER, {"id": "z", "kind": "embed", "input": ["{{ steps.n.output }}"]}, ["type_mismatch"]),
        (NUMBER, {"id": "z", "kind": "embed", "input": "n = {{ steps.n.output }}"}, []),
        (NUMBER, llm("z", "{{ steps.n.output }}"), []),
        (IMAGE, {"id": "z", "kind": "set", "value": "{{ steps.i.output }}"}, []),
    ],
)
def test_a_value_must_be_of_use_where_it_stands(giver: dict, taker: dict, codes: list[str]):
    assert [code for code, _ in found(giver, taker)] == codes


def test_an_image_that_is_written_out_is_an_address():
    good = ["https://x.org/a.png", "data:image/png;base64,AAAA", "{{ inputs.photo }}"]
    told = found(llm("a", images=[*good, "cat.png", "http://x.org/a.png"]), inputs={"photo": {"type": "string"}})
    assert told == [("invalid_value", "/steps/0/images/3"), ("invalid_value", "/steps/0/images/4")]


def test_a_list_stands_where_one_text_of_a_list_should():
    several = {"id": "s", "kind": "set", "value": ["a", "b"]}
    assert found(several, {"id": "z", "kind": "embed", "input": "{{ steps.s.output }}"}) == []
    assert found(several, {"id": "z", "kind": "embed", "input": ["{{ steps.s.output }}"]}) == [
        ("type_mismatch", "/steps/1/input/0")
    ]


SEARCH = ToolSpec(
    "search",
    "Finds pages.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1},
            "limit": {"type": "integer", "maximum": 10},
            "sites": {"type": "array", "items": {"$ref": "#/$defs/site"}},
            "exact": {"type": "boolean"},
        },
        "required": ["query"],
        "$defs": {"site": {"type": "object", "properties": {"host": {"type": "string"}}, "required": ["host"]}},
    },
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"query": "x"}, []),
        ({"query": "x", "limit": 3, "sites": [{"host": "a"}], "exact": True}, []),
        ({}, [("missing_argument", "/query")]),
        ({"qery": "x"}, [("unknown_argument", "/qery"), ("missing_argument", "/query")]),
        ({"query": ""}, [("invalid_argument", "/query")]),
        ({"query": "x", "limit": 11}, [("invalid_argument", "/limit")]),
        ({"query": "x", "sites": [{"host": 1}]}, [("invalid_argument", "/sites/0/host")]),
        ({"query": "x", "sites": [{}]}, [("invalid_argument", "/sites/0")]),
        ({"query": "{{ steps.n.output }}"}, [("type_mismatch", "/query")]),
        ({"query": "{{ steps.n.output }} things"}, []),
        ({"query": "x", "limit": "{{ steps.n.output }}"}, []),
        ({"query": "x", "limit": "{{ steps.t.output }}"}, [("type_mismatch", "/limit")]),
        ({"query": "x", "limit": "{{ steps.t.output | int }}"}, []),
        ({"query": "x", "limit": "ten {{ steps.t.output }}"}, [("type_mismatch", "/limit")]),
        ({"query": "x", "sites": [{"host": "{{ steps.n.output }}"}]}, [("type_mismatch", "/sites/0/host")]),
        ({"query": "x", "sites": "{{ steps.t.output }}"}, [("type_mismatch", "/sites")]),
        ({"query": "x", "sites": ["{{ inputs.unknown_shape }}"]}, []),
    ],
)
def test_arguments_fit_the_tools_schema(arguments: dict, told: list[tuple[str, str]]):
    call = {"id": "c", "kind": "tool", "tool": "search", "arguments": arguments}
    steps = (NUMBER, llm("t", "{{ inputs.unknown_shape }}"), call)
    said = found(*steps, tools={"search": SEARCH}, inputs={"unknown_shape": {}})
    assert said == [(code, f"/steps/2/arguments{where}") for code, where in told]


def test_the_argument_that_was_meant_is_suggested():
    call = {"id": "c", "kind": "tool", "tool": "search", "arguments": {"q": "x"}}
    finding = inspect(document(call), tools={"search": SEARCH}).findings[0]
    assert (finding.code, finding.fix) == ("unknown_argument", "Did you mean 'query'?")


def test_a_tool_that_says_it_takes_more_is_believed():
    open_ended = ToolSpec("t", parameters={"type": "object", "properties": {}, "additionalProperties": True})
    assert found({"id": "c", "kind": "tool", "tool": "t", "arguments": {"x": 1}}, tools={"t": open_ended}) == []


def test_tools_are_checked_only_where_they_are_known():
    call = {"id": "c", "kind": "tool", "tool": "search", "arguments": {}}
    assert found(call) == []
    assert found(call, tools={}) == [("unknown_tool", "/steps/0/tool")]


class Catalogue:
    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def problem(self, choice, *, needs, sensitivity):
        self.asked.append((choice, needs, sensitivity))
        return ModelProblem(code="no_candidate", message="none", severity="warning") if "vision" in needs else None


def test_the_catalogue_is_asked_once_for_each_sort_of_model():
    models = Catalogue()
    steps = (
        llm("a", model="p/m"),
        llm("b", model="p/m"),
        llm("c", model="p/m", output={"type": "object"}),
        llm("d", images=["https://x/y.png"]),
        {"id": "e", "kind": "image", "prompt": "x", "model": {"tier": "premium"}},
        {"id": "f", "kind": "embed", "input": "x"},
        {"id": "g", "kind": "set", "value": 1},
    )
    told = found(*steps, models=models, policy={"sensitivity": "confidential"})
    assert told == [("no_candidate", "/steps/3/model")]
    assert models.asked == [
        ("p/m", frozenset({"chat"}), "confidential"),
        ("p/m", frozenset({"chat", "structured_output"}), "confidential"),
        (ModelNeeds(), frozenset({"chat", "vision"}), "confidential"),
        (ModelNeeds(tier="premium"), frozenset({"image_output"}), "confidential"),
        (ModelNeeds(tier="economy"), frozenset({"embeddings"}), "confidential"),
    ]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "strin"}, "/type"),
        ({"type": ["string", "nul"]}, "/type"),
        ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
        ({"required": "a"}, "/required"),
        ({"pattern": "("}, "/pattern"),
        ({"patternProperties": {"[": {}}}, "/patternProperties/["),
        ({"$ref": "https://example.org/schema.json"}, "/$ref"),
        ({"items": {"$ref": "#/$defs/none"}}, "/items/$ref"),
        ({"enum": "a"}, "/enum"),
        ({"$schema": []}, "/$schema"),
        ({"$schema": "https://example.org/mine"}, "/$schema"),
        ({"$ref": "#name"}, "/$ref"),
        ({"$defs": {"a": 1}, "$ref": "#/$defs/a"}, "/$defs/a"),
        ({"default": {"type": 5}, "$ref": "#/default"}, "/$ref"),
        ({"$dynamicRef": "#x"}, "/$dynamicRef"),
        ({"not": {"$id": "https://example.org/x"}}, "/not/$id"),
    ],
)
def test_a_schema_that_is_none_is_told_by_its_place(schema: dict, where: str):
    assert found(llm("a", output=schema)) == [("invalid_schema", f"/steps/0/output{where}")]
    assert found(llm("a", "{{ inputs.q }}"), inputs={"q": schema}) == [("invalid_schema", f"/inputs/q{where}")]


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"type": "string", "pattern": "^a+$", "format": "date", "x-own": 1},
        {"const": {"$ref": "nothing"}},
        {"$id": "https://example.org/x", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"type": "array", "items": [{"type": "string"}], "$schema": "http://json-schema.org/draft-07/schema#"},
        {"type": ["string", "null"], "description": "d", "enum": ["a", None]},
        {},
    ],
)
def test_a_schema_that_is_one_passes(schema: dict):
    assert found(llm("a", output=schema)) == []


def test_a_schema_that_refers_to_itself_without_an_end_is_told_and_no_hang():
    told = found(llm("a", "{{ inputs.q }}"), inputs={"q": {"$ref": "#", "default": 1}})
    assert told == [("invalid_schema", "/inputs/q")]


def test_a_set_steps_value_satisfies_its_own_schema():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert found({"id": "a", "kind": "set", "value": {"n": 1}, "output": schema}) == []
    assert found({"id": "a", "kind": "set", "value": {"n": "x"}, "output": schema}) == [
        ("invalid_value", "/steps/0/value/n")
    ]
    assert found(llm("t"), {"id": "a", "kind": "set", "value": {"n": "{{ steps.t.output }}"}, "output": schema}) == [
        ("type_mismatch", "/steps/1/value/n")
    ]


def test_steps_that_lead_to_an_output_or_may_act_are_in_use():
    steps = (llm("a"), llm("b", "{{ steps.a.output }}"), llm("c", after=["d"]), llm("d"), llm("e"))
    call = {"id": "t", "kind": "tool", "tool": "send", "arguments": {"text": "{{ steps.e.output }}"}}
    told = found(*steps, call, outputs={"o": "{{ steps.b.output }}"})
    assert told == [("unused_step", "/steps/2"), ("unused_step", "/steps/3")]


def test_findings_of_a_file_carry_lines_and_those_of_a_value_none():
    text = json.dumps(document(llm("a"), llm("b", "{{ steps.q.output }}")), indent=2)
    (finding,) = inspect(text).findings
    assert finding.line
    assert '"prompt"' in text.split("\n")[finding.line - 1]
    (finding,) = check(from_json(json.loads(text)))
    assert finding.line is None


def test_five_thousand_wrong_names_are_told_in_seconds():
    steps = [
        llm(f"s{number}", f"{{{{ steps.t{number}.output }}}} {{{{ inputs.i{number} }}}}") for number in range(2_500)
    ]
    start = time.process_time()
    inspection = inspect(json.dumps(document(*steps)))
    assert len(inspection.findings) == 5_000
    assert inspection.findings[0].allowed
    assert time.process_time() - start < 10


def test_a_sound_workflow_is_checked_without_the_heavy_libraries():
    import subprocess
    import sys

    program = (
        "import sys; from workflows.checks import inspect; from workflows import library\n"
        "assert all(not inspect(library.load(name).model_dump(mode='json')).findings for name in library.names())\n"
        "print([name for name in ('networkx', 'jsonschema', 'difflib', 'referencing') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert said.stdout.strip() == "[]"
