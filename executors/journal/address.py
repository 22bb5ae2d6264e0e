"""Where the journal lives: a SQLite file, or a PostgreSQL database that machines share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from executors.journal.entries import JournalError
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["address_of", "checked", "is_shared", "url_of"]

_POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_FILE = "runs.sqlite"
_FILE_SCHEME = "sqlite:///"
_FORM = "give the path of a file, or postgresql://user@host/database"


def address_of(settings: Settings) -> str | Path:
    """The address that the settings mean. Raises JournalError for a variable that is not set."""
    chosen = settings.journal
    if chosen.address_env is not None:
        given = settings.environment.get(chosen.address_env)
        if not given:
            raise JournalError(
                f"address_env in [journal] names {chosen.address_env}, which is not set; write"
                " postgresql://user:password@host/database into it"
            )
        return given
    return settings.data_dir / _FILE if chosen.address is None else chosen.address


def checked(address: str | Path) -> str | Path:
    """A path for a file, and the text for a database that is shared. Raises JournalError for anything else."""
    if isinstance(address, str) and address.startswith(_POSTGRES):
        return address
    name = str(address)
    if name.startswith(_FILE_SCHEME):
        name = name.removeprefix(_FILE_SCHEME)
    elif "://" in name:
        raise JournalError(f"the address of the journal is that of neither a file nor PostgreSQL; {_FORM}")
    if not name or "\0" in name:
        raise JournalError(f"the journal has no address; {_FORM}")
    return Path(name).expanduser()


def is_shared(address: str | Path) -> bool:
    """Whether programs on several machines may use it; of an address that was checked."""
    return isinstance(address, str)


def url_of(address: str | Path) -> URL:
    """A checked address as SQLAlchemy takes it. Raises JournalError, which shows nothing of it."""
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if isinstance(address, Path):
        return URL.create("sqlite+pysqlite", database=str(address))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise JournalError(f"the address of the journal cannot be read; {_FORM}") from None
    if find_spec("psycopg") is None:
        raise JournalError("a journal in PostgreSQL needs one more package: pip install 'meta-orchestrator[postgres]'")
    return url.set(drivername="postgresql+psycopg")
