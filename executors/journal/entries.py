"""What the journal remembers of a run: what was about to be done, what came of it, and what was asked of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from executors.events import Event, RunStatus, StepError
from unified_api.types import Attempt, Caller, Quality, Sensitivity, Usage
from workflows.model import Workflow

__all__ = ["Approval", "Decision", "Intent", "Journal", "JournalError", "Past", "Recorded", "Runs", "Unsettled"]


class JournalError(Exception):
    """The journal cannot be opened, read or written; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A step is about to be executed: from now on it may have been paid for, or have had its effect."""

    run_id: str
    path: str
    """Where in the run: `summary`, or `each[3]/summary` inside of a map."""
    kind: str
    key: str
    """The identity of what is done, by content: see `executors.identity`."""
    at: datetime
    crashes: int = 0
    """How many earlier executions of it were cut off by the death of their process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How an execution ended. A failure is kept too: what went on without the step must find it failed again."""

    run_id: str
    path: str
    kind: str
    key: str
    at: datetime
    status: Literal["succeeded", "failed"]
    output: Any = None
    error: StepError | None = None
    label: Sensitivity = "public"
    """The label of what was sent and of the output, before anybody declassified it."""
    model: str | None = None
    provider: str | None = None
    quality: Quality | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    """What it cost, None where that is unknown; 0 for what costs nothing."""
    counted_usd: Decimal | None = None
    """What a budget counts for it: what is unknown at the most that it may be. None without a budget."""
    attempts: tuple[Attempt, ...] = ()
    shares: tuple[int, ...] = ()
    seconds: float | None = None
    """How long it took."""
    times: int = 1
    """How often it failed, one execution after the other, where a step around it was tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An intent without an end: it was under way when the process died, and is possibly paid for."""

    intent: Intent
    spent_usd: Decimal = Decimal(0)
    """What its calls that had ended cost."""
    held_usd: Decimal = Decimal(0)
    """What its call under way may have cost at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A person's answer."""

    approved: bool
    by: str | None = None
    comment: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to a person."""

    run_id: str
    path: str
    key: str
    asked: datetime
    message: str
    show: Any = None
    expires: datetime | None = None
    default: Literal["approve", "reject", "fail"] = "reject"
    decision: Decision | None = None

    @property
    def question(self) -> str:
        """Tells it apart from others that the run has asked at the same path: the beginning of its key."""
        return self.key[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Everything that a run needs to go on."""

    run_id: str
    status: RunStatus
    definition: Workflow | None = None
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    """The workflows that steps of kind `workflow` run, as they were, by `name@version`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller = Caller()
    started: datetime | None = None
    results: tuple[Recorded, ...] = ()
    """In the order in which they were recorded."""
    unsettled: tuple[Unsettled, ...] = ()
    approvals: tuple[Approval, ...] = ()
    """What was asked of people, in order, with the answers that there are."""
    cancel_requested: bool = False


class Journal(Protocol):
    """Keeps what runs did. One run is written by one process at a time, and may be read by any.

    What is handed over in order is kept in order: when `intend` returns, all that was recorded before is durable too.
    """

    def __call__(self, event: Event) -> None:
        """Keeps a durable event of a run with the next sequence number; tokens are live only. Never waits."""

    async def intend(self, intent: Intent) -> None:
        """Returns once it is durable. Raises JournalError."""

    def record(self, result: Recorded) -> None:
        """Ends the intent of the same run, path and key. Never waits."""

    def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
        """What an execution under way has cost so far, and may cost at most besides. Never waits."""

    async def kept(self) -> None:
        """Returns once all that was handed over is durable. Raises JournalError."""

    async def room(self) -> None:
        """Returns once what waits to be kept is little enough to be held. Raises JournalError."""

    def forget(self, run_id: str, path: str) -> None:
        """Takes back the result of a step that made its run fail, so that a resumed run tries it again."""

    async def past(self, run_id: str) -> Past | None:
        """All of a run, results in blobs included; None when there is none."""

    async def find(self, key: str, *, not_of: str = "", before: datetime | None = None) -> Recorded | None:
        """The latest success under this key of any run but one, and of those before a time."""

    async def ask(self, approval: Approval) -> Approval:
        """Keeps a question, durably; gives back the one that is there already, its decision with it."""

    async def decided(self, run_id: str, path: str, key: str) -> Decision | None:
        """The answer, as soon as somebody gave one."""

    async def decide(self, run_id: str, path: str, decision: Decision, *, key: str | None = None) -> Decision:
        """Answers a question, durably; gives back the answer that stands.

        `key`, or the beginning of one, names the question; without it the latest at the path is meant. Raises
        JournalError, also without a key where another question at the path was left without an answer, and with the
        key of such a one: somebody may have seen the one and answer the other.
        """

    async def cancel_requested(self, run_id: str) -> bool:
        """Whether somebody asked for the end of the run."""


class Runs(Journal, Protocol):
    """A journal that also knows whose each run is."""

    async def begin(
        self,
        run_id: str,
        *,
        definition: Workflow,
        workflows: Mapping[str, Workflow],
        inputs: Mapping[str, Any],
        caller: Caller,
        at: datetime,
        resumed: bool = False,
    ) -> None:
        """Writes a run down, durably, and takes it for this process.

        One that is there already may only be `resumed`: what it left behind stays, and all but when it began is
        replaced. Raises JournalError: RunHeldError for a run that is under way elsewhere, and RunExistsError.
        """

    async def claim_run(self, run_id: str) -> bool:
        """Takes a run to go on with it; False when another living process has it. Raises JournalError."""
