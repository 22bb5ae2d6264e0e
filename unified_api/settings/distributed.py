"""`[distributed]`: several machines that work on the same runs, by way of one PostgreSQL database."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from unified_api.settings.table import Table

__all__ = ["DistributedSettings"]


class DistributedSettings(Table):
    """`[distributed]`."""

    database_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable with the address of the database that all machines share, such as
    `postgresql://user:password@host/database`; without it that of `address_env` in `[journal]`."""
    global_concurrency: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Steps that all workers together may execute at one time; without it only each worker's own limit holds. The
    worker that was started last decides."""
    worker_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Steps that one worker may execute at one time."""
    application_version: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """What tells apart workers that must not take over each other's work; without it the version of this package."""
    lease_s: Annotated[float, Field(ge=1, le=600)] = 2.5
    """Seconds of silence after which a worker counts as dead and others take over what it was doing."""
    grace_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    """Seconds that a worker which is told to stop gives the steps it is executing, before it hands them back."""
