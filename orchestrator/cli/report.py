"""Shows how a run ended: its outputs on stdout; its steps, the totals and what to know about them on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli import console, words
from orchestrator.cli.inside import is_inside
from orchestrator.cli.step_table import IsLocal, steps_table
from orchestrator.images import SavedImage, save_images

if TYPE_CHECKING:
    from executors.events import StepError, StepFinished

__all__ = [
    "REAL_MODEL",
    "show_going_on",
    "show_images",
    "show_interrupted",
    "show_outputs",
    "show_remarks",
    "show_steps",
    "show_totals",
]

REAL_MODEL = (
    "To use a real model: export OPENAI_API_KEY=..., or name any OpenAI-compatible server in orchestrator.toml:\n"
    '  [providers.mine]\n  base_url = "http://127.0.0.1:11434/v1"'
)


_TRIED_IN_VAIN = frozenset({"failed", "rejected", "cancelled"})


MOST_REMARKS = 20
"""Failures that are told one by one, and steps that are named for another reason."""


def _unknown(_: str) -> bool:
    return False


def show_outputs(outputs: Mapping[str, object], *, folder: Path) -> bool:
    """Prints the outputs; a single one alone, several under their names. Images become files in `folder`.

    Gives whether every image could be written.
    """
    from orchestrator.shapes import jsonable

    replaced, saved = save_images(outputs, folder)
    texts = {
        name: value if isinstance(value, str) else console.json_text(jsonable(value))
        for name, value in replaced.items()
    }
    if len(texts) == 1:
        console.print_result(*texts.values())
    elif texts:
        console.print_result("\n\n".join(f"# {name}\n\n{text.rstrip()}" for name, text in texts.items()))
    return _name_images(saved)


def show_images(outputs: Mapping[str, object], *, folder: Path) -> bool:
    """Writes the images among the outputs into `folder` and says where; gives whether that worked for all."""
    return _name_images(save_images(outputs, folder)[1])


def _name_images(saved: Sequence[SavedImage]) -> bool:
    for image in saved:
        if image.problem is not None:
            told = f"Error: {image.name} cannot be written to {image.place}: {image.problem}."
            console.say(f"{told} `orchestrate runs show RUN --out FOLDER` writes it elsewhere.", style="red")
            continue
        remark = "a placeholder, nothing was drawn" if image.placeholder else "image"
        console.say(f"{image.name}: {image.place} ({remark})")
    return all(image.problem is None for image in saved)


def show_steps(steps: Iterable[StepFinished], *, is_local: IsLocal = _unknown) -> None:
    console.show(steps_table(steps, is_local=is_local, width=console.stderr().width))


def show_totals(
    steps: Iterable[StepFinished],
    *,
    status: str,
    cost: Decimal | None,
    seconds: float | None,
    run_id: str,
    planning: Decimal | None = Decimal(0),
    is_local: IsLocal = _unknown,
) -> None:
    """One line; `planning` is what making the plan cost, on top of `cost`."""
    every = list(steps)
    # A step that holds others tells what these used as its own.
    listed = [step for step in every if not is_inside(step.step_id)]
    paid = [step for step in every if step.model is not None]
    local = bool(paid) and all(is_local(step.provider or "") for step in paid)
    known = [step.usage for step in listed if step.usage is not None]
    counted = (sum(use.input_tokens or 0 for use in known), sum(use.output_tokens or 0 for use in known))
    spent = words.cost(cost, local=local)
    if planning is None or planning > 0:
        spent += f" + planning {words.cost(planning)}"
    took = "" if seconds is None else f" in {words.seconds(seconds)}"
    tokens = f", {counted[0]:,} + {counted[1]:,} tokens" if known else ""
    style = "bold green" if status == "succeeded" else "bold red"
    within = f" and {len(every) - len(listed):,} inside of them" if len(every) > len(listed) else ""
    console.say(
        f"{status.capitalize()}: {words.plural(len(listed), 'step')}{within}{took}, cost {spent}{tokens}; run {run_id}",
        style=style,
    )
    if any(attempt.outcome in _TRIED_IN_VAIN for step in every for attempt in step.attempts):
        console.say(f"`orchestrate explain {run_id}` says which models were tried in vain, and why.", style="dim")


def show_remarks(steps: Iterable[StepFinished], *, error: StepError | None = None) -> None:
    """What a person must know to trust the result: failures, and stand-ins that were used."""
    listed = list(steps)
    known = {step.step_id for step in listed if step.error is not None}
    told = [step for step in listed if step.error is not None and step.status != "cancelled" and _own(step, known)]
    for step in told[:MOST_REMARKS]:
        if step.error is not None:
            console.say(f"{step.step_id}: {words.failure(step.step_id, step.error.message)}", style="red")
    if len(told) > MOST_REMARKS:
        console.say(f"… and {len(told) - MOST_REMARKS:,} more that failed", style="red")
    if error is not None and all(step.error is None or step.error.message != error.message for step in listed):
        console.say(f"Error: {words.clean(error.message)}", style="red")
    twice = [step.step_id for step in listed if any(one.model == "journal" for one in step.attempts)]
    if twice:
        console.say(
            f"Possibly paid twice: {', '.join(twice)}. The run was cut off while it was asked, and it was asked again.",
            style="yellow",
        )
    demo = sorted({step.model or "" for step in listed if step.quality == "demo"})
    drawn = [step.step_id for step in listed if step.quality == "placeholder"]
    if demo:
        console.say(
            f"Quality demo: written by {', '.join(demo)}, a tiny offline model. Do not rely on it.", style="yellow"
        )
    if drawn:
        console.say(f"Quality placeholder: {_named(drawn)} made no real result.", style="yellow")
    if demo or drawn:
        console.say(REAL_MODEL, style="dim")


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MOST_REMARKS:,} more steps" if len(ids) > MOST_REMARKS else ""
    return ", ".join(ids[:MOST_REMARKS]) + more


def _own(step: StepFinished, known: set[str]) -> bool:
    """Whether nothing inside of the step tells its error already."""
    path = step.error.path if step.error is not None else ""
    return path in {"", step.step_id} or path not in known


def show_going_on(run_id: str) -> None:
    """After Ctrl-C where others execute the run."""
    console.say("Not followed any longer; the workers go on with the run.", style="yellow")
    console.say(
        f"`orchestrate runs follow {run_id}` follows it again, `orchestrate cancel {run_id}` ends it. Both need"
        " the workers' database as `address_env` in [journal]."
    )


def show_interrupted(finished: Iterable[StepFinished], *, run_id: str | None, is_local: IsLocal = _unknown) -> None:
    """After Ctrl-C: what was done, and where it is kept."""
    listed = list(finished)
    done = [step.step_id for step in listed if step.status == "succeeded" and not is_inside(step.step_id)]
    console.say("Interrupted.", style="yellow")
    if run_id is None:
        return
    if listed:
        show_steps(listed, is_local=is_local)
    told = f"Finished before that: {', '.join(done)}." if done else "No step had finished before that."
    console.say(
        f"{told} `orchestrate runs show {run_id}` shows the run, `orchestrate resume {run_id}` goes on with it."
    )
