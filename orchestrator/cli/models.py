"""`orchestrate models`: which models there are, and the embedded one's weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError, bordered
from orchestrator.cli.groups import SearchingGroup
from orchestrator.cli.options import JsonOption, Sensitivity

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.cli.model_filters import Filter
    from orchestrator.orchestrator import Orchestrator
    from unified_api.models import Model

__all__ = ["build", "list_models", "pull_models"]

_MOST = 40
"""Models that are shown unasked."""
_FEW_PROVIDERS = 3
HELP = """List and filter the models there are, or fetch the embedded one.

\b
Examples:
  orchestrate models                                   those that can be called now
  orchestrate models claude sonnet                     by name
  orchestrate models --needs vision,tools --max-input 0.5 --sort input
  orchestrate models list --help                       all filters
"""


class Retention(StrEnum):
    """What may be asked of a provider's retention."""

    KNOWN = "known"
    NONE = "none"


class Order(StrEnum):
    """What the list begins with; ready models before the others."""

    PROVIDER = "provider"
    NAME = "name"
    INPUT = "input"
    OUTPUT = "output"
    CONTEXT = "context"

    def key(self, model: Model) -> tuple[object, ...]:
        """Of a sort that is stable: the catalog's own order stays where nothing else is asked."""
        prices = model.prices
        price = None if prices is None else prices.output if self is Order.OUTPUT else prices.input
        by = {
            Order.NAME: model.name.rpartition("/")[2].lower(),
            Order.INPUT: Decimal("Infinity") if price is None else price,
            Order.OUTPUT: Decimal("Infinity") if price is None else price,
            Order.CONTEXT: -(model.context or 0),
        }
        return (not model.ready, by[self]) if self in by else (not model.ready,)


def build(markup: Literal["rich"] | None) -> typer.Typer:
    app = typer.Typer(help=HELP, rich_markup_mode=markup, cls=SearchingGroup)
    app.command("list")(bordered(list_models))
    app.command("pull")(bordered(pull_models))
    return app


def list_models(
    text: Annotated[
        list[str] | None, typer.Argument(help="Words that the model's id must hold, such as `claude sonnet`.")
    ] = None,
    needs: Annotated[
        list[str] | None, typer.Option("--needs", "-n", help="What it must be able to do; several with commas.")
    ] = None,
    provider: Annotated[list[str] | None, typer.Option("--provider", "-p", help="Only this provider's.")] = None,
    max_input: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Most that a million tokens of input may cost.")
    ] = None,
    max_output: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Most that a million tokens of output may cost.")
    ] = None,
    context: Annotated[str | None, typer.Option(metavar="TOKENS", help="Least context: 200000, 200k or 1M.")] = None,
    clearance: Annotated[Sensitivity | None, typer.Option(help="May be sent data of this label.")] = None,
    retention: Annotated[
        Retention | None, typer.Option(help="What the provider says of keeping data: anything (known) or nothing kept.")
    ] = None,
    no_training: Annotated[
        bool, typer.Option("--no-training", help="The provider says that it does not train on what it is sent.")
    ] = False,
    region: Annotated[str | None, typer.Option(help="Where the provider says data stays.")] = None,
    sort: Annotated[Order, typer.Option(help="What comes first; unknown comes last.")] = Order.PROVIDER,
    ready: Annotated[bool, typer.Option("--ready", help="Only those that can be called now.")] = False,
    every: Annotated[bool, typer.Option("--all", "-a", help="All that match, however many, ready or not.")] = False,
    as_json: JsonOption = False,
) -> int:
    """List the models there are, with context, longest answer, prices, abilities and clearance.

    Without a filter: those that can be called now. With one: what matches, ready or not, the ready ones first.

    \b
    Examples:
      orchestrate models
      orchestrate models claude sonnet
      orchestrate models --needs vision,tools --max-input 0.5 --sort input
      orchestrate models --context 1M --no-training --clearance internal
      orchestrate models --needs embeddings --ready
      orchestrate models list --all --json
    """
    from orchestrator.cli import launch
    from orchestrator.cli.model_filters import passing
    from orchestrator.shapes import model_shape

    wishes = _Wishes(
        text=" ".join(text or ()), needs=needs, provider=provider, max_input=max_input, max_output=max_output,
        context=context, clearance=clearance, retention=retention, no_training=no_training, region=region,
    )  # fmt: skip
    filters = wishes.filters()

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        known = orchestrator.models()
        _must_be_known(provider or (), {model.provider for model in known} | set(orchestrator.settings.providers))
        found = sorted(passing(known, filters), key=sort.key)
        if ready or not (filters or every or as_json):
            found = [model for model in found if model.ready]
        if as_json:
            console.print_json([model_shape(model) for model in found])
        else:
            _show(found, known, filters, every=every)
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """The filters as they were written."""

    text: str
    needs: list[str] | None
    provider: list[str] | None
    max_input: float | None
    max_output: float | None
    context: str | None
    clearance: Sensitivity | None
    retention: Retention | None
    no_training: bool
    region: str | None

    def filters(self) -> list[Filter]:
        from orchestrator.cli import model_filters as of

        filters: list[Filter] = []
        if self.provider:
            filters.append(of.of_providers(self.provider))
        if self.text.strip():
            filters.append(of.like(self.text))
        if self.needs:
            filters.append(of.needing(_capabilities(self.needs)))
        if self.context is not None:
            filters.append(of.holding(_tokens(self.context)))
        prices = {"input": self.max_input, "output": self.max_output}
        filters += [of.cheaper(side, Decimal(str(most))) for side, most in prices.items() if most is not None]
        return filters + of.cleared(
            self.clearance, retention=self.retention, trains_not=self.no_training, region=self.region
        )


def _capabilities(texts: list[str]) -> list[str]:
    from unified_api.types import Capability
    from workflows.nearest import nearest

    known = get_args(Capability)
    wanted = [word for text in texts for word in text.replace(",", " ").replace("-", "_").split()]
    for word in wanted:
        if word not in known:
            near = nearest(word, known)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}"
            raise CommandError(f"no capability is named {word!r}: {hint}", status=2)
    return wanted


def _tokens(text: str) -> int:
    match = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([kKmM]?)", text.strip())
    if match is None:
        raise CommandError(f"--context wants a number of tokens such as 200000, 200k or 1M, not {text!r}", status=2)
    number = float(match[1].replace(",", "").replace("_", ""))
    return round(number * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])


def _must_be_known(providers: Iterable[str], known: set[str]) -> None:
    from workflows.nearest import nearest

    for provider in providers:
        if provider not in known:
            near = nearest(provider, sorted(known))
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(sorted(known))}"
            raise CommandError(f"no provider is named {provider!r}: {hint}", status=2)


def _show(found: list[Model], known: tuple[Model, ...], filters: list[Filter], *, every: bool) -> None:
    from orchestrator.cli import model_table
    from orchestrator.cli.model_filters import nothing, passing

    shown = found if every else found[:_MOST]
    if shown:
        for line in model_table.lines(shown):
            console.print_result(line)
    if len(found) > len(shown):
        console.say(f"{len(found) - len(shown):,} more match; narrow it down, or see them with --all", style="dim")
    if filters and 0 < len({model.provider for model in shown}) <= _FEW_PROVIDERS:
        for line in model_table.policy_lines(shown):
            console.say(line, style="dim")
    if filters and not found:
        every_one = passing(known, filters)
        unready = f"{words.plural(len(every_one), 'model')} that match lack a key: leave out --ready to see them."
        console.say(unready if every_one else nothing(known, filters))
    if not filters and not every:
        rest = [model for model in known if not model.ready]
        count = (
            f"{len(rest):,} more models of {len({model.provider for model in rest})} providers lack a key or weights"
        )
        console.say(f"{count}; find one: orchestrate models --needs vision --max-input 1 (see --help)", style="dim")


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
