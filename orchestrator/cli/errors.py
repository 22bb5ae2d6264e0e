"""The border of every command: what went wrong becomes one message on stderr and an exit status."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec

import typer

from orchestrator.cli import console
from orchestrator.cli.findings import show_findings
from orchestrator.cli.streams import lead_nowhere
from orchestrator.cli.words import clean

if TYPE_CHECKING:
    from workflows.findings import Finding

__all__ = ["INTERRUPTED", "CommandError", "Explanation", "bordered", "explain", "show_tracebacks"]

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""

ISSUES = "the project's issue tracker"
P = ParamSpec("P")


class CommandError(Exception):
    """A command cannot go on. `status` 2 means that the command line itself must change."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person is told about an error."""

    message: str = ""
    status: int = 1
    findings: tuple[Finding, ...] = ()
    """Told before the message, each with its own place."""
    expected: bool = True
    """Whether it is one of the errors that a user can mend; anything else is ours to mend."""


def bordered(command: Callable[P, int | None]) -> Callable[P, None]:
    """Wraps a command: its int is the exit status, its exceptions become one message each."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs) or 0
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            console.say("Interrupted.", style="yellow")
            status = INTERRUPTED
        except BrokenPipeError:
            # The reader of a pipe left (`| head`): its right; the interpreter must not complain at exit either.
            lead_nowhere(sys.stdout)
            status = 0
        except Exception as error:  # noqa: BLE001  # the outermost border: a traceback helps no user
            status = _report(error)
        raise typer.Exit(status)

    return guarded


_DEBUGGING: ContextVar[bool] = ContextVar("debugging", default=False)


def show_tracebacks(wanted: bool) -> None:
    _DEBUGGING.set(wanted)


def _report(error: Exception) -> int:
    if _DEBUGGING.get():
        import traceback

        sys.stderr.write(clean("".join(traceback.format_exception(error))))
    explanation = explain(error)
    show_findings(explanation.findings)
    if explanation.message:
        console.say(f"Error: {explanation.message}", style="red")
    if not explanation.expected and not _DEBUGGING.get():
        console.say(
            f"This is a bug. Please report it to {ISSUES} with the output of `orchestrate doctor`; "
            "`orchestrate --debug ...` shows the traceback.",
            style="dim",
        )
    return explanation.status


def explain(error: BaseException) -> Explanation:
    """The message and exit status for `error`, whatever it is."""
    error = _leaf(error)
    if isinstance(error, CommandError):
        return Explanation(str(error), error.status)
    try:
        typed = _typed()
    except Exception:  # noqa: BLE001  # a package of ours that is another's fails in its own way
        typed = ()
    if isinstance(error, typed):
        return _told(error)
    if isinstance(error, OSError):
        return Explanation(_os_words(error))
    return _clash() or Explanation(f"{type(error).__name__}: {error}", expected=False)


def _told(error: BaseException) -> Explanation:
    """An error of ours, with what on the command line would mend it."""
    from executors.inputs import InputError
    from planner.types import PlanError
    from workflows.findings import WorkflowError

    if isinstance(error, WorkflowError):
        return Explanation(findings=error.findings)
    if isinstance(error, InputError):
        return Explanation("the inputs do not fit. Give each as --input NAME=VALUE", findings=error.findings)
    if isinstance(error, PlanError) and all(reason.code != "budget_exhausted" for reason in error.reasons):
        return Explanation(f"{error}\nAsk another model with --model, or plan without one: --planner rules.")
    return Explanation(str(error))


def _leaf(error: BaseException) -> BaseException:
    """The first real error of (nested) groups, which structured concurrency wraps around."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _clash() -> Explanation | None:
    from orchestrator.clash import clashes

    broken = [clash for clash in clashes() if clash.broken]
    if not broken:
        return None
    lines = [f"{clash.message}. {clash.fix}" for clash in broken]
    return Explanation("\n".join([*lines, "`orchestrate doctor` looks at the whole installation."]))


def _typed() -> tuple[type[BaseException], ...]:
    from executors.distributed.errors import DistributedError
    from executors.inputs import InputError
    from executors.journal.entries import JournalError
    from executors.tools import ToolDefinitionError
    from orchestrator.passes import RunUnderWayError
    from orchestrator.resuming import ResumeError
    from orchestrator.sources import WorkflowNotFoundError
    from orchestrator.tool_files import ToolFileError
    from planner.types import PlanError, TaskError
    from unified_api.errors import GatewayError
    from workflows.findings import WorkflowError

    return (
        DistributedError,
        GatewayError,
        InputError,
        JournalError,
        PlanError,
        ResumeError,
        RunUnderWayError,
        TaskError,
        ToolDefinitionError,
        ToolFileError,
        WorkflowError,
        WorkflowNotFoundError,
    )


def _os_words(error: OSError) -> str:
    place = f" {error.filename!r}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{place}"
