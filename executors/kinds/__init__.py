"""The kinds of steps, one module each."""

from __future__ import annotations

from collections.abc import Mapping

from executors.context import Kind
from executors.kinds import approval, branch, embed, http, image, llm, loop, map, set, tool, workflow  # noqa: A004  # named after the kinds

__all__ = ["KINDS"]

KINDS: Mapping[str, Kind] = {
    "llm": llm.run,
    "image": image.run,
    "embed": embed.run,
    "set": set.run,
    "tool": tool.run,
    "http": http.run,
    "approval": approval.run,
    "map": map.run,
    "branch": branch.run,
    "loop": loop.run,
    "workflow": workflow.run,
}
