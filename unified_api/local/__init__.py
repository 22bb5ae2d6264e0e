"""The offline default: a chat model, sentence embeddings and placeholder images that run in this process."""

from __future__ import annotations

from unified_api.local.adapter import LocalAdapter
from unified_api.local.readiness import awaits_pull, missing, pull

__all__ = ["LocalAdapter", "awaits_pull", "missing", "pull"]
