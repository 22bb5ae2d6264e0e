"""Token counts and stated cost, out of the many spellings of an OpenAI-compatible `usage` object."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from unified_api.types import Json, JsonObject, Usage

__all__ = ["merge_usage", "read_cost", "read_usage"]

_FIELDS = tuple(field.name for field in fields(Usage))
_TICKS_PER_USD = 10_000_000_000
"""xAI states cost in ticks of 1e-10 USD (https://docs.x.ai/docs/key-information/consumption-and-rate-limits)."""


def read_usage(usage: JsonObject) -> Usage:
    """Normalised counts; what the provider did not say stays None."""
    prompt = _details(usage, "prompt_tokens_details", "input_tokens_details")
    completion = _details(usage, "completion_tokens_details", "output_tokens_details")
    reasoning = _first(completion, "reasoning_tokens")
    # The words of OpenAI and OpenRouter, then of DeepSeek, Mistral, Moonshot and Anthropic (Databricks).
    cached = _or(
        _first(prompt, "cached_tokens", "cache_read_tokens"),
        _first(usage, "prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cache_read_input_tokens"),
    )
    written = _or(
        _first(prompt, "cache_write_tokens", "cache_creation_tokens"), _first(usage, "cache_creation_input_tokens")
    )
    given, made = _in_and_out(usage, audio=_first(prompt, "audio_tokens"), reasoning=reasoning)
    return Usage(
        input_tokens=given,
        output_tokens=made,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=_or(reasoning, _first(usage, "reasoning_tokens")),
        input_audio_tokens=_first(prompt, "audio_tokens"),
        input_image_tokens=_first(prompt, "image_tokens"),
        input_video_tokens=_first(prompt, "video_tokens"),
        cached_audio_tokens=_first(_details(prompt, "cached_tokens_details"), "audio_tokens"),
        output_audio_tokens=_first(completion, "audio_tokens"),
        output_image_tokens=_first(completion, "image_tokens"),
        # OpenRouter's words, then Perplexity's.
        web_searches=_or(
            _first(_details(usage, "server_tool_use"), "web_search_requests"), _first(usage, "num_search_queries")
        ),
    )


def merge_usage(earlier: Usage, later: Usage) -> Usage:
    """`later`, with what it leaves unsaid taken from `earlier`. Counts are cumulative and never added up."""
    return Usage(**{name: _or(getattr(later, name), getattr(earlier, name)) for name in _FIELDS})


def read_cost(usage: JsonObject) -> Decimal | None:
    """US dollars that the provider itself states for the call, or None.

    OpenRouter: `cost`, plus `cost_details.upstream_inference_cost` when the upstream key is the user's own.
    Perplexity: `cost.total_cost`. xAI: `cost_in_usd_ticks`, which Azure copies with a 0 that means nothing.
    Pydantic's gateway: `pydantic_ai_gateway.cost_estimate`.
    """
    ticks = usage.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and ticks > 0:
        return Decimal(ticks) / _TICKS_PER_USD
    cost = usage.get("cost")
    stated = _money(cost.get("total_cost")) if isinstance(cost, dict) else _money(cost)
    if stated is not None and usage.get("is_byok") is True:
        upstream = _money(_details(usage, "cost_details").get("upstream_inference_cost"))
        return None if upstream is None else stated + upstream
    return _money(_details(usage, "pydantic_ai_gateway").get("cost_estimate")) if stated is None else stated


def _in_and_out(usage: JsonObject, *, audio: int | None, reasoning: int | None) -> tuple[int | None, int | None]:
    """Input and output, each with what the total shows to lie beside the two stated counts."""
    given = _first(usage, "prompt_tokens", "input_tokens")
    made = _first(usage, "completion_tokens", "output_tokens")
    if given is None or made is None:
        return given, made
    cache = (_first(usage, "cache_read_input_tokens") or 0) + (_first(usage, "cache_creation_input_tokens") or 0)
    rest = (_first(usage, "total_tokens") or 0) - given - made
    if cache > given or rest == cache > 0:
        # Anthropic counts its cache beside the input.
        return given + cache, made
    if rest <= 0:
        return given, made
    if rest == audio:
        # Mistral counts a prompt's sound beside its text.
        return given + rest, made
    # Thoughts that are not shown: Google leaves them out of its count, xAI tells them in the details only.
    hidden = reasoning is None or reasoning == rest or reasoning > made
    return given, made + rest if hidden else made


def _details(usage: JsonObject, *names: str) -> JsonObject:
    for name in names:
        found = usage.get(name)
        if isinstance(found, dict):
            return found
    return {}


def _first(counts: JsonObject, *names: str) -> int | None:
    for name in names:
        count = counts.get(name)
        if type(count) is int and count >= 0:
            return count
        if type(count) is float and count >= 0 and count.is_integer():
            return int(count)
    return None


def _or(later: int | None, earlier: int | None) -> int | None:
    return earlier if later is None else later


def _money(amount: Json) -> Decimal | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
        return None
    return Decimal(repr(amount))
