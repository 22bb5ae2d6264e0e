"""What a step is given of a tool's result: its structure, else its text, with pictures as data URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.tools import ToolError
from unified_api.types import Json

if TYPE_CHECKING:
    from mcp.types import CallToolResult

__all__ = ["json_of"]

_LONGEST_COMPLAINT = 2_000


def json_of(name: str, result: CallToolResult) -> Json:
    """The result as JSON.

    Raises:
        ToolError: `tool_failed` with the tool's own words where it says that it failed.
    """
    if result.is_error:
        said = " ".join(part for part in map(_part, result.content) if not part.startswith("data:"))
        raise ToolError("tool_failed", f"tool {name!r} failed: {said[:_LONGEST_COMPLAINT] or 'it does not say why'}")
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
