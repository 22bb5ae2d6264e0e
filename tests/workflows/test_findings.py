"""Every code of the language: one smallest document that earns it, and its paragraph in docs/findings.md."""

from __future__ import annotations

import ast
import re
from decimal import Decimal
from pathlib import Path

import pytest

from workflows.checks import inspect
from workflows.findings import Finding, WorkflowError, has_errors, pointer
from workflows.models import Candidate, ModelProblem, Rates
from workflows.parse import from_json
from workflows.sources import Missing, Shelf
from workflows.tools import ToolSpec

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "findings.md"
TOOLS = {
    "find": ToolSpec(
        "find",
        parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        repeatable=False,
    )
}
CALL = {"id": "a", "kind": "tool", "tool": "find", "arguments": {"query": "x"}}


def llm(step_id: str, prompt: str = "x", **keys) -> dict:
    return {"id": step_id, "kind": "llm", "prompt": prompt, **keys}


def document(*steps: dict, **keys) -> dict:
    return {"workflow": "1", "name": "x", "steps": list(steps) or [llm("a")], **keys}


def http(**keys) -> dict:
    return {"id": "a", "kind": "http", "url": "https://example.com", **keys}


def each(*steps: dict, **keys) -> dict:
    return {"id": "each", "kind": "map", "over": [1], "steps": list(steps), **keys}


def case(result: object) -> dict:
    return {"when": "{{ true }}", "steps": [], "result": result}


def call(name: str, **keys: object) -> dict:
    return {"id": "a", "kind": "workflow", "workflow": name, "version": "1.0.0", **keys}


OTHERS = Shelf(
    [
        from_json({**document(llm("a", "{{ inputs.q }}"), inputs={"q": {"type": "string"}}), "name": "asking"}),
        from_json({**document(call("circle")), "name": "circle"}),
    ]
)


class Others:
    """The workflows above, and one whose file is broken."""

    def find(self, name, version):
        broken = Finding(code="invalid_json", pointer="", message="the text is not JSON")
        return Missing((name,), findings=(broken,)) if name == "broken" else OTHERS.find(name, version)


class NoModels:
    """A catalogue in which the model's name is the reason why it cannot serve."""

    def problem(self, choice, *, needs, sensitivity):
        known = choice in ("fine", *CANDIDATES) or not isinstance(choice, str)
        return None if known else ModelProblem(code=choice, message=f"{sorted(needs)} {sensitivity}", fix="Do.")

    def candidates(self, choice, *, needs, sensitivity):
        return CANDIDATES.get(choice, ()) if isinstance(choice, str) else ()


class NoRecipients:
    """Everybody that there is, is cleared for what is public."""

    def clearance_of_host(self, host):
        return "public" if host == "example.com" else None

    def clearance_of_tool(self, name):
        return "public"


def candidate(**facts) -> tuple[Candidate, ...]:
    return (Candidate(model="p/m", provider="p", clearance="restricted", **facts),)


DOLLAR = Rates(given=Decimal(1), made=Decimal(1))
CANDIDATES = {
    "small": candidate(context=100),
    "dear": candidate(least=DOLLAR, most=DOLLAR),
    "unpriced": candidate(),
    "slow": candidate(least_s=9),
}
POST = {"id": "a", "kind": "http", "url": "https://example.com/{{ inputs.q }}", "method": "POST"}


FIELD = {"type": "object", "properties": {"title": {"type": "string"}}}
EXAMPLES: dict[str, tuple[object, str]] = {
    "invalid_json": ("{", ""),
    "too_large": (" " * (32 * 1024 * 1024 + 1), ""),
    "too_deep": ("[" * 100_000, ""),
    "duplicate_key": ('{"workflow":"1","name":"x","name":"y","steps":[{"id":"a","kind":"set","value":1}]}', "/name"),
    "missing_key": ({"workflow": "1", "steps": [llm("a")]}, "/name"),
    "unknown_key": (document(extra=1), "/extra"),
    "wrong_type": (document(name=1), "/name"),
    "invalid_value": (document(name="A B"), "/name"),
    "unknown_kind": (document({"id": "a", "kind": "llmm"}), "/steps/0/kind"),
    "duplicate_id": (document(llm("a"), llm("a")), "/steps/1/id"),
    "unknown_step": (document(llm("a", "{{ steps.b.output }}")), "/steps/0/prompt"),
    "out_of_sight": (document(each(llm("a", "{{ item }}")), llm("b", "{{ steps.a.output }}")), "/steps/1/prompt"),
    "unknown_input": (document(llm("a", "{{ inputs.b }}")), "/steps/0/prompt"),
    "self_reference": (document(llm("a", "{{ steps.a.output }}")), "/steps/0/prompt"),
    "forward_reference": (document(llm("a", "{{ steps.b.output }}"), llm("b")), "/steps/0/prompt"),
    "cycle": (document(llm("a", after=["b"]), llm("b", after=["a"])), "/steps/0"),
    "unused_step": (document(llm("a"), llm("b"), outputs={"o": "{{ steps.b.output }}"}), "/steps/0"),
    "reserved_name": (document(each(llm("a", "{{ loop_index }}"), **{"as": "loop"})), "/steps/0/as"),
    "shadowed_variable": (
        document(each(each(llm("a", "{{ item }}"), id="inner", over=["{{ item }}"]))),
        "/steps/0/steps/0/as",
    ),
    "unused_variable": (document(each(llm("a"))), "/steps/0"),
    "unused_default": (
        document({"id": "a", "kind": "approval", "message": "x", "default": "approve"}),
        "/steps/0/default",
    ),
    "unused_input": (document(inputs={"q": {}}), "/inputs/q"),
    "invalid_expression": (document(llm("a", "{{ 1 | nope }}")), "/steps/0/prompt"),
    "unknown_name": (document(llm("a", "{{ topic }}")), "/steps/0/prompt"),
    "unsupported_reference": (document(llm("a"), llm("b", "{{ steps['a'].output }}")), "/steps/1/prompt"),
    "unguarded_reference": (document(llm("a", on_error="skip"), llm("b", "{{ steps.a.output }}")), "/steps/1/prompt"),
    "unknown_output_field": (document(llm("a"), llm("b", "{{ steps.a.output.title }}")), "/steps/1/prompt"),
    "unknown_input_field": (document(llm("a", "{{ inputs.q.x }}"), inputs={"q": FIELD}), "/steps/0/prompt"),
    "unknown_variable_field": (document(each(llm("a", "{{ item.title }}"))), "/steps/0/steps/0/prompt"),
    "optional_field": (document(llm("a", output=FIELD), llm("b", "{{ steps.a.output.title }}")), "/steps/1/prompt"),
    "type_mismatch": (
        document({"id": "a", "kind": "image", "prompt": "x"}, llm("b", "{{ steps.a.output }}")),
        "/steps/1/prompt",
    ),
    "mixed_results": (
        document({"id": "a", "kind": "branch", "cases": [case("a text")], "else": {"steps": [], "result": [1]}}),
        "/steps/0/else/result",
    ),
    "unknown_workflow": (document(call("nobody")), "/steps/0/workflow"),
    "unknown_version": (document(call("asking", version="2.0.0")), "/steps/0/version"),
    "digest_mismatch": (document(call("asking", inputs={"q": "x"}, digest=f"sha256:{0:064}")), "/steps/0/digest"),
    "broken_workflow": (document(call("broken")), "/steps/0/workflow"),
    "recursive_workflow": (document(call("circle")), "/steps/0/workflow"),
    "missing_input": (document(call("asking")), "/steps/0/inputs/q"),
    "invalid_input": (document(call("asking", inputs={"q": 1})), "/steps/0/inputs/q"),
    "fan_out_too_large": (document(each(llm("a", "{{ item }}"), over=[1, 2], max_items=1)), "/steps/0/over"),
    "invalid_schema": (document(llm("a", output={"type": "text"})), "/steps/0/output/type"),
    "invalid_default": (
        document(llm("a", "{{ inputs.q }}"), inputs={"q": {"type": "string", "default": 1}}),
        "/inputs/q/default",
    ),
    "invalid_stand_in": (document(llm("a", on_error={"output": 1})), "/steps/0/on_error/output"),
    "unrendered_template": (document(llm("a", on_error={"output": "{{ 1 }}"})), "/steps/0/on_error/output"),
    "unknown_tool": (document({**CALL, "tool": "fnd"}), "/steps/0/tool"),
    "unknown_argument": (document({**CALL, "arguments": {"query": "x", "q": 1}}), "/steps/0/arguments/q"),
    "missing_argument": (document({**CALL, "arguments": {}}), "/steps/0/arguments/query"),
    "invalid_argument": (document({**CALL, "arguments": {"query": 1}}), "/steps/0/arguments/query"),
    "unsafe_retry": (document({**CALL, "retry": {"attempts": 2}}), "/steps/0/retry/attempts"),
    "unknown_model": (document(llm("a", model="unknown_model")), "/steps/0/model"),
    "no_candidate": (document(llm("a", model="no_candidate")), "/steps/0/model"),
    "no_credentials": (document(llm("a", model="no_credentials")), "/steps/0/model"),
    "insufficient_clearance": (document(llm("a", model="insufficient_clearance")), "/steps/0/model"),
    "deadline_too_short": (document(llm("a", timeout_s=9), policy={"deadline_s": 1}), "/steps/0/timeout_s"),
    "cached_effect": (document({**CALL, "cache": "always"}), "/steps/0/cache"),
    "unknown_recipient": (
        document({**POST, "url": "{{ inputs.q }}"}, inputs={"q": {"sensitivity": "internal"}}),
        "/steps/0/url",
    ),
    "invalid_url": (document(http(url="example.com/x")), "/steps/0/url"),
    "invalid_query": (document(http(query={"x": {"y": 1}})), "/steps/0/query/x"),
    "invalid_header": (document(http(headers={"Cookie": "a=b"})), "/steps/0/headers/Cookie"),
    "invalid_body": (document(http(body={"x": 1})), "/steps/0/body"),
    "host_not_allowed": (document({**POST, "url": "https://example.net"}), "/steps/0/url"),
    "unknown_label": (
        document(llm("a", "{{ inputs.q }}"), inputs={"q": {"sensitivity": "secret"}}),
        "/inputs/q/sensitivity",
    ),
    "nothing_to_declassify": (document(llm("a", declassify="public")), "/steps/0/declassify"),
    "too_long_for_models": (document(llm("a", "x" * 700, model="small")), "/steps/0/prompt"),
    "over_budget": (document(llm("a", model="dear", max_tokens=1), policy={"budget_usd": 0.5}), "/policy/budget_usd"),
    "unknown_price": (document(llm("a", model="unpriced"), policy={"budget_usd": 1}), "/steps/0/model"),
    "deadline_unreachable": (document(llm("a", model="slow"), policy={"deadline_s": 1}), "/policy/deadline_s"),
    "single_point_of_failure": (document(llm("a", model="small")), "/steps/0/model"),
}  # fmt: skip
WARNINGS = {
    "cached_effect", "deadline_too_short", "host_not_allowed", "nothing_to_declassify", "optional_field",
    "shadowed_variable", "single_point_of_failure", "unknown_recipient", "unrendered_template",
    "unused_default", "unused_input", "unused_step", "unused_variable",
}  # fmt: skip


@pytest.mark.parametrize("code", EXAMPLES)
def test_each_code_is_earned_by_its_smallest_document_and_by_nothing_else_in_it(code: str):
    source, where = EXAMPLES[code]
    inspection = inspect(
        source,
        tools=TOOLS,
        models=NoModels(),
        workflows=Others(),
        recipients=NoRecipients(),
        ordered=code != "cycle",
        thorough=code == "single_point_of_failure",
    )
    assert [(finding.code, finding.pointer) for finding in inspection.findings] == [(code, where)]
    assert inspection.findings[0].severity == ("warning" if code in WARNINGS else "error")
    assert inspection.ok == (code in WARNINGS)


def sections() -> dict[str, list[str]]:
    """The codes on the page by the heading they stand under."""
    found: dict[str, list[str]] = {}
    for chapter in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        found[chapter.split("\n")[0]] = re.findall(r"^### `([a-z_]+)`$", chapter, re.MULTILINE)
    return found


def test_the_page_explains_the_languages_codes_and_no_others():
    own = [code for heading, codes in sections().items() if heading != "Plans and runs" for code in codes]
    assert sorted(own) == sorted(EXAMPLES)
    assert len(set(own)) == len(own)


def test_every_code_written_anywhere_in_the_product_is_on_the_page():
    explained = {code for codes in sections().values() for code in codes}
    written = {}
    for package in ("workflows", "planner", "executors", "orchestrator"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"Finding", "ModelProblem"}:
                    written |= {
                        keyword.value.value: path.name
                        for keyword in call.keywords
                        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
                    }
    assert len(written) > 20
    missing = {code: name for code, name in written.items() if code not in explained}
    assert not missing, f"docs/findings.md must explain {missing}"


def test_a_warning_says_so_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for code in WARNINGS:
        assert f"### `{code}`\nA warning." in text


def test_a_pointer_escapes_what_rfc_6901_says():
    assert pointer("steps", 0, "a/b~c") == "/steps/0/a~1b~0c"
    assert pointer() == ""


def test_a_finding_tells_its_place_and_its_mend():
    finding = Finding(code="cycle", pointer="/steps/1", message="Loop.", fix="Cut it.", line=3, column=4)
    assert str(finding) == "error cycle at /steps/1 (line 3, column 4): Loop. Cut it."
    assert str(Finding(code="x", pointer="", message="no stop", fix="Mend.")) == "error x: no stop. Mend."
    assert str(Finding(code="x", pointer="", message="Cut.", line=2, column=1)) == "error x at line 2, column 1: Cut."
    assert finding.to_json()["line"] == 3
    assert str(WorkflowError((finding, finding))).count("\n") == 1
    assert has_errors([finding])
    assert not has_errors([])
