"""The recorded provider traffic of the corpora, as bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from corpus import ROOT

from unified_api.wire.recording import Recording as WireRecording
from unified_api.wire.recording import read_recording

# What answers under these paths speaks the OpenAI-compatible family; other APIs carry the same label in the index.
_PATHS = {"chat": "/chat/completions", "embeddings": "/embeddings", "images": ("/images/generations", "/images/edits")}
_OTHER_HOSTS = {
    "generativelanguage.googleapis.com",
    "api.cohere.com",
    "127.0.0.1:11434",
    "api-inference.huggingface.co",
}


@dataclass(frozen=True)
class Recording:
    id: str
    provider: str
    host: str
    path: str
    model: str
    streaming: bool
    status: int
    headers: dict[str, str]
    request: object
    body: bytes


@cache
def _load(identity: str) -> Recording:
    row = json.loads((ROOT / "wire" / f"{identity}.json").read_text("utf-8"))
    request, response = row["request"], row["response"]
    if response.get("body_text") is not None:
        body = response["body_text"].encode()
    elif "body" in response:
        body = json.dumps(response["body"]).encode()
    else:
        body = base64.b64decode(response.get("body_base64") or "")
    return Recording(
        id=row["id"],
        provider=row["provider"],
        host=request["host"],
        path=request["url_path"].partition("?")[0],
        model=row.get("model") or "unknown",
        streaming=bool(row["streaming"]),
        status=response["status"],
        headers=dict(response.get("headers") or {}),
        request=request.get("body"),
        body=body,
    )


def _index() -> list[dict[str, object]]:
    with (ROOT / "wire" / "_index.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def recordings(api: str, *, streaming: bool = False) -> Iterator[Recording]:
    """The good answers (status 200) of `chat`, `embeddings` or `images` in the OpenAI-compatible family."""
    for row in _index():
        if row["api"] == api and row["status"] == 200 and row["streaming"] is streaming:
            recording = _load(str(row["id"]))
            native = api == "embeddings" and recording.host in _OTHER_HOSTS
            if recording.path.endswith(_PATHS[api]) and not native:
                yield recording


def everything() -> Iterator[Recording]:
    """Every recorded interaction, whatever its API and status."""
    for row in _index():
        yield _load(str(row["id"]))


def error_answers() -> Iterator[Recording]:
    """Every recorded answer of status 400 and up, whatever the API."""
    for row in _index():
        if int(str(row["status"])) >= 400:
            yield _load(str(row["id"]))


def streamed() -> Iterator[WireRecording]:
    """Every streamed answer of status 200, as the product's own reader gives it."""
    for row in _index():
        if row["streaming"] and row["status"] == 200:
            yield read_recording((ROOT / "wire" / f"{row['id']}.json").read_bytes())
