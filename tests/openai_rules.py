"""What is wrong with an outgoing request, by OpenAI's and Mistral's own documents and by OpenAI's pages in prose.

The documents (OpenAPI, in the corpora) say the shapes; they are read as closed, so that a field they do not know is a
fault. What only the prose says is written out below: the subset of JSON Schema that strict decoding takes
(https://platform.openai.com/docs/guides/structured-outputs#supported-schemas), what models that reason refuse
(https://platform.openai.com/docs/guides/reasoning), names of functions, and the order of messages.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, cast

from corpus import ROOT
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

__all__ = ["chat_faults", "mistral_faults", "openai_faults", "responses_faults", "strict_faults"]

Body = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REFUSED_BY_REASONING = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs",
                         "logit_bias", "max_tokens", "stop"}  # fmt: skip
_STRICT_KEYS = {
    "any": {"type", "description", "title", "enum", "const", "anyOf", "$ref", "$defs", "definitions", "$schema"},
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "format"},
    "number": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def openai_faults(body: Body, *, name: str) -> list[str]:
    """Against the request `name` of OpenAI's document, such as `CreateEmbeddingRequest`."""
    return _document_faults(body, "openai", name)


def responses_faults(body: Body) -> list[str]:
    """Against the document's request for the Responses API.

    Its `oneOf`s are read as `anyOf`s: a message of the user in a list of parts fits two of its shapes, which the
    document tells apart by a `type` that both of them may leave out.
    """
    return [
        f"{error.json_path}: {error.message[:300]}" for error in _several().iter_errors(json.loads(json.dumps(body)))
    ]


def mistral_faults(body: Body, *, name: str) -> list[str]:
    """Against the request `name` of Mistral's document, such as `ChatCompletionRequest`."""
    return _document_faults(body, "mistral", name)


def chat_faults(body: Body, *, reasons: bool = False) -> list[str]:
    """Everything that OpenAI would refuse in a chat request; `reasons` says that the model thinks first."""
    found = openai_faults(body, name="CreateChatCompletionRequest")
    found += [f"a model that reasons refuses {name}" for name in sorted(_REFUSED_BY_REASONING & body.keys()) if reasons]
    found += _order_faults(body["messages"])
    functions = [tool["function"] for tool in body.get("tools", ()) if tool["type"] == "function"]
    names = [function["name"] for function in functions]
    wanted = (body.get("response_format") or {}).get("json_schema")
    found += [
        f"the name {name!r}" for name in (*names, *([wanted["name"]] if wanted else [])) if not _NAME.fullmatch(name)
    ]
    found += ["two tools of one name"] if len(set(names)) != len(names) else []
    found += (
        ["tool_choice or parallel_tool_calls without tools"]
        if not body.get("tools") and body.keys() & {"tool_choice", "parallel_tool_calls"}
        else []
    )
    found += ["stream_options without stream"] if "stream_options" in body and not body.get("stream") else []
    for function in functions:
        if function.get("parameters", {"type": "object"}).get("type") != "object":
            found.append(f"the parameters of {function['name']} are no object")
        found += strict_faults(function["parameters"]) if function.get("strict") else []
    if wanted:
        found += strict_faults(wanted["schema"]) if wanted.get("strict") else _root_faults(wanted["schema"])
    return found


def strict_faults(schema: Body) -> list[str]:
    """Why strict decoding refuses the schema."""
    found = [*_root_faults(schema), *_strict(schema, "", 1)]
    properties = sum(len(one.get("properties", {})) for one in _objects(schema))
    if properties > 5000:
        found.append(f"{properties} properties")
    if sum(len(one.get("enum", ())) for one in _objects(schema)) > 1000:
        found.append("more than 1,000 enum values")
    return found


def _root_faults(schema: Body) -> Iterator[str] | list[str]:
    found = [] if schema.get("type") == "object" else [f"the root is {schema.get('type')!r}, not an object"]
    return found + (["anyOf at the root"] if "anyOf" in schema else [])


def _strict(schema: Any, place: str, level: int) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{place}: {schema!r} is no schema"
        return
    kinds = schema.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    keys = _STRICT_KEYS["any"].union(*(_STRICT_KEYS["number" if kind == "integer" else kind]
                                       for kind in kinds if kind in {*_STRICT_KEYS, "integer"}))  # fmt: skip
    yield from (f"{place}: {key} is not permitted" for key in schema if key not in keys)
    if not kinds and not schema.keys() & {"anyOf", "$ref"}:
        yield f"{place}: no type"
    if "$ref" in schema and len(schema) > 1:
        yield f"{place}: $ref cannot have neighbours"
    yield from _kind_faults(schema, place, kinds)
    if level > 10:
        yield f"{place}: more than 10 levels"
    deeper = level + bool(kinds & {"object", "array"})
    for key in ("properties", "$defs", "definitions"):
        for name, one in schema.get(key, {}).items():
            yield from _strict(one, f"{place}/{key}/{name}", deeper)
    if "items" in schema:
        yield from _strict(schema["items"], f"{place}/items", deeper)
    firsts = []
    for number, one in enumerate(schema.get("anyOf", ())):
        yield from _strict(one, f"{place}/anyOf/{number}", level)
        if one.get("properties"):
            name, first = next(iter(one["properties"].items()))
            firsts.append((name, json.dumps(first.get("enum", first.get("const")))))
    if len(set(firsts)) != len(firsts):
        yield f"{place}: branches of anyOf must not share identical first keys"


def _kind_faults(schema: Body, place: str, kinds: set[str]) -> Iterator[str]:
    if "object" in kinds and schema.get("additionalProperties") is not False:
        yield f"{place}: additionalProperties must be false"
    if "object" in kinds and set(schema.get("required", ())) != set(schema.get("properties", ())):
        yield f"{place}: required must name every property"
    if "array" in kinds and "items" not in schema:
        yield f"{place}: an array without items"
    if schema.get("format", "date") not in _FORMATS:
        yield f"{place}: the format {schema['format']!r}"


def _objects(value: Any) -> Iterator[Body]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _order_faults(messages: list[Body]) -> Iterator[str]:
    """Every tool call is answered by the tool messages that come right after it, and they answer nothing else."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages[{place}] answers no call of the message before it"
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            yield f"messages[{place}] comes while {sorted(waiting)} are not answered"
        waiting = {call["id"] for call in message.get("tool_calls") or ()}
    if waiting:
        yield f"{sorted(waiting)} are not answered"


def _document_faults(body: Body, document: str, name: str) -> list[str]:
    validator = _validator(document, name)
    return [
        f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(json.loads(json.dumps(body)))
    ]


@cache
def _validator(document: str, name: str) -> Draft202012Validator:
    root = {"$ref": f"urn:{document}#/components/schemas/{name}", "unevaluatedProperties": False}
    return Draft202012Validator(root, registry=_registry(document))


@cache
def _several() -> Draft202012Validator:
    spec = deepcopy(_registry("openai").contents("urn:openai"))
    for one in _objects(spec["components"]["schemas"]):
        if "oneOf" in one:
            one["anyOf"] = one.pop("oneOf")
    root = {"$ref": "urn:openai#/components/schemas/CreateResponse", "unevaluatedProperties": False}
    return Draft202012Validator(root, registry=Registry().with_resource("urn:openai", Resource(spec, DRAFT202012)))


@cache
def _registry(document: str) -> Registry[Any]:
    specs = ROOT / "misc" / "specs"
    if document == "openai":
        spec = json.loads(gzip.decompress((specs / "openai_openapi.json.gz").read_bytes()))
    else:
        import yaml

        spec = yaml.load(gzip.decompress((specs / "mistral_openapi-public-doc.yaml.gz").read_bytes()), yaml.CSafeLoader)
    schemas = cast("dict[str, Any]", spec["components"]["schemas"])
    composed = set(_composed(schemas))
    for key, schema in schemas.items():
        _close(schema, open_here=key in composed)
    return Registry().with_resource(f"urn:{document}", Resource(spec, DRAFT202012))


def _composed(schemas: Any) -> Iterator[str]:
    """Names of schemas that stand beside others in an `allOf`, and so cannot be closed on their own."""
    for one in _objects(schemas):
        for part in one.get("allOf", ()) if isinstance(one.get("allOf"), list) else ():
            if "$ref" in part:
                yield part["$ref"].rpartition("/")[2]


def _close(schema: Any, *, open_here: bool) -> None:
    """Makes every object with stated properties refuse others, where the document does not say otherwise."""
    if isinstance(schema, list):
        for one in schema:
            _close(one, open_here=open_here)
    if not isinstance(schema, dict):
        return
    if not open_here and isinstance(schema.get("properties"), dict) and "allOf" not in schema:
        schema.setdefault("additionalProperties", False)
    for key, inner in schema.items():
        if key == "properties":
            for one in inner.values():
                _close(one, open_here=False)
        elif key not in {"example", "examples", "default", "enum"}:
            _close(inner, open_here=key == "allOf")
