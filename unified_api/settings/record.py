"""`[record]`: what is told of each call, and to whom."""

from __future__ import annotations

from pathlib import Path

from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = ["RecordSettings"]


class RecordSettings(Table):
    """`[record]`."""

    log: bool = False
    """Whether each call is told to the logger `unified_api` of Python's own logging."""
    file: Path | None = None
    """A file that gets a line of JSON a call."""
    traces: bool = False
    """Whether each call is a span of OpenTelemetry (`pip install 'meta-orchestrator[otel]'`)."""
    metrics: bool = False
    """Whether times and tokens are counted by OpenTelemetry."""
    content: bool = False
    """Whether prompts and answers are told too, of calls that `clearance` covers."""
    clearance: Sensitivity = "public"
    """The most sensitive calls whose content may be told."""

    @property
    def is_set_up(self) -> bool:
        """Whether anything is told to anybody."""
        return self.log or self.file is not None or self.traces or self.metrics
