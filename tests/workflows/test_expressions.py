from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minijinja import Environment

from workflows.expressions import ExpressionError, Scope, render, render_value, template, unknown_name

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def scope() -> Scope:
    scope = Scope(inputs={"topic": "tea", "n": 3, "nothing": None})
    scope.finish("a", {"title": "T", "items": [1, {"b": 2}], "ok": True, "half": 0.5, "quote": '<b>"&'})
    scope.finish("text", "plain {{ inputs.topic }}")
    scope.skip("skipped")
    return scope


def fails(source: str, scope: Scope) -> str:
    with pytest.raises(ExpressionError) as caught:
        render(source, scope)
    return caught.value.code


@given(JSON)
def test_exactly_one_expression_keeps_the_value_as_it_is(value):
    scope = Scope(inputs={"x": value})
    scope.finish("a", {"deep": [value]})
    for source in ("{{ inputs.x }}", "{{inputs.x}}", "{{- steps.a.output.deep[0] -}}"):
        rendered = render(source, scope)
        assert rendered == value
        assert type(rendered) is type(value)


@given(JSON)
def test_a_computed_value_is_plain_json_too(value):
    rendered = render("{{ [inputs.x] | first }}", Scope(inputs={"x": value}))
    assert rendered == value
    assert isinstance(rendered, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ inputs.topic }}!", "tea!"),
        ("{{ inputs.n }}/{{ steps.a.output.half }}", "3/0.5"),
        ("is {{ steps.a.output.ok }}", "is true"),
        ("<{{ inputs.nothing }}>", "<>"),
        ("{{ steps.a.output.items }}.", '[1,{"b":2}].'),
        ("{{ steps.a.output.items | tojson }}.", '[1,{"b":2}].'),
        ("{{ steps.a.output.quote }} | {{ steps.a.output.quote | tojson }}", '<b>"& | "<b>\\"&"'),
        ("{{ 'very ' if inputs.nothing }}good", "good"),
        ("{% for x in steps.a.output.items %}{{ loop.index }},{% endfor %}", "1,2,"),
        ("{% for k, v in steps.a.output | items %}{{ k }} {% endfor %}", "title items ok half quote "),
        ("{{ inputs.topic }}\n", "tea\n"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{# a note #}x", "x"),
        ("no braces", "no braces"),
        ("{ single } }}", "{ single } }}"),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(1) }}", "[1]"),
    ],
)
def test_in_text_a_value_stands_as_json_and_texts_as_they_are(source: str, text: str, scope: Scope):
    assert render(source, scope) == text


def test_rendered_text_is_never_rendered_again(scope: Scope):
    assert render("{{ steps.text.output }}", scope) == "plain {{ inputs.topic }}"
    assert render("So: {{ steps.text.output }}", scope) == "So: plain {{ inputs.topic }}"


def test_white_space_around_an_expression_makes_it_a_text(scope: Scope):
    assert render(" {{ inputs.n }}", scope) == " 3"


@pytest.mark.parametrize(
    "source",
    [
        "{{ steps.skipped.output }}",
        "So: {{ steps.skipped.output }}",
        "{{ steps.skipped.output | upper }}",
        "{{ steps.a.output.nope }}",
        "{{ steps.a.output.items[7] }}",
        "{{ steps.a.output.title.x }}",
        "{{ steps.unknown.output }}",
        "{{ inputs.nope }}",
        "{{ steps.a.output.values }}",  # a method of Python's dict, no field
        "x {{ steps.a.output.values }}",
        "{{ 'x' if steps.a.output.values else 'y' }}",
        "{{ steps.a.output.values is defined }}",
        "{{ steps.a.output.values | default(1) }}",
        "{{ 'x' if steps.a.output.items.count else 'y' }}",
    ],
)
def test_what_is_absent_is_an_error(source: str, scope: Scope):
    assert fails(source, scope) == "absent_value"


def test_a_default_stands_for_what_is_absent_and_not_for_null(scope: Scope):
    assert render("{{ steps.skipped.output | default('d') }}", scope) == "d"
    assert render("{{ steps.skipped.output | default(none) }}", scope) is None
    assert render("{{ steps.a.output.nope | default(7) }}", scope) == 7
    assert render("{{ (steps.skipped.output | default({})).x | default('d') }}", scope) == "d"
    assert render("{{ inputs.nothing | default('d') }}", scope) is None
    assert render("{{ steps.skipped.output is defined }}", scope) is False


def test_fields_named_like_python_methods_are_fields_where_they_are_there(scope: Scope):
    assert render("{{ steps.a.output.items | length }}", scope) == 2
    assert render("{{ steps.skipped.output.items if steps.skipped.output is defined else 'none' }}", scope) == "none"


def test_a_null_that_is_there_is_a_value(scope: Scope):
    assert render("{{ inputs.nothing }}", scope) is None
    assert render("{{ inputs.nothing is none }}", scope) is True


def test_every_string_of_a_json_value_is_rendered_and_no_key(scope: Scope):
    value = {"{{ inputs.n }}": ["{{ inputs.n }}", 1, None, {"t": "n={{ inputs.n }}"}]}
    assert render_value(value, scope) == {"{{ inputs.n }}": [3, 1, None, {"t": "n=3"}]}


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{{ range(9999) | list }}{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
    ],
)
def test_a_template_that_would_run_for_ever_is_stopped(source: str, scope: Scope):
    assert fails(source, scope) == "out_of_fuel"


def test_a_text_that_grows_without_end_is_stopped():
    big = Scope(inputs={"big": "x" * 1_000_000})
    assert fails("{% for i in range(1000) %}{{ inputs.big }}{% endfor %}", big) == "text_too_long"
    assert len(render("{{ inputs.big }}{{ inputs.big }}", big)) == 2_000_000


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9999) %}" + "x" * 10_000 + "{% endfor %}",
        "{% for i in range(9999) -%}{% if i %}" + "x" * 10_000 + "{% endif %}{% endfor %}",
        "{% for i in range(99) %}{% for j in range(999) %}{% raw %}"
        + "x" * 1_000
        + "{% endraw %}{% endfor %}{% endfor %}",
        "{% macro m() %}" + "x" * 10_000 + "{% endmacro %}{% for i in range(9999) %}{{ m() }}{% endfor %}",
        "{% for i in range(99) recursive %}" + "x" * 10_000 + "{{ loop(range(99)) if loop.depth == 1 }}{% endfor %}",
    ],
)
def test_a_loop_over_written_text_is_stopped_too(source: str):
    assert fails(source, Scope()) == "text_too_long"


@pytest.mark.parametrize("left", ["", "-", "+"])
@pytest.mark.parametrize("right", ["", "-", "+"])
@pytest.mark.parametrize("inner", ["  {{ i }}  ", "  ", "  {%- if i %} {{ i }}{% endif %}"])
def test_a_loop_is_measured_without_a_trace_in_its_text(left: str, right: str, inner: str):
    words = "some words that are longer than sixteen letters"
    short = "A {%" + left + " for i in [1, 2] " + right + "%} \n" + inner + "{%- endfor %} B"
    long = short.replace("{%- endfor", words + "{%- endfor")
    plain = Environment(keep_trailing_newline=True)
    assert render(short, Scope()) == plain.render_str(short)
    assert render(long, Scope()) == plain.render_str(long)


@pytest.mark.parametrize("source", ["{{ _lengthen(-99) }}", "{% for i in [1] %}{{ _lengthen(-99) }}{% endfor %}"])
def test_a_template_cannot_reach_the_measure(source: str):
    assert fails(source, Scope()) in {"invalid_expression", "unknown_name"}


@pytest.mark.parametrize(
    "source", ["{{ 1 / 0 }}", "{{ 1e400 }}", "{{ 'a' + 1 }}", "{{ range(1000000000) }}", "{{ 'x' * 1000000000 }}"]
)
def test_an_expression_that_fails_is_an_error_with_a_reason(source: str, scope: Scope):
    assert fails(source, scope) == "expression_failed"


@pytest.mark.parametrize(
    "source",
    [
        "{{ steps.a.output.items.append(1) }}",
        "{{ steps.a.output.clear() }}",
        "{{ inputs.topic.upper() }}",
        "{{ (steps.a.output | attr('clear'))() }}",
        "{% set f = steps.a.output.clear %}{{ f() }}",
        "{{ steps.a.output['clear']() }}",
        "{% do steps.a.output.clear() %}",
        "{% for f in [steps.a.output.clear] %}{{ f() }}{% endfor %}",
        "{% call steps.a.output.clear() %}{% endcall %}",
        "{% macro f() %}{% endmacro %}{% set f = steps.a.output.clear %}{{ f() }}",
        "{% set range = steps.a.output.clear %}{{ range() }}",
        "{% for loop in [steps.a.output.clear] %}{{ loop() }}{% endfor %}",
        "{% with dict=steps.a.output.clear %}{{ dict() }}{% endwith %}",
        "{% macro f(a, range) %}{{ range() }}{% endmacro %}{{ f(1, steps.a.output.clear) }}",
        "{% for a, (b, range) in [[1, [2, steps.a.output.clear]]] %}{{ range() }}{% endfor %}",
    ],
)
def test_a_template_cannot_change_what_others_are_given(source: str, scope: Scope):
    before = repr(scope)
    assert fails(source, scope) == "invalid_expression"
    assert repr(scope) == before


@pytest.mark.parametrize(
    "source",
    [
        "{{ debug() }}",
        "{{ [1] | batch(10000000000) }}",
        "{{ [[1]] | map('batch', 10000000000) | list }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ steps.a.output | attr('clear') }}",
        "{{ 'x' | safe }}",
    ],
)
def test_filters_and_functions_that_are_not_of_the_language_are_refused_before_they_run(source: str):
    assert template(source).problems


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "-" * 20_000 + "1 }}",
        "{{ 1" + " + 1" * 20_000 + " }}",
        "{{ inputs.x" + ".a" * 20_000 + " | upper }}",
        "{{ 1" + " if 1 else 2" * 20_000 + " }}",
        "{% if x %}" + "{% elif x %}" * 5_000 + "{% endif %}",
        "{% if true %}" * 3_000 + "{% endif %}" * 3_000,
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    ],
)
def test_an_expression_that_would_overrun_the_parsers_stack_is_refused(source: str, scope: Scope):
    assert fails(source, scope) == "invalid_expression"


@pytest.mark.parametrize(
    "source",
    [
        '{{ "' + '\\"' * 200_000,
        "{{ '\"" * 100_000,
        "{{ a " + "b " * 300_000,
        "{% raw %}{{" * 50_000,
        "{{ {" * 100_000,
        "{#" * 100_000,
    ],
)
def test_half_a_megabyte_of_nonsense_is_refused_at_once(source: str, scope: Scope):
    start = time.process_time()
    assert fails(source, scope) == "invalid_expression"
    assert time.process_time() - start < 2


def test_the_longest_expression_that_is_allowed_fits_a_small_stack():
    said: list[str] = []

    def try_them() -> None:
        for source in (
            "{{ 1" + " + 1" * 499 + " }}",
            "{{ " + "not " * 990 + "1 }}",
            "{% if false %}" + "{% elif false %}" * 100 + "{% endif %}",
        ):
            assert not template(source).problems, source[:20]
            said.append(str(render(source, Scope())))

    size = threading.stack_size(512 * 1024)  # what macOS gives a thread
    try:
        thread = threading.Thread(target=try_them)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    assert said == ["500", "True", ""]


@pytest.mark.parametrize(
    ("source", "code", "word"),
    [
        ("{{ inputs.x", "invalid_expression", "not valid"),
        ("{{ }}", "invalid_expression", "not valid"),
        ("{% if x %}", "invalid_expression", "not valid"),
        ("{{ inputs.x | uper }}", "invalid_expression", "`uper`"),
        ("{{ inputs.x is od }}", "invalid_expression", "`od`"),
        ("{% include 'x' %}", "invalid_expression", "include"),
        ("{% set steps = 1 %}", "invalid_expression", "steps"),
        ("{% for inputs in [1] %}{% endfor %}", "invalid_expression", "inputs"),
        ("{{ steps['a'].output }}", "unsupported_reference", "steps['a'].output"),
        ("{{ steps.a.result }}", "unsupported_reference", "steps.a.result"),
        ("{{ steps[inputs.x].output }}", "unsupported_reference", "steps[...]"),
        ("{{ inputs['x'] }}", "unsupported_reference", "inputs['x']"),
        ("{{ inputs }}", "unsupported_reference", "`inputs`"),
        ("{% for s in steps %}{% endfor %}", "unsupported_reference", "`steps`"),
    ],
)
def test_what_can_never_be_rendered_is_known_before(source: str, code: str, word: str, scope: Scope):
    problem = template(source).problems[0]
    assert problem.code == code
    assert word in problem.message
    assert fails(source, scope) == code


@pytest.mark.parametrize("source", ["{{ topic }}", "{{ topic.title }}", "About {{ topic | upper }}"])
def test_a_name_that_nothing_defines_is_told_with_its_mend(source: str, scope: Scope):
    assert template(source).free == {"topic"}
    assert unknown_name("topic").fix == "Write `inputs.topic` for an input or `steps.topic.output` for a step."
    assert fails(source, scope) == "unknown_name"
    assert template(source).render(scope.inside({"topic": {"title": "tides"}}))


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        ("{{ steps['a'].output.x }}", "`steps.a.output.x`"),
        ("{{ steps['a']['output']['x'] }}", "`steps.a.output.x`"),
        ("{{ steps.a.x }}", "`steps.a.output.x`"),
        ("{{ steps.a.result.x }}", "`steps.a.output.x`"),
        ("{{ steps.a }}", "`steps.a.output`"),
        ("{{ inputs['x'] }}", "`inputs.x`"),
        ("{{ inputs.x.upper() }}", "`| upper`"),
        ("{{ inputs.x | uper }}", "`upper`"),
        ("LaTeX {{a}", "{% raw %}"),
    ],
)
def test_the_mend_is_the_spelling_that_works(source: str, fix: str):
    assert fix in (template(source).problems[0].fix or "")


def tried(source: str, scope: Scope) -> str:
    try:
        render(source, scope)
    except ExpressionError as error:
        return error.message
    return "rendered"


@given(st.text())
def test_no_text_crashes_the_compiler_or_the_renderer(source: str):
    assert tried(source, Scope(inputs={"x": 1}))


SIGNS = [*"|()[]{} .,:'\"1-x\n", "{{", "}}", "{%", "%}", "{#", "#}", "steps", "inputs", "a", "output", "default"]
SIGNS += ["is", "not", "defined", "if", "for", "in", "raw", "endraw", "set", "macro", "call", "endif", "endfor"]


@given(st.lists(st.sampled_from(SIGNS), max_size=25))
def test_no_jumble_of_signs_crashes_the_compiler_or_the_renderer(parts: list[str]):
    assert tried("".join(parts), Scope(inputs={"x": 1}, steps={"a": {"output": 1}}))


@given(st.text())
def test_a_text_without_braces_stands_for_itself(text: str):
    source = text.replace("{", "(")
    assert render(source, Scope()) == source
    assert template(source).literal


def test_an_error_shows_the_template_as_it_was_written():
    source = "{% for i in range(9999) %}" + "some words " * 3 + "{{ inputs.nope }}{% endfor %}"
    with pytest.raises(ExpressionError) as caught:
        render(source, Scope())
    assert source[:70] in caught.value.message


@pytest.mark.parametrize("source", ["x {{ inputs.deep }}", "{{ [inputs.deep] }}", "{{ inputs.deep | tojson }}"])
@pytest.mark.parametrize("levels", [900, 5_000])
def test_a_value_of_very_many_levels_is_an_error_of_the_expression(source: str, levels: int):
    deep: list[object] = []
    for _ in range(levels):
        deep = [deep]
    assert fails(source, Scope(inputs={"deep": deep})) == "expression_failed"
