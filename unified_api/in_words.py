"""An output schema for models that take none: asked for in words, at the end of the prompt.

Nothing makes such an answer fit, so whoever needs JSON checks it, as the llm steps of a workflow do. Two ways lead
here: the catalog says that a model has no `structured_output`, or a server refuses the field with which it is asked
for. OpenAI-compatible servers word that refusal as they like, and some with a 500: llama.cpp's before 2024-09 and its
relatives ("response_format type must be one of ..."), llama-cpp-python, DeepSeek ("This response_format type is
unavailable now"), Groq ("does not support response format `json_schema`"). Bedrock takes a schema for some models only
("This model doesn't support the outputConfig.textFormat field", "output_config.format: Extra inputs are not
permitted").
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from unified_api.errors import (
    ContentRefusedError,
    ContextOverflowError,
    FailedGenerationError,
    InvalidRequestError,
    NotFoundError,
    ProviderError,
    ServerError,
)
from unified_api.types import Message, Request, TextPart

__all__ = ["asked_in_words", "blames_schema", "blames_tool", "is_about_this_call"]

_FIELD = re.compile(
    r"response[ _-]?format|json[ _-]?schema|structured[ _-]?outputs?|guided[ _-]?(json|decoding|grammar)|\bgrammar\b"
    r"|\boutput[ _]?format|\btext[ _]?format|\boutput[ _]?config(?!.{0,3}effort)",
    re.IGNORECASE,
)
_TOOL = re.compile(
    r"\btools?\b|tool[ _-]?(choice|call|use)|function[ _-]?(call|choice|declaration)|\bfunctions\b", re.IGNORECASE
)
_ONE_SCHEMA = re.compile(
    r"\b(invalid|unsupported|bad|unable|fail\w*|cannot|could not)\b.{0,60}\b(schema|grammar)\b"
    r"|\bformat\.schema\b|\binput_?schema\b",
    re.IGNORECASE,
)

_BESIDE = re.compile(
    r"\b(thinking|reasoning|together|simultaneous\w*|combin\w+|in conjunction|at the same time|streaming|with tools)\b",
    re.IGNORECASE,
)

_OTHERS = (ContentRefusedError, ContextOverflowError, FailedGenerationError)
"""Faults that are understood already, whatever else their words name."""


def asked_in_words(request: Request) -> Request:
    """The request without its schema, which ends the last thing that the user says instead."""
    if request.output_schema is None:
        return request
    schema = json.dumps(request.output_schema.schema, ensure_ascii=False)
    words = TextPart(
        "\nAnswer with nothing but one JSON document that satisfies this JSON Schema, without any words around it:\n"
        + schema
    )
    messages = list(request.messages)
    # Not as a system message: the chat templates of some models (Gemma 2, early Mistral) refuse those.
    last = max((place for place, one in enumerate(messages) if one.role == "user"), default=None)
    if last is None:
        messages.append(Message("user", (words,)))
    else:
        messages[last] = Message("user", (*messages[last].parts, words))
    return replace(request, messages=tuple(messages), output_schema=None)


def blames_schema(error: ProviderError) -> bool:
    """Whether the server refuses the request for asking that the answer keep to a schema."""
    if isinstance(error, _OTHERS) or not isinstance(error, InvalidRequestError | ServerError):
        return False
    return bool(_FIELD.search(error.param or "") or _FIELD.search(error.message))


def blames_tool(error: ProviderError) -> bool:
    """Whether the server refuses a request that makes the model call a tool, or takes no tools at all.

    OpenRouter says so with a 404 ("No endpoints found that support tool use"), Ollama with a 400.
    """
    if isinstance(error, _OTHERS) or not isinstance(error, InvalidRequestError | NotFoundError | ServerError):
        return False
    return bool(_TOOL.search(error.param or "") or _TOOL.search(error.message))


def is_about_this_call(error: ProviderError) -> bool:
    """Whether this schema is refused and another might be taken ("Invalid schema for response_format"), or only beside
    something else that the call asks for ("Thinking may not be enabled when tool_choice forces tool use").
    """
    return bool(_ONE_SCHEMA.search(error.message) or _BESIDE.search(error.message))
