"""The options that several commands share, each written once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AlthoughHeldOption",
    "BudgetOption",
    "DeadlineOption",
    "ExecutorChoice",
    "ExecutorOption",
    "InputOption",
    "JsonOption",
    "MaxParallelOption",
    "ModelOption",
    "OutOption",
    "PlannerChoice",
    "PlannerOption",
    "Sensitivity",
    "SensitivityOption",
    "TagOption",
    "TaskArgument",
    "TenantOption",
    "ToolsOption",
    "UserOption",
    "YesOption",
]


class PlannerChoice(StrEnum):
    """Who plans."""

    MODEL = "model"
    RULES = "rules"


class ExecutorChoice(StrEnum):
    """Who executes a run."""

    HERE = "here"
    DBOS = "dbos"


class Sensitivity(StrEnum):
    """The labels of the lattice, least first."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


TaskArgument = Annotated[
    str | None,
    typer.Argument(help="The task in plain words; - or nothing reads it from standard input.", show_default=False),
]
AlthoughHeldOption = Annotated[
    bool,
    typer.Option(
        "--although-held",
        help="Take it from the program that has it, for one that is dead on a machine that cannot be asked.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable JSON on standard output.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Plan with this model and run the llm steps on it: provider/model, route/NAME or auto."
    ),
]
PlannerOption = Annotated[
    PlannerChoice | None,
    typer.Option("--planner", help="Who plans: a model, or the rules. Default: a model if a real one is ready."),
]
MaxParallelOption = Annotated[
    int | None, typer.Option("--max-parallel", "-j", min=1, max=10_000, help="Steps that may run at one time.")
]
BudgetOption = Annotated[
    float | None, typer.Option("--budget", min=0, max=1_000_000, help="US dollars that planning and the run may cost.")
]
DeadlineOption = Annotated[
    float | None,
    typer.Option("--deadline", min=0.001, max=604_800, help="Seconds the whole run may take, and its plan."),
]
SensitivityOption = Annotated[
    Sensitivity | None,
    typer.Option("--sensitivity", help="The label of everything in the run; less cleared providers are not asked."),
]
ExecutorOption = Annotated[
    ExecutorChoice,
    typer.Option(
        "--executor", help="Who executes the steps: this program, or by dbos the workers that share [distributed]."
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="KEY=VALUE",
        help="A value for an input, typed by the input's schema; KEY=@FILE reads a file, KEY=- standard input.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", file_okay=False, help="Folder for images that the run makes (default: the data folder)."),
]
ToolsOption = Annotated[
    list[str] | None,
    typer.Option("--tools", metavar="FILE.py|MODULE", help="Python functions that steps may call; may be repeated."),
]
UserOption = Annotated[str | None, typer.Option("--user", help="On whose behalf models are asked, for budgets.")]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", help="What the calls are for, such as a project, for budgets; may be repeated."),
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Whose data it is: nothing is kept or counted across tenants.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Answer yes to questions, such as fetching the embedded model's weights.")
]
