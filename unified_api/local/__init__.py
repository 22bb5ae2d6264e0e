"""The offline default: a chat model, sentence embeddings and placeholder images that run in this process."""

from __future__ import annotations

from unified_api.local.adapter import LocalAdapter
from unified_api.local.readiness import missing

__all__ = ["LocalAdapter", "missing"]
