"""Mends in a model's plan what can be mended without asking, each mend in words, none that changes what it does.

The document is JSON of the workflow language or near it (see `planner.form`); nothing here raises for its
content, and what cannot be mended beyond doubt stays for the checks to name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from planner.casts import cast_arguments
from planner.form import expand, expand_step
from planner.names import meant, plain
from planner.order import in_order
from planner.spelling import Names, respell
from unified_api.types import Json, JsonObject
from workflows.model import STEP_ID_PATTERN
from workflows.tools import ToolSpec

__all__ = ["Mend", "Mended", "mend"]

TEMPLATES = ("prompt", "system", "when", "images", "input", "value", "arguments")
"""The fields of a step whose strings are templates."""
OTHER_KEYS = {
    "after": ("depends_on", "dependsOn", "dependencies", "depends"),
    "arguments": ("args", "parameters", "params"),
    "tool": ("tool_name", "toolName"),
    "id": ("step_id", "stepId", "name"),
    "kind": ("type",),
}
"""What other systems call our keys; taken over where ours is absent."""
KINDS = ("llm", "image", "embed", "set", "tool")
NUMBERS: dict[str, Callable[[str], Json]] = {"max_tokens": int, "temperature": float, "timeout_s": float}


@dataclass(frozen=True, slots=True)
class Mend:
    """One thing that was put right."""

    code: str
    """`shape`, `key`, `id`, `reference`, `tool`, `argument`, `number` or `order`."""
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Mended:
    document: Json
    mends: tuple[Mend, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(str(one) for one in self.mends)


def mend(document: Json, *, tools: Mapping[str, ToolSpec] | None = None, name: str = "plan") -> Mended:
    """The document with everything mended that can be without asking; `name` is given to a plan without one."""
    draft = expand(document)
    given = draft.get("steps") if isinstance(draft, dict) else None
    if not isinstance(draft, dict) or not isinstance(given, list):
        return Mended(draft)
    mends: list[Mend] = []
    made = header(draft, name)
    steps = [own_keys(step, mends) for step in given]
    aliases = identify(steps, mends)
    names = known_names(made, steps, aliases)
    steps = [references(step, names, mends) for step in steps]
    steps = [tool_call(step, tools or {}, mends) for step in steps]
    made["steps"] = reordered(steps, mends)
    if "outputs" in made:
        made["outputs"] = rewritten(made["outputs"], names, "the outputs", mends)
    return Mended(made, tuple(mends))


def header(draft: JsonObject, name: str) -> JsonObject:
    """The keys around the steps: the version where it is missing, and a name that is one."""
    given = draft.get("name") if isinstance(draft.get("name"), str) else name
    slug = re.sub(r"[^a-z0-9]+", "-", str(given).lower()).strip("-")[:100].strip("-")
    rest = {key: value for key, value in draft.items() if key not in {"workflow", "name"}}
    version = draft.get("workflow", "1")
    return {"workflow": "1" if version in (1, 1.0, "1.0") else version, "name": slug or "plan", **rest}


def own_keys(value: Json, mends: list[Mend]) -> Json:
    """A step under our keys, with numbers that are numbers."""
    if not isinstance(value, dict):
        return value
    step = dict(value)
    for key, others in OTHER_KEYS.items():
        found = [other for other in others if other in step]
        if key in step or len(found) != 1 or not fits(key, step[found[0]]):
            continue
        step = {key if one == found[0] else one: item for one, item in step.items()}
        mends.append(Mend("key", f"{label(step)}: {found[0]!r} is {key!r}"))
    if isinstance(kind := step.get("kind"), str) and kind not in KINDS and kind.strip().lower() in KINDS:
        step["kind"] = kind.strip().lower()
    if isinstance(after := step.get("after"), str | int) and not isinstance(after, bool):
        step["after"] = [after]
    if isinstance(when := step.get("when"), str) and "{" not in when and re.search(r"\b(?:steps|inputs)\.", when):
        step["when"] = f"{{{{ {when.strip()} }}}}"
        mends.append(Mend("reference", f"{label(step)}: the condition {when!r} is an expression"))
    if isinstance(image := step.get("images"), str):
        step["images"] = [image]
    for key, number in NUMBERS.items():
        numbered(step, key, number, mends)
    return expand_step(step)  # once more, for what stood under another key


def fits(key: str, value: Json) -> bool:
    return key != "kind" or (isinstance(value, str) and value.lower() in KINDS)


def numbered(step: JsonObject, key: str, number: Callable[[str], Json], mends: list[Mend]) -> None:
    if isinstance(value := step.get(key), str):
        try:
            step[key] = number(value)
        except ValueError:
            return
        mends.append(Mend("number", f"{label(step)}: {key} {value!r} is a number"))


def label(step: JsonObject) -> str:
    return f"step {step['id']!r}" if isinstance(step.get("id"), str) else "a step"


def identify(steps: list[Json], mends: list[Mend]) -> dict[str, str]:
    """Gives every step an identifier, in place; returns the id for every spelling that means just one step."""
    taken = {step["id"] for step in steps if isinstance(step, dict) and is_identifier(step.get("id"))}
    meanings: dict[str, set[str]] = {}
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict) or not isinstance(given := step.get("id"), str | int | None):
            continue
        if is_identifier(given):
            new = cast("str", given)
        else:
            new = fresh(identifier(given, number), cast("set[str]", taken))
            taken.add(new)
            told = "without an id" if given is None else repr(given)
            mends.append(Mend("id", f"step {number}, {told}, is called {new!r}"))
            step["id"] = new
        spellings = {new, plain(new)} if given is None else {new, plain(new), str(given), plain(str(given))}
        for spelling in spellings:
            meanings.setdefault(spelling, set()).add(new)
    return {spelling: ids.pop() for spelling, ids in meanings.items() if spelling and len(ids) == 1}


def is_identifier(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(STEP_ID_PATTERN, value) is not None


def identifier(given: str | int | None, number: int) -> str:
    made = re.sub(r"[^A-Za-z0-9]+", "_", "" if given is None else str(given)).strip("_")
    if not made:
        return f"step_{number}"
    return (made if made[0].isalpha() else f"step_{made}")[:60]


def fresh(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    return next(other for other in (f"{wanted}_{n}" for n in range(2, len(taken) + 3)) if other not in taken)


def known_names(document: JsonObject, steps: list[Json], aliases: dict[str, str]) -> Names:
    inputs = document.get("inputs")
    users: dict[str, list[str]] = {}
    fields: dict[str, frozenset[str]] = {}
    ids: list[str] = []
    for step in steps:
        if not isinstance(step, dict) or not is_identifier(step.get("id")):
            continue
        own = cast("str", step["id"])
        ids.append(own)
        if isinstance(tool := step.get("tool"), str):
            users.setdefault(plain(tool), []).append(own)
        if isinstance(output := step.get("output"), dict) and isinstance(output.get("properties"), dict):
            fields[own] = frozenset(cast("JsonObject", output["properties"]))
    return Names(
        ids=tuple(dict.fromkeys(ids)),
        aliases=aliases,
        inputs=tuple(inputs) if isinstance(inputs, dict) else (),
        tools={tool: using[0] for tool, using in users.items() if len(using) == 1},
        fields=fields,
    )


def references(value: Json, names: Names, mends: list[Mend]) -> Json:
    if not isinstance(value, dict):
        return value
    step = dict(value)
    for key in TEMPLATES:
        if key in step:
            step[key] = rewritten(step[key], names, label(step), mends)
    if isinstance(after := step.get("after"), list):
        step["after"] = ordered_after(after, names, label(step), mends)
    return step


def rewritten(value: Json, names: Names, place: str, mends: list[Mend]) -> Json:
    """JSON with every string in it respelled; one mend for each string that changes."""
    if isinstance(value, str):
        new = respell(value, names)
        if new != value:
            mends.append(Mend("reference", f"{place}: {difference(value, new)}"))
        return new
    if isinstance(value, list):
        return [rewritten(item, names, place, mends) for item in value]
    if isinstance(value, dict):
        return {key: rewritten(item, names, place, mends) for key, item in value.items()}
    return value


def difference(old: str, new: str) -> str:
    """The first place where two texts part, with a little of both."""
    at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, at - 10)
    return f"{old[start : start + 50]!r} is {new[start : start + 60]!r}"


def ordered_after(after: list[Json], names: Names, place: str, mends: list[Mend]) -> list[Json]:
    made: list[Json] = []
    for one in after:
        written = one if isinstance(one, str) else str(one)
        bare = re.sub(r"\A(?:\{\{)?[\s<$#]*|[\s>]*(?:\}\})?\Z", "", written).removesuffix(".output")
        new = names.numbered(bare) if isinstance(one, str | int) and not isinstance(one, bool) else None
        if new is None:  # no step is meant; as an identifier it is found unknown, and not merely ill-formed
            made.append(identifier(written, 0) if isinstance(one, str) and not is_identifier(one) else one)
            continue
        if new != one:
            mends.append(Mend("reference", f"{place}: after {written!r} is {new!r}"))
        made.append(new)
    return list(dict.fromkeys(cast("list[str]", made))) if all(isinstance(one, str) for one in made) else made


def tool_call(value: Json, tools: Mapping[str, ToolSpec], mends: list[Mend]) -> Json:
    if not isinstance(value, dict) or not isinstance(written := value.get("tool"), str):
        return value
    step = dict(value)
    if written not in tools and (found := meant(written, tools)):
        mends.append(Mend("tool", f"{label(step)}: tool {written!r} is {found!r}"))
        step["tool"] = found
    spec = tools.get(cast("str", step["tool"]))
    if spec is not None and isinstance(arguments := step.get("arguments"), dict):
        step["arguments"], notes = cast_arguments(arguments, spec.parameters)
        mends.extend(Mend("argument", f"{label(step)}: {note}") for note in notes)
    return step


def reordered(steps: list[Json], mends: list[Mend]) -> list[Json]:
    made = in_order(steps)
    if made is None or made == steps:
        return steps
    order = ", ".join(str(step["id"]) for step in made if isinstance(step, dict))
    mends.append(Mend("order", f"the steps were put in the order of their references: {order[:300]}"))
    return made
