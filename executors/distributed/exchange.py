"""The statements by which machines post runs and steps, claim them, and tell what came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Engine,
    Executable,
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from executors.distributed.tables import open_engine, runs, steps, values, workers

__all__ = ["Claimed", "Exchange", "Peer"]

_TAKING = text("interval '20 seconds'")
"""After which whoever began to take over from a worker has died of it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run or a step that is this worker's own from now on."""

    body: str
    claims: int
    """How many workers have begun it, this one included; for a run, how often it was asked for."""
    asked: datetime
    """When it was posted, by the clock of the database."""
    age_s: float = 0.0
    """Seconds since then."""
    handed: int = 0
    """How many workers that had begun it live, and gave it back."""
    apart: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A worker as the others see it."""

    id: str
    tools: frozenset[str]


class Exchange:
    """The shared tables. Its methods wait for the database, so they belong into threads."""

    def __init__(self, address: URL, *, lease_s: float) -> None:
        self._address = address
        self._lease = text(f"interval '{lease_s:f} seconds'")
        self._engine: Engine | None = None
        self._opening = Lock()

    @property
    def engine(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(self._address)
            return self._engine

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def post_run(self, run_id: str, request: str) -> int | None:
        """Makes a run known; None where there is one of this name already."""
        row = insert(runs).values(id=run_id, request=request, generation=1).on_conflict_do_nothing()
        return self._generation(row.returning(runs.c.generation))

    def post_again(self, run_id: str, request: str) -> int | None:
        """Asks for a run that has ended, or was never posted, to go on; how often it was asked for, from 1.

        None for one that workers lead, or are to lead.
        """
        row = insert(runs).values(id=run_id, request=request, generation=1)
        again = {
            "request": request,
            "generation": runs.c.generation + 1,
            "asked": func.clock_timestamp(),
            "ended": False,
            "trouble": None,
        }
        row = row.on_conflict_do_update(index_elements=["id"], set_=again, where=runs.c.ended)
        return self._generation(row.returning(runs.c.generation))

    def _generation(self, statement: Executable) -> int | None:
        with self.engine.begin() as connection:
            generation: int | None = connection.execute(statement).scalar_one_or_none()
        return generation

    def post_step(self, step_id: str, run_id: str, parcel: str, apart: Mapping[str, str]) -> bool:
        """Makes the step known, unless it is already. True when it had been called off, and is wanted again."""
        again = update(steps).where(steps.c.id == step_id, steps.c.cancelled, steps.c.outcome.is_(None))
        with self.engine.begin() as connection:
            for digest, value in apart.items():
                row = insert(values).values(run_id=run_id, digest=digest, value=value)
                connection.execute(row.on_conflict_do_nothing())
            connection.execute(insert(steps).values(id=step_id, run_id=run_id, parcel=parcel).on_conflict_do_nothing())
            return connection.execute(again.values(cancelled=False, worker=None)).rowcount > 0

    def claim_run(self, run_id: str, worker: str, *, own: bool = False) -> Claimed | None:
        """The run, unless it has ended or a living worker leads it; `own` says that what is this one's will do."""
        mine = (
            update(runs)
            .where(runs.c.id == run_id, ~runs.c.ended, _is_for(runs, worker, own=own))
            .values(worker=worker)
            .returning(runs.c.request, runs.c.generation, runs.c.asked)
        )
        with self.engine.begin() as connection:
            row = connection.execute(mine).one_or_none()
        return None if row is None else Claimed(row.request, row.generation, row.asked)

    def claim_step(self, step_id: str, worker: str, *, own: bool = False) -> Claimed | None:
        """The step, unless it has ended, is not wanted any more, or a living worker executes it; `own` as for runs."""
        mine = (
            update(steps)
            .where(steps.c.id == step_id, steps.c.outcome.is_(None), ~steps.c.cancelled)
            .where(_is_for(steps, worker, own=own))
            .values(worker=worker, claims=steps.c.claims + case((steps.c.worker == worker, 0), else_=1))
            .returning(
                steps.c.parcel,
                steps.c.claims,
                steps.c.handed,
                steps.c.run_id,
                steps.c.created,
                func.extract("epoch", func.clock_timestamp() - steps.c.created).label("age"),
            )
        )
        with self.engine.begin() as connection:
            row = connection.execute(mine).one_or_none()
            if row is None:
                return None
            digests = [one[-1] for one in json.loads(row.parcel).get("apart", ())]
            query = select(values.c.digest, values.c.value)
            query = query.where(values.c.run_id == row.run_id, values.c.digest.in_(digests))
            apart = {one.digest: one.value for one in connection.execute(query)} if digests else {}
        return Claimed(row.parcel, row.claims, row.created, float(row.age), row.handed, apart)

    def run_is_open(self, run_id: str) -> bool:
        """Whether it still waits for its end."""
        return self._is_there(select(runs.c.id).where(runs.c.id == run_id, ~runs.c.ended))

    def step_is_open(self, step_id: str) -> bool:
        """Whether somebody still waits for its end."""
        waits = (steps.c.id == step_id, steps.c.outcome.is_(None), ~steps.c.cancelled)
        return self._is_there(select(steps.c.id).where(*waits))

    def _is_there(self, query: Select[tuple[str]]) -> bool:
        with self.engine.begin() as connection:
            return connection.execute(query).first() is not None

    def end_step(self, step_id: str, outcome: str) -> None:
        """What came of it. The first word stands: what a worker that was thought dead did is paid for all the same."""
        with self.engine.begin() as connection:
            ended = update(steps).where(steps.c.id == step_id, steps.c.outcome.is_(None))
            connection.execute(ended.values(outcome=outcome))

    def end_run(self, run_id: str, worker: str, *, trouble: str | None = None) -> list[str]:
        """Ends a run that the worker leads, and forgets its steps; gives back their ids."""
        with self.engine.begin() as connection:
            mine = update(runs).where(runs.c.id == run_id, runs.c.worker == worker)
            if connection.execute(mine.values(ended=True, worker=None, request="", trouble=trouble)).rowcount == 0:
                return []
            gone = connection.execute(delete(steps).where(steps.c.run_id == run_id).returning(steps.c.id)).scalars()
            forgotten = list(gone)
            connection.execute(delete(values).where(values.c.run_id == run_id))
            return forgotten

    def call_off(self, run_id: str) -> bool:
        """Ends a run that nobody leads yet; whether that was so."""
        idle = update(runs).where(runs.c.id == run_id, runs.c.worker.is_(None), ~runs.c.ended)
        with self.engine.begin() as connection:
            trouble = "it was cancelled before a worker began it"
            return connection.execute(idle.values(ended=True, request="", trouble=trouble)).rowcount > 0

    def state(self, run_id: str) -> tuple[bool, str | None] | None:
        """Whether the run has ended, and why nobody could lead it to an end; None for a run that was not posted."""
        with self.engine.begin() as connection:
            row = connection.execute(select(runs.c.ended, runs.c.trouble).where(runs.c.id == run_id)).one_or_none()
        return None if row is None else (row.ended, row.trouble)

    def outcomes(self, ids: Collection[str]) -> dict[str, tuple[str, int]]:
        """Those of the steps that have ended, each with the number of workers that had begun it by then."""
        query = select(steps.c.id, steps.c.outcome, steps.c.claims)
        query = query.where(steps.c.id.in_(ids), steps.c.outcome.is_not(None))
        with self.engine.begin() as connection:
            return {row.id: (row.outcome, row.claims) for row in connection.execute(query)}

    def hand_back(self, ids: Collection[str]) -> None:
        """Tells that a worker which gives up these steps did not die of them."""
        back = update(steps).where(steps.c.id.in_(ids), steps.c.outcome.is_(None))
        with self.engine.begin() as connection:
            connection.execute(back.values(handed=steps.c.handed + 1))

    def cancel_steps(self, ids: Collection[str]) -> None:
        """Nobody waits for them any more."""
        with self.engine.begin() as connection:
            connection.execute(update(steps).where(steps.c.id.in_(ids)).values(cancelled=True))

    def cancelled(self, ids: Collection[str]) -> list[str]:
        """Those of them that nobody waits for any more, or that are forgotten."""
        wanted = select(steps.c.id).where(steps.c.id.in_(ids), ~steps.c.cancelled)
        with self.engine.begin() as connection:
            return list(set(ids).difference(connection.execute(wanted).scalars()))

    def join(self, worker: str, tools: Collection[str]) -> None:
        with self.engine.begin() as connection:
            row = {"id": worker, "tools": json.dumps(sorted(tools)), "beat": func.clock_timestamp()}
            connection.execute(insert(workers).values(**row))

    def beat(self, worker: str) -> bool:
        """Tells that the worker lives, however late. False when others have taken over what it was doing."""
        alive = update(workers).where(workers.c.id == worker, workers.c.taken.is_(None))
        with self.engine.begin() as connection:
            return connection.execute(alive.values(beat=func.clock_timestamp())).rowcount > 0

    def leave(self, worker: str) -> None:
        """Forgets a worker, and with it that anything is its own."""
        with self.engine.begin() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker))

    def peers(self) -> list[Peer]:
        """The workers that live."""
        query = select(workers.c.id, workers.c.tools).where(workers.c.beat > func.clock_timestamp() - self._lease)
        with self.engine.begin() as connection:
            return [Peer(row.id, frozenset(json.loads(row.tools))) for row in connection.execute(query)]

    def bury(self, worker: str, take_over: Callable[[str], None]) -> Sequence[str]:
        """Hands each worker that is silent to `take_over`, once it is this worker's alone, and forgets it then."""
        buried: list[str] = []
        while (one := self._taken(worker)) is not None:
            take_over(one)
            self.leave(one)
            buried.append(one)
        return buried

    def _taken(self, worker: str) -> str | None:
        """One that is silent, and to be buried by this worker; whoever dies of that leaves it to the next."""
        mark, now = workers.c.taken, func.clock_timestamp()
        silent = select(workers.c.id).where(workers.c.id != worker, workers.c.beat <= now - self._lease)
        silent = silent.where(or_(mark.is_(None), mark <= now - _TAKING)).limit(1).with_for_update(skip_locked=True)
        one = update(workers).where(workers.c.id == silent.scalar_subquery()).values(taken=now).returning(workers.c.id)
        with self.engine.begin() as connection:
            return connection.execute(one).scalar_one_or_none()


def _lives(worker: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether nobody has begun to take over what it was doing; how long it has been silent does not decide that."""
    return exists().where(workers.c.id == worker, workers.c.taken.is_(None))


def _is_for(table: Table, worker: str, *, own: bool) -> ColumnElement[bool]:
    """Whether a living worker may have it, as nobody that lives does, or none but itself."""
    free = or_(table.c.worker.is_(None), ~_lives(table.c.worker))
    return and_(_lives(literal(worker)), or_(free, table.c.worker == worker) if own else free)
