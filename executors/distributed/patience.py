"""Asks the database until it answers: a server that is started anew must not end what goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

__all__ = ["answered", "said"]

Answer = TypeVar("Answer")
_AGAIN_S = 0.5


async def answered(
    ask: Callable[[], Answer], *, tell: Callable[[str], None] | None = None, until: Callable[[], bool] | None = None
) -> Answer:
    """The answer, however long it takes. Raises SQLAlchemyError once `until` holds."""
    while True:
        try:
            return await anyio.to_thread.run_sync(ask)
        except SQLAlchemyError as error:
            if until is not None and until():
                raise
            if tell is not None:
                tell(f"The database cannot be asked just now: {said(error)}")
        await anyio.sleep(_AGAIN_S)


def said(error: Exception) -> str:
    """The first line of what the database or its driver says."""
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
