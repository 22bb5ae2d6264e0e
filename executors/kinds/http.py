"""Steps of kind `http`: send a request to a host that the configuration allows."""

from __future__ import annotations

from executors.context import StepRun, now
from executors.failures import StepFailure
from executors.http.answer import body_of, excerpt, headers_of, retry_after_s
from executors.http.exchange import Answer
from executors.http.outbound import Outbound
from executors.http.request import Request
from executors.http.target import Target
from executors.kinds.set import fitting
from executors.recording import repeatable
from unified_api.types import Json
from workflows.model import HttpStep
from workflows.repeating import REPEATABLE, stated

__all__ = ["run"]

_TRY_LATER = frozenset({429, 503})
"""Statuses that say that nothing was done."""
_TRANSIENT = frozenset({408, 425, 500, 502, 504})
"""Those that another request might not meet."""


async def run(step: HttpStep, run: StepRun) -> Json:
    """`{status, headers, body}` of the answer.

    Raises:
        StepFailure: `http_status` for a status that is not expected, `invalid_output` for a body that does not satisfy
            the step's schema, or as `executors.http`.
    """
    settings = run.context.gateway.settings
    target = Target.of(run.text(step.url, what="url")).with_query(run.render(step.query))
    headers = {name: run.text(value, what=f"headers.{name}") for name, value in step.headers.items()}
    request = Request.of(step.method, headers, run.render(step.body), max_bytes=settings.http.max_bytes)
    outbound = Outbound(settings=settings.http, environment=settings.environment, clock=run.context.clock)
    again = _may_be_sent_again(step, run)
    answer = await outbound.send(request, target, label=run.label, repeatable=again, final=step.expect)
    if not (answer.status in step.expect if step.expect else 200 <= answer.status <= 299):
        raise _refused(answer, target, again=again)
    body = fitting(body_of(answer, target), step.output, what="the body of the answer")
    return {"status": answer.status, "headers": headers_of(answer), "body": body}


def _may_be_sent_again(step: HttpStep, run: StepRun) -> bool:
    """RFC 9110, section 9.2.2: to put or delete twice is to do it once. A person's word goes before."""
    is_unsaid = stated(step, run.frame.workflow.policy) is None
    return repeatable(run) or (is_unsaid and step.method in REPEATABLE)


def _refused(answer: Answer, target: Target, *, again: bool) -> StepFailure:
    later = answer.status in _TRY_LATER
    return StepFailure(
        "http_status",
        f"{target.named} answered {answer.status}{excerpt(answer)}",
        retryable=later or (again and answer.status in _TRANSIENT),
        wait_s=retry_after_s(answer, now=now().timestamp()) if later else None,
    )
