"""Where the machines meet: the PostgreSQL database that a variable of the environment names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from unified_api.errors import ConfigurationError
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["database_of"]

_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_FORM = "write postgresql://user:password@host/database"


def database_of(settings: Settings) -> URL:
    """The address that the settings mean. Raises ConfigurationError; never shows what the variable holds."""
    name, table = settings.distributed.database_env, "distributed"
    if name is None:
        name, table = settings.journal.address_env, "journal"
    if name is None:
        raise ConfigurationError(
            "several machines need a PostgreSQL database that all of them reach: name the environment variable with"
            ' its address in orchestrator.toml, as in [distributed] database_env = "ORCHESTRATOR_DATABASE"'
        )
    given = settings.environment.get(name)
    if given is None:
        raise ConfigurationError(f"{name}, named by [{table}], is not set; {_FORM} into it")
    for package in ("dbos", "psycopg"):
        if find_spec(package) is None:
            raise ConfigurationError(
                f"several machines need one more package ({package}): pip install 'meta-orchestrator[distributed]'"
            )
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{name}, named by [{table}], holds no address of a database; {_FORM}") from None
    if url.drivername not in _POSTGRES:
        raise ConfigurationError(f"{name}, named by [{table}], holds no address of PostgreSQL; {_FORM}")
    return url.set(drivername="postgresql+psycopg")
