"""`orchestrate models`: which models there are, and the embedded one's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError, bordered
from orchestrator.cli.groups import ListingGroup
from orchestrator.cli.options import JsonOption

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator
    from unified_api.models import Model

__all__ = ["build", "list_models", "pull_models"]

HELP = "List the models that can be called, or fetch the embedded one."


def build(markup: Literal["rich"] | None) -> typer.Typer:
    app = typer.Typer(help=HELP, rich_markup_mode=markup, cls=ListingGroup)
    app.command("list")(bordered(list_models))
    app.command("pull")(bordered(pull_models))
    return app


def list_models(
    every: Annotated[bool, typer.Option("--all", "-a", help="Also those that lack a key or their weights.")] = False,
    provider: Annotated[str | None, typer.Option("--provider", "-p", help="Only this provider's.")] = None,
    as_json: JsonOption = False,
) -> int:
    """List the models that can be called now, with abilities, context size, prices and data policy.

    \b
    Examples:
      orchestrate models
      orchestrate models list --all --provider openai
      orchestrate models list --json
    """
    from orchestrator.cli import launch
    from orchestrator.shapes import model_shape

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        every_one = orchestrator.models()
        _must_be_known(provider, {model.provider for model in every_one} | set(orchestrator.settings.providers))
        known = [model for model in every_one if provider in {None, model.provider}]
        shown = [model for model in known if every or as_json or model.ready]
        if as_json:
            console.print_json([model_shape(model) for model in shown])
        else:
            _show(shown, hidden=len(known) - len(shown))
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json))


def _must_be_known(provider: str | None, known: set[str]) -> None:
    from workflows.nearest import nearest

    if provider is None or provider in known:
        return
    near = nearest(provider, sorted(known))
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(sorted(known))}"
    raise CommandError(f"no provider is named {provider!r}: {hint}", status=2)


def _show(models: list[Model], *, hidden: int) -> None:
    for model in models:
        facts = [", ".join(sorted(model.capabilities)), _context(model), _prices(model)]
        facts += [f"clearance {model.data_policy.clearance}", f"quality {model.quality}" if model.quality else ""]
        facts += [f"not ready: {model.missing}" if not model.ready else ""]
        console.print_result(f"{model.id:<44} {'; '.join(fact for fact in facts if fact)}")
    if hidden:
        console.say(f"{hidden:,} more lack a key or weights: orchestrate models list --all", style="dim")


def _context(model: Model) -> str:
    return f"{model.context:,} tokens" if model.context else ""


def _prices(model: Model) -> str:
    prices = model.prices
    if prices is None or prices.input is None:
        return "price unknown"
    if not prices.input and not prices.output:
        return "free"
    if "chat" not in model.capabilities and prices.output is None:
        return f"${prices.input} per million tokens"
    return f"${prices.input} in, ${'?' if prices.output is None else prices.output} out per million tokens"


def pull_models(
    name: Annotated[str, typer.Argument(help="`local`, the embedded demo model.")] = "local",
    verify: Annotated[bool, typer.Option("--verify", help="Hash weights that are here already once more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the weights of the embedded model once, and check them.

    \b
    Example:
      orchestrate models pull local
    """
    from orchestrator.cli.weights import pull
    from unified_api.settings import Settings

    if name != "local":
        raise CommandError(
            f"only 'local' can be pulled, not {name!r}: other models are called where they are", status=2
        )
    path = pull(Settings.load().cache_dir, verify=verify)
    if as_json:
        console.print_json({"path": str(path), "ok": True})
    else:
        console.say(f"The embedded model is ready: {path}")
