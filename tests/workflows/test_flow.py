from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from engine_runs import _Tool  # the tool that random workflows call
from hypothesis import given, settings
from hypothesis import strategies as st
from random_workflows import made
from running import NO_GATEWAY, value

from executors.events import Event, StepFinished
from executors.runner import run
from executors.tools import ToolError, ToolRegistry
from orchestrator.history import plain_path
from workflows.blocks import implied_result, inner_blocks
from workflows.checks import check
from workflows.checks.flow import StepLabels, labels_of
from workflows.digest import digest
from workflows.graph import implied_outputs
from workflows.model import LoopStep, MapStep, Step, Workflow, WorkflowStep
from workflows.models import ModelProblem
from workflows.references import usage
from workflows.templates import strings, templates
from workflows.tools import ToolSpec

LABELS = ("public", "internal", "confidential", "restricted")
SECRET = {"patient": {"type": "string", "sensitivity": "confidential"}}


def llm(step_id: str, prompt: str = "x", **keys: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "llm", "prompt": prompt, "model": "p/m", **keys}


def workflow(*steps: dict[str, Any], **keys: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": "x", "steps": steps, **keys})


class Cleared:
    """Every model, host and tool is cleared so far."""

    def __init__(self, clearance: str) -> None:
        self.clearance = clearance

    def problem(self, choice, *, needs, sensitivity):
        if LABELS.index(sensitivity) <= LABELS.index(self.clearance):
            return None
        return ModelProblem(code="insufficient_clearance", message=f"{choice} is cleared for {self.clearance}")

    def clearance_of_host(self, host: str):
        return self.clearance

    def clearance_of_tool(self, name: str):
        return self.clearance if name != "own" else None


def found(flow: Workflow, *, clearance: str = "public", workflows: Mapping[str, Workflow] | None = None):
    cleared = Cleared(clearance)
    findings = check(flow, models=cleared, recipients=cleared, workflows=workflows)
    return [one for one in findings if not one.code.startswith("unused")]


def test_the_way_that_a_label_took_is_told():
    steps = llm("summary", "{{ inputs.patient }}", model="p/m"), llm("draft", "{{ steps.summary.output }}")
    told = found(workflow(*steps, inputs=SECRET))
    assert [(one.code, one.pointer) for one in told] == [
        ("insufficient_clearance", "/steps/0/model"),
        ("insufficient_clearance", "/steps/1/model"),
    ]
    assert "is confidential: inputs.patient -> summary -> draft" in told[1].message


def test_what_is_cleared_is_not_told():
    steps = llm("summary", "{{ inputs.patient }}"), llm("draft", "{{ steps.summary.output }}")
    assert found(workflow(*steps, inputs=SECRET), clearance="confidential") == []


def test_a_declassified_output_may_go_on():
    steps = llm("count", "{{ inputs.patient }}", declassify="public"), llm("draft", "{{ steps.count.output }}")
    assert [one.pointer for one in found(workflow(*steps, inputs=SECRET))] == ["/steps/0/model"]


def test_only_a_declassify_that_lowers_nothing_is_told():
    steps = llm("a", declassify="public"), llm("b", "{{ inputs.patient }}", declassify="restricted")
    told = found(workflow(*steps, inputs=SECRET), clearance="restricted")
    assert [(one.code, one.severity, one.pointer) for one in told] == [
        ("nothing_to_declassify", "warning", "/steps/0/declassify"),
        ("nothing_to_declassify", "warning", "/steps/1/declassify"),
    ]
    lowering = llm("b", "{{ inputs.patient }}", declassify="public")
    assert found(workflow(lowering, inputs=SECRET), clearance="restricted") == []


@pytest.mark.parametrize("label", ["secret", 3, None, "Public"])
def test_an_unknown_label_of_an_input_is_an_error(label: object):
    flow = workflow(llm("a", "{{ inputs.q }}"), inputs={"q": {"sensitivity": label}})
    [told] = found(flow)
    assert (told.code, told.pointer, told.severity) == ("unknown_label", "/inputs/q/sensitivity", "error")
    assert set(told.allowed) == set(LABELS)


INSIDE = llm("inner", "hello")
HOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "the list of a map": ({"kind": "map", "over": "{{ inputs.patient }}", "steps": [INSIDE]}, "/steps/0/steps/0"),
    "the condition of a map": (
        {"kind": "map", "over": [1], "when": "{{ inputs.patient }}", "steps": [INSIDE]},
        "/steps/0/steps/0",
    ),
    "another case's condition": (
        {
            "kind": "branch",
            "cases": [{"when": "{{ inputs.patient == 'x' }}"}, {"when": "{{ true }}", "steps": [INSIDE]}],
        },
        "/steps/0/cases/1/steps/0",
    ),
    "what a loop begins with": (
        {"kind": "loop", "initial": "{{ inputs.patient }}", "until": "{{ true }}", "max_rounds": 1, "steps": [INSIDE]},
        "/steps/0/steps/0",
    ),
    "what decides about a second round": (
        {"kind": "loop", "until": "{{ inputs.patient }}", "max_rounds": 2, "steps": [INSIDE]},
        "/steps/0/steps/0",
    ),
    "the label of the container": (
        {"kind": "map", "over": [1], "sensitivity": "confidential", "steps": [INSIDE]},
        "/steps/0/steps/0",
    ),
}


@pytest.mark.parametrize("what", HOLDERS)
def test_a_block_has_the_label_of(what: str):
    step, where = HOLDERS[what]
    told = found(workflow({"id": "outer", **step}, inputs=SECRET))
    assert ("insufficient_clearance", f"{where}/model") in [(one.code, one.pointer) for one in told]


def test_one_round_decides_nothing_about_itself():
    loop = {"id": "l", "kind": "loop", "until": "{{ inputs.patient == 'x' }}", "max_rounds": 1, "steps": [INSIDE]}
    assert found(workflow(loop, inputs=SECRET)) == []


def other(**policy: Any) -> Workflow:
    inputs = {"given": {"type": "string"}, "plain": {"type": "string"}}
    steps = [llm("one", "{{ inputs.plain }}"), llm("two", "{{ inputs.given }}")]
    return workflow(*steps, inputs=inputs, policy=policy, outputs={"o": "{{ steps.two.output }}"})


CALL = {
    "id": "sub", "kind": "workflow", "workflow": "x", "version": "1.0.0",
    "inputs": {"given": "{{ inputs.patient }}", "plain": "p"},
}  # fmt: skip


def test_labels_go_through_another_workflow_input_by_input():
    outer = workflow(CALL, llm("last", "{{ steps.sub.output.o }}"), name="outer", inputs=SECRET)
    told = found(outer, workflows={"x@1.0.0": other()})
    assert {one.code for one in told} == {"insufficient_clearance"}
    assert {one.pointer for one in told} == {"/steps/0/workflow", "/steps/1/model"}
    assert any("sub/two" in one.message and "sub/one" not in one.message for one in told)
    assert labels_of(outer, {"x@1.0.0": other()})["sub/one"] == StepLabels("public", "public")


def test_another_workflow_may_declassify_what_it_gives():
    lowering = other(declassify="internal")
    last = llm("last", "{{ steps.sub.output.o }}")
    pinned = workflow({**CALL, "digest": digest(lowering)}, last, name="outer", inputs=SECRET)
    labels = labels_of(pinned, {"x@1.0.0": lowering})
    assert labels["sub"] == StepLabels("confidential", "internal")
    assert labels["last"].call == "internal"


@pytest.mark.parametrize("pin", [{}, {"digest": f"sha256:{'0' * 64}"}])
async def test_the_word_of_a_workflow_that_is_not_pinned_lowers_nothing(pin: dict[str, str]):
    lowering = workflow(
        value("two", "{{ inputs.given }}"), inputs={"given": {}, "plain": {}}, policy={"declassify": "public"}
    )
    outer = workflow({**CALL, **pin}, value("last", "{{ steps.sub.output }}"), name="outer", inputs=SECRET)
    assert labels_of(outer, {"x@1.0.0": lowering})["last"].call == "confidential"
    events: list[Event] = []
    others = {"x@1.0.0": lowering}
    await run(outer, {"patient": "x"}, gateway=NO_GATEWAY, workflows=others, on_event=events.append)
    ends = {one.step_id: one.label for one in events if isinstance(one, StepFinished)}
    assert ends["sub"] == ends["last"] == "confidential"


async def test_the_word_of_a_pinned_workflow_counts_in_a_run_as_in_the_proof():
    lowering = workflow(
        value("two", "{{ inputs.given }}"), inputs={"given": {}, "plain": {}}, policy={"declassify": "public"}
    )
    pinned = workflow({**CALL, "digest": digest(lowering)}, name="outer", inputs=SECRET)
    others = {"x@1.0.0": lowering}
    events: list[Event] = []
    await run(pinned, {"patient": "x"}, gateway=NO_GATEWAY, workflows=others, on_event=events.append)
    [end] = [one for one in events if isinstance(one, StepFinished) and one.step_id == "sub"]
    assert end.label == labels_of(pinned, others)["sub"].output == "public"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/{{ inputs.patient }}", "insufficient_clearance"),
        ("HTTPS://example.com?q={{ inputs.patient }}", "insufficient_clearance"),
        ("https://{{ inputs.patient }}/", "unknown_recipient"),
        ("https://example.com{{ inputs.patient }}", "unknown_recipient"),
        ("{{ inputs.patient }}", "unknown_recipient"),
    ],
)
def test_a_host_is_a_recipient(url: str, code: str):
    told = found(workflow({"id": "h", "kind": "http", "url": url}, inputs=SECRET))
    assert [(one.code, one.pointer) for one in told] == [(code, "/steps/0/url")]


@pytest.mark.parametrize(
    ("image", "codes"),
    [
        ("https://example.com/?d={{ inputs.patient }}", ["insufficient_clearance"]),
        ("{{ inputs.patient }}", ["unknown_recipient"]),
        ("{{ steps.drawn.output.url }}?d={{ inputs.patient }}", ["unknown_recipient"]),
        ("https://example.com/{{ inputs.plain }}", []),
        ("{{ inputs.plain }}", []),
        ("https://example.com/1.png", []),
        ("data:image/png;base64,{{ inputs.patient }}", []),
        ("{{ steps.drawn.output }}", []),
    ],
)
def test_the_host_of_an_image_is_a_recipient(image: str, codes: list[str]):
    """Whoever fetches an image tells its host what the address was made from."""
    drawn = {"id": "drawn", "kind": "image", "prompt": "{{ inputs.patient }}", "model": "p/m"}
    inputs = {**SECRET, "plain": {"type": "string"}}
    flow = workflow(drawn, llm("a", "{{ inputs.patient }}", images=[image]), inputs=inputs)
    told = [one for one in found(flow) if one.pointer.startswith("/steps/1/images")]
    assert [one.code for one in told] == codes
    assert {one.pointer for one in told} <= {"/steps/1/images/0"}


def test_what_is_public_may_go_to_a_computed_host():
    assert found(workflow({"id": "h", "kind": "http", "url": "{{ inputs.q }}"}, inputs={"q": {}})) == []


def test_tools_are_recipients_and_the_users_own_functions_may_be_given_everything():
    arguments = {"a": "{{ inputs.patient }}"}
    steps = ({"id": name, "kind": "tool", "tool": name, "arguments": arguments} for name in ("own", "theirs"))
    told = found(workflow(*steps, inputs=SECRET))
    assert [(one.code, one.pointer) for one in told] == [("insufficient_clearance", "/steps/1/tool")]


def test_raising_a_label_never_takes_a_finding_away():
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from(LABELS), st.sampled_from(LABELS), st.integers(0, 3))
    def holds(seed: int, lower: str, higher: str, clearance: int) -> None:
        lower, higher = sorted((lower, higher), key=LABELS.index)
        random = made(seed, labels=True)
        others = {name: Workflow.model_validate(one) for name, one in random.workflows.items()}
        at = []
        for label in (lower, higher):
            random.document["inputs"]["text"]["sensitivity"] = label
            findings = found(Workflow.model_validate(random.document), clearance=LABELS[clearance], workflows=others)
            at.append({one.pointer for one in findings if one.code == "insufficient_clearance"})
        assert at[0] <= at[1]

    holds()


class Naive:
    """The rule, read aloud: every label is worked out again and again until none changes."""

    def __init__(self, flow: Workflow, workflows: Mapping[str, Workflow]) -> None:
        self.workflows = workflows
        self.labels: dict[str, list[int]] = {}
        self.changed = True
        inputs = {name: LABELS.index(schema.get("sensitivity", "public")) for name, schema in flow.inputs.items()}
        while self.changed:
            self.changed = False
            self.outputs(flow, "", 0, inputs)

    def outputs(self, flow: Workflow, prefix: str, floor: int, inputs: Mapping[str, int]) -> int:
        floor = max(floor, LABELS.index(flow.policy.sensitivity))
        scope = {f"inputs.{name}": label for name, label in inputs.items()}
        self.block(flow.steps, prefix, floor, scope)
        return self.of(implied_outputs(flow), scope, floor)

    def block(self, steps: tuple[Step, ...], prefix: str, floor: int, scope: dict[str, int]) -> None:
        for step in steps:
            scope[f"steps.{step.id}"] = self.now(prefix + step.id)[1]
        for step in steps:
            call = self.of([source for _, source in templates(step)], scope, floor, step.sensitivity)
            gives = self.inside(step, prefix + step.id, call, floor, scope)
            self.set(prefix + step.id, 0, call)
            self.set(prefix + step.id, 1, gives if step.declassify is None else LABELS.index(step.declassify))

    def inside(self, step: Step, path: str, call: int, floor: int, scope: dict[str, int]) -> int:
        if isinstance(step, WorkflowStep):
            return self.called(step, path, call, floor, scope)
        gives = call
        for block in inner_blocks(step):
            own = dict(scope)
            again = step.retry.attempts > 1 or (isinstance(step, LoopStep) and step.max_rounds > 1)
            held = f"{path}:{block.path}"
            seen = max(call, self.now(held)[2]) if again else call
            self.block(block.steps, f"{path}/", seen, own)
            given = self.of(implied_result(block), own, seen)
            if isinstance(step, LoopStep):
                given = max(given, self.of(step.until, own, seen))
            self.set(held, 2, given)
            failed = self.failed(block.steps, f"{path}/")
            self.set(path, 3, max(given, failed))
            told = step.on_error != "fail" or (isinstance(step, MapStep) and step.on_item_error != "fail")
            gives = max(gives, given, failed if told else 0)
        return gives

    def called(self, step: WorkflowStep, path: str, call: int, floor: int, scope: dict[str, int]) -> int:
        flow = self.workflows[f"{step.workflow}@{step.version}"]
        floor = self.of(step.when, scope, floor, step.sensitivity)
        inputs = {
            name: max(LABELS.index(schema.get("sensitivity", "public")), self.of(step.inputs.get(name), scope, 0))
            for name, schema in flow.inputs.items()
        }
        gives = self.outputs(flow, f"{path}/", floor, inputs)
        if flow.policy.declassify is not None and step.digest is not None:
            gives = max(LABELS.index(flow.policy.declassify), self.of(None, scope, 0, step.sensitivity))
        failed = self.failed(flow.steps, f"{path}/")
        self.set(path, 3, max(gives, call, failed) if step.when or step.on_error != "fail" else max(gives, failed))
        if step.on_error != "fail":
            gives = max(gives, failed)
        return max(gives, call) if step.when is not None or step.on_error != "fail" else gives

    def failed(self, steps: tuple[Step, ...], prefix: str) -> int:
        told = [
            max(self.now(prefix + one.id)[0], self.now(prefix + one.id)[3]) for one in steps if one.on_error == "fail"
        ]
        return max(told, default=0)

    def of(self, value: Any, scope: Mapping[str, int], floor: int, stated: str | None = None) -> int:
        used = [one for _, source in strings(value, ()) for one in usage(source).references]
        named = [scope.get(f"{one.root}.{one.name}", 0) for one in used]
        return max([floor, 0 if stated is None else LABELS.index(stated), *named])

    def now(self, path: str) -> list[int]:
        return self.labels.setdefault(path, [0, 0, 0, 0])

    def set(self, path: str, place: int, label: int) -> None:
        if label > self.now(path)[place]:
            self.now(path)[place], self.changed = label, True


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_labels_are_those_of_a_simple_interpreter(first: int):
    for seed in range(first, first + 100):
        random = made(seed, labels=True)
        flow = Workflow.model_validate(random.document)
        others = {name: Workflow.model_validate(one) for name, one in random.workflows.items()}
        naive = Naive(flow, others).labels
        expected = {
            path: (LABELS[call], LABELS[output]) for path, (call, output, *_) in naive.items() if ":" not in path
        }
        assert {path: (one.call, one.output) for path, one in labels_of(flow, others).items()} == expected, seed


async def test_no_run_finds_a_higher_label_than_was_proved():
    compared = 0
    for seed in range(300):
        random = made(seed, labels=True)
        flow = Workflow.model_validate(random.document)
        others = {name: Workflow.model_validate(one) for name, one in random.workflows.items()}
        events, tools = list[Event](), ToolRegistry()
        tools.add(_Tool(seed).waiting, name="act")
        await run(flow, random.inputs, gateway=NO_GATEWAY, tools=tools, workflows=others, on_event=events.append)
        proved = labels_of(flow, others)
        for event in events:
            if isinstance(event, StepFinished) and event.status in {"succeeded", "skipped"}:
                most = proved[plain_path(event.step_id)].output
                assert LABELS.index(event.label) <= LABELS.index(most), (seed, event.step_id)
                compared += 1
    assert compared > 1_000


class Server:
    """Tools that are cleared for `internal` data, as those of a server elsewhere."""

    def __init__(self, tool: _Tool) -> None:
        self._tool = tool

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        return {"act": ToolSpec("act", parameters={"type": "object"}, clearance="internal")}

    async def load(self, tools: Collection[str] | None = None) -> None:
        """All is known already."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return await self._tool.waiting(**arguments)
        except ValueError as error:
            raise ToolError("tool_failed", str(error)) from None


async def test_no_run_refuses_what_was_proved_to_be_cleared():
    refused = sent = 0
    for seed in range(300):
        random = made(seed, labels=True)
        flow = Workflow.model_validate(random.document)
        others = {name: Workflow.model_validate(one) for name, one in random.workflows.items()}
        events, tools = list[Event](), ToolRegistry()
        tools.attach(Server(_Tool(seed)))
        await run(flow, random.inputs, gateway=NO_GATEWAY, tools=tools, workflows=others, on_event=events.append)
        proved = labels_of(flow, others)
        for event in events:
            if not isinstance(event, StepFinished) or event.kind != "tool":
                continue
            if event.error is not None and event.error.code == "insufficient_clearance":
                refused += 1
                assert proved[plain_path(event.step_id)].call in {"confidential", "restricted"}, (seed, event.step_id)
            sent += event.error is None
    assert refused > 100
    assert sent > 100
