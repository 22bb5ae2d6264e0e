"""The names of the wire families, and which of them a model speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from unified_api.types import Capability

__all__ = ["WireName", "wire_for"]

WireName = Literal[
    "openai_chat", "openai_responses", "openai_completions", "anthropic", "gemini", "bedrock", "bedrock_invoke",
    "cohere", "ollama",
    "openai_embeddings", "gemini_embeddings", "vertex_embeddings", "cohere_embeddings", "ollama_embeddings",
    "openai_images", "gemini_images", "imagen", "stability", "replicate", "rerank", "moderations",
]  # fmt: skip

_BESIDE: Mapping[Capability, Mapping[str, WireName]] = {
    "embeddings": {
        "openai_chat": "openai_embeddings",
        "openai_responses": "openai_embeddings",
        "gemini": "gemini_embeddings",
        "cohere": "cohere_embeddings",
        "ollama": "ollama_embeddings",
    },
    "image_output": {"openai_chat": "openai_images", "openai_responses": "openai_images", "gemini": "gemini_images"},
    "rerank": {"openai_chat": "rerank", "cohere": "rerank", "bedrock": "rerank"},
    "moderation": {"openai_chat": "moderations"},
}
"""What a provider's models that do not chat are spoken to with, by the family of its chat."""


def wire_for(chat: str, capabilities: frozenset[Capability]) -> str:
    """The family of a model with `capabilities` at a provider whose chat speaks `chat`."""
    if "chat" in capabilities:
        return chat
    return next((by_chat[chat] for able, by_chat in _BESIDE.items() if able in capabilities and chat in by_chat), chat)
