"""Shared by the tests of proofs: short workflows, and a catalogue of candidates by the models' names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from workflows.checks import check
from workflows.model import Workflow
from workflows.models import Candidate, Rates

__all__ = ["Models", "candidate", "found", "llm", "workflow"]


def llm(step_id: str, prompt: str = "x", **keys: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "llm", "prompt": prompt, "model": "m", **keys}


def workflow(*steps: dict[str, Any], **keys: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": "x", "steps": steps, **keys})


def candidate(model: str = "p/m", *, each: str | None = None, most: str | None = None, **facts: Any) -> Candidate:
    """`each` is what a call costs at least, `most` what it may cost; without them the price is unknown."""
    least = None if each is None else Rates(given=Decimal(0), made=Decimal(0), request=Decimal(each))
    top = least if most is None else Rates(given=Decimal(0), made=Decimal(0), request=Decimal(most))
    provider = model.partition("/")[0]
    return Candidate(
        model=model, provider=provider, clearance="restricted", least=least, usual=least, most=top, **facts
    )


class Models:
    """Candidates by the names of the models that steps choose."""

    def __init__(self, candidates: Mapping[str, tuple[Candidate, ...]]) -> None:
        self.known = candidates

    def problem(self, choice, *, needs, sensitivity):
        return None

    def candidates(self, choice, *, needs, sensitivity):
        return self.known.get(choice if isinstance(choice, str) else "m", ())


def found(flow: Workflow, *candidates: Candidate, **options: Any) -> list[tuple[str, str, str]]:
    """Code, severity and pointer of what is found where the model `m` means these candidates."""
    known = Models({"m": candidates})
    told = check(flow, models=known, **options)
    return [(one.code, one.severity, one.pointer) for one in told if not one.code.startswith("unused")]
