"""`[journal]`: where runs are written down."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from unified_api.settings.table import Table

__all__ = ["JournalSettings"]

_PASSWORD = re.compile(r"://[^/@]*:[^/@]+@|[?&]password=", re.IGNORECASE)


def _without_password(address: str) -> str:
    if _PASSWORD.search(address):
        raise ValueError(
            "must not hold a password: put the whole address into a variable of the environment, and name that in"
            " `address_env`"
        )
    return address


class JournalSettings(Table):
    """`[journal]`."""

    address: Annotated[str, StringConstraints(min_length=1), AfterValidator(_without_password)] | None = None
    """The path of a SQLite file, or `postgresql://user@host/database`, which machines share; without it the journal is
    `runs.sqlite` in the data folder."""
    address_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable with the address, where that holds a password; goes before `address`."""
    durability: Literal["ordinary", "full"] = "ordinary"
    """Whether what is written to a file survives a power cut too (`full`), or only the end of the program."""
