"""The settings: `orchestrator.toml` and the environment, read once and typed. The only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints

from unified_api.providers import PROVIDER_NAME_PATTERN, ProviderRow
from unified_api.settings.affinity import AffinitySettings
from unified_api.settings.breaker import BreakerSettings
from unified_api.settings.budgets import BudgetSettings
from unified_api.settings.cache import CacheSettings
from unified_api.settings.distributed import DistributedSettings
from unified_api.settings.environment import Environment
from unified_api.settings.file import read_tables
from unified_api.settings.http import HttpSettings
from unified_api.settings.journal import JournalSettings
from unified_api.settings.mcp import McpServerSettings, McpSettings
from unified_api.settings.privacy import PrivacySettings
from unified_api.settings.record import RecordSettings
from unified_api.settings.routes import Route
from unified_api.settings.safety import SafetySettings
from unified_api.settings.table import Table
from unified_api.settings.timeouts import Timeouts
from unified_api.settings.work import PlannerSettings, RunSettings

__all__ = ["FILE_NAME", "Settings"]

FILE_NAME = "orchestrator.toml"
_APPLICATION = "meta-orchestrator"
_NAMED = "ORCHESTRATOR_CONFIG"


_ProviderName: TypeAlias = Annotated[str, StringConstraints(pattern=PROVIDER_NAME_PATTERN)]
_RouteName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _File(Table):
    # one field a table, named as in `Settings`
    providers: dict[_ProviderName, ProviderRow] = Field(default={})
    routes: dict[_RouteName, Route] = Field(default={})
    timeouts: Timeouts = Timeouts()
    breaker: BreakerSettings = BreakerSettings()
    affinity: AffinitySettings = AffinitySettings()
    budgets: BudgetSettings = BudgetSettings()
    privacy: PrivacySettings = PrivacySettings()
    safety: SafetySettings = SafetySettings()
    cache: CacheSettings = CacheSettings()
    record: RecordSettings = RecordSettings()
    planner: PlannerSettings = PlannerSettings()
    run: RunSettings = RunSettings()
    journal: JournalSettings = JournalSettings()
    http: HttpSettings = HttpSettings()
    mcp: McpSettings = McpSettings()
    distributed: DistributedSettings = DistributedSettings()


def _home(environment: Environment, kind: str) -> Path:
    home = environment.get("ORCHESTRATOR_HOME")
    if home:
        return Path(home).expanduser() / kind
    import platformdirs

    paths = {
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
        "config": platformdirs.user_config_path,
    }
    return paths[kind](_APPLICATION, appauthor=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. `Settings()` is the defaults without any key; `Settings.load()` is what the user has set."""

    path: Path | None = None
    """The file that was read."""
    found_servers: Mapping[str, McpServerSettings] = field(default_factory=dict)
    """Tool servers of a file that nobody named: it lay in the current folder."""
    providers: Mapping[str, ProviderRow] = field(default_factory=dict)
    """The user's own tables; the catalog merges each over the built-in row of the same name."""
    routes: Mapping[str, Route] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    breaker: BreakerSettings = BreakerSettings()
    affinity: AffinitySettings = AffinitySettings()
    budgets: BudgetSettings = BudgetSettings()
    privacy: PrivacySettings = PrivacySettings()
    safety: SafetySettings = SafetySettings()
    cache: CacheSettings = CacheSettings()
    record: RecordSettings = RecordSettings()
    planner: PlannerSettings = PlannerSettings()
    run: RunSettings = RunSettings()
    journal: JournalSettings = JournalSettings()
    http: HttpSettings = HttpSettings()
    mcp: McpSettings = McpSettings()
    distributed: DistributedSettings = DistributedSettings()
    environment: Environment = field(default_factory=Environment, repr=False)

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `path`, or else the first that exists of $ORCHESTRATOR_CONFIG, ./orchestrator.toml and the user's own.

        Raises:
            ConfigurationError: the file cannot be read, or holds something that is no setting; names file and place.

        """
        environment = Environment(os.environ if environ is None else environ)
        found = path or _find(environment)
        if found is None:
            return cls(environment=environment)
        file = read_tables(found, _File)
        is_named = path is not None or environment.get(_NAMED) is not None
        lay_here = not is_named and found == Path(FILE_NAME).absolute()
        return cls(
            path=found,
            found_servers=file.mcp.servers if lay_here else {},
            environment=environment,
            **{name: getattr(file, name) for name in _File.model_fields},
        )

    @property
    def data_dir(self) -> Path:
        """Where runs are recorded: $ORCHESTRATOR_HOME/data, or the user's data folder. May not exist yet."""
        return _home(self.environment, "data")

    @property
    def cache_dir(self) -> Path:
        """Where weights are kept: $ORCHESTRATOR_HOME/cache, or the user's cache folder. May not exist yet."""
        return _home(self.environment, "cache")


def _find(environment: Environment) -> Path | None:
    named = environment.get(_NAMED)
    if named:
        return Path(named).expanduser()
    here = Path(FILE_NAME)
    if here.is_file():
        return here.absolute()
    own = _home(environment, "config") / FILE_NAME
    return own if own.is_file() else None
