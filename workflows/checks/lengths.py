"""How long the prompt of a step is at least, whatever its templates give."""

from __future__ import annotations

import json
from functools import lru_cache

from workflows.base import JsonSchema
from workflows.checks.serving import Asking
from workflows.lexer import scan
from workflows.model import EmbedStep, LlmStep
from workflows.references import MOST_CACHED, MOST_TEMPLATES

__all__ = ["least_bytes", "least_tokens"]

_BYTES_A_TOKEN = 6
"""Tokenisers put at most so many bytes of ordinary text into one token."""
_SPACES = " \t\r\n"


def least_bytes(step: Asking) -> int:
    """Bytes of text that a model is sent for the step, whatever its templates give; of several texts the longest."""
    if isinstance(step, EmbedStep):
        texts = (step.input,) if isinstance(step.input, str) else step.input
        return max(map(_literal, texts))
    if not isinstance(step, LlmStep):
        return _literal(step.prompt)
    schema = 0 if step.output is None else _size(step.output)
    return _literal(step.prompt) + _literal(step.system or "") + schema


def _size(schema: JsonSchema) -> int:
    return len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def least_tokens(step: Asking) -> int:
    """Tokens that the prompt of the step has at least."""
    return least_bytes(step) // _BYTES_A_TOKEN


def _literal(template: str) -> int:
    """Bytes of a template's own text. Text inside of statements may be left out, or trimmed."""
    if "{" not in template:
        return len(template.encode("utf-8", "replace"))
    return _shown(template) if len(template) <= MOST_CACHED else _shown.__wrapped__(template)


@lru_cache(maxsize=MOST_TEMPLATES)
def _shown(template: str) -> int:
    segments = scan(template)
    if any(one.kind == "statement" for one in segments):
        return 0
    texts = (template[one.start : one.end].strip(_SPACES) for one in segments if one.kind == "text")
    return sum(len(text.encode("utf-8", "replace")) for text in texts if not text.startswith("{%"))  # but raw ones
