"""`orchestrate trust`: agrees to the tool servers that the current folder's configuration names."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError

__all__ = ["trust"]


def trust(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree without being asked.")] = False,
) -> int:
    """Agree to the tool servers of ./orchestrator.toml: until then none of them is started or sent a secret.

    What was agreed to is kept in the data folder; a server whose table is changed asks again.

    \b
    Examples:
      orchestrate trust
      orchestrate trust --yes
    """
    from orchestrator.trust import agree, described, untrusted
    from unified_api.settings import Settings

    settings = Settings.load()
    waiting = untrusted(settings)
    if not waiting:
        console.say("No tool server waits for your word.")
        return 0
    for name, server in waiting.items():
        console.say(f"{name} {described(server)}")
    if not yes and not console.interactive():
        raise CommandError("nobody can be asked here; `orchestrate trust --yes` agrees to these servers", status=2)
    if not yes and not typer.confirm(f"Trust what {settings.path} names?", default=False, err=True):
        return 1
    agree(settings)
    console.say(f"Agreed: {', '.join(waiting)}.")
    return 0
