"""Groups of commands that list what they are about when no command is named."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer import Context

__all__ = ["ListingGroup", "SearchingGroup"]


class ListingGroup(TyperGroup):
    """`orchestrate models --json` is `orchestrate models list --json`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's base is private
        asks_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


class SearchingGroup(ListingGroup):
    """`orchestrate models claude sonnet` is `orchestrate models list "claude sonnet"`; a misspelt command stays one."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's base is private
        first = args[0] if args else ""
        if first and not first.startswith("-") and not get_close_matches(first, self.commands, n=1):
            args = ["list", *args]
        return super().parse_args(ctx, args)
