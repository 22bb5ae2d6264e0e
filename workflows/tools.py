"""What the checks must know of a tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.base import Sensitivity

__all__ = ["ToolSpec"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the language sees it: its name, what it takes and what it gives back."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of the arguments object."""
    returns: Mapping[str, Any] | None = None
    """JSON Schema of the result; None when nothing is known of it."""
    repeatable: bool = True
    """Whether a second call after a failed one does no harm. Steps of tools that are not must not be retried."""
    clearance: Sensitivity | None = None
    """The most sensitive data that may be its arguments; None for a function of this program, which sees everything."""
