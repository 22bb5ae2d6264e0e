"""Steps of kind `embed`: turn text into vectors."""

from __future__ import annotations

from typing import Any

from executors.calls import call, model_name
from executors.context import StepRun
from executors.failures import StepFailure
from unified_api.types import EmbedRequest, Json
from workflows.model import EmbedStep

__all__ = ["run"]


async def run(step: EmbedStep, run: StepRun) -> Json:
    """One vector for a text, a list of vectors for a list of texts.

    Raises:
        StepFailure: `invalid_input` for what is no text, `malformed_response` for a wrong number of vectors, or as
            `executors.calls.call`.
    """
    value = run.render(list(step.input) if isinstance(step.input, tuple) else step.input)
    if value == []:
        return []  # no texts, no vectors, no call
    texts = _texts(value)
    request = EmbedRequest(model=model_name(step.model), inputs=texts, dimensions=step.dimensions)
    response = await call(run, request, run.policy(step.model), send=run.context.gateway.embed)
    if len(response.vectors) != len(texts):
        raise StepFailure(
            "malformed_response",
            f"{response.model} gave {len(response.vectors)} vectors for {len(texts)} texts",
            retryable=True,
        )
    vectors: list[Json] = [list(vector) for vector in response.vectors]
    return vectors if isinstance(value, list) else vectors[0]


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    for place, text in enumerate(values):
        if not isinstance(text, str):
            where = f"input {place} of the list" if isinstance(value, list) else "`input`"
            raise StepFailure("invalid_input", f"{where} is {type(text).__name__}, but only text can be embedded")
        if not text:
            where = f"input {place} of the list" if isinstance(value, list) else "`input`"
            raise StepFailure("invalid_input", f"{where} is an empty text, which has no embedding")
    return tuple(values)
