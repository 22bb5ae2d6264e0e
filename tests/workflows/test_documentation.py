from __future__ import annotations

import re
from pathlib import Path

import minijinja
import pytest

from workflows.checks import inspect
from workflows.expressions import Scope, render
from workflows.grammar import FILTERS, FUNCTIONS, TESTS
from workflows.sources import Library

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "workflow-language.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_the_pages_workflows_pass_the_checks(example: str):
    assert inspect(example, workflows=Library()).findings == ()


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_pages_python_runs(example: str):
    exec(compile(example, "workflow-language.md", "exec"), {})


def test_the_page_shows_every_kind_of_step():
    shown = set(re.findall(r'"kind": "([a-z]+)"', PAGE))
    assert shown >= {"llm", "image", "map", "branch", "loop", "workflow", "approval", "http", "tool"}


def test_the_page_lists_the_filters_and_functions_that_there_are():
    listed = re.search(r"Filters: `([^`]*)`\. Functions: `([^`]*)`", PAGE)
    assert listed
    assert set(listed[1].split()) == FILTERS - {"d"}  # `d` is short for `default`
    assert set(listed[2].split()) == FUNCTIONS


def test_every_filter_and_test_of_the_language_is_known_to_the_installed_minijinja():
    environment = minijinja.Environment()
    for name in FILTERS:
        assert kind(environment, f"1 | {name}") != "UnknownFilter", name
    for name in TESTS:
        assert kind(environment, f"1 is {name}") != "UnknownTest", name


def kind(environment: minijinja.Environment, expression: str) -> str | None:
    try:
        environment.eval_expr(expression)
    except minijinja.TemplateError as error:
        return error.kind
    return None


def test_what_the_page_says_of_absence_holds():
    scope = Scope(inputs={"nothing": None})
    scope.skip("a")
    assert render("{{ inputs.tone | default('friendly') }}", scope) == "friendly"
    assert render("{{ inputs.nothing | default('x') }}", scope) is None
    assert render("{{ (steps.a.output | default({})).title | default('') }}", scope) == ""
