"""What an orchestrator can tell of a workflow before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.arguments import inputs_of, others_of, source_of, workflow_of
from orchestrator.limits import Limits, limited, on_model
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.catalog import CatalogModels
    from orchestrator.estimate import Estimate
    from workflows.findings import Finding
    from workflows.model import Workflow

__all__ = ["Checked"]

_NO_MODEL = frozenset({"no_candidate", "no_credentials"})


class Checked(Workplace):
    """A workplace that checks workflows and estimates what they cost."""

    def check(
        self,
        workflow: Workflow | str | bytes | Mapping[str, Any] | Path,
        *,
        workflows: Mapping[str, Workflow] | None = None,
        thorough: bool = False,
    ) -> tuple[Finding, ...]:
        """Every finding against a workflow, its JSON text, its JSON value or its file; errors first.

        Tools, models and hosts are checked too: the tools of this object, the catalog of its gateway, its settings.
        `workflows` are those that its steps run, by `name@version`; without them the files beside its own, and the
        library. `thorough` names what is no fault too, such as a step that only one provider can serve.
        """
        from orchestrator.outside import explained
        from orchestrator.recipients import SettingsRecipients
        from workflows.checks import check, inspect
        from workflows.model import Workflow

        tools = self.tools.specs
        beside = source_of(workflow if isinstance(workflow, Path) else None)
        others = beside if workflows is None else workflows
        models, recipients = self._models(), SettingsRecipients(self.settings.http, tools)
        if isinstance(workflow, Workflow):
            found = check(
                workflow, tools=tools, models=models, workflows=others, recipients=recipients, thorough=thorough
            )
        else:
            value = workflow.read_bytes() if isinstance(workflow, Path) else workflow
            found = inspect(
                value, tools=tools, models=models, workflows=others, recipients=recipients, thorough=thorough
            ).findings
        return explained(found, workflow, self._servers)

    def estimate(
        self, workflow: Workflow | str | Path | Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> Estimate:
        """What a run of the workflow will cost and how long it will take: by earlier runs of it where the record has
        enough of them, else by prices and typical sizes. Nothing is asked of any model.

        Raises as `run_workflow` does for a workflow that is none, and JournalError where the record cannot be read.
        """
        from orchestrator.estimate import estimated
        from orchestrator.history import history

        loaded = workflow_of(workflow)
        if self._model is not None:
            loaded = on_model(loaded, self._model)
        return estimated(
            loaded,
            models=self._models(),
            past=history(self.runs, loaded.name),
            inputs=inputs_of(inputs),
            workflows=others_of(loaded, workflow),
        )

    def sound(
        self, workflow: Workflow, limits: Limits = Limits(), *, workflows: Mapping[str, Workflow] | None = None
    ) -> Workflow:
        """The workflow within the limits, as it would be run. Raises WorkflowError as `run` does."""
        within = self._limited(workflow, limits)
        self._sound(within, workflows)
        return within

    def _sound(self, workflow: Workflow, workflows: Mapping[str, Workflow] | None = None) -> None:
        """Raises WorkflowError for what the checks find that would make a run fail."""
        from workflows.findings import WorkflowError

        findings = self.check(workflow, workflows=workflows)
        # What the checks forgive because a key or a server may come yet, a run does not: it would fail half-way.
        blocking = tuple(
            replace(found, severity="error")
            for found in findings
            if found.severity == "error" or found.code in _NO_MODEL
        )
        if blocking:
            raise WorkflowError(blocking)

    def _limited(self, workflow: Workflow, limits: Limits) -> Workflow:
        return limited(workflow, limits, max_parallel=self.settings.run.max_parallel)

    def _models(self) -> CatalogModels:
        from orchestrator.catalog import CatalogModels

        return CatalogModels(self.gateway.catalog, keeps_answers=self.settings.cache.active)
