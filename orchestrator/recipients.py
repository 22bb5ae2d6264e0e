"""What hosts may be sent, by the settings, for the checks of workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.failures import StepFailure
from executors.http.hosts import allowed
from executors.http.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unified_api.settings import HttpSettings
    from unified_api.types import Sensitivity
    from workflows.tools import ToolSpec

__all__ = ["SettingsRecipients"]


class SettingsRecipients:
    """The settings as `workflows.recipients.Recipients`: the same rule that a run goes by."""

    def __init__(self, http: HttpSettings, tools: Mapping[str, ToolSpec]) -> None:
        self._http = http
        self._tools = tools

    def clearance_of_host(self, host: str) -> Sensitivity | None:
        """Of a host as `WebTarget.recipient` names it; None for one that may not be reached."""
        scheme = "http://" if host.endswith(":80") else "https://"
        try:
            return allowed(Target.of(f"{'' if '://' in host else scheme}{host}/"), self._http).clearance
        except StepFailure:
            return None

    def clearance_of_tool(self, name: str) -> Sensitivity | None:
        """None for a function of this program, which may be given everything, and for a tool that is not known."""
        spec = self._tools.get(name)
        return None if spec is None else spec.clearance
