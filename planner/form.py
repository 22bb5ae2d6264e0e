"""The shape in which a model writes a plan: the workflow language, with what strict decoding cannot express as lists.

Providers that enforce a schema while decoding want every key required and no free-form objects (OpenAI's
"structured outputs" page, seen 2026-11). So absent is null, `arguments` and `outputs` are lists of pairs, and an
answer's schema is a list of fields. `expand` turns that into the language and leaves what is already in it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from unified_api.types import Json, JsonObject

__all__ = ["TIERS", "contract", "expand", "expand_step", "from_pairs", "looks_like_plan", "patch_schema", "plan_schema"]

TIERS = ("economy", "standard", "premium")
FIELD_TYPES = ("string", "integer", "number", "boolean", "list of strings", "list of numbers")
OTHER_TYPES = {
    "text": "string",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
"""What models call types that JSON Schema calls otherwise."""
WRAPPERS = ("plan", "workflow", "output", "answer", "result")
"""Keys under which models tuck the plan they were asked for."""
STEP_LISTS = ("steps", "nodes", "tasks")


def looks_like_plan(value: Json) -> bool:
    """Whether a JSON document may be meant as a plan or as steps of one."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(step, dict) and ("kind" in step or "id" in step) for step in value)
    if not isinstance(value, dict):
        return False
    if any(isinstance(value.get(key), list) for key in STEP_LISTS):
        return True
    return any(looks_like_plan(value[key]) for key in WRAPPERS if isinstance(value.get(key), dict))


def expand(value: Json) -> Json:
    """The plan in the workflow language; anything that is no plan comes back as it is."""
    if isinstance(value, list) and looks_like_plan(value):
        value = {"steps": value}
    if not isinstance(value, dict):
        return value
    for key in WRAPPERS:
        inner = value.get(key)
        if not isinstance(value.get("steps"), list) and isinstance(inner, dict) and looks_like_plan(inner):
            return expand(inner)
    document = without_nulls(value)
    if not isinstance(document.get("steps"), list):
        for key in STEP_LISTS:
            if isinstance(document.get(key), list):
                document["steps"] = document.pop(key)
                break
    if isinstance(document.get("steps"), list):
        document["steps"] = [expand_step(step) for step in cast("list[Json]", document["steps"])]
    if "outputs" in document:
        document["outputs"] = from_pairs(document["outputs"])
    return document


def expand_step(value: Json) -> Json:
    """One step in the workflow language."""
    if not isinstance(value, dict):
        return value
    step = without_nulls(value)
    if isinstance(model := step.get("model"), str) and model.lower() in TIERS:
        step["model"] = {"tier": model.lower()}
    if "arguments" in step:
        step["arguments"] = from_pairs(step["arguments"])
    fields = step.pop("output_fields", None)
    if isinstance(fields, dict):  # {"title": "string"}
        fields = [{"name": name, "type": kind} for name, kind in fields.items()]
    if isinstance(fields, list) and fields and "output" not in step:
        step["output"] = output_schema(fields)
    for key in ("after", "images"):
        if step.get(key) == []:
            del step[key]
    return step


def without_nulls(value: JsonObject) -> JsonObject:
    return {key: item for key, item in value.items() if item is not None or key == "value"}


def from_pairs(value: Json) -> Json:
    """`[{"name": n, "value": v}]` as `{n: v}`; a list that says a name twice stays as it is, and is found wrong."""
    if not isinstance(value, list):
        return value
    pairs = [(pair.get("name"), pair.get("value")) for pair in value if isinstance(pair, dict)]
    names = {name for name, _ in pairs if isinstance(name, str)}
    if len(names) < len(value):
        return value
    return {cast("str", name): item for name, item in pairs}


def output_schema(fields: list[Json]) -> JsonObject:
    properties: JsonObject = {}
    for one in fields:
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            schema = field_schema(str(one.get("type") or "string"))
            if one.get("description"):
                schema["description"] = one["description"]
            properties[cast("str", one["name"])] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def field_schema(name: str) -> JsonObject:
    if name.startswith("list of "):
        return {"type": "array", "items": {"type": name.removeprefix("list of ").rstrip("s")}}
    return {"type": OTHER_TYPES.get(name.lower(), name)}


def contract(document: JsonObject) -> JsonObject:
    """A workflow as a model under `plan_schema` would have written it: the way back from `expand`."""
    steps = [contract_step(step) for step in cast("list[JsonObject]", document["steps"])]
    outputs = cast("JsonObject", document.get("outputs") or {})
    return {
        "name": document.get("name"),
        "description": document.get("description", ""),
        "steps": cast("list[Json]", steps),
        "outputs": pairs_of(outputs),
    }


def contract_step(step: JsonObject) -> JsonObject:
    written = dict(step)
    model = written.get("model")
    if isinstance(model, dict) and set(model) == {"tier"}:
        written["model"] = model["tier"]
    if isinstance(arguments := written.get("arguments"), dict):
        written["arguments"] = pairs_of(arguments)
    if (fields := contract_fields(written.get("output"))) is not None:
        del written["output"]
        written["output_fields"] = fields
    return written


def contract_fields(schema: Json) -> list[Json] | None:
    """The fields of an answer's schema, or None where the list of fields cannot say it all."""
    if not isinstance(schema, dict) or not isinstance(properties := schema.get("properties"), dict):
        return None
    fields: list[Json] = []
    for name, one in properties.items():
        kind = next((kind for kind in FIELD_TYPES if isinstance(one, dict) and is_kind(one, kind)), None)
        if kind is None or not isinstance(one, dict):
            return None
        fields.append({"name": name, "type": kind, "description": one.get("description") or ""})
    return fields if output_schema(fields) == schema else None


def is_kind(schema: JsonObject, kind: str) -> bool:
    return {key: item for key, item in schema.items() if key != "description"} == field_schema(kind)


def pairs_of(value: JsonObject) -> list[Json]:
    return [{"name": name, "value": item} for name, item in value.items()]


def plan_schema(tools: Iterable[str] = (), *, models: Iterable[str] = ()) -> JsonObject:
    """The JSON Schema of a whole plan in this form, for the tools and models there are, in the strict subset."""
    return record(
        {
            "name": {"type": "string", "description": "two to five lower-case words joined by hyphens"},
            "description": {"type": "string"},
            "steps": {"type": "array", "items": step_schema(tools, models)},
            "outputs": {"type": "array", "items": pair_schema()},
        }
    )


def patch_schema(tools: Iterable[str] = (), *, models: Iterable[str] = ()) -> JsonObject:
    """The JSON Schema of a correction: the steps written anew, the ids taken out, and new outputs or null."""
    return record(
        {
            "steps": {"type": "array", "items": step_schema(tools, models)},
            "removed": {"type": "array", "items": {"type": "string"}},
            "outputs": nullable({"type": "array", "items": pair_schema()}),
        }
    )


def step_schema(tools: Iterable[str], models: Iterable[str]) -> JsonObject:
    text: JsonObject = {"type": "string"}
    texts: JsonObject = {"type": "array", "items": text}
    model = nullable({"type": "string", "enum": [*TIERS, *models]})
    shapes: dict[str, JsonObject] = {
        "llm": {
            "prompt": text,
            "system": nullable(text),
            "images": nullable(texts),
            "output_fields": nullable({"type": "array", "items": field_form()}),
            "model": model,
        },
        "image": {"prompt": text, "size": nullable(text), "model": model},
        "set": {"value": text},
    }
    if names := sorted(tools):
        shapes["tool"] = {
            "tool": {"type": "string", "enum": cast("list[Json]", names)},
            "arguments": {"type": "array", "items": pair_schema()},
        }
    return {"anyOf": [kind_schema(kind, keys) for kind, keys in shapes.items()]}


def kind_schema(kind: str, keys: Mapping[str, Json]) -> JsonObject:
    return record(
        {
            # First, because OpenAI refuses branches that begin alike ("must not share identical first keys").
            "kind": {"type": "string", "enum": [kind]},
            "id": {"type": "string", "description": "an identifier: a letter, then letters, digits, underscores"},
            **keys,
            "after": nullable({"type": "array", "items": {"type": "string"}}),
            "when": nullable({"type": "string"}),
        }
    )


def field_form() -> JsonObject:
    return record(
        {
            "name": {"type": "string"},
            "type": {"type": "string", "enum": list(FIELD_TYPES)},
            "description": {"type": "string"},
        }
    )


def pair_schema() -> JsonObject:
    return record({"name": {"type": "string"}, "value": {"type": "string"}})


def record(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nullable(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, {"type": "null"}]}
