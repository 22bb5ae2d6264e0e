"""The settings of everything, as typed tables."""

from __future__ import annotations

from unified_api.settings.affinity import AffinitySettings
from unified_api.settings.breaker import BreakerSettings
from unified_api.settings.budgets import BudgetSettings
from unified_api.settings.cache import CacheSettings
from unified_api.settings.distributed import DistributedSettings
from unified_api.settings.environment import Environment
from unified_api.settings.http import HostSettings, HttpSettings
from unified_api.settings.journal import JournalSettings
from unified_api.settings.loading import FILE_NAME, Settings
from unified_api.settings.mcp import McpServerSettings, McpSettings
from unified_api.settings.privacy import PrivacySettings
from unified_api.settings.record import RecordSettings
from unified_api.settings.routes import Route
from unified_api.settings.safety import SafetySettings
from unified_api.settings.timeouts import Timeouts
from unified_api.settings.work import PlannerSettings, RunSettings

__all__ = [
    "FILE_NAME",
    "AffinitySettings",
    "BreakerSettings",
    "BudgetSettings",
    "CacheSettings",
    "DistributedSettings",
    "Environment",
    "HostSettings",
    "HttpSettings",
    "JournalSettings",
    "McpServerSettings",
    "McpSettings",
    "PlannerSettings",
    "PrivacySettings",
    "RecordSettings",
    "Route",
    "RunSettings",
    "SafetySettings",
    "Settings",
    "Timeouts",
]
