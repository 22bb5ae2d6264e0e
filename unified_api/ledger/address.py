"""Where the ledger lives: a file in the data folder, or the database that a variable of the environment names."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unified_api.errors import ConfigurationError
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["address_of", "unusable", "url_of"]

_FILE = "budgets.sqlite"
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_FORM = "write postgresql://user:password@host/database"


def address_of(settings: Settings) -> URL | Path:
    """The address that the settings mean. Raises ConfigurationError; never shows what the variable holds."""
    name = settings.budgets.ledger_env
    if name is None:
        return settings.data_dir / _FILE
    given = settings.environment.get(name)
    if given is None:
        raise ConfigurationError(f"ledger_env in [budgets] names {name}, which is not set; {_FORM} into it")
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{name}, named by [budgets], holds no address of a database; {_FORM}") from None
    if url.drivername in _SQLITE and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    if url.drivername not in _POSTGRES:
        raise ConfigurationError(
            f"{name}, named by [budgets], holds the address of neither PostgreSQL nor a SQLite file; {_FORM}"
        )
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "budgets in PostgreSQL need one more package: pip install 'meta-orchestrator[postgres]'"
        )
    return url.set(drivername="postgresql+psycopg")


def url_of(address: URL | Path) -> URL:
    """The same as SQLAlchemy takes it."""
    if not isinstance(address, Path):
        return address
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(address))


def unusable(address: URL | Path, error: Exception) -> str:
    """What went wrong and what to do, in words; a password is not shown."""
    where = str(address) if isinstance(address, Path) else address.render_as_string(hide_password=True)
    said = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
    do = "see whether the folder can be written" if "sqlite" in where else "see whether the server runs"
    return (
        f"the ledger of budgets at {where!r} cannot be used ({said or type(error).__name__}), so calls with a cap are"
        f" refused; {do}"
    )
