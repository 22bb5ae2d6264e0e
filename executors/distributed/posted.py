"""Which runs are with the workers that share a journal's database."""

from __future__ import annotations

from sqlalchemy import URL, NullPool, create_engine, inspect, select

from executors.distributed.tables import runs

__all__ = ["posted_runs"]

_WAIT_S = 5


def posted_runs(address: URL) -> frozenset[str]:
    """The runs that workers lead or are to lead; none where there never was a worker. Raises SQLAlchemyError."""
    engine = create_engine(address, connect_args={"connect_timeout": _WAIT_S}, poolclass=NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table(runs.name):
            return frozenset()
        return frozenset(connection.execute(select(runs.c.id).where(~runs.c.ended)).scalars())
