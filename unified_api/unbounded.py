"""What lets a call grow dearer than its own words tell: built-in tools, and parameters that only a provider knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unified_api.models import Model
from unified_api.needs import AnyRequest
from unified_api.types import Request

__all__ = ["most_searches", "why_unbounded"]

_DEAR = frozenset(
    [
        "n",
        "bestof",
        "numgenerations",
        "numreturnsequences",
        "numoutputs",
        "numimages",
        "nsamples",
        "samples",
        "samplecount",
        "candidatecount",
        "batchsize",
        "maxtokens",
        "maxcompletiontokens",
        "maxoutputtokens",
        "maxnewtokens",
        "maxgenlen",
        "maxlength",
        "numpredict",
        "maxtoolcalls",
        "servicetier",
        "speed",
        "modalities",
        "responsemodalities",
        "audio",
        "speechconfig",
        "imageconfig",
        "ttl",
        "websearchoptions",
        "websearch",
        "searchparameters",
        "plugins",
        "tools",
        "models",
        "fallbacks",
        "model",
    ]
)
"""Parameters in `extra` that lengthen an answer, or have it made at another price; without their capitals and lines."""


def why_unbounded(request: AnyRequest, model: Model) -> str | None:
    """Why nobody can tell the most that a try of the request may cost at `model`, or None."""
    extra = getattr(request, "extra", {}).get(model.provider, {})
    name = next((name for name in _names(extra) if name.replace("_", "").lower() in _DEAR), None)
    if name is not None:
        return (
            f"{name!r} in `extra` may make the answer dearer than it can be told; say what the request has words for by"
            " these (`max_tokens`, `n`), or leave it out"
        )
    if isinstance(request, Request) and request.builtin_tools:
        if most_searches(request) is None:
            return "a built-in tool may be used without end; give it `max_uses` where its provider knows that"
        if model.context is None:
            return f"what built-in tools find is read too, and how much {model.id} can read is not known"
    return None


def most_searches(request: AnyRequest) -> int | None:
    """How often built-in tools may be used; None where nobody says."""
    uses = [tool.definition.get("max_uses") for tool in request.builtin_tools] if isinstance(request, Request) else []
    known = [one for one in uses if isinstance(one, int)]
    return sum(known) if len(known) == len(uses) else None


def _names(parameters: object) -> Iterator[str]:
    if isinstance(parameters, Mapping):
        for name, value in parameters.items():
            yield str(name)
            yield from _names(value)
