"""What a step is given of a tool's result: its structure, else its text, with pictures as data URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from executors.plain import unfit
from executors.schemas import complaints
from executors.tools import ToolError
from unified_api.types import Json

if TYPE_CHECKING:
    from mcp.types import CallToolResult

__all__ = ["json_of"]

_LONGEST_COMPLAINT = 2_000


def json_of(name: str, result: CallToolResult, *, returns: Mapping[str, Any] | None = None) -> Json:
    """The result as JSON.

    Raises:
        ToolError: `tool_failed` with the tool's own words where it says that it failed; `malformed_result` for what
            does not satisfy the schema `returns` of its structure, or is no JSON.
    """
    if result.is_error:
        said = " ".join(part for part in map(_part, result.content) if not part.startswith("data:"))
        raise ToolError("tool_failed", f"tool {name!r} failed: {said[:_LONGEST_COMPLAINT] or 'it does not say why'}")
    value = _value(result)
    wrong = unfit(value)
    if wrong is None and returns is not None:
        wrong = _mismatch(result, returns)
    if wrong is not None:
        raise ToolError("malformed_result", f"the result of tool {name!r} {wrong}")
    return value


def _mismatch(result: CallToolResult, returns: Mapping[str, Any]) -> str | None:
    if result.structured_content is None and "structured_content" not in result.model_fields_set:
        return "has no structured content, and the tool's own schema (outputSchema) says that it has"
    wrong = complaints(result.structured_content, dict(returns))
    return f"does not satisfy the tool's own schema (outputSchema): {'; '.join(wrong)}" if wrong else None


def _value(result: CallToolResult) -> Json:
    if result.structured_content is not None:
        structure: Json = result.structured_content
        return structure
    parts: list[Json] = [_part(block) for block in result.content]
    if all(block.type in {"text", "resource_link"} for block in result.content):
        return "\n".join(map(str, parts)) if parts else None
    return parts[0] if len(parts) == 1 else parts


def _part(block: Any) -> str:
    """One part of the content as text, a data URL, or the address of what it links to."""
    if block.type == "text":
        return str(block.text)
    if block.type in {"image", "audio"}:
        return f"data:{block.mime_type};base64,{block.data}"
    if block.type == "resource_link":
        return str(block.uri)
    resource = block.resource
    text = getattr(resource, "text", None)
    if text is not None:
        return str(text)
    return f"data:{resource.mime_type or 'application/octet-stream'};base64,{resource.blob}"
