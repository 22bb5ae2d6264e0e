"""The databases that the ledger of budgets is tested on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Unavailable, postgres
from sqlalchemy import URL, create_engine, make_url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server for all tests; they are skipped where PostgreSQL is not installed."""
    try:
        with postgres() as address:
            yield address
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def postgres_ledger(postgres_server: str) -> URL:
    """A schema of its own in that server."""
    url = make_url(postgres_server).set(drivername="postgresql+psycopg")
    schema = f"test_{secrets.token_hex(6)}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    engine.dispose()
    return url.update_query_dict({"options": f"-c search_path={schema}"})


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_address(request: pytest.FixtureRequest, tmp_path: Path) -> URL | Path:
    """Both, so that every test of the ledger is one of both."""
    if request.param == "sqlite":
        return tmp_path / "data" / "budgets.sqlite"
    found: URL = request.getfixturevalue("postgres_ledger")
    return found
