"""Which tool servers may be started: those of a configuration that merely lay in the folder wait for the user's word.

Whoever opens a stranger's folder has not agreed to the programs that its configuration names, nor to the secrets that
it sends to addresses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.settings import McpServerSettings, Settings

__all__ = ["agree", "described", "untrusted"]

_FILE = "trusted-servers"
_MOST_BYTES = 1_000_000


def untrusted(settings: Settings) -> Mapping[str, McpServerSettings]:
    """The servers that nobody has agreed to, by name."""
    asked = {
        name: server
        for name, server in settings.mcp.servers.items()
        if server == settings.found_servers.get(name) and (server.command is not None or server.token_env is not None)
    }
    agreed = _agreed(settings.data_dir) if asked else frozenset()
    return {name: server for name, server in asked.items() if _digest(settings, name, server) not in agreed}


def agree(settings: Settings) -> None:
    """Keeps that the user agrees to what `untrusted` names. Each counts as it stands: one that is changed asks again.

    Raises:
        OSError: the data folder cannot be written.
    """
    lines = [f"{_digest(settings, name, server)}\n" for name, server in untrusted(settings).items()]
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / _FILE).open("a", encoding="ascii") as file:
        file.writelines(lines)


def described(server: McpServerSettings) -> str:
    """What starting or asking it would do."""
    if server.command is None:
        return f"sends ${server.token_env} to {server.url}"
    where = f" in {server.cwd}" if server.cwd is not None else ""
    given = f", given {', '.join(f'${name}' for name in server.env)}" if server.env else ""
    return f"starts {json.dumps(list(server.command), ensure_ascii=False)}{where}{given}"


def _digest(settings: Settings, name: str, server: McpServerSettings) -> str:
    meant = [str((settings.path or Path()).resolve()), name, server.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()


def _agreed(folder: Path) -> Collection[str]:
    try:
        with (folder / _FILE).open("rb") as file:
            return frozenset(file.read(_MOST_BYTES).decode("ascii", errors="replace").split())
    except OSError:
        return frozenset()
