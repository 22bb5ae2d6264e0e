"""Templates: `{{ }}` over `inputs` and `steps`, rendered by minijinja with strict absence and a fuel limit.

Rendered text is never rendered again. A template that is exactly one expression keeps the value's type; in text a
dict, list, number or boolean stands as JSON, and null leaves nothing.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson
from minijinja import Environment, TemplateError

from workflows.findings import Path
from workflows.grammar import FUNCTIONS, ROOTS, Problem, oversized, problems
from workflows.lexer import Segment, scan
from workflows.metering import metered
from workflows.nearest import nearest
from workflows.references import MOST_CACHED, MOST_TEMPLATES, Reference, usage

__all__ = [
    "FUEL",
    "MOST_TEXT",
    "ExpressionError",
    "Json",
    "Scope",
    "Template",
    "render",
    "render_value",
    "template",
    "unknown_name",
]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

FUEL: Final = 1_000_000
"""Instructions one template may take: about 20 ms of plain loops."""
MOST_TEXT: Final = 16 * 1024 * 1024
"""Characters that the values and the text inside of loops may come to."""

_PLAIN_PATH = re.compile(r"\{\{-?\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*)\s*-?\}\}", re.ASCII)
_CONSTANTS: Final = frozenset({"true", "false", "none", "True", "False", "None", "loop"})
_MISSING: Final = object()
_METER: Final = "_lengthen"  # no template can call it: the grammar knows only its own functions
_LEAST_METERED: Final = MOST_TEXT // FUEL + 1  # of less, the fuel ends first
_METHODS: Final = frozenset(name for kind in (dict, list) for name in dir(kind) if not name.startswith("_"))
_HTML_FILTERS = ("e", "escape", "safe", "pprint")
_ALLOCATING_FILTERS = ("attr", "batch", "chain", "format", "indent", "slice")


class ExpressionError(Exception):
    """A template that cannot be rendered.

    `code` is `invalid_expression`, `unknown_name` or `unsupported_reference` for one that `check` refuses too, and
    `absent_value`, `out_of_fuel`, `text_too_long` or `expression_failed` for one that fails on these values.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Scope:
    """What templates can see. A step that ended without an output is present without one."""

    inputs: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`{id: {"output": value}}`; `{id: {}}` for a step that was skipped."""
    variables: dict[str, Any] = field(default_factory=dict)
    """What a `map` or `loop` around the template calls its item or round, by name."""

    def inside(self, variables: Mapping[str, Any]) -> Scope:
        """What the steps inside of a step see: all that is seen around them, and these variables."""
        return Scope(self.inputs, dict(self.steps), {**self.variables, **variables})

    def finish(self, step_id: str, output: Json) -> None:
        self.steps[step_id] = {"output": output}

    def skip(self, step_id: str) -> None:
        self.steps[step_id] = {}


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
    shadowed: tuple[Path, ...] = ()
    """Paths with a field that has the name of a Python method, such as `items`."""
    free: frozenset[str] = frozenset()
    """Names that it uses beside `inputs` and `steps`: variables, if something around it defines them."""
    measured: str = ""
    """What is rendered: the source, in which each loop tells the length of its own text."""

    def render(self, scope: Scope) -> Any:
        """The value. Raises `ExpressionError`."""
        try:
            return self._value(scope)
        except RecursionError:
            raise ExpressionError("expression_failed", "the expression's value lies too many levels deep") from None

    def _value(self, scope: Scope) -> Any:
        if self.literal:
            return self.source
        if self.problems:
            raise ExpressionError(self.problems[0].code, self.problems[0].message)
        if not self.free <= scope.variables.keys():
            unknown = unknown_name(min(self.free - scope.variables.keys()), scope.variables)
            raise ExpressionError(unknown.code, unknown.message)
        if self.path is not None:
            return _walk(self.path, scope)
        for path in self.shadowed:
            _show(path, scope)
        return (
            _typed_value(self.source, scope)
            if self.whole
            else _render(_text, self.source, scope, measured=self.measured)
        )


def template(source: str) -> Template:
    """The compiled template, from a cache when it was seen lately. Never raises."""
    if "{" not in source:
        return Template(source, literal=True, whole=False, path=None, problems=())
    return _compile(source) if len(source) <= MOST_CACHED else _compile.__wrapped__(source)


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


class _Rendering(threading.local):
    """What minijinja's calls back into Python leave behind during one rendering."""

    value: Any = None
    length: int = 0


_now = _Rendering()


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else _json_text(_plain(value))
    _lengthen(len(text))
    return text


def _lengthen(characters: int) -> str:
    _now.length += characters
    if _now.length > MOST_TEXT:
        raise ExpressionError("text_too_long", f"the text has more than {MOST_TEXT:,} characters")
    return ""


def _caught(value: Any) -> str:
    _now.value = value
    return ""


def _to_json(value: Any, indent: bool | int = False) -> str:  # noqa: FBT001, FBT002 # the filter's own signature
    """`tojson` without the escapes for HTML that the library's own one writes."""
    plain = _plain(value)
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode() if indent else _json_text(plain)


def _environment(finalizer: Any = None, *, fuel: int = FUEL) -> Environment:
    environment = Environment(
        undefined_behavior="strict",
        fuel=fuel,
        pycompat=False,
        keep_trailing_newline=True,
        finalizer=finalizer,
        auto_escape_callback=lambda _name: False,
    )
    for name in ("cycler", "debug", "joiner"):  # `debug` prints everything in scope; the others need method calls
        environment.remove_global(name)
    for name in (*_HTML_FILTERS, *_ALLOCATING_FILTERS):
        environment.remove_filter(name)
    environment.add_filter("tojson", _to_json)
    return environment


_text = _environment(_as_text)
_text.add_global(_METER, _lengthen)
_typed = _environment(_caught)
_syntax = _environment(fuel=1)


@lru_cache(maxsize=MOST_TEMPLATES)
def _compile(source: str) -> Template:
    if plain := _PLAIN_PATH.fullmatch(source):
        path: Path = tuple(int(part) if part.isdigit() else part for part in re.findall(r"\w+", plain[1]))
        if path[0] in ROOTS and len(path) > 1:
            return Template(source, literal=False, whole=True, path=path, problems=tuple(_misspellings(source)))
        if path[0] not in ROOTS | FUNCTIONS | _CONSTANTS:
            return Template(source, literal=False, whole=True, path=path, problems=(), free=frozenset({str(path[0])}))
    segments = scan(source)
    live = [segment for segment in segments if segment.kind != "text"]
    if not live and "{%" not in source:
        return Template(source, literal=True, whole=False, path=None, problems=())
    whole = len(segments) == 1 and segments[0].kind == "expression"
    used = usage(source)
    paths = map(_scope_path, (*used.references, *used.variables))
    shadowed = tuple(path for path in paths if not _METHODS.isdisjoint(path[1:]))
    wrong = tuple(_problems(source, live))
    measured = source if wrong else metered(source, segments, meter=_METER, least=_LEAST_METERED)
    return Template(
        source,
        literal=False,
        whole=whole,
        path=None,
        problems=wrong,
        shadowed=shadowed,
        free=frozenset() if wrong else _free(source),
        measured=measured,
    )


def _problems(source: str, segments: list[Segment]) -> Iterator[Problem]:
    wrong = oversized(segments) or _syntax_problem(source)
    if wrong is not None:
        yield wrong
        return
    yield from problems(segments)
    yield from _misspellings(source)


def _free(source: str) -> frozenset[str]:
    return frozenset(_text.undeclared_variables_in_str(source) - ROOTS - FUNCTIONS - {"caller"})


def unknown_name(name: str, variables: Iterable[str] = ()) -> Problem:
    """What is wrong with a name that is none of those that a template sees."""
    known = ("inputs", "steps", *sorted(variables))
    told = ", ".join(f"`{one}`" for one in known[:-1])
    near = nearest(name, known)
    return Problem(
        "unknown_name",
        f"`{name}` means nothing here: expressions know {told} and `{known[-1]}`",
        tuple(dict.fromkeys([*near, *known])),
        f"Did you mean `{near[0]}`?"
        if near
        else f"Write `inputs.{name}` for an input or `steps.{name}.output` for a step.",
    )


def _syntax_problem(source: str) -> Problem | None:
    try:
        _syntax.render_str(source)
    except TemplateError as error:
        if error.kind == "SyntaxError":
            line = f" in line {error.line} of the template" if source.count("\n") and error.line else ""
            message = f"the template is not valid{line}: {error.detail}"
            fix = "Text that is to stay as it is goes between `{% raw %}` and `{% endraw %}`."
            return Problem("invalid_expression", message, (), fix)
    return None


def _misspellings(source: str) -> Iterator[Problem]:
    for wrong in usage(source).misspellings:
        yield Problem("unsupported_reference", f"`{wrong.text}` is no reference", (), wrong.fix)


def _walk(path: Path, scope: Scope) -> Any:
    value: Any = _root(path[0], scope)
    for place, part in enumerate(path[1:], start=2):
        value = _child(value, part)
        if value is _MISSING:
            what = str(path[0]) + "".join(f".{one}" if isinstance(one, str) else f"[{one}]" for one in path[1:place])
            raise ExpressionError("absent_value", f"`{what}` is not there; give it a default: `{what} | default(...)`")
    return value


def _root(name: str | int, scope: Scope) -> Any:
    if name in ROOTS:
        return scope.inputs if name == "inputs" else scope.steps
    return scope.variables[str(name)]


def _scope_path(reference: Reference) -> Path:
    if reference.root == "variables":
        return (reference.name, *reference.path)
    return (reference.root, reference.name, *(("output",) if reference.root == "steps" else ()), *reference.path)


def _show(path: Path, scope: Scope) -> None:
    """Raises `ExpressionError` where minijinja would take a method of Python's for a field that is not there."""
    value: Any = {**scope.variables, "inputs": scope.inputs, "steps": scope.steps}
    for part in path:
        child = _child(value, part)
        if child is _MISSING and part in _METHODS and isinstance(value, dict | list):
            raise ExpressionError("absent_value", f"the field {part!r} is not there, and a field of this name must be")
        value = child


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part, _MISSING)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _MISSING


def _typed_value(source: str, scope: Scope) -> Any:
    _render(_typed, source, scope)
    value, _now.value = _now.value, None
    return _plain(value)


def _render(environment: Environment, source: str, scope: Scope, *, measured: str | None = None) -> str:
    _now.length = 0
    try:
        return environment.render_str(
            measured or source, **{**scope.variables, "inputs": scope.inputs, "steps": scope.steps}
        )
    except TemplateError as error:
        raise _failure(error, source) from error


def _failure(error: TemplateError, source: str) -> ExpressionError:
    where = " ".join(source.split())
    where = where if len(where) <= 80 else f"{where[:79]}…"
    detail = f"{error.detail or error.message}, in `{where}`"
    if error.kind == "UndefinedError":
        return ExpressionError("absent_value", f"{detail}; give it a default: `| default(...)`")
    if error.kind == "OutOfFuel":
        told = f"the template takes more than {FUEL:,} instructions, in `{where}`; loop over less"
        return ExpressionError("out_of_fuel", told)
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
    # A path that leads past the value's fields ends at a Python method: the field is not there.
    raise ExpressionError("absent_value", f"the expression gives no JSON value but {value!r}; give it a default")


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, TypeError):
        import json  # orjson refuses integers of more than 64 bits

        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
