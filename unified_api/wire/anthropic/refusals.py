"""What single Claudes refuse though their API has words for it, here and in other clouds.

https://platform.claude.com/docs/en/models/opus-5-5/migration-guide and the guides of the models before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from unified_api.errors import UnsupportedParameterError
from unified_api.types import BuiltinToolPart, NamedTool, Part, RefusalPart, Request, TextPart
from unified_api.wire.base import WireProfile
from unified_api.wire.model_patterns import any_matches

__all__ = ["check_model"]


def check_model(request: Request, *, provider: str, model: str, profile: WireProfile) -> None:
    """UnsupportedParameterError for the first thing that the profile says this model refuses."""
    for param, problem in _problems(request, provider, model, profile):
        raise UnsupportedParameterError(
            f"{model!r} {problem}", provider=provider, model=f"{provider}/{model}", param=param
        )


def _problems(request: Request, provider: str, model: str, profile: WireProfile) -> Iterator[tuple[str, str]]:
    choice = request.tool_choice
    if (choice == "required" or isinstance(choice, NamedTool)) and any_matches(profile.unforced, model):
        yield "tool_choice", f"cannot be made to call a tool: leave out tool_choice={choice!r}, or choose another model"
    both = request.temperature is not None and request.top_p is not None
    if both and any_matches(profile.one_sampler, model):
        yield "top_p", "takes temperature or top_p and not both: leave out one"
    if _begins_answer(request, provider) and any_matches(profile.no_prefill, model):
        problem = "does not go on with an answer begun for it (assistant message prefill)"
        yield "messages", f"{problem}: end with a message of the user, or choose another model"


def _begins_answer(request: Request, provider: str) -> bool:
    """Whether the last turn is the assistant's words.

    One with steps of the provider's own tools is an answer that it paused, and goes on with when it comes back
    (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons#pause-turn).
    """
    turn: list[Part] = []
    for message in takewhile(lambda one: one.role == "assistant" or _is_blank(one.parts), reversed(request.messages)):
        turn += message.parts
    paused = any(isinstance(part, BuiltinToolPart) and part.provider == provider for part in turn)
    return not paused and any(isinstance(part, TextPart | RefusalPart) and part.text.strip() for part in turn)


def _is_blank(parts: tuple[Part, ...]) -> bool:
    """Blank text is not sent."""
    return all(isinstance(part, TextPart) and not part.text.strip() for part in parts)
