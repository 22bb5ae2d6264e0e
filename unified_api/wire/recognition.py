"""Which task and wire family an HTTP exchange belongs to, told by its address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Exchange", "recognise"]

Task = Literal["chat", "embed", "image", "rerank", "moderate", "models"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked and in which family's words; `family` is empty and `reason` says why where there is none."""

    task: Task | None
    family: str = ""
    reason: str = ""


def _unsupported(what: str) -> Exchange:
    return Exchange(None, reason=what)


_RULES: tuple[tuple[str, Exchange], ...] = (
    # Google
    (r":(generateContent|streamGenerateContent)$", Exchange("chat", "gemini")),
    (r":(embedContent|batchEmbedContents)$", Exchange("embed", "gemini_embeddings")),
    (r"/(imagen|imagegeneration)[^/]*:predict$", Exchange("image", "imagen")),
    (r"embedding[^/]*:predict$", Exchange("embed", "vertex_embeddings")),
    (r":predictLongRunning$|/operations/[^/]+$", _unsupported("video generation")),
    (r"/interactions(/[^/]+)?$", _unsupported("Google's Interactions API")),
    # Amazon Bedrock
    (r"/model/[^/]+/converse(-stream)?$", Exchange("chat", "bedrock")),
    (r"/model/[^/]*rerank[^/]*/invoke$", Exchange("rerank", "rerank")),
    (r"/model/[^/]*embed[^/]*/invoke$", _unsupported("embeddings through Bedrock's invoke")),
    (r"/model/[^/]+/invoke(-with-response-stream)?$", Exchange("chat", "bedrock_invoke")),
    # Counting comes before /messages, of whose path it is a part.
    (r":countTokens$|:count$|/count[-_]tokens$|/tokenize$", _unsupported("counting tokens")),
    (r"/messages$", Exchange("chat", "anthropic")),
    (r"/responses$", Exchange("chat", "openai_responses")),
    (r"/chat/completions$|/prompts/[^/]+/completions$", Exchange("chat", "openai_chat")),
    (r"^api\.cohere\.(ai|com)/v\d/chat$", Exchange("chat", "cohere")),
    (r"/api/(chat|generate)$", Exchange("chat", "ollama")),
    (r"^api\.writer\.com(:\d+)?/v1/chat$", Exchange("chat", "openai_chat")),
    (r"/completions$", Exchange("chat", "openai_completions")),
    (r"/api/(embed|embeddings)$", Exchange("embed", "ollama_embeddings")),
    (r"^api\.cohere\.(ai|com)/v\d/embed$", Exchange("embed", "cohere_embeddings")),
    (r"/embeddings$|/pipeline/feature-extraction/", Exchange("embed", "openai_embeddings")),
    (r"/images/(generations|edits|variations)$", Exchange("image", "openai_images")),
    (r"/stable-image/generate/[^/]+$", Exchange("image", "stability")),
    (r"/predictions(/[^/]+)?$", Exchange("image", "replicate")),
    (r"/rerank$", Exchange("rerank", "rerank")),
    (r"/moderations$", Exchange("moderate", "moderations")),
    (r"/models$|/api/tags$", Exchange("models", "models")),
    (r"/audio/(transcriptions|translations|speech)$", _unsupported("speech")),
    (r"/ocr$", _unsupported("reading documents by a service of its own")),
    (r"/complete$", _unsupported("a text completion of a retired kind")),
    (r"/generation/(text|text_stream)$", _unsupported("watsonx text generation")),
)
_LONGEST = 4000
"""Characters of an address that the patterns are tried on; an ARN quoted in one needs less."""
_COMPILED = tuple((re.compile(pattern), exchange) for pattern, exchange in _RULES)


def recognise(host: str, path: str) -> Exchange:
    """The task and family of a call to `host` at `path` (without its query)."""
    address = f"{host}{path.rstrip('/')}"
    if len(address) > _LONGEST:
        return _unsupported(f"an address of more than {_LONGEST} characters")
    found = (exchange for pattern, exchange in _COMPILED if pattern.search(address))
    return next(found, _unsupported(f"nothing is known to answer under {path!r}"))
