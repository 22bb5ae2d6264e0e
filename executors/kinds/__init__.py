"""The kinds of steps, one module each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from executors.context import StepRun
from executors.kinds import embed, image, llm, set, tool  # noqa: A004  # named after the kinds
from unified_api.types import Json

__all__ = ["KINDS", "Kind"]

Kind: TypeAlias = Callable[[Any, StepRun], Awaitable[Json]]
"""Runs one try of a step; each takes its own class of step, which the table below matches by the step's `kind`."""

KINDS: Mapping[str, Kind] = {
    "llm": llm.run,
    "image": image.run,
    "embed": embed.run,
    "set": set.run,
    "tool": tool.run,
}
