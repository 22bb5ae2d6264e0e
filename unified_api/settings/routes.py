"""`[routes.NAME]`: what `route/NAME` stands for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unified_api.settings.table import Table

__all__ = ["Route"]


class Route(Table):
    """`[routes.NAME]`: what `route/NAME` stands for."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """In order of preference."""
