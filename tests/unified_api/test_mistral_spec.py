"""Chat requests as they go out to Mistral, judged by its own document."""

from __future__ import annotations

from typing import Any

import pytest
from chat_requests import mistral_requests, sent
from corpus import needs_corpora
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_rules import mistral_faults

from unified_api.errors import UnsupportedParameterError
from unified_api.types import Request

pytestmark = needs_corpora


@settings(max_examples=150)
@given(mistral_requests, st.booleans())
def test_every_chat_request_is_one_that_mistral_documents(request: Request, stream: bool) -> None:
    if request.logprobs is not None or request.reasoning_effort not in (None, "none", "high"):
        # No hint, or one that the model takes in other words: refused aloud.
        with pytest.raises(UnsupportedParameterError, match=r"logprobs|takes the reasoning efforts none, high and not"):
            sent(request, "mistral", "mistral-small-latest", stream=stream)
        return
    body = sent(request, "mistral", "mistral-small-latest", stream=stream)
    assert mistral_faults(body, name="ChatCompletionRequest") == []


@pytest.mark.parametrize(
    "change",
    [
        {"bogus": 1}, {"seed": 3}, {"temperature": 3}, {"tool_choice": "maybe"}, {"top_k": 3}, {"user": "u"},
        {"messages": [{"role": "user", "content": "x", "name": "ann"}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        {"messages": [{"role": "assistant", "content": "x", "reasoning_content": "hm"}]},
    ],
)  # fmt: skip
def test_the_document_finds_what_is_wrong(change: dict[str, Any]) -> None:
    body = {"model": "mistral-small-latest", "messages": [{"role": "user", "content": "x"}]}
    assert mistral_faults(body, name="ChatCompletionRequest") == []
    assert mistral_faults({**body, **change}, name="ChatCompletionRequest") != []
