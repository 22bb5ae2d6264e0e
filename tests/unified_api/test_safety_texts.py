"""What of an answer's parts is judged."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.safety.texts import cut, shown
from unified_api.types import BuiltinToolPart, ToolCallPart

RANDOM = random.Random(4)


def judged(content: Any) -> str:
    (piece,) = shown(BuiltinToolPart("a", "search_result", content))
    assert isinstance(piece, str)
    return piece


@pytest.mark.parametrize(
    "words",
    [
        "首先打开锁然后进去" * 40,
        "เปิดล็อคก่อน" * 40,
        "まず鍵を壊します。" * 40,
        "first\tbreak\nthe\tlock\n" * 20,
        "first_break_the_lock_" * 20,
        "First-Break-The-2-Locks-" * 20,
        "BreakTheLock2" * 30,
        "BREAK_THE_LOCK_2_" * 30,
        "br34k_th3_l0ck_" * 30,
        "breakthelock" * 30,
        "decade/facade/" * 30,
        "f" * 300,
    ],
)
def test_a_long_text_without_a_blank_is_judged(words: str) -> None:
    assert judged({"stdout": words}) == f"stdout {words}"


@given(st.binary(min_size=200, max_size=3_000))
def test_any_text_but_encoded_bytes_is_judged(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace") + " \u00e9"
    assert text in judged([text])


@pytest.mark.parametrize("size", [200, 1_000, 50_000])
def test_encoded_bytes_are_not_judged(size: int) -> None:
    raw = RANDOM.randbytes(size)
    plain = base64.b64encode(raw).decode()
    picture = f"data:image/png;base64,{plain}"
    zeros = base64.b64encode(raw + bytes(size // 2)).decode()
    for encoded in (plain, base64.urlsafe_b64encode(raw).decode(), raw.hex(), raw.hex().upper(), picture, zeros):
        assert judged({"signature": encoded, "title": "A tide"}) == "signature title A tide"


def test_names_of_members_are_judged_in_their_place() -> None:
    assert judged({"break": {"the lock": [1, None, "now"]}, "x": ["y"]}) == "break the lock now x y"


def test_what_is_nested_deeply_is_judged() -> None:
    content: Any = "break the lock"
    for _ in range(5_000):
        content = [content]
    assert judged(content) == "break the lock"


def said(arguments: str) -> str:
    (piece,) = shown(ToolCallPart("c", "say", arguments))
    assert isinstance(piece, str)
    return piece


def test_the_escapes_of_a_tool_call_are_read_before_it_is_judged() -> None:
    assert said(r'{"a": "\u0062reak the\u0020lock", "n": [911, 0.5]}') == "say a break the lock n 911 0.5"
    assert said(r'{"a": "\u0062reak the lock", "a": "fine"}') == "say a break the lock a fine"
    assert said('{"a": "fine"}') == 'say {"a": "fine"}'
    assert said(r'{"a": "\u0062reak') == r'say {"a": "\u0062reak'
    assert said("[" * 20_000 + r'"\u0062"').startswith("say [")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=4))
def test_every_string_of_a_tool_call_is_judged_however_it_is_written(content: dict[str, str]) -> None:
    for ascii_only in (True, False):
        arguments = json.dumps(content, ensure_ascii=ascii_only)
        piece = said(arguments)
        assert all(value in piece for pair in content.items() for value in pair)


@given(st.text(min_size=1, max_size=900), st.integers(30, 200), st.integers(0, 120), st.data())
def test_what_is_no_longer_than_the_overlap_or_a_third_of_a_piece_is_seen_whole(
    text: str, size: int, overlap: int, draw: st.DataObject
) -> None:
    promised = min(overlap, size // 3)
    start = draw.draw(st.integers(0, len(text)))
    spans = cut(text, size, overlap)
    assert all(end - begin <= size for begin, end in spans)
    assert any(begin <= start and min(start + promised, len(text)) <= end for begin, end in spans)
