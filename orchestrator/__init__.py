"""Plain words in, a checked DAG of model calls out, run through one gateway.

    from orchestrator import Orchestrator

    result = Orchestrator().run_sync("Compare solar and wind power, then write a headline for the comparison")

Names are imported when they are first used: a start stays fast, and `orchestrate doctor` runs even where another
distribution has overwritten one of the packages below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.events import Event
    from executors.result import RunResult
    from orchestrator.limits import Limits
    from orchestrator.orchestrator import Orchestrator
    from planner.types import Plan
    from unified_api.settings import Settings
    from workflows.model import Workflow

__all__ = ["Event", "Limits", "Orchestrator", "Plan", "RunResult", "Settings", "Workflow", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "Event": "executors.events",
    "Limits": "orchestrator.limits",
    "Orchestrator": "orchestrator.orchestrator",
    "Plan": "planner.types",
    "RunResult": "executors.result",
    "Settings": "unified_api.settings",
    "Workflow": "workflows.model",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
