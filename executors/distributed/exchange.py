"""The statements by which machines post runs and steps, claim them, and tell what came of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
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
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from executors.distributed.tables import open_engine, runs, steps, values, workers

__all__ = ["Claimed", "Exchange", "Peer"]


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

    def claim_run(self, run_id: str, worker: str) -> Claimed | None:
        """The run, unless it has ended or a living worker leads it."""
        mine = (
            update(runs)
            .where(runs.c.id == run_id, ~runs.c.ended, self._is_free(runs))
            .values(worker=worker)
            .returning(runs.c.request, runs.c.generation, runs.c.asked)
        )
        with self.engine.begin() as connection:
            row = connection.execute(mine).one_or_none()
        return None if row is None else Claimed(row.request, row.generation, row.asked)

    def claim_step(self, step_id: str, worker: str) -> Claimed | None:
        """The step, unless it has ended, is not wanted any more, or a living worker executes it."""
        mine = (
            update(steps)
            .where(steps.c.id == step_id, steps.c.outcome.is_(None), ~steps.c.cancelled)
            .where(self._is_free(steps))
            .values(worker=worker, claims=steps.c.claims + 1)
            .returning(
                steps.c.parcel,
                steps.c.claims,
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
        return Claimed(row.parcel, row.claims, row.created, float(row.age), apart)

    def _is_free(self, table: Table) -> ColumnElement[bool]:
        """Whether nobody that lives has it."""
        living = exists().where(workers.c.id == table.c.worker, workers.c.beat > func.clock_timestamp() - self._lease)
        return or_(table.c.worker.is_(None), ~living)

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

    def outcomes(self, ids: Collection[str]) -> dict[str, str]:
        """Those of the steps that have ended."""
        query = select(steps.c.id, steps.c.outcome).where(steps.c.id.in_(ids), steps.c.outcome.is_not(None))
        with self.engine.begin() as connection:
            return {row.id: row.outcome for row in connection.execute(query)}

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
        """Tells that the worker lives. False when it was taken for dead meanwhile."""
        alive = update(workers).where(workers.c.id == worker)
        alive = alive.where(workers.c.beat > func.clock_timestamp() - self._lease)
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

    def bury(self, take_over: Any) -> Sequence[str]:
        """Hands each worker that is silent to `take_over`, once it is this program's alone, and forgets it then."""
        silent = select(workers.c.id).where(workers.c.beat <= func.clock_timestamp() - self._lease).limit(1)
        buried: list[str] = []
        while True:
            with self.engine.begin() as connection:
                # Whoever dies here leaves the row to the next: the lock ends with the transaction.
                one = connection.execute(silent.with_for_update(skip_locked=True)).scalar_one_or_none()
                if one is None:
                    return buried
                take_over(one)
                connection.execute(delete(workers).where(workers.c.id == one))
            buried.append(one)
