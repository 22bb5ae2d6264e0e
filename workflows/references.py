"""The steps and inputs that a workflow's templates name, each with the place where it is named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from workflows.blocks import nested_steps
from workflows.findings import Path, pointer
from workflows.grammar import FUNCTIONS, ROOTS, assigned
from workflows.lexer import Token, scan
from workflows.model import BranchStep, LoopStep, MapStep, StepBase
from workflows.templates import block_templates, templates

__all__ = [
    "MOST_CACHED",
    "MOST_TEMPLATES",
    "RESERVED",
    "Misspelling",
    "Reference",
    "Usage",
    "parents",
    "references",
    "usage",
]

Guard = Literal["default", "test"]

MOST_TEMPLATES = 16_384
"""Templates that the caches keep. A cache smaller than the workflow would keep none: it is read in a circle."""
MOST_CACHED = 8_192
"""Characters of the longest template that a cache keeps: a server sees many, and a book is no template twice."""

RESERVED: Final = FUNCTIONS | {
    "and", "autoescape", "block", "call", "caller", "do", "elif", "else", "endautoescape", "endblock", "endcall",
    "endfilter", "endfor", "endif", "endmacro", "endset", "endwith", "extends", "false", "filter", "for", "from", "if",
    "import", "in", "include", "is", "loop", "macro", "none", "not", "or", "raw", "recursive", "set", "true", "with",
    "False", "None", "True",
}  # fmt: skip
"""Words of expressions and statements that are never the name of a variable."""
_DEFAULT_WORDS = frozenset({"default", "d"})
_TEST_WORDS = frozenset({"defined", "undefined"})
# What other systems call a step's output.
_OUTPUT_WORDS = frozenset({"output", "outputs", "result", "results", "value", "text", "content", "response"})


@dataclass(frozen=True, slots=True)
class Reference:
    """One `steps.ID.output…` or `inputs.NAME…`, or a path that starts from a variable."""

    root: Literal["inputs", "steps", "variables"]
    name: str
    """The step's id, or the name of the input or variable."""
    path: Path = ()
    """What follows `output`, or the name of the input or variable; cut where it is computed."""
    guard: Guard | None = None
    """`default` when a `| default(...)` follows, `test` when an `is defined` does."""
    whole: bool = False
    """Whether the template is nothing but this reference, so that its type is kept."""
    asked: bool = False
    """Whether it is asked if the value is true, within the template: by `if`, `not`, `and` or `or`."""
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)
    """Where the template names it: the number of the segment, and of the token there."""
    pointer: str = ""
    """Place of the template in the workflow; empty for a template that stands alone."""

    @property
    def text(self) -> str:
        """As written in an expression."""
        head = {"steps": f"steps.{self.name}.output", "inputs": f"inputs.{self.name}"}.get(self.root, self.name)
        return head + "".join(map(_spelled, self.path))


@dataclass(frozen=True, slots=True)
class Misspelling:
    """A use of `steps` or `inputs` that the language does not have."""

    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one template uses."""

    references: tuple[Reference, ...]
    misspellings: tuple[Misspelling, ...]
    tested: frozenset[str]
    """Ids of the steps whose output the template tests with `is defined`."""
    variables: tuple[Reference, ...] = ()
    """Uses of other names: variables, where something around the template defines them. Not those that the template
    itself gives a meaning."""


def _spelled(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part.isidentifier() else f"[{part!r}]"


_NOTHING = Usage((), (), frozenset())


def usage(template: str) -> Usage:
    """What a template refers to; nothing for a plain text."""
    if "{" not in template:
        return _NOTHING
    return _usage(template) if len(template) <= MOST_CACHED else _usage.__wrapped__(template)


@lru_cache(maxsize=MOST_TEMPLATES)
def _usage(template: str) -> Usage:
    segments = scan(template)
    alone = len(segments) == 1 and segments[0].kind == "expression"
    found: list[Reference] = []
    wrong: list[Misspelling] = []
    free: list[Reference] = []
    for number, segment in enumerate(segments):
        for place, token in enumerate(segment.tokens):
            if token.kind != "name" or _is_other_name(segment.tokens, place):
                continue
            if token.text not in ROOTS:
                if token.text not in RESERVED:
                    path, end, _ = _path(segment.tokens, place + 1)
                    guard = _guard(segment.tokens, end)
                    whole = alone and place == 0 and end == len(segment.tokens)
                    asked = _asked(segment.tokens, place, end)
                    free.append(
                        Reference("variables", token.text, path, guard, whole=whole, asked=asked, at=(number, place))
                    )
                continue
            read = _read(segment.tokens, place, alone=alone)
            if isinstance(read, Misspelling):
                wrong.append(read)
            else:
                found.append(replace(read, at=(number, place)))
    tested = frozenset(one.name for one in found if one.root == "steps" and one.guard == "test" and not one.path)
    if free:
        taken = frozenset().union(*(assigned(one.tokens) for one in segments if one.kind == "statement" and one.tokens))
        free = [one for one in free if one.name not in taken]
    return Usage(tuple(found), tuple(wrong), tested, tuple(free))


def _is_other_name(tokens: tuple[Token, ...], place: int) -> bool:
    """Whether the word is an attribute, a filter, a test, or the name of a keyword argument."""
    before = tokens[place - 1].text if place else ""
    after = tokens[place + 1].text if place + 1 < len(tokens) else ""
    return before in {".", "|", "is"} or (after == "=" and before in {"(", ","})


def _read(tokens: tuple[Token, ...], place: int, *, alone: bool) -> Reference | Misspelling:
    """The reference that starts at `place`, or what is wrong with it."""
    root: Literal["inputs", "steps"] = "steps" if tokens[place].text == "steps" else "inputs"
    path, end, dotted = _path(tokens, place + 1)
    needed = 2 if root == "steps" else 1
    if dotted < needed or not isinstance(path[0], str) or (root == "steps" and path[1] != "output"):
        written = "".join(token.text for token in tokens[place:end])
        computed = end < len(tokens) and tokens[end].text == "["
        return Misspelling(f"{written}[...]" if computed else written, _spelling(root, path, computed=computed))
    whole = alone and place == 0 and end == len(tokens)
    asked = _asked(tokens, place, end)
    return Reference(root, path[0], path[needed:], _guard(tokens, end), whole=whole, asked=asked)


def _asked(tokens: tuple[Token, ...], start: int, end: int) -> bool:
    before = tokens[start - 1].text if start else ""
    after = tokens[end].text if end < len(tokens) else ""
    if after in {"and", "or"}:
        return before in {"", "(", "and", "or", "not", "if", "elif"}
    return before in {"if", "elif", "not"} and after in {"", ")", "else"}


def _path(tokens: tuple[Token, ...], place: int) -> tuple[Path, int, int]:
    """The parts of a path, where it ends, and how many of its first parts are written with dots."""
    path: list[str | int] = []
    dotted = 0
    while place < len(tokens):
        text = tokens[place].text
        if text == "." and place + 1 < len(tokens) and tokens[place + 1].kind in {"name", "number"}:
            part = tokens[place + 1]
            dotted += dotted == len(path) and part.kind == "name"
            path.extend([part.text] if part.kind == "name" else [int(n) for n in part.text.split(".") if n.isdigit()])
            place += 2
        elif text == "[" and (index := _index(tokens, place)) is not None:
            path.append(index[0])
            place += index[1]
        else:
            break
    return tuple(path), place, dotted


def _index(tokens: tuple[Token, ...], place: int) -> tuple[str | int, int] | None:
    """The constant subscript that starts at `place` with the number of its tokens."""
    inside = tokens[place + 1 : place + 4]
    if len(inside) > 1 and inside[1].text == "]":
        if inside[0].kind == "string":
            return inside[0].text[1:-1], 3
        if inside[0].kind == "number" and inside[0].text.isdigit():
            return int(inside[0].text), 3
    if len(inside) == 3 and inside[0].text == "-" and inside[1].text.isdigit() and inside[2].text == "]":
        return -int(inside[1].text), 4
    return None


def _guard(tokens: tuple[Token, ...], place: int) -> Guard | None:
    words = [token.text for token in tokens[place : place + 3]]
    if words[:1] == ["|"] and _DEFAULT_WORDS & set(words[1:2]):
        return "default"
    test = words[2:3] if words[1:2] == ["not"] else words[1:2]
    return "test" if words[:1] == ["is"] and _TEST_WORDS & set(test) else None


def _spelling(root: str, path: Path, *, computed: bool) -> str:
    """How to write what was misspelled."""
    if root == "inputs":
        spelling = f"inputs.{path[0]}" if path else "inputs.NAME"
        return f"Write `{spelling}`: an input is named with a dot."
    if not path or (computed and len(path) < 2):
        return "Write `steps.ID.output`: the step's id must stand in the expression itself."
    rest = path[2:] if len(path) > 1 and path[1] in _OUTPUT_WORDS else path[1:]
    spelling = Reference("steps", str(path[0]), rest).text
    return f"Write `{spelling}`: a step's result is its `output`, named with dots."


def references(step: StepBase, *, at: str = "") -> tuple[Reference, ...]:
    """Every step and input that a step's templates name; `at` is the pointer of the step."""
    return tuple(
        Reference(one.root, one.name, one.path, one.guard, whole=one.whole, pointer=at + pointer(*path))
        for path, template in templates(step)
        for one in usage(template).references
    )


def parents(step: StepBase) -> tuple[str, ...]:
    """Ids of the steps that must end before this one starts, as named, each once: references first, then `after`.

    What the steps inside of it need of those outside is needed by the step itself.
    """
    named = [*_named(step), *step.after]
    if isinstance(step, (MapStep, BranchStep, LoopStep)):
        inside = [one for _, one in nested_steps(step)]
        own = {one.id for one in inside}
        deeper = [name for one in inside for name in (*_named(one), *one.after)]
        named += [name for name in deeper if name not in own]
        named = [name for name in named if name not in own]
    return tuple(dict.fromkeys(named))


def _named(step: StepBase) -> list[str]:
    """Ids of the steps that the step's own templates and those of its results name."""
    results = block_templates(step) if isinstance(step, (MapStep, BranchStep, LoopStep)) else ()
    found = (usage(template) for _, template in (*templates(step), *results))
    return [one.name for used in found for one in used.references if one.root == "steps"]
