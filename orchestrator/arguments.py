"""Refuses arguments of a wrong type in words, before anything is planned or paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.sources import find, load

if TYPE_CHECKING:
    from planner.types import Plan
    from unified_api.types import Caller
    from workflows.model import Workflow
    from workflows.sources import WorkflowSource

__all__ = ["check_choices", "inputs_of", "named", "others_of", "source_of", "subject_of", "workflow_of"]

PLANNERS = ("model", "rules")
RESUMES = ("ask", "auto", "never")


def check_choices(*, model: object, planner: object, resume: object = None) -> None:
    """Raises TypeError for a model that is no name, ValueError for another choice that there is not."""
    if model is not None and not isinstance(model, str):
        raise TypeError(f"model must be a name such as 'openai/gpt-5-mini', not {model!r}")
    if planner is not None and planner not in PLANNERS:
        raise ValueError(f"planner must be 'model', 'rules' or None, not {planner!r}")
    if resume is not None and resume not in RESUMES:
        raise ValueError(f"resume must be 'ask', 'auto', 'never' or None, not {resume!r}")


def named(caller: object) -> Caller:
    """The caller of a run that has a name. Raises TypeError."""
    from executors.runner import new_run_id
    from unified_api.types import Caller

    if caller is None:
        return Caller(run=new_run_id())
    if not isinstance(caller, Caller):
        raise TypeError(f"caller must be a unified_api.types.Caller such as Caller(user='alice'), not {caller!r}")
    return caller if caller.run else replace(caller, run=new_run_id())


def subject_of(task: object) -> str | Plan | Workflow:
    """What `run` and `stream` take. Raises TypeError."""
    from planner.types import Plan
    from workflows.model import Workflow

    if isinstance(task, str | Plan | Workflow):
        return task
    raise TypeError(
        f"a task in words, a Plan or a Workflow can be run, not {type(task).__name__}: "
        "run_workflow takes a file or a JSON object, workflows.parse.from_json makes a Workflow of one"
    )


def workflow_of(workflow: object) -> Workflow:
    """The workflow that a name in the library, a path, a JSON object or itself means.

    Raises TypeError, WorkflowNotFoundError, WorkflowError, or OSError as `orchestrator.sources.load` does.
    """
    from workflows.model import Workflow
    from workflows.parse import from_json

    if isinstance(workflow, Workflow):
        return workflow
    if isinstance(workflow, str | Path):
        return load(find(workflow))
    if isinstance(workflow, Mapping):
        return from_json(workflow)
    raise TypeError(f"a workflow is a name, a path, a JSON object or a Workflow, not {type(workflow).__name__}")


def source_of(given: object) -> WorkflowSource:
    """Where the workflows are that the steps of `given` run: beside its file, where it is one, then in the library."""
    from workflows.sources import Folder, Library, Shelves

    found = find(given) if isinstance(given, str) else given
    beside = [Folder(found.expanduser().parent)] if isinstance(found, Path) else []
    return Shelves(*beside, Library())


def others_of(workflow: Workflow, given: object) -> dict[str, Workflow]:
    """The workflows that its steps run, by `name@version`: those beside its file, then the library's.

    Raises WorkflowError for one that is not there as the step means it, or that leads back to itself.
    """
    from workflows.linking import linked

    return linked(workflow, source_of(given))


def inputs_of(inputs: object) -> dict[str, Any]:
    """The values by the inputs' names. Raises TypeError."""
    if inputs is None:
        return {}
    if isinstance(inputs, Mapping) and all(isinstance(name, str) for name in inputs):
        return dict(inputs)
    raise TypeError(f"inputs must be a mapping of names to values such as {{'topic': 'tides'}}, not {inputs!r}")
