"""What the encoders of several families check and refuse alike."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import BuiltinToolPart, ImagePart, Json, JsonObject, NamedTool, ProviderState, Request
from unified_api.wire.base import WireProfile, check_supported, sniff_media_type

__all__ = ["RequestWriter"]

_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_COUNTS = ("top_k", "max_tokens", "logprobs", "reasoning_budget")


class RequestWriter:
    """Writes requests to one model of one provider; refuses in words what cannot be written."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.provider = provider
        self.model = model
        self.profile = profile

    def refuse(self, problem: str, param: str) -> NoReturn:
        """For a request that no server could take."""
        raise InvalidRequestError(problem, provider=self.provider, model=f"{self.provider}/{self.model}", param=param)

    def cannot(self, problem: str, param: str) -> NoReturn:
        """For what this model has no words for; `problem` says what, and what to do."""
        raise UnsupportedParameterError(
            f"{self.model!r} {problem}", provider=self.provider, model=f"{self.provider}/{self.model}", param=param
        )

    def check(self, request: Request, unsupported: frozenset[str]) -> None:
        """Refuses fields that the profile or the family (`unsupported`) has no words for, and values that are none."""
        check_supported(request, provider=self.provider, model=self.model, profile=self.profile)
        for name in sorted(unsupported):
            if getattr(request, name) not in (None, (), {}):
                self.cannot(f"has no word for {name!r}: leave it out or choose another model", name)
        if not request.messages:
            self.refuse("a chat request needs at least one message", "messages")
        for name in _NUMBERS:
            value = getattr(request, name)
            if value is not None and not math.isfinite(value):
                self.refuse(f"{name} is {value!r}: give a finite number", name)
        for name in _COUNTS:
            value = getattr(request, name)
            if value is not None and value < 0:
                self.refuse(f"{name} is {value!r}: give 0 or more", name)
        self._check_tools(request)

    def merge(self, body: JsonObject, extra: Mapping[str, Json]) -> None:
        """Adds the caller's own parameters; objects of one name are joined, and nothing that is there is changed."""
        for name, value in extra.items():
            before = body.get(name)
            if isinstance(before, dict) and isinstance(value, dict) and not before.keys() & value.keys():
                body[name] = {**before, **value}
            elif name in body or name == "stream":
                self.refuse(f"extra sets {name!r}, which the request says itself: leave it out of one of them", "extra")
            else:
                body[name] = value

    def own(self, part: BuiltinToolPart | ProviderState | None) -> bool:
        """Whether the part or state came from this provider, and may go back to it."""
        return part is not None and part.provider == self.provider

    def image(self, part: ImagePart, place: str) -> tuple[str | None, bytes | None]:
        """The image as its https address, or as its bytes; a data address is bytes."""
        self._check_image(part, place)
        if part.url is None or not part.url.startswith("data:"):
            return part.url, part.data
        try:
            return None, base64.b64decode(part.url.partition(",")[2], validate=True)
        except ValueError:
            self.refuse(f"{place}: the data address of an image holds no base64", "messages")

    def data_url(self, part: ImagePart, place: str) -> str:
        """The image as an address, its own or one made of its bytes."""
        self._check_image(part, place)
        if part.data is None:
            return part.url or ""
        media_type = part.media_type or sniff_media_type(part.data)
        if media_type is None:
            self.refuse(f"{place}: the image's media_type is not given and its bytes do not tell it", "messages")
        return f"data:{media_type};base64,{base64.b64encode(part.data).decode('ascii')}"

    def _check_image(self, part: ImagePart, place: str) -> None:
        if bool(part.url) == (part.data is not None):
            self.refuse(f"{place}: an image has either a url or data", "messages")

    def _check_tools(self, request: Request) -> None:
        names = [tool.name for tool in request.tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            self.refuse(f"two tools are called {twice!r}", "tools")
        choice = request.tool_choice
        if choice == "required" and not names:
            self.refuse("tool_choice is 'required' but the request has no tools", "tool_choice")
        if isinstance(choice, NamedTool) and choice.name not in names:
            known = ", ".join(map(repr, names)) or "none"
            self.refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice")
