"""Looks at an installation and says what works, what does not and how to mend it.

Everything is imported inside the check that needs it: the doctor must still speak when the patient is broken.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.clash import DISTRIBUTION, clashes

if TYPE_CHECKING:
    from unified_api.providers import ProviderRow
    from unified_api.settings import Settings

__all__ = ["Diagnosis", "examine"]

Verdict = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What one check found."""

    name: str
    verdict: Verdict = "ok"
    message: str
    fix: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    """Names and versions, for a report."""


async def examine() -> tuple[Diagnosis, ...]:
    """Every diagnosis, in an order that goes from the ground up. Never raises."""
    found = [await _safely(name, check) for name, check in _CHECKS.items()]
    return tuple(diagnosis for group in found for diagnosis in group)


async def _safely(name: str, check: Callable[[], Awaitable[list[Diagnosis]]]) -> list[Diagnosis]:
    try:
        return await check()
    except Exception as error:  # noqa: BLE001  # one broken part must not hide the others
        return [
            Diagnosis(
                name=name,
                verdict="error",
                message=f"this could not be looked at ({type(error).__name__}: {error})",
                fix="Mend what is reported above first.",
            )
        ]


async def _python() -> list[Diagnosis]:
    version = platform.python_version()
    facts = {"python": version, "platform": platform.platform(), "prefix": sys.prefix}
    return [Diagnosis(name="python", message=f"Python {version} on {platform.system()}", facts=facts)]


async def _names() -> list[Diagnosis]:
    found = clashes()
    if not found:
        return [Diagnosis(name="import names", message="every package is ours")]
    return [
        Diagnosis(
            name="import names",
            verdict="error" if clash.broken else "warning",
            message=clash.message,
            fix=clash.fix,
            facts={"package": clash.package, "found": str(clash.found)},
        )
        for clash in found
    ]


async def _packages() -> list[Diagnosis]:
    try:
        own = metadata.version(DISTRIBUTION)
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [
            Diagnosis(
                name="packages",
                verdict="warning",
                message=f"{DISTRIBUTION} is not installed here",
                fix="Run: pip install .",
            )
        ]
    versions = {DISTRIBUTION: own}
    missing = []
    for name, extra in _requirements(required):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if extra is None:
                missing.append(name)
    if missing:
        fix = f"Run: pip install --force-reinstall {DISTRIBUTION}"
        return [
            Diagnosis(
                name="packages", verdict="error", message=f"missing: {', '.join(missing)}", fix=fix, facts=versions
            )
        ]
    return [Diagnosis(name="packages", message=f"{DISTRIBUTION} {own}, all it needs is installed", facts=versions)]


def _requirements(lines: list[str]) -> Iterator[tuple[str, str | None]]:
    """Name and extra of each requirement line (PEP 508); those of our test tools do not matter."""
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if name is not None and (extra is None or extra[1] == "local"):
            yield name[0], extra[1] if extra else None


async def _settings() -> list[Diagnosis]:
    from unified_api.catalog import Catalog
    from unified_api.errors import ConfigurationError
    from unified_api.settings import Settings

    try:
        settings = Settings.load()
        Catalog(settings)
    except ConfigurationError as error:
        return [
            Diagnosis(name="orchestrator.toml", verdict="error", message=str(error), fix="Mend the place it names.")
        ]
    if settings.path is None:
        return [Diagnosis(name="orchestrator.toml", message="none (none is needed); defaults are in force")]
    return [Diagnosis(name="orchestrator.toml", message=f"{settings.path} is sound")]


async def _keys() -> list[Diagnosis]:
    from unified_api.catalog import provider_rows

    settings = _loaded()
    if settings is None:
        return []
    rows = provider_rows(settings)
    named = sorted({row.api_key_env for row in rows.values() if row.api_key_env is not None})
    present = [name for name in named if settings.environment.get(name) is not None]
    if present:
        found = Diagnosis(name="keys", message=f"found: {', '.join(present)}", facts=dict.fromkeys(present, "set"))
        return [found, *_halves(settings, {name: row for name, row in rows.items() if row.api_key_env in present})]
    if any(row.base_url is not None and row.api_key_env is None for row in settings.providers.values()):
        return [Diagnosis(name="keys", message="none is set, and none is needed by the configured server")]
    fix = "Export one, such as OPENAI_API_KEY, to use real models."
    return [Diagnosis(name="keys", verdict="warning", message="no provider's key is set", fix=fix)]


def _halves(settings: Settings, rows: Mapping[str, ProviderRow]) -> Iterator[Diagnosis]:
    """Providers whose key is set, and not what else they need."""
    from unified_api.catalog import Catalog

    catalog = Catalog(settings)
    for provider, row in rows.items():
        model = catalog.get(f"{provider}/{row.names[0]}") if row.names else None
        if model is not None and model.missing is not None:
            message = f"{provider} has {row.api_key_env} and lacks {model.missing}"
            fix = f"Export {model.missing}: docs/providers.md says what it is."
            yield Diagnosis(name="keys", verdict="warning", message=message, fix=fix)


async def _servers() -> list[Diagnosis]:
    configured = await _configured()
    if any(diagnosis.verdict == "error" for diagnosis in configured):
        return configured
    return [*configured, *await _unconfigured()]


async def _configured() -> list[Diagnosis]:
    """How the servers answer that orchestrator.toml names by their address."""
    from unified_api.gateway import Gateway

    settings = _loaded()
    if settings is None:
        return []
    async with Gateway(settings) as gateway:
        silent = dict(gateway.catalog.unreachable)
        models = gateway.catalog.ready
    fix = "Start it, or mend its base_url in orchestrator.toml."
    found = [
        Diagnosis(name="servers", verdict="error", message=f"{provider} does not answer: {why}", fix=fix)
        for provider, why in silent.items()
    ]
    for provider in settings.providers:
        ready = [model.name for model in models if model.provider == provider]
        if ready:
            named = ", ".join(ready[:3]) + (f" and {len(ready) - 3} more" if len(ready) > 3 else "")
            found.append(Diagnosis(name="servers", message=f"{provider} serves {named}"))
    return found


async def _unconfigured() -> list[Diagnosis]:
    from unified_api.discovery import discover_local_servers

    found = await discover_local_servers()
    if not found:
        return [Diagnosis(name="local servers", message="none answers on the usual ports")]
    shown = ", ".join(f"{server.name} at {server.base_url}" for server in found)
    fix = f"To use it, write into orchestrator.toml:\n{found[0].configuration.strip()}"
    facts = {server.base_url: ", ".join(server.models) for server in found}
    return [Diagnosis(name="local servers", message=f"found {shown}", fix=fix, facts=facts)]


async def _embedded() -> list[Diagnosis]:
    from unified_api.local import missing

    settings = _loaded()
    if settings is None:
        return []
    lacking = missing(settings.cache_dir)
    if not lacking:
        return [Diagnosis(name="embedded models", message="ready (demo quality)")]
    return [_lacking(name, *what.rpartition(": ")[::2]) for name, what in lacking.items()]


def _lacking(name: str, what: str, command: str) -> Diagnosis:
    return Diagnosis(name="embedded models", verdict="warning", message=f"{name}: {what}", fix=f"Run: {command}")


async def _folders() -> list[Diagnosis]:
    settings = _loaded()
    if settings is None:
        return []
    return [_folder("data folder", settings.data_dir), _folder("cache folder", settings.cache_dir)]


async def _budgets() -> list[Diagnosis]:
    settings = _loaded()
    if settings is None or not settings.budgets.capped:
        return []
    from unified_api.clock import MonotonicClock
    from unified_api.errors import ConfigurationError, LedgerError
    from unified_api.ledger import Ledger
    from unified_api.ledger.address import address_of, shown

    try:
        address = address_of(settings)
        if isinstance(address, Path) and not address.exists():
            # Looking must not make it.
            return [Diagnosis(name="budgets", message=f"the first call with a cap makes the ledger at {address}")]
        ledger = Ledger(address, clock=MonotonicClock())
        try:
            accounts = await ledger.balances()
        finally:
            await ledger.aclose()
    except (ConfigurationError, LedgerError) as error:
        message, _, fix = error.message.rpartition("; ")
        return [Diagnosis(name="budgets", verdict="error", message=message or fix, fix=_sentence(fix))]
    number = f"{len(accounts)} account{'' if len(accounts) == 1 else 's'}"
    return [Diagnosis(name="budgets", message=f"the ledger at {shown(address)} has {number}")]


async def _tool_servers() -> list[Diagnosis]:
    """How the servers answer whose tools workflows may call."""
    settings = _loaded()
    if settings is None or not settings.mcp.servers:
        return []
    try:
        metadata.version("mcp")
    except metadata.PackageNotFoundError:
        fix = f"Run: pip install '{DISTRIBUTION}[mcp]'"
        return [Diagnosis(name="tool servers", verdict="error", message="the package mcp is not installed", fix=fix)]
    from executors.mcp.servers import McpServers
    from orchestrator.trust import untrusted

    refused = untrusted(settings)
    async with McpServers(settings.mcp, environment=settings.environment, refused=refused) as servers:
        await servers.load()
        return [
            _tool_server(name, servers.troubles.get(name), servers.specs, is_refused=name in refused)
            for name in settings.mcp.servers
        ]


def _tool_server(name: str, trouble: str | None, tools: Collection[str], *, is_refused: bool) -> Diagnosis:
    if trouble is not None and is_refused:
        fix = "See what it would do, and agree to it: orchestrate trust"
        return Diagnosis(name="tool servers", verdict="warning", message=trouble, fix=fix)
    if trouble is not None:
        fix = f"Mend [mcp.servers.{name}] of orchestrator.toml, or start the server."
        return Diagnosis(name="tool servers", verdict="error", message=trouble, fix=fix)
    offered = [tool for tool in tools if tool.startswith(f"{name}.")]
    named = ", ".join(offered[:3]) + (f" and {len(offered) - 3} more" if len(offered) > 3 else "")
    return Diagnosis(name="tool servers", message=f"{name} offers {named or 'no tools'}")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _folder(name: str, path: Path) -> Diagnosis:
    # The folder may not exist yet: looking must not make it.
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Diagnosis(name=name, message=str(path))
    fix = f"Make {nearest} a folder you may write in, or set ORCHESTRATOR_HOME to one that is."
    return Diagnosis(name=name, verdict="error", message=f"{path} cannot be written", fix=fix)


def _loaded() -> Settings | None:
    """The settings, or None where `_settings` has said already what is wrong with them."""
    from unified_api.errors import ConfigurationError
    from unified_api.settings import Settings

    try:
        return Settings.load()
    except ConfigurationError:
        return None


_CHECKS: dict[str, Callable[[], Awaitable[list[Diagnosis]]]] = {
    "python": _python,
    "import names": _names,
    "packages": _packages,
    "orchestrator.toml": _settings,
    "keys": _keys,
    "local servers": _servers,
    "embedded models": _embedded,
    "folders": _folders,
    "budgets": _budgets,
    "tool servers": _tool_servers,
}
