from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.spelling import Names, placeholders, respell

NAMES = Names(
    ids=("summary", "node_0", "node_1", "s_2", "facts"),
    aliases={
        "node-0": "node_0",
        "node0": "node_0",
        "node-1": "node_1",
        "node1": "node_1",
        "2": "s_2",
        "facts": "facts",
    },
    inputs=("task",),
    tools={"websearch": "node_1"},
    fields={"facts": frozenset({"urgent", "text"})},
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{{ steps.summary }}", "{{ steps.summary.output }}"),
        ("{{steps.summary.result}}", "{{ steps.summary.output }}"),
        ("{{ summary }}", "{{ steps.summary.output }}"),
        ("{{ summary.output | upper }}", "{{ steps.summary.output | upper }}"),
        ('{{ steps["summary"].output }}', "{{ steps.summary.output }}"),
        ("{{ steps.node-0.output }}", "{{ steps.node_0.output }}"),
        ("{{ steps.Summary.output }}", "{{ steps.summary.output }}"),
        ("{{ steps.sumary.output }}", "{{ steps.summary.output }}"),
        ("{{ steps.facts.urgent }}", "{{ steps.facts.output.urgent }}"),
        ("{{ steps.facts.text }}", "{{ steps.facts.output.text }}"),
        ("{{ facts.output.urgent and steps.summary }}", "{{ steps.facts.output.urgent and steps.summary.output }}"),
        ("{{ task }}", "{{ inputs.task }}"),
        ("{{ inputs.Task }}", "{{ inputs.task }}"),
        (
            "Say: {{ summary }} and {{ steps.node_1 }}.",
            "Say: {{ steps.summary.output }} and {{ steps.node_1.output }}.",
        ),
        ("<node-0>", "{{ steps.node_0.output }}"),
        ("<Node-1>.output", "{{ steps.node_1.output }}"),
        ("<node_0>.label", "{{ steps.node_0.output.label }}"),
        ("Merge <node-0> with <node-1>.", "Merge {{ steps.node_0.output }} with {{ steps.node_1.output }}."),
        ("<node-7>", "{{ steps.node_7.output }}"),
        ("<summary>", "{{ steps.summary.output }}"),
        ("$2", "{{ steps.s_2.output }}"),
        ("${1}", "{{ steps.summary.output }}"),
        ("${steps.summary.output}", "{{ steps.summary.output }}"),
        ("From ${summary} make a list", "From {{ steps.summary.output }} make a list"),
        ("Use #E1 here", "Use {{ steps.summary.output }} here"),
        ("[Output of Web Search]", "{{ steps.node_1.output }}"),
        ("<output of summary>", "{{ steps.summary.output }}"),
    ],
)
def test_other_spellings_of_a_reference_become_expressions(written, meant):
    assert respell(written, NAMES) == meant


@pytest.mark.parametrize(
    "text",
    [
        "{{ steps.summary.output }}",
        "{{ steps.facts.output.urgent | default(false) }}",
        "{{ inputs.task | length > 3 }}",
        "{{ steps.nobody.output }}",
        "{% if steps.facts.output.urgent %}now{% endif %}",
        "It costs $2 or $1.",
        "$1",
        "<summary>{{ steps.summary.output }}</summary>",
        "Write <b>bold</b> and x < y > z",
        "A list [1] and {braces}",
        "if a<node and b>node",
        "<https://example.com/a.png>",
        "issue #E and C#E12",
        "echo ${HOME} ${Facts} and replace by ${1}",
        "Put it between <node1> and </node1>",
    ],
)
def test_text_that_is_no_reference_stays_as_it_is(text):
    assert respell(text, NAMES) == text


pieces = st.sampled_from(
    [
        "{{ ",
        " }}",
        "steps.",
        "summary",
        "node-0",
        ".output",
        "<",
        ">",
        "${",
        "}",
        "$2",
        "#E1",
        "[output of ",
        "]",
        "| ",
        " ",
    ]
)


@given(st.text() | st.lists(pieces, max_size=12).map("".join))
def test_respelling_never_crashes_and_is_done_at_once(text):
    once = respell(text, NAMES)
    assert respell(once, NAMES) == once


@given(st.text(st.characters(exclude_characters="{<[$#")))
def test_text_without_a_sign_of_a_reference_is_never_touched(text):
    assert respell(text, NAMES) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Merge [output of step 2] and more", ("[output of step 2]",)),
        ("<output_of_Question_Answering>", ("<output_of_Question_Answering>",)),
        ("<extracted_keyword_from_step_1>", ("<extracted_keyword_from_step_1>",)),
        ("<node-3>", ("<node-3>",)),
        ("use {summary} twice: {summary}", ("{summary}",)),
        ("#E9", ("#E9",)),
        ("$3", ("$3",)),
    ],
)
def test_words_that_only_read_like_a_reference_are_found(text, found):
    assert placeholders(text, NAMES.ids) == found


@pytest.mark.parametrize(
    "text",
    [
        "{{ steps.summary.output }}",
        "costs $3 today",
        "<summary>",
        "a JSON object {result: 1}",
        "[the results of 2024]",
        "$5.50",
    ],
)
def test_ordinary_text_is_no_placeholder(text):
    assert placeholders(text, NAMES.ids) == ()
