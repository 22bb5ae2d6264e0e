"""A request body of Cohere's chat API v2, read as a canonical request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unified_api.types import (
    BuiltinToolPart,
    Citation,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    Message,
    OutputSchema,
    Part,
    ProviderState,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import call_id
from unified_api.wire.cohere.answer import TOOL_PLAN
from unified_api.wire.request_body import function_at, list_at, read_tools, refuse

__all__ = ["read_request"]

_NUMBERS = {
    "temperature": "temperature",
    "p": "top_p",
    "k": "top_k",
    "max_tokens": "max_tokens",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
"""Word of Cohere's -> field of a Request."""
_WHOLE = frozenset({"k", "max_tokens", "seed"})
_V1_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
_ONLY_V1 = (
    "tools", "tool_results", "connectors", "documents", "conversation_id", "search_queries_only", "prompt_truncation",
    "citation_quality", "raw_prompting",
)  # fmt: skip
_ROLES = ("system", "user", "assistant", "tool")
_READ = frozenset({"model", "messages", "stream", "tools", "strict_tools", "documents", "logprobs", *_NUMBERS})


def read_request(body: JsonObject, *, provider: str) -> Request:
    """The request in `body`; what it has no field for stays in `extra[provider]`. `stream` is the caller's affair.

    `documents` become parts of the last user message. A body of v1 is read as the conversation it means.
    """
    if "message" in body:
        body = _of_v1(body)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("model", "is no name", model)
    extra: JsonObject = {name: value for name, value in body.items() if name not in _READ and value is not None}
    strict = body.get("strict_tools")
    fields = {**_numbers(body), **_words(extra), **_thinking(extra)}
    if body.get("logprobs") is True:
        fields["logprobs"] = 0
    if not list_at(body, "messages"):
        refuse("messages", "holds no message", body.get("messages"))
    messages = [_message(one, f"messages[{at}]", provider) for at, one in enumerate(list_at(body, "messages"))]
    return Request(
        model=f"{provider}/{model}",
        messages=tuple(_with_documents(messages, body, provider, extra)),
        tools=tuple(read_tools(body, strict=strict if isinstance(strict, bool) else None)),
        extra={provider: extra} if extra else {},
        **fields,  # type: ignore[arg-type]  # each value was looked at where it was read
    )


def _of_v1(body: JsonObject) -> JsonObject:
    """A body of v1 as v2 has it; what has another shape there, or no word, is refused."""
    only = next((name for name in _ONLY_V1 if body.get(name)), None)
    if only is not None:
        refuse(only, "is of the chat API v1 and has no like in v2", body[only])
    turns: list[Json] = [{"role": "system", "content": body["preamble"]}] if body.get("preamble") else []
    for number, turn in enumerate(list_at(body, "chat_history")):
        role = turn.get("role") if isinstance(turn, dict) else None
        if not isinstance(turn, dict) or not isinstance(role, str) or role.upper() not in _V1_ROLES:
            refuse(f"chat_history[{number}].role", f"is none of {', '.join(_V1_ROLES)}", role)
        turns.append({"role": _V1_ROLES[role.upper()], "content": turn.get("message")})
    rest = {name: value for name, value in body.items() if name not in ("message", "chat_history", "preamble")}
    return {**rest, "messages": [*turns, {"role": "user", "content": body["message"]}]}


def _numbers(body: JsonObject) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in _NUMBERS.items():
        value = body.get(name)
        if value is not None:
            if type(value) is not int and (name in _WHOLE or type(value) is not float):
                refuse(name, "is no whole number" if name in _WHOLE else "is no number", value)
            found[field] = value
    return found


def _words(extra: JsonObject) -> dict[str, object]:
    """Takes out of `extra` what our fields can hold."""
    found: dict[str, object] = {}
    choice, wanted, stop = extra.get("tool_choice"), extra.get("response_format"), extra.get("stop_sequences")
    if choice in ("REQUIRED", "NONE"):
        found["tool_choice"] = "required" if extra.pop("tool_choice") == "REQUIRED" else "none"
    if isinstance(wanted, dict):
        schema = wanted.get("json_schema")
        if isinstance(schema, dict) and wanted.keys() == {"type", "json_schema"}:
            found["output_schema"] = OutputSchema(schema)
            del extra["response_format"]
    if stop is not None:
        if not isinstance(stop, list) or not all(isinstance(word, str) for word in stop):
            refuse("stop_sequences", "is no list of texts", stop)
        found["stop"] = tuple(extra.pop("stop_sequences"))  # type: ignore[arg-type]  # a list, as was just seen
    return found


def _thinking(extra: JsonObject) -> dict[str, object]:
    """The budget, or that there shall be none; `enabled` alone is no word of ours."""
    thinking = extra.get("thinking")
    if thinking == {"type": "disabled"}:
        del extra["thinking"]
        return {"reasoning_effort": "none"}
    if isinstance(thinking, dict) and thinking.keys() == {"type", "token_budget"}:
        budget = thinking["token_budget"]
        if thinking["type"] == "enabled" and type(budget) is int and budget > 0:
            del extra["thinking"]
            return {"reasoning_budget": budget}
    return {}


def _message(entry: Json, place: str, provider: str) -> Message:
    if not isinstance(entry, dict):
        refuse(place, "is no object", entry)
    role = entry.get("role")
    if role == "tool":
        answered = entry.get("tool_call_id")
        if not isinstance(answered, str):
            refuse(f"{place}.tool_call_id", "is no id of a call", answered)
        return Message("tool", (ToolResultPart(answered, _result(entry, place, provider)),))
    if role == "assistant":
        return Message("assistant", tuple(_said(entry, place, provider)) or (TextPart(""),))
    if role not in ("system", "user"):
        refuse(f"{place}.role", f"is none of {', '.join(_ROLES)}", role)
    if entry.get("content") is None:
        refuse(f"{place}.content", "is missing", entry)
    parts = tuple(_content(entry, place, provider)) or (TextPart(""),)
    return Message("user" if role == "user" else "system", parts)


def _content(entry: JsonObject, place: str, provider: str) -> Iterator[Part]:
    content = entry.get("content")
    if isinstance(content, str):
        yield TextPart(content)
        return
    for number, block in enumerate(list_at(entry, "content", place)):
        spot = f"{place}.content[{number}]"
        if not isinstance(block, dict):
            refuse(spot, "is no object", block)
        text, thought, image = block.get("text"), block.get("thinking"), block.get("image_url")
        if isinstance(thought, str):
            rest: JsonObject = {key: value for key, value in block.items() if key != "thinking"}
            yield ReasoningPart(thought, ProviderState(provider, rest))
        elif isinstance(text, str):
            yield TextPart(text)
        elif image is not None:
            yield _image(image, spot)
        else:
            yield BuiltinToolPart(provider, str(block.get("type") or "content"), block)


def _said(entry: JsonObject, place: str, provider: str) -> Iterator[Part]:
    plan = entry.get("tool_plan")
    if isinstance(plan, str) and plan:
        yield ReasoningPart(plan, ProviderState(provider, TOOL_PLAN))
    parts = list(_content(entry, place, provider))
    cited = _citations(entry, place, provider)
    last = max((at for at, part in enumerate(parts) if isinstance(part, TextPart)), default=None)
    if cited and last is None:
        refuse(f"{place}.citations", "belong to no text", entry["citations"])
    for at, part in enumerate(parts):
        yield replace(part, citations=cited) if at == last and isinstance(part, TextPart) else part
    for number, call in enumerate(list_at(entry, "tool_calls", place)):
        function, name = function_at(call, f"{place}.tool_calls[{number}]")
        given, arguments = call.get("id") if isinstance(call, dict) else None, function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            refuse(f"{place}.tool_calls[{number}].function.arguments", "is no text", arguments)
        yield ToolCallPart(given if isinstance(given, str) and given else call_id(number), name, arguments or "{}")


def _citations(entry: JsonObject, place: str, provider: str) -> tuple[Citation, ...]:
    cited = list_at(entry, "citations", place)
    return tuple(Citation(state=ProviderState(provider, one)) for one in cited if isinstance(one, dict))


def _image(image: Json, place: str) -> ImagePart:
    url, detail = (image.get("url"), image.get("detail")) if isinstance(image, dict) else (image, None)
    if not isinstance(url, str) or not url:
        refuse(f"{place}.image_url", "has no url", image)
    if detail is None:
        return ImagePart(url=url)
    if detail not in ("auto", "low", "high"):
        refuse(f"{place}.image_url.detail", "is none of auto, low and high", detail)
    return ImagePart(url=url, detail=detail)  # type: ignore[arg-type]  # one of the three, as was just seen


def _result(entry: JsonObject, place: str, provider: str) -> str | tuple[TextPart | DocumentPart, ...]:
    content = entry.get("content")
    if isinstance(content, str):
        return content
    parts: list[TextPart | DocumentPart] = []
    for number, block in enumerate(list_at(entry, "content", place)):
        text, document = (block.get("text"), block.get("document")) if isinstance(block, dict) else (None, None)
        if isinstance(text, str):
            parts.append(TextPart(text))
        elif document is not None:
            parts.append(_document(document, provider, f"{place}.content[{number}].document"))
        else:
            refuse(f"{place}.content[{number}]", "is neither text nor a document", block)
    return tuple(parts)


def _document(document: Json, provider: str, place: str) -> DocumentPart:
    """A document; what it says beside its title and text is kept for the provider."""
    if isinstance(document, str):
        return DocumentPart(text=document)
    found = document.get("data") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(found, dict):
        refuse(place, "is neither text nor an object with `data`", document)
    text, title = found.get("text"), found.get("title")
    name = title if isinstance(title, str) else None
    plain = document.keys() == {"data"} and found.keys() <= {"text", "title"} and isinstance(text, str)
    state = None if plain else ProviderState(provider, document)
    return DocumentPart(text=text if isinstance(text, str) else None, name=name, state=state)


def _with_documents(messages: list[Message], body: JsonObject, provider: str, extra: JsonObject) -> list[Message]:
    documents = list_at(body, "documents")
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=None)
    if last is None:
        if documents:
            extra["documents"] = documents
        return messages
    parts = tuple(_document(one, provider, f"documents[{at}]") for at, one in enumerate(documents))
    messages[last] = replace(messages[last], parts=(*messages[last].parts, *parts))
    return messages
