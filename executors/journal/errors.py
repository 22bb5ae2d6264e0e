"""What reading the journal may raise besides, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from executors.journal.entries import JournalError

__all__ = [
    "JournalVersionError",
    "RunExistsError",
    "RunHeldError",
    "RunNotFoundError",
    "reason",
    "run_exists",
    "unknown_run",
]


class JournalVersionError(JournalError):
    """A newer release wrote it."""


class RunExistsError(JournalError):
    """Another run has this id, whose results and answers must not become those of a new one."""


class RunHeldError(JournalError):
    """The run is under way, in another program or by another Orchestrator of this one."""


class RunNotFoundError(JournalError):
    """No run, or more than one, has this id or begins with it."""


def unknown_run(run_id: str, known: Sequence[str]) -> str:
    """That there is no such run, and which one may be meant."""
    near = get_close_matches(run_id, known, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no run has the id {run_id!r}; `orchestrate runs` lists them{hint}"


def run_exists(run_id: str) -> RunExistsError:
    return RunExistsError(
        f"there is a run {run_id!r} already; `orchestrate resume {run_id}` goes on with it, and a new one needs another"
        " name"
    )


_ELSEWHERE = "make it writable, or set ORCHESTRATOR_HOME to another folder"
_MENDS = {
    "not a database": "move that file away, and a new one is begun",
    "malformed": "move that file away, and a new one is begun",
    "disk is full": "make room on the disk",
    "i/o error": "see whether the disk works and has room",
    "no space left": "make room on the disk",
    "file exists": _ELSEWHERE,
    "not a directory": _ELSEWHERE,
    "denied": _ELSEWHERE,
    "read-only": _ELSEWHERE,
    "readonly": _ELSEWHERE,
    "unable to open": _ELSEWHERE,
    "authentication failed": "see whether the address has the right user and password",
    "connection": "see whether the server runs",
    "locked": "see which program keeps it locked, and end that",
}
"""By what databases and the system say, in lower case."""


def reason(error: BaseException) -> str:
    """What went wrong, and the mend where it is known."""
    said = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
    if isinstance(error, OSError):
        said = f"{error.strerror or said} ({error.filename!r})"
    mend = next((mend for sign, mend in _MENDS.items() if sign in said.lower()), None)
    return said if mend is None else f"{said}; {mend}"
