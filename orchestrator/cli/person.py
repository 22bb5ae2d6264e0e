"""The person at the terminal, who is asked what a running workflow wants to know."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from orchestrator.cli import console, words
from orchestrator.cli.approve import this_user

if TYPE_CHECKING:
    from executors.journal.entries import Approval, Decision
    from orchestrator.cli.launch import Launch

__all__ = ["Person"]

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False}


class Person:
    """Asks one question after the other; a line that begins with y or n answers, the rest of it is the comment."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._turn = anyio.Lock()

    @staticmethod
    def is_here(launch: Launch) -> bool:
        """Whether somebody can be asked without disturbing what reads the output."""
        return console.interactive() and not launch.as_json and sys.platform != "win32"

    async def __call__(self, asked: Approval) -> Decision | None:
        from executors.context import now
        from executors.journal.entries import Decision

        async with self._turn:
            with self._alone():
                _show(asked)
                while True:
                    console.say("Approve? [y/n, and a comment if you like]", style="bold yellow")
                    # Waited for, not read: a read could not be given up when somebody answers elsewhere.
                    await anyio.wait_readable(sys.stdin)
                    line = sys.stdin.readline()
                    if not line:
                        console.say(f"Not answered; `orchestrate approve {asked.run_id} {asked.path}` does.")
                        return None
                    word, _, comment = line.strip().partition(" ")
                    approved = _ANSWERS.get(word.lower().rstrip(",.:;"))
                    if approved is not None:
                        return Decision(approved=approved, by=this_user(), comment=comment.strip() or None, at=now())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nothing is drawn over what the person reads and writes."""
        live = None if self._launch.progress is None else self._launch.progress.live
        if live is None:
            yield
            return
        live.stop()
        try:
            yield
        finally:
            live.start(refresh=True)


def _show(asked: Approval) -> None:
    console.say(f"{asked.path} asks: {words.material(asked.message)}", style="bold")
    if asked.show is not None:
        console.say(words.material(asked.show))
    if asked.expires is not None:
        console.say(f"Without an answer until {asked.expires:%Y-%m-%d %H:%M:%S %Z}: {asked.default}", style="dim")
