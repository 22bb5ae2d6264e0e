"""Every provider as the settings make it: the built-in rows, the user's tables over them, and their addresses."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel

from unified_api import address
from unified_api.errors import ConfigurationError
from unified_api.providers import DataPolicyRow, ProviderRow, builtin_rows, is_loopback, origin
from unified_api.settings import Settings

__all__ = ["provider_rows"]

Table = TypeVar("Table", bound=BaseModel)


def provider_rows(settings: Settings) -> dict[str, ProviderRow]:
    """Every provider: the user's new ones first, then the built-in ones with the user's keys merged over them.

    Raises:
        ConfigurationError: a table gives no `base_url`, and no built-in provider has its name; its wire cannot be; or
            its key would be readable by everyone on the way.

    """
    owned = {name: _addressed(name, row, settings) for name, row in settings.providers.items()}
    builtin = {name: _addressed(name, row, settings) for name, row in builtin_rows().items()}
    merged = {name: _merged(_moved(name, builtin[name], row), row) for name, row in owned.items() if name in builtin}
    for name, row in owned.items():
        if row.wire == "local" and name != "local":
            raise ConfigurationError(f"{settings.path}: [providers.{name}]: only the provider local has wire = 'local'")
        if name not in builtin and row.base_url is None:
            near = get_close_matches(name, builtin, n=1)
            hint = f", or did you mean [providers.{near[0]}]?" if near else ""
            raise ConfigurationError(f"{settings.path}: [providers.{name}] needs a base_url{hint}")
    # A server of one's own is as much the user's where a built-in row gives its usual address.
    first = {
        name: merged.get(name, row) for name, row in owned.items() if not (name in builtin and builtin[name].names)
    }
    rows = {**first, **{name: merged.get(name, row) for name, row in builtin.items() if name not in first}}
    for name in owned:
        _check_key_is_hidden(name, rows[name], settings)
    return rows


def _addressed(name: str, row: ProviderRow, settings: Settings) -> ProviderRow:
    """The row with the environment's values in its address; variables without a usable one stay, and are `missing`."""
    if row.base_url is None or "$" not in row.base_url:
        return row
    try:
        return row.model_copy(update={"base_url": address.filled(row.base_url, settings.environment.get)})
    except ConfigurationError as error:
        if name not in settings.providers:
            return row  # somebody's variable for another tool must not stop who does not ask for this provider
        raise ConfigurationError(f"[providers.{name}]: {error}") from None


def _moved(name: str, base: ProviderRow, own: ProviderRow) -> ProviderRow:
    """`base` without what was true of its address alone, where `own` gives another: its key, and whom to trust.

    An address on this machine is taken for a proxy that one runs oneself: the key goes no further than that, and what
    the proxy passes on is trusted as the provider is, not as this machine. What bears a provider's name has its
    prices; `prices` or `priced_as` say otherwise.
    """
    if base.base_url is None or own.base_url is None or origin(own.base_url) == origin(base.base_url):
        return base
    here = is_loopback(own.base_url)
    kept = {
        "api_key_env": base.api_key_env if here else None,
        "clearance": base.effective_clearance if here else None,
        "data_policy": DataPolicyRow(),
        "priced_as": name,
    }
    return base.model_copy(update=kept)


def _check_key_is_hidden(name: str, row: ProviderRow, settings: Settings) -> None:
    url = row.base_url or ""
    if row.api_key_env is None or row.key_in_clear or not url.lower().startswith("http:") or is_loopback(url):
        return
    raise ConfigurationError(
        f"{settings.path}: [providers.{name}] would send {row.api_key_env} over plain http, readable by everyone on "
        "the way; use an https address, or say key_in_clear = true if the network between is your own"
    )


def _merged(base: Table, own: Table) -> Table:
    """`base` with the keys that `own` sets; tables are merged key by key, and of patterns the own ones stand first,
    for the first that fits a model is heeded.
    """
    update: dict[str, Any] = {}
    for key in own.model_fields_set:
        old, new = getattr(base, key), getattr(own, key)
        if isinstance(new, BaseModel):
            new = _merged(old, new)
        elif isinstance(new, dict):
            # Tiers stay in their own order, the cheapest first.
            new = {**old, **new} if key == "tiers" else {**new, **old, **new}
        update[key] = new
    return base.model_copy(update=update)
