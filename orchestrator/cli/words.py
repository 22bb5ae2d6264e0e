"""How times, money, tokens and models are written for people."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified_api.types import Usage
    from workflows.model import Step

__all__ = ["clean", "cost", "failure", "material", "model_choice", "one_line", "plural", "seconds", "tokens"]

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
"""Terminal control sequences (ECMA-48): a model's text must not move the cursor or set the title."""


_UNSEEN = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0x2060, 0xFEFF)}
"""What makes a terminal show words in another order than they stand (UAX 9), or is not seen at all, and how it is
written instead: a person must read what is there."""
_SHOWN = 4_000


def clean(text: str) -> str:
    """`text` without what would steer a terminal; newlines and tabs stay."""
    text = _ESCAPES.sub("", text).translate(_UNSEEN)
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"})


def material(value: object) -> str:
    """What a person is to decide about: a text as it is, all else as JSON; of very much the beginning."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) <= _SHOWN:
        return text
    more = f"... (the first {_SHOWN:,} of {len(text):,} characters; `orchestrate approvals --json` has all)"
    return f"{text[:_SHOWN]}\n{more}"


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
    """What a step asks: a named model, the needs of one, the tool it calls, or what the steps inside of it are for."""
    if step.kind in _WITHOUT_A_MODEL:
        return _WITHOUT_A_MODEL[step.kind](step)
    model = getattr(step, "model", "")
    if isinstance(model, str):
        return model
    return " ".join(["any", model.tier, *(f"+{need}" for need in model.needs)])


_WITHOUT_A_MODEL: dict[str, Callable[[Any], str]] = {
    "set": lambda _: "no model",
    "tool": lambda step: f"tool {step.tool}",
    "http": lambda step: f"{step.method} {step.url}",
    "approval": lambda _: "a person",
    "map": lambda step: "for each item" if isinstance(step.over, str) else plural(len(step.over), "item"),
    "branch": lambda step: plural(len(step.cases), "case") + (" or else" if step.else_ is not None else ""),
    "loop": lambda step: f"at most {plural(step.max_rounds, 'round')}",
    "workflow": lambda step: f"{step.workflow} {step.version}",
}
