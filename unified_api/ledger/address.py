"""Where the ledger lives: a file in the data folder, or the database that a variable of the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unified_api.errors import ConfigurationError
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["address_of", "shown", "unusable", "url_of"]

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
    return _with_user_in_place(url.set(drivername="postgresql+psycopg"))


def _with_user_in_place(url: URL) -> URL:
    """User and password where they are known for what they are, and not in the query, which is shown."""
    given = {name: value for name in ("user", "password") if isinstance(value := url.query.get(name), str)}
    url = url.difference_update_query(given)
    return url.set(username=given.get("user"), password=given.get("password"))


def url_of(address: URL | Path) -> URL:
    """The same as SQLAlchemy takes it."""
    if not isinstance(address, Path):
        return address
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(address))


def shown(address: URL | Path) -> str:
    """Where it is: host, port and database, or the file; any other part of an address may be secret."""
    if isinstance(address, Path):
        return str(address)
    if address.get_backend_name() == "sqlite":
        return address.database or ""
    port = f":{address.port}" if address.port else ""
    return f"postgresql://{address.host or ''}{port}/{address.database or ''}"


def unusable(address: URL | Path, error: Exception) -> str:
    """What went wrong and what to do, in words; no secret of the address is shown."""
    said = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0] or type(error).__name__
    for secret in _secrets(address):
        said = said.replace(secret, "***")
    do = next((do for sign, do in _ADVICE.items() if sign in said), _otherwise(address))
    return f"the ledger of budgets at {shown(address)!r} cannot be used ({said}), so calls with a cap are refused; {do}"


_ADVICE = {
    "locked": "see which program keeps it locked, and end that",
    "not a database": "move the file away, and a new one is made, in which nothing is spent yet",
    "malformed": "move the file away, and a new one is made, in which nothing is spent yet",
    "s a directory": "move the folder away that stands where the file belongs",
    "disk is full": "make room on its disk",
    "authentication failed": "see whether the address has the right user and password",
    "no answer": "see whether a program keeps it locked, or whether the machine has too much to do",
}


def _otherwise(address: URL | Path) -> str:
    is_file = isinstance(address, Path) or address.get_backend_name() == "sqlite"
    return "see whether the folder can be written" if is_file else "see whether the server runs"


def _secrets(address: URL | Path) -> Iterator[str]:
    if isinstance(address, Path):
        return
    if address.password:
        yield str(address.password)
    for name, value in address.query.items():
        if "pass" in name:
            yield from [value] if isinstance(value, str) else value
