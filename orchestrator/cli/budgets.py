"""`orchestrate budgets`: what is spent, held and left."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console, words
from orchestrator.cli.options import JsonOption

if TYPE_CHECKING:
    from orchestrator.budgets import AccountState

__all__ = ["budgets"]


def budgets(
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="A month in UTC (default: this one).")
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Show the accounts of runs too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what users, keys, tags and runs have spent, what is held for calls under way, and what is left.

    \b
    Examples:
      orchestrate budgets
      orchestrate budgets --month 2026-10 --json
      orchestrate budgets --runs
    """
    import anyio

    from orchestrator.budgets import account_states
    from orchestrator.cli.errors import CommandError
    from orchestrator.shapes import jsonable
    from unified_api.settings import Settings

    if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise CommandError(f"a month is written as 2026-11, not {month!r}", status=2)
    settings = Settings.load()
    found = anyio.run(lambda: account_states(settings, month=month, runs=runs))
    if as_json:
        console.print_json(jsonable(found))
        return
    if not settings.budgets.capped:
        console.say("No caps are set: see [budgets] in docs/budgets.md")
    elif not found:
        console.say("Nothing was spent under a cap yet.")
    rows = [("account", "month", "cap", "spent", "held", "left"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows if found else ():
        name = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        console.print_result("  ".join((name, *rest)))


def _row(state: AccountState) -> tuple[str, ...]:
    whose = f"{state.tenant}/{state.name}" if state.tenant else state.name
    name = words.one_line(f"{state.kind} {whose}", width=60)
    money = (_dollars(one) for one in (state.cap_usd, state.spent_usd, state.held_usd, state.left_usd))
    return (name, state.month or "", *money)


def _dollars(amount: Decimal | None) -> str:
    return "-" if amount is None else f"${amount:.6f}".rstrip("0").rstrip(".")
