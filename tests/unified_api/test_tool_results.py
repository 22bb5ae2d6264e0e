"""What becomes of a tool's result on the wires, where the tool could not do its work."""

from __future__ import annotations

import json

import pytest

from unified_api.types import (
    ImagePart,
    Message,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire import families
from unified_api.wire.base import WireProfile

PICTURE = ImagePart(data=b"x", media_type="image/png")
# Where the provider's own pages have a word for it.
NATIVE = {
    "anthropic": '"is_error": true',
    "bedrock_invoke": '"is_error": true',
    "bedrock": '"status": "error"',
    "gemini": '"error": "no such city"',
}


def sent(wire: str, result: ToolResultPart) -> str:
    messages = (
        Message.user("How warm is it in Atlantis?"),
        Message("assistant", (ToolCallPart("c1", "weather", "{}"),)),
        Message("tool", (result,)),
    )
    request = Request(model="m", messages=messages, tools=(Tool("weather"),))
    encoded = families.CHAT[wire].encode(request, provider="p", model="m", profile=WireProfile())
    return json.dumps(json.loads(encoded.body))


@pytest.mark.parametrize("wire", sorted(families.CHAT.keys() - {"openai_completions"}))
def test_that_a_tool_failed_is_told_on_every_wire(wire: str) -> None:
    failed = sent(wire, ToolResultPart("c1", "no such city", failed=True))
    assert NATIVE.get(wire, '"Error: no such city"') in failed
    assert "rror" not in sent(wire, ToolResultPart("c1", "no such city"))


def test_the_word_stands_before_the_text_once() -> None:
    assert ToolResultPart("c", "gone", failed=True).in_words().content == "Error: gone"
    assert ToolResultPart("c", "error 7", failed=True).in_words().content == "error 7"
    assert ToolResultPart("c", "", failed=True).in_words().content == "Error: "
    assert ToolResultPart("c", (PICTURE,), failed=True).in_words().content == (TextPart("Error:"), PICTURE)
    assert ToolResultPart("c", "gone").in_words() == ToolResultPart("c", "gone")
