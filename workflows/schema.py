"""The JSON Schema of the language, generated from the models and published beside this module."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

__all__ = ["generate", "schema"]

_ID = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The published schema, read from `workflows/schema.json`."""
    import orjson

    loaded: dict[str, Any] = orjson.loads(_published())
    return loaded


def generate() -> dict[str, Any]:
    """The schema as the models give it now; `python -m workflows.schema` writes it to `workflows/schema.json`."""
    from workflows.model import Workflow

    generated = Workflow.model_json_schema()
    return {"$schema": _ID, "title": "Workflow", **{key: value for key, value in generated.items() if key != "title"}}


@cache
def _published() -> bytes:
    return resources.files("workflows").joinpath("schema.json").read_bytes()


def _write() -> None:
    import json
    from pathlib import Path

    Path(__file__).with_name("schema.json").write_text(json.dumps(generate(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
