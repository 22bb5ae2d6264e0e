"""A recorded HTTP interaction: one JSON file with what was asked and what came back.

The file is an object with `id`, `provider` (a label), `api` (a label), `model`, `streaming`, `request` {method, host,
url_path, headers, body or body_text} and `response` {status, headers, and the body as `body` (JSON), `body_text` or
`body_base64`}.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import orjson

from unified_api.types import Json, JsonObject
from unified_api.wire.json_text import parse_json
from unified_api.wire.shown import shown

__all__ = ["Recording", "RecordingError", "read_recording"]

_BEFORE_A_MODEL = frozenset({"model", "models", "deployments"})
_OPERATION = re.compile("[a-z-]+")
_VERB = re.compile(":[A-Za-z]+")


class RecordingError(ValueError):
    """The file is no recorded interaction; says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One interaction. Header names are lower case; `path` is without its query."""

    id: str
    provider: str
    api: str
    model: str
    """The provider's own name of the model asked for; empty where none was."""
    streaming: bool
    method: str
    host: str
    path: str
    request: Json = field(repr=False)
    """The request's JSON body, or None."""
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def read_recording(text: bytes) -> Recording:
    """The interaction in a file's bytes; RecordingError when it holds none."""
    try:
        row = parse_json(text)
    except ValueError as error:
        raise RecordingError(f"it is no JSON ({error})") from error
    row = _object(row, "the file")
    request, response = _object(row.get("request"), "request"), _object(row.get("response"), "response")
    status = response.get("status")
    if type(status) is not int:
        raise RecordingError(f"response.status is {shown(status)}, not a number")
    path = _text(request, "url_path").partition("?")[0].partition("#")[0]
    asked = _asked(request)
    return Recording(
        id=_text(row, "id"),
        provider=_text(row, "provider"),
        api=_text(row, "api"),
        model=_model(row, asked, path),
        streaming=bool(row.get("streaming")),
        method=_text(request, "method") or "POST",
        host=_text(request, "host"),
        path=path,
        request=asked,
        status=status,
        headers=_headers(response),
        body=_body(response),
    )


def _object(value: Json, name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise RecordingError(f"{name} is no JSON object")
    return value


def _text(table: JsonObject, key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _asked(request: JsonObject) -> Json:
    if "body" in request:
        return request["body"]
    try:
        return parse_json(_text(request, "body_text").encode())
    except ValueError:
        return None


def _model(row: JsonObject, asked: Json, path: str) -> str:
    """As the request's body names it, else its path, else the recorder."""
    if isinstance(asked, dict) and (named := _text(asked, "model")):
        return named
    in_path = _model_in(path.split("/"))
    return unquote(in_path) if in_path else _text(row, "model")


def _model_in(steps: list[str]) -> str:
    """What follows `models` in a path, without the operation behind it: `x` of `/models/x:embed`, `/model/x/invoke`."""
    place = next((at for at, step in enumerate(steps) if at and step in _BEFORE_A_MODEL), len(steps))
    name = steps[place + 1 :]
    last = len(name)
    while last > 1 and _OPERATION.fullmatch(name[last - 1]):
        last -= 1
    if last < len(name):
        return "/".join(name[:last])
    whole = "/".join(name)
    model, colon, verb = whole.rpartition(":")
    return model if model and _VERB.fullmatch(colon + verb) else whole


def _headers(response: JsonObject) -> dict[str, str]:
    headers = response.get("headers")
    given = headers.items() if isinstance(headers, dict) else ()
    return {name.lower(): value if isinstance(value, str) else str(value) for name, value in given}


def _body(response: JsonObject) -> bytes:
    """The bytes as they came where they were kept, else the JSON that the recorder had parsed."""
    text, packed = response.get("body_text"), response.get("body_base64")
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(packed, str):
        try:
            return base64.b64decode(packed, validate=True)
        except ValueError as error:
            raise RecordingError(f"response.body_base64 is no base64: {error}") from error
    return orjson.dumps(response["body"]) if "body" in response else b""
