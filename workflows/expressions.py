"""Templates: `{{ }}` over `inputs` and `steps`, rendered by minijinja with strict absence and a fuel limit.

Rendered text is never rendered again. A template that is exactly one expression keeps the value's type; in text a
dict, list, number or boolean stands as JSON, and null leaves nothing.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import orjson
from minijinja import Environment, TemplateError

from workflows.lexer import Segment, Token, scan
from workflows.nearest import nearest
from workflows.references import ROOTS, Path, usage

__all__ = ["FILTERS", "FUNCTIONS", "FUEL", "Json", "ExpressionError", "Problem", "Scope", "Template", "render", "render_value", "template"]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

FUEL = 1_000_000
"""Instructions one template may take: about 20 ms of plain loops."""
MOST_TEXT = 16 * 1024 * 1024
"""Characters one rendered text may have."""

FILTERS = frozenset(
    "abs attr batch bool capitalize chain count d default dictsort e escape filesizeformat first float format groupby "
    "indent int items join last length lines list lower map max min pluralize pprint reject rejectattr replace reverse "
    "round safe select selectattr slice sort split string striptags sum title tojson trim truncate unique upper "
    "urlencode wordwrap zip".split()
)
TESTS = frozenset(
    "boolean defined divisibleby endingwith eq equalto escaped even false filter float ge greaterthan gt in int integer "
    "iterable le lessthan lower lt mapping ne none number odd safe sameas sequence startingwith string test true "
    "undefined upper".split()
)
FUNCTIONS = frozenset({"cycler", "dict", "joiner", "namespace", "range"})
_METHODS = frozenset({("loop", "cycle"), ("loop", "changed")})
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None", "loop", "caller", "varargs", "kwargs"})
_KEYWORDS = frozenset({"if", "else", "elif", "for", "in", "not", "and", "or", "is", "set", "do", "with", "call", "filter", "recursive", "macro"})
_LOADING = frozenset({"include", "import", "from", "extends", "block"})
_PLAIN_PATH = re.compile(r"\{\{-?\s*((?:steps|inputs)(?:\.[A-Za-z_]\w*|\[\d+\])+)\s*-?\}\}", re.ASCII)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a template cannot be used."""

    code: str
    """`invalid_expression`, `unknown_name` or `unsupported_reference`."""
    message: str
    allowed: tuple[str, ...] = ()
    fix: str | None = None


class ExpressionError(Exception):
    """A template that cannot be rendered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """`invalid_expression`, `absent_value`, `out_of_fuel`, `text_too_long` or `expression_failed`."""
        self.message = message


@dataclass(slots=True)
class Scope:
    """What templates can see. A step that ended without an output is present without one."""

    inputs: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`{id: {"output": value}}`; `{id: {}}` for a step that was skipped."""

    def finish(self, step_id: str, output: Json) -> None:
        self.steps[step_id] = {"output": output}

    def skip(self, step_id: str) -> None:
        self.steps[step_id] = {}


class _Caught(threading.local):
    value: Any = None


_caught = _Caught()


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _json_text(_plain(value))


def _catch(value: Any) -> str:
    _caught.value = value
    return ""


# Python's attributes stay reachable through `pycompat=False` too (a list's `append`), so calls of attributes are
# refused when a template is compiled: a template cannot change what another step is given.
_text = Environment(undefined_behavior="strict", fuel=FUEL, pycompat=False, keep_trailing_newline=True, finalizer=_as_text)
_typed = Environment(undefined_behavior="strict", fuel=FUEL, pycompat=False, finalizer=_catch)
_syntax = Environment(undefined_behavior="strict", fuel=1, pycompat=False)
for _environment in (_text, _typed, _syntax):
    _environment.remove_global("debug")  # prints everything in scope


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. `problems` is empty when it can be rendered."""

    source: str
    literal: bool
    """Whether it holds no expression at all, so that it stands for itself."""
    whole: bool
    """Whether it is exactly one expression, so that the value's type is kept."""
    path: Path | None
    """The parts of a template that is nothing but a plain path, such as `("steps", "a", "output", "title")`."""
    problems: tuple[Problem, ...]

    def render(self, scope: Scope) -> Any:
        """The value. Raises `ExpressionError`."""
        if self.literal:
            return self.source
        if self.problems:
            raise ExpressionError(self.problems[0].code, self.problems[0].message)
        if self.path is not None:
            return _walk(self.path, scope)
        return _typed_value(self.source, scope) if self.whole else _render_text(self.source, scope)


def template(source: str) -> Template:
    """The compiled template, from a cache when it was seen lately. Never raises."""
    if "{" not in source:
        return Template(source, literal=True, whole=False, path=None, problems=())
    return _compile(source)


@lru_cache(maxsize=8192)
def _compile(source: str) -> Template:
    if plain := _PLAIN_PATH.fullmatch(source):
        segments: tuple[Segment, ...] = ()
        path = _parts(plain[1])
        problems = _spelling(source)
        return Template(source, literal=False, whole=True, path=path, problems=problems)
    segments = scan(source)
    live = [segment for segment in segments if segment.kind != "text"]
    if not live and "{%" not in source:
        return Template(source, literal=True, whole=False, path=None, problems=())
    whole = len(segments) == 1 and segments[0].kind == "expression"
    return Template(source, literal=False, whole=whole, path=None, problems=tuple(_problems(source, live)))


def _parts(path: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"\w+", path))


def _problems(source: str, segments: list[Segment]) -> Iterable[Problem]:
    if problem := _syntax_problem(source):
        yield problem
        return
    local = _assigned(segments)
    for segment in segments:
        yield from _statement_problems(segment)
        for place, token in enumerate(segment.tokens):
            if token.kind == "name":
                yield from _name_problems(segment.tokens, place)
            elif token.text == "(":
                yield from _call_problems(segment.tokens, place, local)
    yield from _unknown_names(source)
    yield from _spelling(source)


def _syntax_problem(source: str) -> Problem | None:
    try:
        _syntax.render_str(source)
    except TemplateError as error:
        if error.kind == "SyntaxError":
            line = f" in line {error.line} of the template" if source.count("\n") and error.line else ""
            return Problem("invalid_expression", f"the template is not valid{line}: {error.detail}")
    return None


def _assigned(segments: list[Segment]) -> frozenset[str]:
    """Names of the macros the template defines: they may be called."""
    return frozenset(
        segment.tokens[1].text
        for segment in segments
        if segment.kind == "statement" and len(segment.tokens) > 1 and segment.tokens[0].text == "macro"
    )


def _statement_problems(segment: Segment) -> Iterable[Problem]:
    if segment.kind != "statement" or not segment.tokens:
        return
    word = segment.tokens[0].text
    if word in _LOADING:
        yield Problem("invalid_expression", f"`{word}` needs other templates, and there are none")
    targets = _targets(segment.tokens)
    for name in sorted(ROOTS & targets):
        yield Problem("invalid_expression", f"`{word}` must not give `{name}` another meaning", (), "Take another name.")


def _targets(tokens: tuple[Token, ...]) -> set[str]:
    """The names that a statement may give a new meaning."""
    word = tokens[0].text
    stop = {"for": "in", "set": "=", "macro": ")", "call": ")"}.get(word)
    if word == "with":
        return {one.text for one, after in zip(tokens, tokens[1:], strict=False) if after.text == "=" and one.kind == "name"}
    if stop is None:
        return set()
    names: set[str] = set()
    for token in tokens[1:]:
        if token.text == stop:
            break
        if token.kind == "name":
            names.add(token.text)
    return names


def _name_problems(tokens: tuple[Token, ...], place: int) -> Iterable[Problem]:
    name = tokens[place].text
    before = tokens[place - 1].text if place else ""
    if (before == "|" or (place == 1 and tokens[0].text == "filter")) and name not in FILTERS:
        near = nearest(name, sorted(FILTERS))
        yield Problem("invalid_expression", f"there is no filter `{name}`", near or tuple(sorted(FILTERS)), _use(near))
    is_test = before == "is" or (before == "not" and place > 1 and tokens[place - 2].text == "is")
    if is_test and name not in TESTS and name != "not":
        near = nearest(name, sorted(TESTS))
        yield Problem("invalid_expression", f"there is no test `{name}`", near or tuple(sorted(TESTS)), _use(near))


def _use(near: tuple[str, ...]) -> str | None:
    return f"Use `{near[0]}`." if near else None


def _call_problems(tokens: tuple[Token, ...], place: int, macros: frozenset[str]) -> Iterable[Problem]:
    """A call is allowed of the language's own functions, of filters, tests and macros; never of a value's attribute."""
    if not place or tokens[place - 1].kind not in {"name", "string"} and tokens[place - 1].text not in {")", "]"}:
        return
    callee = tokens[place - 1]
    before = tokens[place - 2].text if place > 1 else ""
    if callee.kind == "name" and (callee.text in _KEYWORDS or before in {"|", "is", "not", "macro"}):
        return
    if callee.kind == "name" and before != "." and (callee.text in FUNCTIONS | macros or callee.text in {"caller", "loop"}):
        return
    if callee.kind == "name" and place > 2 and before == "." and (tokens[place - 3].text, callee.text) in _METHODS:
        return
    if callee.kind == "name" and place == 2 and before in {"call", "filter"}:
        return
    what = f"`{callee.text}` cannot be called"
    near = nearest(callee.text, sorted(FILTERS)) if callee.kind == "name" else ()
    fix = f"Use the filter `| {near[0]}`." if near else "Use a filter, such as `| length` or `| upper`."
    yield Problem("invalid_expression", f"{what}: values have no methods here, only filters", (), fix)


def _unknown_names(source: str) -> Iterable[Problem]:
    for name in sorted(_text.undeclared_variables_in_str(source) - ROOTS - FUNCTIONS - _CONSTANTS):
        yield Problem(
            "unknown_name",
            f"`{name}` means nothing here: expressions know `inputs` and `steps`",
            ("inputs", "steps"),
            f"Write `inputs.{name}` for an input or `steps.{name}.output` for a step.",
        )


def _spelling(source: str) -> tuple[Problem, ...]:
    return tuple(
        Problem("unsupported_reference", f"`{wrong.text}` is no reference", (), wrong.fix)
        for wrong in usage(source).misspellings
    )


def render(source: str, scope: Scope) -> Any:
    """The value of a template: of any type for exactly one expression, else text. Raises `ExpressionError`."""
    return template(source).render(scope)


def render_value(value: Any, scope: Scope) -> Any:
    """A JSON value with every string in it rendered; keys are not. Raises `ExpressionError`."""
    if isinstance(value, str):
        return template(value).render(scope)
    if isinstance(value, dict):
        return {key: render_value(one, scope) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [render_value(one, scope) for one in value]
    return value


def _walk(path: Path, scope: Scope) -> Any:
    value: Any = scope.inputs if path[0] == "inputs" else scope.steps
    for place, part in enumerate(path[1:], start=2):
        value = _child(value, part)
        if value is _MISSING:
            raise _absent(_spelled(path[:place]))
    return value


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part, _MISSING) if isinstance(part, str) else value.get(str(part), _MISSING)
    if isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
        return value[part]
    return _MISSING


def _spelled(path: Path) -> str:
    return str(path[0]) + "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in path[1:])


def _absent(what: str) -> ExpressionError:
    return ExpressionError("absent_value", f"`{what}` is not there; give it a default: `{what} | default(...)`")


def _typed_value(source: str, scope: Scope) -> Any:
    _render(_typed, source, scope)
    value, _caught.value = _caught.value, None
    return _plain(value)


def _render_text(source: str, scope: Scope) -> str:
    text = _render(_text, source, scope)
    if len(text) > MOST_TEXT:
        raise ExpressionError("text_too_long", f"the text has {len(text):,} characters; {MOST_TEXT:,} are allowed")
    return text


def _render(environment: Environment, source: str, scope: Scope) -> str:
    try:
        return environment.render_str(source, inputs=scope.inputs, steps=scope.steps)
    except TemplateError as error:
        raise _failure(error) from error


def _failure(error: TemplateError) -> ExpressionError:
    detail = error.detail or error.message
    if error.kind == "UndefinedError":
        return ExpressionError("absent_value", f"{detail}; give it a default: `| default(...)`")
    if error.kind == "OutOfFuel":
        return ExpressionError("out_of_fuel", f"the template takes more than {FUEL:,} instructions; loop over less")
    return ExpressionError("expression_failed", f"the expression fails: {detail}")


def _plain(value: Any) -> Any:
    """The value as plain JSON types. Raises `ExpressionError` for what JSON does not have."""
    kind = type(value)
    if value is None or kind in {bool, int, str}:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # minijinja marks some texts as safe HTML by a subclass
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ExpressionError("expression_failed", f"the value is {value}, which JSON does not have")
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _json_text(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    raise ExpressionError("absent_value", f"the expression gives no JSON value but {value!r}")


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        import json  # orjson refuses integers of more than 64 bits

        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
