"""What a request asks of a model, read off the request itself."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

from unified_api.in_words import asked_in_words
from unified_api.models import Model
from unified_api.routing.filters import HINTS
from unified_api.types import (
    Capability,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Json,
    ModerationRequest,
    Request,
    RerankRequest,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

__all__ = ["AnyRequest", "Asked", "fit", "least_tokens", "needs_of", "parameters_of", "takes_schema", "worst_tokens"]

AnyRequest = Request | EmbedRequest | ImageRequest | RerankRequest | ModerationRequest
Asked = TypeVar("Asked", Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)
_CONTENT = frozenset({"model", "messages", "inputs", "prompt", "query", "documents", "extra"})

_OPTIONAL: dict[type[AnyRequest], tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if f.name not in _CONTENT)
    for kind in (Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)
}
_TOKENS_PER_IMAGE = 1_500
"""A large picture in high detail; OpenAI, "Images and vision", counts 85 to 1,445 for GPT-4o."""


def needs_of(request: AnyRequest) -> frozenset[Capability]:
    """The capabilities without which the request cannot be served; a schema can be asked for in words (`in_words`)."""
    if isinstance(request, EmbedRequest):
        return frozenset({"embeddings"})
    if isinstance(request, ImageRequest):
        return frozenset({"image_output"})
    if isinstance(request, RerankRequest):
        return frozenset({"rerank"})
    if isinstance(request, ModerationRequest):
        return frozenset({"moderation"})
    needs: set[Capability] = {"chat"}
    if request.tools:
        needs.add("tools")
    if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
        needs.add("vision")
    return frozenset(needs)


def parameters_of(request: AnyRequest) -> frozenset[str]:
    """The optional fields that the request sets, without the schema, which no model must take."""
    set_ = (name for name in _OPTIONAL[type(request)] if getattr(request, name) not in (None, (), {}))
    return frozenset(set_) - {"output_schema"}


def fit(request: Asked, model: Model, *, named: bool, in_words: bool = False) -> tuple[Asked, str | None]:
    """The request as `model` can take it, and a note of what was changed.

    Only hints are left out, and only where the router chose the model; a model that the caller named refuses aloud.
    A schema is put into words for a model that takes none, or where `in_words` says that its server refused it.
    """
    notes: list[str] = []
    refused = sorted(model.unsupported & parameters_of(request) & HINTS) if not named else []
    if refused:
        changes: dict[str, Any] = dict.fromkeys(refused)  # every hint is optional and None is its default
        request = replace(request, **changes)
        notes.append(f"left out {', '.join(refused)}, which {model.id} refuses")
    if isinstance(request, Request):  # noqa: SIM102  # mypy calls the same test redundant beside an `and`
        if request.output_schema is not None and (in_words or not takes_schema(model)):
            request = asked_in_words(request)
            notes.append(f"asked for the schema in words, which {model.id} does not take otherwise")
    return request, "; ".join(notes) or None


def takes_schema(model: Model) -> bool:
    """Whether the model, as far as the catalog knows, can be made to keep to a schema."""
    return "structured_output" in model.capabilities and "output_schema" not in model.unsupported


def least_tokens(request: AnyRequest) -> int:
    """A count that the prompt surely reaches: tokenisers put at most six bytes of ordinary text into a token."""
    return _size(request)[0] // 6


def worst_tokens(request: AnyRequest) -> int:
    """A count that the prompt does not exceed: a token a byte, as digits and rare scripts take, and the framing."""
    size, images = _size(request)
    messages = len(request.messages) if isinstance(request, Request) else 1
    return size + 1 + 16 * messages + _TOKENS_PER_IMAGE * images


def _size(request: AnyRequest) -> tuple[int, int]:
    """Bytes of text, and images."""
    if isinstance(request, EmbedRequest):
        return sum(len(text.encode("utf-8", "replace")) for text in request.inputs), 0
    if isinstance(request, ImageRequest):
        return len(request.prompt.encode("utf-8", "replace")), 0
    if isinstance(request, RerankRequest):
        return sum(len(text.encode("utf-8", "replace")) for text in (request.query, *request.documents)), 0
    if isinstance(request, ModerationRequest):
        texts = [given for given in request.inputs if isinstance(given, str)]
        return sum(len(text.encode("utf-8", "replace")) for text in texts), len(request.inputs) - len(texts)
    return _chat_size(request)


def _chat_size(request: Request) -> tuple[int, int]:
    texts: list[str] = []
    images = 0
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart():
                    texts.append(part.text)
                case ToolResultPart():
                    texts.append(part.text)
                case ToolCallPart():
                    texts.append(part.name + part.arguments)
                case ImagePart():
                    images += 1
                case _:
                    pass  # shown thinking and refusals are not sent back
    schemas: list[Json] = [tool.parameters for tool in request.tools]
    if request.output_schema is not None:
        schemas.append(request.output_schema.schema)
    texts += [str(schema) for schema in schemas]
    texts += [tool.name + tool.description for tool in request.tools]
    return sum(len(text.encode("utf-8", "replace")) for text in texts), images
