"""References to steps and inputs as models spell them, rewritten as expressions of the language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from planner.names import meant, plain
from workflows.lexer import Segment, scan

__all__ = ["Names", "placeholders", "respell"]

EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
ROOT = re.compile(r"\s*([^\W\d][\w-]*|\d+)(?=\s*(?:\.|\||$))")
STEP_ROOT = re.compile(r"\bsteps\s*(?:\.\s*([\w-]*\w)|\[\s*([\"'])([^\"']+)\2\s*\])((?:\s*\.\s*\w+)*)")
INPUT_ROOT = re.compile(r"\binputs\s*\.\s*([\w-]*\w)")

DOLLAR = re.compile(r"\$\{\s*([^{}]{1,100}?)\s*\}|\A\$([\w.-]+)\Z")
ANGLE = re.compile(r"<\s*([^<>/\"'=:]{1,60}?)\s*>((?:\.[a-z_]\w*)*)")
HASH = re.compile(r"(?<![^\W\d])(?<![#&])#E(\d{1,4})\b")
OUTPUT_OF = re.compile(
    r"[<\[{]\s*(?:the[\s_-]+)?(?:output|result)s?[\s_-]+(?:of|from)[\s_-]+([^<>\[\]{}]{1,60}?)\s*[>\]}]", re.IGNORECASE
)
NUMBERED = re.compile(r"([^\W\d_]+)[\s_-]*(\d{1,4})")
OUTPUT_WORDS = frozenset({"output", "outputs", "result", "results", "text", "response", "content", "value"})

SUSPECT = re.compile(
    r"[<\[{](?:[\w\s-]*[\s_-])?(?:outputs?[\s_-](?:of|from)|results?[\s_-](?:of|from)[\s_-](?:the[\s_-])?"
    r"(?:step|node|task|previous|prior|last))[\s_-][^<>\[\]{}]{1,60}[>\]}]"
    r"|<(?:[\w\s-]*[\s_-])?(?:step|node)[\s_-]*\d{1,4}>|(?<![^\W\d])(?<![#&])#E\d{1,4}\b|\A\$\{?\d{1,4}\}?\Z",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Names:
    """What a reference of one plan may name. `aliases` gives the id now borne for every spelling of an id."""

    ids: tuple[str, ...]
    aliases: Mapping[str, str]
    inputs: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    """The step that uses a tool, by the tool's plain name, where only one step does."""
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The fields of each step's output, where a schema declares them."""

    def step(self, name: str) -> str | None:
        """The id that `name` means, other spellings and slips of the pen included."""
        name = name.strip().removeprefix("steps.")
        if name in self.ids:
            return name
        return self.aliases.get(name) or self.aliases.get(plain(name)) or meant(name, self.ids)

    def numbered(self, name: str) -> str | None:
        """As `step`; a number beyond the last of `node-0, node-1 ...` gives the id that it would have."""
        if found := self.step(name):
            return found
        parts = NUMBERED.fullmatch(name.strip())
        stem = parts and parts[1].casefold()
        alike = [one for one in self.ids if (own := NUMBERED.fullmatch(one)) and own[1].casefold() == stem]
        if not parts or not alike or parts[1].casefold() in OUTPUT_WORDS:
            return None
        return re.sub(r"\d+\Z", parts[2], alike[0])

    def positioned(self, number: int) -> str | None:
        """Step `number`, counted from 1, as LLMCompiler's `$1` and ReWOO's `#E1` count."""
        return self.ids[number - 1] if 1 <= number <= len(self.ids) else None

    def path(self, step: str, fields: Iterable[str] = ()) -> str:
        """`steps.ID.output...`; the words that models use for an output are dropped where they name no field."""
        rest = list(fields)
        declared = self.fields.get(step, frozenset())
        if rest and rest[0] in OUTPUT_WORDS and (rest[0] == "output" or rest[0] not in declared):
            rest = rest[1:]
        return ".".join(["steps", step, "output", *rest])


def respell(text: str, names: Names) -> str:
    """`text` with every reference to a step or input that is recognised beyond doubt in the language's spelling."""
    if not any(sign in text for sign in "{<[$#"):
        return text
    pieces: list[str] = []
    segments = scan(text)
    for segment in segments:
        piece = text[segment.start : segment.end]
        if segment.kind == "expression":
            piece = expression(piece, names)
        elif is_plain(segment, text):
            piece = literal(piece, names, alone=len(segments) == 1)
        pieces.append(piece)
    return "".join(pieces)


def is_plain(segment: Segment, text: str) -> bool:
    """Whether this is text outside of expressions, statements and `raw` blocks."""
    return segment.kind == "text" and not text.startswith("{%", segment.start)


def expression(text: str, names: Names) -> str:
    """One `{{ ... }}`; one that is never closed stays as it is."""
    found = EXPRESSION.fullmatch(text)
    if found is None:
        return text
    inner = STEP_ROOT.sub(lambda one: step_path(one, names), found[1])
    inner = INPUT_ROOT.sub(lambda one: input_path(one, names), inner)
    inner = rooted(inner, names)
    return text if inner == found[1] else "{{ " + inner.strip() + " }}"


def step_path(found: re.Match[str], names: Names) -> str:
    written, bracketed = found[1], found[3]
    fields = [one.strip() for one in found[4].split(".") if one.strip()]
    if written in names.ids and fields[:1] == ["output"]:
        return found[0]
    step = names.step(written or bracketed)
    if step is None:
        return found[0]
    return names.path(step, fields)


def input_path(found: re.Match[str], names: Names) -> str:
    name = found[1] if found[1] in names.inputs else meant(found[1], names.inputs)
    return f"inputs.{name}" if name else found[0]


def rooted(inner: str, names: Names) -> str:
    """An expression that begins with a step's or an input's bare name: `{{ summary }}`, `{{ node-0.output }}`."""
    root = ROOT.match(inner)
    if root is None or root[1] in {"steps", "inputs"}:
        return inner
    tail = re.match(r"(?:\s*\.\s*\w+)*", inner[root.end() :])
    fields = [one.strip() for one in tail[0].split(".") if one.strip()] if tail else []
    rest = inner[root.end() + (tail.end() if tail else 0) :]
    if step := names.step(root[1]):
        return names.path(step, fields) + rest
    if root[1] in names.inputs:
        return ".".join(["inputs", root[1], *fields]) + rest
    return inner


def literal(text: str, names: Names, *, alone: bool) -> str:
    """Text outside expressions; `alone` when it is the whole string, so that `$1` or `<draft>` can be nothing else."""
    text = OUTPUT_OF.sub(lambda one: output_of(one, names), text)
    text = DOLLAR.sub(lambda one: dollar(one, names, alone=alone and one[0] == text.strip()), text)
    text = HASH.sub(lambda one: hashed(one, names), text)
    return ANGLE.sub(lambda one: angle(one, names, alone=alone and one[0] == text.strip()), text)


def output_of(found: re.Match[str], names: Names) -> str:
    tool = names.tools.get(plain(found[1]))
    step = names.step(found[1])
    if tool and step and tool != step:
        return found[0]
    return wrapped(step or tool, names) or found[0]


def hashed(found: re.Match[str], names: Names) -> str:
    return wrapped(names.step("E" + found[1]) or names.positioned(int(found[1])), names) or found[0]


def dollar(found: re.Match[str], names: Names, *, alone: bool) -> str:
    """`${draft}`, and `${1}` as a whole string; `$1` only where a step bears that number, for it may be a price."""
    if found[2] and not alone:
        return found[0]
    if not alone and (found[1] not in names.ids and not found[1].startswith(("steps.", "inputs."))):
        return found[0]  # in a longer text it may be a variable of a program
    name, _, rest = (found[1] or found[2]).removeprefix("steps.").partition(".")
    if name == "inputs" and rest in names.inputs:
        return f"{{{{ inputs.{rest} }}}}"
    step = names.step(name) or (names.positioned(int(name)) if found[1] and name.isdecimal() else None)
    return wrapped(step, names, rest) or found[0]


def angle(found: re.Match[str], names: Names, *, alone: bool) -> str:
    """`<node-0>`; a word without a number is a tag of the prompt unless it is the whole string."""
    name = found[1]
    if not alone and (not NUMBERED.fullmatch(name) or f"</{name}" in found.string):
        return found[0]
    suffix = found[2] if alone else ("." + "output" if found[2] == ".output" else "")
    kept = found[2][len(suffix) :]
    reference = wrapped(names.numbered(name), names, suffix.lstrip("."))
    return reference + kept if reference else found[0]


def wrapped(step: str | None, names: Names, rest: str = "") -> str | None:
    if step is None:
        return None
    return "{{ " + names.path(step, [one for one in rest.split(".") if one]) + " }}"


def placeholders(text: str, ids: Iterable[str]) -> tuple[str, ...]:
    """What in `text` reads like a reference to a step and is none, so that the step would be given those very words."""
    outside = " ".join(text[one.start : one.end] for one in scan(text) if is_plain(one, text))
    found = [one[0] for one in SUSPECT.finditer(outside)]
    found += [f"{{{one}}}" for one in ids if f"{{{one}}}" in outside]
    return tuple(dict.fromkeys(found))
