"""Asks a planner model for a plan, reads and mends the answer, and asks again about what the checks find wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from planner.faults import Examined, complete, examine, places
from planner.form import TIERS, looks_like_plan, patch_schema, plan_schema
from planner.mend import mend
from planner.prompt import TASK_INPUT, first_messages, repair_messages
from planner.reading import ReadingError, read
from planner.repair import can_patch, faulty, patched
from planner.spending import Spending
from planner.task import fits
from planner.types import Plan, PlanError
from unified_api.errors import (
    AttemptsExhaustedError,
    ConfigurationError,
    ContextOverflowError,
    GatewayError,
    InvalidRequestError,
    NoCandidateError,
)
from unified_api.models import Model
from unified_api.types import Caller, Json, JsonObject, Message, OutputSchema, Policy, Request, Response
from workflows.findings import Finding, pointer
from workflows.model import Workflow, WorkflowPolicy
from workflows.models import ModelCatalog
from workflows.tools import ToolSpec

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["MAX_ROUNDS", "ModelPlanner", "UnfitModelError"]

MAX_ROUNDS = 3
"""The first question and two further ones."""
MOST_NAMED = 10
"""Models that a task may name and have used."""
MOST_TOLD = 2
"""Faults of an answer that progress and notes name; the rest are counted."""
WORD = re.compile(r"[\w./:-]+")


class UnfitModelError(Exception):
    """The model may not plan; `str()` says why."""


@dataclass(slots=True, kw_only=True)
class ModelPlanner:
    """One planning of one task by one model or route."""

    gateway: Gateway
    model: str
    task: str
    tools: Mapping[str, ToolSpec]
    models: ModelCatalog | None
    policy: WorkflowPolicy
    progress: Callable[[str], None]
    caller: Caller = Caller()
    structured: bool = False
    first: str = ""
    """The model that is asked first: what `model` means now."""
    named: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    spending: Spending = field(default_factory=Spending)

    async def plan(self) -> Plan:
        """The plan. Raises UnfitModelError, TaskError, PlanError and GatewayError."""
        self.choose()
        last: Examined | None = None
        unread: Finding | None = None
        for _ in range(MAX_ROUNDS):
            patching = last is not None and can_patch(last.document, last.errors)
            self.tell(last.errors if last else (), unread)
            response = await self.ask(self.question(last, unread, patching=patching), patching=patching)
            answer, unread = self.understood(response, patching=patching)
            if unread is not None:
                continue
            if patching and last is not None:
                document = cast("JsonObject", last.document)
                answer = patched(document, answer, named=faulty(document, last.errors))
            last = self.examined(answer)
            if not last.errors and last.workflow is not None:
                return self.done(last.workflow, last.findings)
        reasons = (*((unread,) if unread else ()), *(last.errors if last else ()))
        raise self.refusal(f"no sound plan after {MAX_ROUNDS} answers of {self.spending.model}:", reasons)

    def choose(self) -> None:
        """Learns what the model or route can do. Raises UnfitModelError and TaskError."""
        candidates = self.candidates()
        if all(one.quality is not None for one in candidates):
            raise UnfitModelError(f"{candidates[0].id} is an offline stand-in and too small to plan")
        self.first = candidates[0].id
        contexts = [one.context for one in candidates]
        longest = None if None in contexts else max(one for one in contexts if one is not None)
        fits(self.task, context=longest, model=self.model)
        # The gateway tells the others of the schema in words; where none can keep to it, the prompt says enough.
        self.structured = any("structured_output" in one.capabilities for one in candidates)
        words = {word.strip(".,:;") for word in WORD.findall(self.task)}
        telling = {word for word in words if "/" in word or re.search(r"[a-z].*\d|\d.*[a-z]", word, re.IGNORECASE)}
        if telling:
            ready = (one for one in self.gateway.catalog.ready if one.quality is None)
            found = [one.id for one in ready if one.id in telling or one.name in telling]
            self.named = tuple(found[:MOST_NAMED])

    def candidates(self) -> tuple[Model, ...]:
        try:
            return self.gateway.catalog.candidates(self.model, Policy(sensitivity=self.policy.sensitivity)).candidates
        except NoCandidateError as error:
            if self.model != "auto":
                raise
            raise UnfitModelError("no model is ready that may plan this") from error

    def question(self, last: Examined | None, unread: Finding | None, *, patching: bool) -> tuple[Message, ...]:
        findings = (*(last.errors if last else ()), *((unread,) if unread else ()))
        if last is None or not patching:
            return first_messages(self.task, tools=self.tools, models=self.named, faults=findings)
        return repair_messages(
            self.task,
            document=cast("JsonObject", last.document),
            findings=findings,
            places=places(last.document, findings),
            tools=self.tools,
            models=self.named,
        )

    async def ask(self, messages: tuple[Message, ...], *, patching: bool) -> Response:
        schema = (patch_schema if patching else plan_schema)(self.tools, models=self.named)
        if self.structured:
            try:
                return await self.send(messages, OutputSchema(schema, name="correction" if patching else "plan"))
            except GatewayError as error:
                if not blames_request(error):
                    raise
                self.structured = False
                self.notes.append(f"{self.model} refused a request with a schema, and was asked without one.")
        return await self.send(messages, None)

    async def send(self, messages: tuple[Message, ...], schema: OutputSchema | None) -> Response:
        request = Request(model=self.model, messages=messages, output_schema=schema)
        request, policy, worst = self.affordable(
            request, Policy(sensitivity=self.policy.sensitivity, caller=self.caller)
        )
        response = await self.gateway.chat(request, policy)
        self.spending.add(response, worst=worst)
        if response.quality is not None:
            raise UnfitModelError(f"{response.model} answered, an offline stand-in and too small to plan")
        return response

    def affordable(self, request: Request, policy: Policy) -> tuple[Request, Policy, Decimal | None]:
        """The request as the caller's budget has room for, with a shorter answer if need be, and its worst cost.

        Raises PlanError where there is no room, or the price is unknown.
        """
        budget, spent = self.policy.budget_usd, self.spending.most_usd
        if budget is None:
            return request, policy, self.gateway.estimate(request, policy)
        left = Decimal(str(budget)) - spent
        request, cost = self.gateway.shortened(request, policy, room=left)
        worst = None if cost is None else cost.total
        if worst == 0:
            return request, policy, worst
        if cost is not None and cost.total <= left:
            return request, replace(policy, max_billable=int(left / cost.each)), worst
        costs = "at a price that nobody knows" if worst is None else f"up to ${worst:.4f} an answer"
        message = (
            f"planning with {self.model} costs money, {costs}, and ${spent} of a budget of ${budget:g} are spent; "
            "raise the budget, name a cheaper model or let the rules plan"
        )
        raise self.refusal(message, (fault("budget_exhausted", message),))

    def understood(self, response: Response, *, patching: bool) -> tuple[Json, Finding | None]:
        """The document in the answer, or why there is none. Raises PlanError when the model declines."""
        if response.refusal or response.finish_reason == "content_filter":
            said = response.refusal or "its provider's filter stopped the answer"
            message = f"{response.model} declines to plan this: {said.strip()[:500]}"
            raise self.refusal(message, (fault("model_refused", message),))
        try:
            reading = read(response.answer, wanted=looks_like_plan)
        except ReadingError as error:
            cut = ", and it was cut off at the length limit: write a shorter plan"
            return None, fault("unreadable_answer", error.message + (cut if response.finish_reason == "length" else ""))
        if not patching and not looks_like_plan(reading.value):
            return None, fault("no_plan", 'the JSON in the answer is no plan: it has no list of "steps"')
        self.notes += [f"Answer {self.spending.rounds}: {note}." for note in reading.notes]
        return reading.value, None

    def examined(self, answer: Json) -> Examined:
        mended = mend(answer, tools=self.tools)
        self.notes += [f"Mended: {note}." for note in mended.notes]
        examined = examine(complete(mended.document, self.policy, task=self.task), tools=self.tools, models=self.models)
        unknown = tuple(self.unknown_models(examined.workflow)) if self.models is None else ()
        return replace(examined, findings=(*unknown, *examined.findings))

    def unknown_models(self, workflow: Workflow | None) -> Iterator[Finding]:
        """The models that the gateway does not know: what a caller's catalogue says more of, where there is one."""
        for number, step in enumerate(workflow.steps if workflow else ()):
            choice = getattr(step, "model", None)
            if not isinstance(choice, str):
                continue
            try:
                self.gateway.catalog.candidates(choice)
            except NoCandidateError:
                continue  # a model that cannot chat may draw or embed; the run chooses by the step's kind
            except ConfigurationError as error:
                yield Finding(
                    code="unknown_model",
                    pointer=pointer("steps", number, "model"),
                    message=str(error),
                    allowed=(*TIERS, *self.named),
                )

    def done(self, workflow: Workflow, warnings: tuple[Finding, ...]) -> Plan:
        return Plan(
            workflow=workflow,
            planner="model",
            model=self.spending.model,
            inputs={TASK_INPUT: self.task} if TASK_INPUT in workflow.inputs else {},
            notes=(*self.notes, *(f"Warning: {one.message}." for one in warnings)),
            rounds=self.spending.rounds,
            cost_usd=self.spending.cost_usd,
            most_usd=self.spending.most_usd,
            usage=self.spending.usage,
        )

    def refusal(self, message: str, reasons: tuple[Finding, ...]) -> PlanError:
        return PlanError(
            message,
            reasons=reasons,
            model=self.spending.model,
            notes=tuple(self.notes),
            rounds=self.spending.rounds,
            cost_usd=self.spending.cost_usd,
            usage=self.spending.usage,
        )

    def tell(self, errors: tuple[Finding, ...], unread: Finding | None) -> None:
        if self.spending.rounds == 0:
            self.progress(f"Asking {self.first} for a plan.")
            return
        wrong = list(dict.fromkeys(one.message.rstrip(".") for one in (*errors, *((unread,) if unread else ()))))
        told = "; ".join(wrong[:MOST_TOLD]) + (f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else "")
        self.progress(f"Asking {self.first} again: {told}.")
        self.notes.append(f"Asked again after answer {self.spending.rounds}: {told}.")


def fault(code: str, message: str) -> Finding:
    return Finding(code=code, pointer="", message=message)


def blames_request(error: GatewayError) -> bool:
    """Whether the provider found fault with the request itself and not with its length."""
    cause = error.__cause__ if isinstance(error, AttemptsExhaustedError) else error
    return isinstance(cause, InvalidRequestError) and not isinstance(cause, ContextOverflowError)
