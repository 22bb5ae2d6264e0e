"""How times, money, tokens and models are written for people."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.types import Usage
    from workflows.model import Step

__all__ = ["clean", "cost", "failure", "model_choice", "one_line", "plural", "seconds", "tokens"]

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
"""Terminal control sequences (ECMA-48): a model's text must not move the cursor or set the title."""


def clean(text: str) -> str:
    """`text` without what would steer a terminal; newlines and tabs stay."""
    text = _ESCAPES.sub("", text)
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"})


def one_line(text: str, *, width: int) -> str:
    """The beginning of `text` on one line, at most `width` characters."""
    flat = " ".join(clean(text[: 4 * width]).split())
    return flat if len(flat) <= width else f"{flat[: width - 1]}…"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def failure(step_id: str, message: str) -> str:
    """A step's error to stand after the step's name, which it need not say again."""
    return clean(message.removeprefix(f"step {step_id!r}: "))


def cost(value: Decimal | None, *, local: bool = False) -> str:
    """Unknown is said, never shown as zero."""
    if value is None:
        return "unknown"
    if value == 0:
        return "free (local)" if local else "$0"
    if value >= Decimal("0.01"):
        return f"${value:.4f}"
    return f"${value:.2g}" if value >= Decimal("0.0001") else f"${value:.1e}"


def tokens(usage: Usage | None) -> str:
    """`input + output`, with ? for what the provider did not say."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return ""
    sides = (usage.input_tokens, usage.output_tokens)
    return " + ".join("?" if count is None else f"{count:,}" for count in sides)


def model_choice(step: Step) -> str:
    """What a step asks for: a named model, the needs of one, or the tool it calls."""
    if step.kind == "tool":
        return f"tool {step.tool}"
    if step.kind == "set":
        return "no model"
    if isinstance(step.model, str):
        return step.model
    return " ".join(["any", step.model.tier, *(f"+{need}" for need in step.model.needs)])
