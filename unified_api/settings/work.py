"""`[planner]` and `[run]`: how tasks are planned and run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from unified_api.settings.table import Table

__all__ = ["PlannerSettings", "RunSettings"]


class PlannerSettings(Table):
    """`[planner]`."""

    model: Annotated[str, StringConstraints(min_length=1)] = "auto"
    """What plans a task: a model as in a request, or `rules` for none."""


class RunSettings(Table):
    """`[run]`."""

    max_parallel: Annotated[int, Field(ge=1, le=1000)] = 8
    """Steps at once, where the workflow does not say."""
    resume: Literal["ask", "auto", "never"] = "ask"
    """What becomes of runs whose program died: `ask` names them, `auto` goes on with them when an orchestrator is
    opened, `never` says nothing."""
