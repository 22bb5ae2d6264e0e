"""The back end that the settings name, and whether its model can be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from unified_api.call import Consult
from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.models import Model, Selection
from unified_api.needs import AnyRequest
from unified_api.safety.verdicts import Guard
from unified_api.settings.safety import SafetySettings, guard_version
from unified_api.types import Message, ModerationRequest, Policy, Request

__all__ = ["Selecting", "check_model", "guard_of"]

Selecting = Callable[[AnyRequest, Policy], Selection]


def guard_of(settings: SafetySettings, consult: Consult) -> Guard:
    if settings.backend == "llama_guard":
        from unified_api.safety.llama_guard import LlamaGuard

        return LlamaGuard(settings, consult)
    if settings.backend == "moderation":
        from unified_api.safety.moderation import ModerationGuard

        return ModerationGuard(settings, consult)
    from unified_api.safety.local import LocalGuard

    return LocalGuard(settings)


def check_model(settings: SafetySettings, select: Selecting, ready: Callable[[], Iterable[Model]]) -> None:
    """ConfigurationError where the model that should judge cannot be asked at all, with those that can."""
    if settings.model is None:
        return
    is_guard = settings.backend == "llama_guard"
    asked: AnyRequest = (
        Request(
            model=settings.model, messages=(Message.user("?"), Message.assistant("!")), temperature=0.0, max_tokens=1
        )
        if is_guard
        else ModerationRequest(model=settings.model, inputs=("?",))
    )
    try:
        select(asked, Policy())
    except (ConfigurationError, NoCandidateError) as error:
        able = [one.id for one in ready() if (guard_version(one.id) if is_guard else "moderation" in one.capabilities)]
        valid = f"; models that can be asked: {', '.join(able[:20])}" if able else ""
        raise ConfigurationError(f"[safety] model = {settings.model!r} cannot judge: {error.message}{valid}") from None
