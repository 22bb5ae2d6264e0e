"""`[timeouts]`: how long each part of a call may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unified_api.settings.table import Table

__all__ = ["Timeouts"]


class Timeouts(Table):
    """`[timeouts]`, in seconds."""

    connect_s: Annotated[float, Field(gt=0)] = 10.0
    """Making the connection."""
    headers_s: Annotated[float, Field(gt=0)] = 300.0
    """From sending a request to the first byte of its answer. A call that is not streamed answers when it is whole."""
    first_token_s: Annotated[float, Field(gt=0)] = 300.0
    """From the start of a stream to its first content; comments, pings and role-only chunks are no content. Models that
    reason show nothing of it for minutes."""
    silence_s: Annotated[float, Field(gt=0)] = 60.0
    """Between two pieces of a stream; keep-alive comments are silence."""
    total_s: Annotated[float, Field(gt=0)] = 600.0
    """The whole call, all attempts and waits together, where the call's policy names no deadline."""

    def within(self, patience_s: float) -> Timeouts:
        """With the waits for a first word no longer than that."""
        waits = {"headers_s": min(self.headers_s, patience_s), "first_token_s": min(self.first_token_s, patience_s)}
        return self.model_copy(update=waits)

    def patient(self) -> Timeouts:
        """For a server on this machine: the waits for its first word that are not set here are the whole call's.

        Such a server may load its model first (Ollama allows itself five minutes) and reads a long prompt slowly.
        """
        waits = {name: self.total_s for name in ("headers_s", "first_token_s") if name not in self.model_fields_set}
        return self.model_copy(update=waits)
