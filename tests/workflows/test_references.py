from __future__ import annotations

import minijinja
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.parse import from_json
from workflows.references import Reference, parents, references, usage


def named(source: str) -> list[str]:
    return [one.text for one in usage(source).references]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ steps.a.output }}", ["steps.a.output"]),
        ("{{ steps.a.output.x[0].y }} and {{ inputs.t }}", ["steps.a.output.x[0].y", "inputs.t"]),
        ("{{ steps.a.output['x'] }}", ["steps.a.output.x"]),
        ("{{ steps.a.output[inputs.i].x }}", ["steps.a.output", "inputs.i"]),
        ("{% for x in steps.a.output %}{{ x.steps.b.output }}{% endfor %}", ["steps.a.output"]),
        (
            "{% if steps.a.output == 'steps.b.output' %}{{ steps.c.output }}{% endif %}",
            ["steps.a.output", "steps.c.output"],
        ),
        ("{# {{ steps.a.output }} #}{% raw %}{{ steps.b.output }}{% endraw %}", []),
        ("{{ {'k': {'a': steps.a.output}} }}{{ inputs.t }}", ["steps.a.output", "inputs.t"]),
        ("{{ '}}' ~ steps.a.output }}", ["steps.a.output"]),
        ("{{ dict(steps=inputs.t) }}", ["inputs.t"]),
        ("steps.a.output", []),
        ("{{ steps.a.output[-1] }}", ["steps.a.output[-1]"]),
    ],
)
def test_references_are_found_where_they_are_and_nowhere_else(source: str, expected: list[str]):
    assert named(source) == expected


@pytest.mark.parametrize(
    ("source", "guard"),
    [
        ("{{ steps.a.output }}", None),
        ("{{ steps.a.output | default('x') }}", "default"),
        ("{{ steps.a.output|d('x')|upper }}", "default"),
        ("{{ steps.a.output | upper | default('x') }}", None),
        ("{{ steps.a.output is defined }}", "test"),
        ("{{ steps.a.output is not defined }}", "test"),
        ("{{ steps.a.output is undefined }}", "test"),
        ("{{ steps.a.output is odd }}", None),
    ],
)
def test_a_reference_knows_how_it_is_guarded(source: str, guard: str | None):
    assert usage(source).references[0].guard == guard


def test_only_a_template_that_is_one_reference_is_whole():
    assert usage("{{ steps.a.output.x }}").references[0].whole
    for source in ("{{ steps.a.output }} ", "{{ steps.a.output | upper }}", "{{ [steps.a.output] }}"):
        assert not usage(source).references[0].whole


def test_a_steps_references_carry_the_pointer_of_their_template():
    workflow = from_json(
        {
            "workflow": "1",
            "name": "x",
            "steps": [
                {
                    "id": "t",
                    "kind": "tool",
                    "tool": "f",
                    "arguments": {"a/b": ["{{ steps.p.output }}"]},
                    "when": "{{ inputs.w }}",
                },
                {
                    "id": "l",
                    "kind": "llm",
                    "prompt": "p",
                    "system": "{{ inputs.s }}",
                    "images": ["{{ steps.p.output }}"],
                    "after": ["t"],
                },
            ],
        }
    )
    tool, llm = workflow.steps
    assert {one.pointer: one.text for one in references(tool, at="/steps/0")} == {
        "/steps/0/when": "inputs.w",
        "/steps/0/arguments/a~1b/0": "steps.p.output",
    }
    assert {one.pointer: one.text for one in references(llm)} == {"/system": "inputs.s", "/images/0": "steps.p.output"}
    assert parents(llm) == ("p", "t")


NAME = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
PATH = st.lists(NAME | st.integers(0, 99), max_size=4).map(tuple)
REFERENCE = st.builds(Reference, st.sampled_from(["steps", "inputs"]), NAME, PATH)
PIECE = st.sampled_from(["text ", "{{ 1 }}", "{# n #}", "{% if true %}y{% endif %}", "\n", "{ }"])


@given(st.lists(REFERENCE | PIECE, max_size=6))
def test_what_is_written_is_what_is_read(parts: list[Reference | str]):
    source = "".join(part if isinstance(part, str) else f"{{{{ {part.text} }}}}" for part in parts)
    assert named(source) == [part.text for part in parts if isinstance(part, Reference)]


@given(st.lists(REFERENCE, min_size=1, max_size=5))
def test_minijinja_sees_the_same_variables(parts: list[Reference]):
    source = " ".join(f"{{{{ {part.text} }}}}" for part in parts)
    theirs = minijinja.Environment().undeclared_variables_in_str(source, nested=True)
    ours = {text.split("[")[0] for text in named(source)}
    assert theirs == ours
