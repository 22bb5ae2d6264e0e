"""Pictures of workflows: every step is in them, nothing in them is executed, and names stay names."""

from __future__ import annotations

import random
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli import main
from orchestrator.drawing.layers import Layout, layered
from orchestrator.drawing.mermaid import mermaid
from orchestrator.drawing.sketch import MOST_STEPS, TooManyToDrawError
from orchestrator.drawing.svg import svg
from workflows.blocks import nested_steps
from workflows.findings import WorkflowError
from workflows.model import Workflow
from workflows.parse import from_json, read

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("workflows/library", "examples", "tests/workflows/translations", "orchestrator/starters")
    for path in (ROOT / folder).glob("*.json")
)
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    'x"]; end\n%%{init: {}}%% <script>alert(1)</script> `--> click n1 "javascript:1" #quot; & ]]> \u202e\x1b[2J --%>'
)


def flow(*steps: dict[str, Any]) -> Workflow:
    return from_json({"workflow": "1", "name": "x", "steps": list(steps)})


def hostile() -> Workflow:
    condition = f"{{{{ {HOSTILE!r} == 'a' }}}}"
    cases = [
        {"when": condition, "steps": [{"id": "b", "kind": "tool", "tool": HOSTILE[:200]}]},
        {"when": "{{ true }}", "result": HOSTILE},
    ]
    return flow(
        {"id": "end", "kind": "llm", "prompt": HOSTILE, "model": HOSTILE, "when": condition},
        {"id": "subgraph", "kind": "branch", "cases": cases},
        {"id": "click", "kind": "map", "over": HOSTILE, "steps": [{"id": "style", "kind": "http", "url": HOSTILE}]},
    )


def drawn(workflow: Workflow) -> ET.Element:
    return ET.fromstring(svg(workflow))


def titles(picture: ET.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text") if text.get("class") == "title"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_step_stands_in_both_pictures(path: Path) -> None:
    workflow = read(path)
    ids = [step.id for step in workflow.steps] + [one.id for step in workflow.steps for _, one in nested_steps(step)]
    assert sorted(titles(drawn(workflow))) == sorted(ids)
    text = mermaid(workflow)
    assert all(re.search(rf'"{one}\b', text) for one in ids)
    assert text.count("subgraph ") == len(re.findall(r"(?m)^ *end$", text))


SHAPE = r'n\d+(\[\[|\[/|\[\(|\[\\|\(\[|\{\{|\[|\()("[^"]*")(\]\]|/\]|\)\]|\\\]|\]\)|\}\}|\]|\))'
LINE = re.compile(rf'flowchart TD|subgraph n\d+\[("[^"]*")\]|end|n\d+ --> n\d+|{SHAPE}')
LABEL = re.compile(r'"(?:[\w _.,/+\-*=!?()\[\]|·…←]|#\d+;|<br/>)*"')


def test_no_name_or_text_breaks_out_of_mermaid() -> None:
    for line in mermaid(hostile()).splitlines():
        assert LINE.fullmatch(line.strip()), line
        for label in re.findall(r'"[^"]*"', line):
            assert LABEL.fullmatch(label), label


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_is_only_a_label(text: str) -> None:
    try:
        workflow = flow({"id": "a", "kind": "llm", "prompt": text, "model": text, "when": text})
    except WorkflowError:
        return
    for line in mermaid(workflow).splitlines():
        assert LINE.fullmatch(line.strip()), line
    assert titles(drawn(workflow)) == ["a"]


def test_a_picture_holds_nothing_that_could_be_executed() -> None:
    picture = drawn(hostile())
    tags = {element.tag.removeprefix(SVG) for element in picture.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
    names = {name for element in picture.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name}
    assert "\u202e" not in svg(hostile())


def test_steps_inside_stand_inside_of_their_box_and_lines_join_who_waits() -> None:
    workflow = read(ROOT / "examples/route-inquiries.json")
    picture = drawn(workflow)
    around = {}
    for group in picture.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        title = next(text.text for text in group.iter(f"{SVG}text"))
        assert box is not None
        around[title] = tuple(float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
    for outer, inner in (("inbox", "treated"), ("treated", "reply"), ("treated", "note"), ("inbox", "sorted")):
        (x, y, width, height), (a, b, wide, high) = around[outer], around[inner]
        assert x < a
        assert y < b
        assert a + wide < x + width
        assert b + high < y + height
    assert around["sorted"][1] < around["treated"][1], "who waits stands below"


def overlaps(layout: Layout) -> int:
    places = list(layout.places.values())
    return sum(
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
        for number, one in enumerate(places)
        for other in places[number + 1 :]
    )


@pytest.mark.parametrize("seed", range(20))
def test_boxes_never_overlap_and_every_line_leads_down(seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"s{number}" for number in range(chance.randint(1, 40))]
    sizes = {one: (chance.uniform(40, 300), chance.uniform(20, 200)) for one in ids}
    edges = [(a, b) for number, b in enumerate(ids) for a in ids[:number] if chance.random() < 0.1]
    layout = layered(sizes, edges)
    assert not overlaps(layout)
    assert set(layout.places) == set(ids)
    for line in layout.lines:
        downs = [point[1] for point in line.points]
        assert downs == sorted(downs)
        assert not line.against
    for place in layout.places.values():
        assert -0.001 <= place.x <= layout.width - place.width + 0.001
        assert -0.001 <= place.y <= layout.height - place.height + 0.001


def test_few_lines_cross_where_none_must() -> None:
    sizes = dict.fromkeys(("a", "b", "c", "x", "y", "z"), (50.0, 20.0))
    layout = layered(sizes, [("a", "z"), ("b", "y"), ("c", "x")])
    places = layout.places
    assert sorted("abc", key=lambda one: places[one].x) == [
        {"x": "c", "y": "b", "z": "a"}[name] for name in sorted("xyz", key=lambda one: places[one].x)
    ]


def test_a_circle_is_drawn_with_a_line_upwards() -> None:
    waiting = {"a": "{{ steps.b.output }}", "b": "{{ steps.a.output }}"}
    workflow = flow(*({"id": one, "kind": "set", "value": other} for one, other in waiting.items()))
    lines = [path.get("class") for path in drawn(workflow).iter(f"{SVG}path") if path.get("marker-end")]
    assert sorted(filter(None, lines)) == ["line", "line against"]


def test_the_same_workflow_gives_the_same_picture() -> None:
    workflow = read(ROOT / "examples/summarise-many.json")
    assert svg(workflow) == svg(read(ROOT / "examples/summarise-many.json"))
    assert mermaid(workflow) == mermaid(workflow)


def test_as_many_steps_as_can_be_drawn_are_drawn_in_seconds_and_more_are_refused() -> None:
    def many(count: int, reach: int = 28) -> Workflow:
        waits = [[f"{{{{ steps.s{other}.output }}}}" for other in range(max(0, n - reach), n, 7)] for n in range(count)]
        return flow(*({"id": f"s{n}", "kind": "set", "value": value} for n, value in enumerate(waits)))

    began = time.perf_counter()
    assert len(svg(many(MOST_STEPS))) < 5_000_000
    assert time.perf_counter() - began < 5
    with pytest.raises(TooManyToDrawError, match="10,000 steps"):
        svg(many(10_000))
    with pytest.raises(TooManyToDrawError, match="lines between its steps"):
        svg(many(MOST_STEPS, reach=80))


def test_the_command_draws_to_standard_output_and_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["workflow", "graph", "research-brief"]) == 0
    assert capsys.readouterr().out.startswith("flowchart TD\n")
    assert main(["workflow", "graph", "research-brief", "--format", "svg"]) == 0
    assert ET.fromstring(capsys.readouterr().out).tag == f"{SVG}svg"
    assert main(["workflow", "graph", "research-brief", "--out", "brief.svg"]) == 0
    assert ET.parse(tmp_path / "brief.svg").getroot().tag == f"{SVG}svg"
    assert main(["workflow", "graph", "research-brief", "--out", "brief.pdf"]) == 1
    assert "nothing draws a .pdf file" in capsys.readouterr().err
    assert not (tmp_path / "brief.pdf").exists()
    assert main(["workflow", "graph", "research-brief", "--out", "brief.pdf", "--format", "svg"]) == 0
    assert main(["workflow", "graph", "research-brief", "--out", "nowhere/brief.svg"]) == 1
    assert "cannot write" in capsys.readouterr().err
