"""The 1,151 real plans of two models: an analysis of the raw rows says what is wrong, the checks must say the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache

import networkx as nx
import pytest
import taskbench
from corpus import needs_corpora, rows

from planner.faults import examine
from planner.mend import mend
from planner.reading import read_json

pytestmark = needs_corpora

NODE = re.compile(r"<\s*node[-_ ]?(\d+)\s*>", re.IGNORECASE)
REFERENCES = {"self_reference", "forward_reference", "unknown_step", "cycle"}
OF_ARGUMENTS = {"unknown_argument", "missing_argument"}


@cache
def plans():
    tools = {domain: taskbench.tools(domain) for domain in ("huggingface", "multimedia")}
    made = []
    for row in rows("plans/llm_pred_*.jsonl"):
        specs = tools[row["domain"]]
        # Through text and back, as a model's answer comes.
        document = read_json(f"The plan:\n```json\n{json.dumps(taskbench.document(row, specs))}\n```")
        mended = mend(document, tools=specs)
        made.append((row, specs, document, mended, examine(mended.document, tools=specs)))
    return made


def node_references(row) -> list[tuple[int, int]]:
    """(step, step it refers to) for every `<node-N>` in the raw arguments."""
    return [
        (number, int(found))
        for number, node in enumerate(row["prediction"]["task_nodes"])
        for argument in node.get("arguments") or []
        for found in NODE.findall(json.dumps(argument.get("value") if isinstance(argument, dict) else argument))
    ]


def link_references(row) -> tuple[list[tuple[int, int]], bool]:
    """(step, step it waits for) for the links between tools used once, and whether one comes from a tool not used."""
    used = Counter(node["task"] for node in row["prediction"]["task_nodes"])
    place = {node["task"]: number for number, node in enumerate(row["prediction"]["task_nodes"])}
    edges, dangling = [], False
    for link in row["prediction"]["task_links"]:
        if used[link["target"]] == 1 and used[link["source"]] == 1:
            edges.append((place[link["target"]], place[link["source"]]))
        elif used[link["target"]] == 1 and used[link["source"]] == 0:
            dangling = True
    return edges, dangling


def faults_of_references(row) -> set[str]:
    count = len(row["prediction"]["task_nodes"])
    links, dangling = link_references(row)
    edges = node_references(row) + links
    found = set()
    if dangling or any(to >= count for _, to in edges):
        found.add("unknown_step")
    if any(step == to for step, to in edges):
        found.add("self_reference")
    if any(step < to < count for step, to in edges):
        found.add("forward_reference")
    others = nx.DiGraph([(to, step) for step, to in edges if step != to])
    if not nx.is_directed_acyclic_graph(others):
        found.add("cycle")
    return found


def codes(examined) -> set[str]:
    return {one.code for one in examined.findings}


def test_every_plan_is_read_mended_and_checked_without_a_crash():
    assert len(plans()) > 500
    for row, _, document, mended, examined in plans():
        assert len(mended.document["steps"]) == len(row["prediction"]["task_nodes"]) == len(document["steps"])
        assert examined.workflow is not None, row["id"]


def test_every_invented_tool_is_reported_and_no_other():
    seen = 0
    for row, specs, _, mended, examined in plans():
        invented = Counter(node["task"] for node in row["prediction"]["task_nodes"] if node["task"] not in specs)
        renamed = Counter(
            re.findall(r"tool '(.*?)' is '", " ".join(one.message for one in mended.mends if one.code == "tool"))
        )
        reported = sum(one.code == "unknown_tool" for one in examined.findings)
        assert reported == sum((invented - renamed).values()), row["id"]
        seen += reported
    assert seen > 100


@pytest.mark.parametrize("code", sorted(REFERENCES))
def test_every_fault_of_a_reference_is_reported_by_its_code_and_no_other(code):
    """A reference to a later step is mended by order where no cycle forbids it, and is then said in words."""
    seen = 0
    for row, _, _, mended, examined in plans():
        expected = faults_of_references(row)
        by_name = any(
            one.code == "reference" and "output" in one.message.lower().split(" is ")[0] for one in mended.mends
        )
        reported = codes(examined) & REFERENCES
        if any(one.code == "order" for one in mended.mends):
            reported.add("forward_reference")
        if by_name or odd_links(row):
            assert not (expected - reported) & {code}, row["id"]
        else:
            assert (code in reported) == (code in expected), (row["id"], expected, reported)
        seen += code in reported
    assert seen > 10


def odd_links(row) -> bool:
    """Whether a link's source is the index of a node, which means a step although no tool bears that name."""
    return any(
        NODE.search(str(link["source"])) or str(link["source"]).isdecimal() for link in row["prediction"]["task_links"]
    )


def test_order_is_mended_only_where_every_reference_stays():
    reordered = 0
    for row, _, document, mended, _ in plans():
        before = {step["id"].replace("-", "_"): step for step in document["steps"]}
        after = {step["id"]: step for step in mended.document["steps"]}
        assert list(before) == list(after) or any(one.code == "order" for one in mended.mends)
        assert set(before) == set(after), row["id"]
        for name, step in after.items():
            assert edges_of(step) >= {f"node_{to}" for place, to in node_references(row) if f"node_{place}" == name}
        reordered += list(before) != list(after)
    assert reordered > 10


def edges_of(step) -> set[str]:
    return set(re.findall(r"steps\.(\w+)\.output", json.dumps(step))) | set(step.get("after", []))


def test_mending_changes_no_argument_but_references_names_and_types():
    for row, _, document, mended, _ in plans():
        by_id = {step["id"]: step for step in mended.document["steps"]}
        for step in document["steps"]:
            made = by_id[step["id"].replace("-", "_")]
            given = [plain_value(value) for value in step["arguments"].values()]
            kept = [plain_value(value) for value in made["arguments"].values()]
            assert len(given) == len(kept), row["id"]
            for old, new in zip(given, kept, strict=True):
                assert old == new or "steps." in new, (row["id"], old, new)


def plain_value(value) -> str:
    return NODE.sub("REF", json.dumps(value) if not isinstance(value, str) else value)


def test_every_wrong_argument_is_reported_by_its_code_and_no_other():
    seen: Counter[str] = Counter()
    for row, specs, _, mended, examined in plans():
        renamed = [one.message for one in mended.mends if one.code == "argument"]
        expected = wrong_arguments(row, specs)
        reported = codes(examined) & OF_ARGUMENTS
        if renamed:
            assert reported <= expected, row["id"]
        else:
            assert reported == expected, row["id"]
        seen.update(reported)
    assert min(seen.values()) > 100


def wrong_arguments(row, specs) -> set[str]:
    """By counting: how many arguments a known tool takes, and whether names that were given are among its own."""
    found = set()
    for node in row["prediction"]["task_nodes"]:
        tool = specs.get(node["task"]) or next(
            (specs[name] for name in specs if squeezed(name) == squeezed(node["task"])), None
        )
        if tool is None:
            continue
        takes = set(tool.parameters["properties"])
        given = node.get("arguments") or []
        named = Counter(one["name"] for one in given if isinstance(one, dict))
        right = len(takes & set(named))
        bare = len(given) - sum(named.values())
        if sum(named.values()) > right or bare > len(takes) - right:
            found.add("unknown_argument")
        if right + bare < len(takes):
            found.add("missing_argument")
    return found


def squeezed(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower()).replace("keywords", "keyword")


def test_a_picture_where_only_text_is_taken_is_a_mismatch():
    media = {"image", "audio", "video"}
    seen = 0
    for row, specs, _, _, examined in plans():
        if codes(examined) & {"cycle", "self_reference"}:
            continue  # what a step gives is not followed through a tangle, which is fault enough
        nodes = row["prediction"]["task_nodes"]
        bare = [
            (place, to)
            for place, to in node_references(row)
            if to < len(nodes)
            and nodes[to]["task"] in specs
            and nodes[place]["task"] in specs
            and any(argument == f"<node-{to}>" for argument in nodes[place]["arguments"])
        ]
        for place, to in bare:
            taken = {
                one.get("description", "text") for one in specs[nodes[place]["task"]].parameters["properties"].values()
            }
            made = (specs[nodes[to]["task"]].returns or {}).get("description")
            fits_count = len(nodes[place]["arguments"]) <= len(specs[nodes[place]["task"]].parameters["properties"])
            if made in media and not taken & media and fits_count:
                assert "type_mismatch" in codes(examined), row["id"]
                seen += 1
    assert seen > 5


def test_what_only_reads_like_a_reference_is_reported():
    bracketed = re.compile(r"[<\[{](?:the )?output[_ ](?:of|from)[_ ][^<>\[\]{}]{1,60}[>\]}]", re.IGNORECASE)
    for row, _, _, mended, examined in plans():
        left = bracketed.findall(json.dumps([step["arguments"] for step in mended.document["steps"]]))
        assert bool(left) <= ("unresolved_reference" in codes(examined)), row["id"]
