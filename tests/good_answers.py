"""A good answer of each task and family that few or no recordings show."""

from __future__ import annotations

import base64
from typing import Any

__all__ = ["ANSWERS"]

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
ANSWERS: dict[tuple[str, str], Any] = {
    ("image", "stability"): {"image": PNG, "finish_reason": "SUCCESS", "seed": 1, "errors": ["a"], "name": "bad"},
    ("image", "imagen"): {
        "predictions": [{"bytesBase64Encoded": PNG, "mimeType": "image/png", "prompt": "x"}, {"raiFilteredReason": "r"}]
    },
    ("image", "gemini_images"): {
        "candidates": [
            {
                "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}, {"text": "t"}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}]},
        "promptFeedback": {"blockReasonMessage": "x"},
    },
    ("image", "openai_images"): {
        "data": [{"b64_json": PNG, "revised_prompt": "x"}, {"url": "https://x/y.png"}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"image_tokens": 1}},
        "output_format": "png",
    },
    ("image", "replicate"): {"id": "a", "status": "succeeded", "output": ["https://x"], "model": "a/b", "error": None},
    ("embed", "openai_embeddings"): {
        "data": [{"embedding": [0.1, 0.2], "index": 0}, {"embedding": "AACAPwAAgD8=", "index": 1}],
        "usage": {"prompt_tokens": 1},
        "model": "m",
    },
    ("embed", "cohere_embeddings"): {
        "embeddings": {"float": [[0.1, 0.2], [1, 2]]},
        "meta": {"billed_units": {"input_tokens": 1}},
    },
    ("embed", "gemini_embeddings"): {
        "embeddings": [{"values": [0.1, 0.2]}, {"values": [0.1, 0.3]}],
        "usageMetadata": {"promptTokenCount": 1},
    },
    ("embed", "vertex_embeddings"): {
        "predictions": [{"embeddings": {"values": [0.1], "statistics": {"token_count": 3, "truncated": False}}}],
        "metadata": {"billableCharacterCount": 3},
    },
    ("embed", "ollama_embeddings"): {"model": "m", "embeddings": [[0.1, 0.2], [1, 2]], "prompt_eval_count": 1},
    ("rerank", "rerank"): {
        "results": [{"index": 0, "relevance_score": 0.5, "document": {"text": "x"}}],
        "meta": {"billed_units": {"search_units": 1}},
        "usage": {"total_tokens": 3},
    },
    ("moderate", "moderations"): {
        "model": "m",
        "results": [{"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.5}}],
    },
    ("models", "models"): {"data": [{"id": "a"}], "models": [{"name": "models/b"}]},
}
