"""What `allow` and `deny` of a policy name: `provider/model` or `provider/*`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches

from unified_api.errors import ConfigurationError
from unified_api.routes import nearest

__all__ = ["check_pattern"]


def check_pattern(pattern: str, *, providers: Collection[str], models: Callable[[str], Collection[str]]) -> None:
    """ConfigurationError for a pattern that means no model: what it was to keep away, or to let in, would not be.

    `models` gives the ids that are known of a provider; of one that has told none, any may be meant.
    """
    provider, _, name = pattern.partition("/")
    if not name:
        hint = nearest(f"{pattern}/*", (f"{one}/*" for one in providers)) or ""
        raise ConfigurationError(
            f"{pattern!r} is no pattern: write 'provider/model' or 'provider/*'; {hint}".rstrip("; ")
        )
    if provider not in providers:
        near = get_close_matches(provider, providers, n=1)
        hint = f"did you mean '{near[0]}/{name}'?" if near else "`orchestrate models` lists those there are"
        raise ConfigurationError(f"the pattern {pattern!r} means no model: no provider has this name; {hint}")
    if name == "*":
        return
    known = models(provider)
    if known and pattern not in known:
        hint = nearest(pattern, known) or f"list it in [providers.{provider}] models if it is right"
        raise ConfigurationError(f"the pattern {pattern!r} means no known model; {hint}")
