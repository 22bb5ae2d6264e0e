"""Values out of a request and back into its answer."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.privacy.inspection import Look, Replacement
from unified_api.privacy.kinds import LABELS
from unified_api.privacy.placeholders import Placeholders
from unified_api.privacy.streamed import Restored
from unified_api.privacy.texts import visited
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    FinishChunk,
    LogprobsChunk,
    Message,
    ReasoningChunk,
    RefusalChunk,
    Request,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
)


def replaced(*texts: str) -> tuple[tuple[str, ...], Placeholders]:
    request = Request(model="a/b", messages=tuple(Message.user(text) for text in texts))
    look = Look(frozenset(LABELS))
    visited(request, look)
    replacement = Replacement(look)
    after = visited(request, replacement)
    parts = [part for message in after.messages for part in message.parts]
    return tuple(part.text for part in parts if isinstance(part, TextPart)), replacement.placeholders


def test_the_same_value_gets_the_same_placeholder_in_whatever_spelling() -> None:
    texts, placeholders = replaced(
        "card 4111 1111 1111 1111 of ann@example.com", "4111-1111-1111-1111, ANN@example.com, bob@example.com"
    )
    assert texts == ("card <CARD_1> of <EMAIL_1>", "<CARD_1>, <EMAIL_1>, <EMAIL_2>")
    assert placeholders.restore("<EMAIL_2> and <CARD_1>") == "bob@example.com and 4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Block 10.1.11.5", "allow 10.11.1.5"),
        ("from jo.hn@example.com", "to john@example.com"),
        ("from a@b-c.com", "to a@bc.com"),
        ("Ann was born 1/11/1990", "Bob was born 11/1/1990"),
        ("password: Hunter2xyz9", "password: hunter2xyz9"),
        ("password: hun.ter2xyz9", "password: hunter2xyz9"),
        ("password: hunter2%40xyz9", "password: hunter2@xyz9"),
        ("lives at 12 Oak-Hill Road", "lives at 12 Oak Hill Road"),
    ],
)
def test_different_values_have_different_placeholders_and_each_comes_back(one: str, other: str) -> None:
    texts, placeholders = replaced(one, other)
    assert len(placeholders) == 2, texts
    assert tuple(placeholders.restore(text) for text in texts) == (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2001:db8::1", "at 2001:0DB8:0:0:0:0:0:1"),
        ("iban DE89 3704 0044 0532 0130 00", "iban de89370400440532013000"),
        ("call 415-555-2671", "call (415) 555 2671"),
        ("for ann@Example.com", "for ann%40example.com"),
    ],
)
def test_spellings_of_one_value_have_one_placeholder(one: str, other: str) -> None:
    texts, placeholders = replaced(one, other)
    assert len(placeholders) == 1, texts


def test_a_secret_with_escapes_in_json_comes_back_as_it_was() -> None:
    arguments = json.dumps({"password": "Hunter2\\xyz9"})
    request = Request(model="a/b", messages=(Message("assistant", (ToolCallPart("1", "f", arguments),)),))
    look = Look(frozenset(LABELS))
    visited(request, look)
    replacement = Replacement(look)
    part = visited(request, replacement).messages[0].parts[0]
    assert isinstance(part, ToolCallPart)
    assert json.loads(part.arguments) == {"password": "<SECRET_1>"}
    assert replacement.placeholders.restore_json(part.arguments) == arguments


_KEY = '-----BEGIN PRIVATE KEY-----\nMIIa"b\n-----END PRIVATE KEY-----'


def _nested(depth: int, innermost: object) -> str:
    text = json.dumps(innermost)
    for _ in range(depth):
        text = json.dumps({"body": text, "note": 'he said "hi"'})
    return text


def _called(arguments: str) -> tuple[str, Placeholders]:
    request = Request(
        model="a/b", messages=(Message.user(_KEY), Message("assistant", (ToolCallPart("1", "f", arguments),)))
    )
    look = Look(frozenset(LABELS))
    visited(request, look)
    replacement = Replacement(look)
    part = visited(request, replacement).messages[1].parts[0]
    assert isinstance(part, ToolCallPart)
    return part.arguments, replacement.placeholders


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(
    ("innermost", "left"),
    [
        ({"key": _KEY}, {"key": "<SECRET_1>"}),
        ([4111111111111111, {"to": "x\nann@example.com"}], ["<CARD_1>", {"to": "x\n<EMAIL_1>"}]),
        ({"password": 'Hunter2\\xyz"9'}, {"password": '<SECRET_2>"9'}),
    ],
)
def test_json_in_strings_of_json_stays_json_both_ways(depth: int, innermost: object, left: object) -> None:
    arguments = _nested(depth, innermost)
    replaced, placeholders = _called(arguments)
    assert replaced == _nested(depth, left)
    back = placeholders.restore_json(replaced)
    assert json.loads(back) == json.loads(arguments.replace("4111111111111111", _quoted(depth)))
    for size in (1, 2, 3, 7, 30):
        restored = Restored(placeholders)
        chunks = [ToolCallChunk(0, arguments=replaced[at : at + size]) for at in range(0, len(replaced), size)]
        told = [one for chunk in chunks for one in restored.feed(chunk)] + list(restored.end())
        assert "".join(one.arguments for one in told if isinstance(one, ToolCallChunk)) == back


def _quoted(depth: int) -> str:
    """A number is a string when it comes back."""
    quote = '"'
    for _ in range(depth):
        quote = json.dumps(quote)[1:-1]
    return f"{quote}4111111111111111{quote}"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_brackets_that_are_written_as_escapes_are_read_at_every_depth(depth: int) -> None:
    _, placeholders = replaced(_KEY)
    escaped = '"\\u003cSECRET_1\\u003e \\\\ \\\\\\u003cSECRET_1\\u003e"'
    text = json.dumps({"a": 1})[:-1] + ', "b": ' + escaped + "}"
    meant = json.loads(text) | {"b": f"{_KEY} \\ \\{_KEY}"}
    for _ in range(depth - 1):
        text = json.dumps({"body": text})
    back = json.loads(placeholders.restore_json(text))
    for _ in range(depth - 1):
        back = json.loads(back["body"])
    assert back == meant


def test_text_in_json_that_quotes_somebody_is_escaped_once() -> None:
    _, placeholders = replaced(_KEY)
    text = json.dumps({"body": 'He wrote "<SECRET_1>" and <SECRET_1>', "list": ["[x] <SECRET_1>"]})
    back = json.loads(placeholders.restore_json(text))
    assert back == {"body": f'He wrote "{_KEY}" and {_KEY}', "list": [f"[x] {_KEY}"]}


def test_a_placeholder_that_was_never_given_or_is_damaged_stays_as_it_is() -> None:
    _, placeholders = replaced("ann@example.com")
    for text in ("<EMAIL_2>", "<EMAIL_1", "EMAIL_1>", "<email_1>", "< EMAIL_1>", "<EMAIL_01>"):
        assert placeholders.restore(text) == text


def test_what_the_caller_wrote_like_a_placeholder_is_never_taken_for_one() -> None:
    texts, placeholders = replaced("what is <EMAIL_1>? mine is ann@example.com", "<EMAIL_2>")
    assert texts == ("what is <EMAIL_1>? mine is <EMAIL_3>", "<EMAIL_2>")
    assert placeholders.restore("<EMAIL_1> <EMAIL_3>") == "<EMAIL_1> ann@example.com"


def test_a_placeholder_cut_by_the_parts_of_a_message_is_the_callers_own_too() -> None:
    message = Message("user", (TextPart("<EMA"), TextPart("IL_1> or ann@example.com")))
    look = Look(frozenset(LABELS))
    request = Request(model="a/b", messages=(message,))
    visited(request, look)
    parts = visited(request, Replacement(look)).messages[0].parts
    assert [part.text for part in parts if isinstance(part, TextPart)] == ["<EMA", "IL_1> or <EMAIL_2>"]


def test_a_value_found_by_its_words_is_replaced_where_it_stands_without_them() -> None:
    texts, _ = replaced("my passport number is L01X00T47", "L01X00T47 expires soon; XL01X00T47 does not")
    assert texts == ("my passport number is <PASSPORT_1>", "<PASSPORT_1> expires soon; XL01X00T47 does not")


def test_the_time_to_replace_grows_with_the_request_and_no_faster() -> None:
    def seconds(count: int) -> float:
        texts = [TextPart(f"mail a{number}@example.com or a{number - 1}@exam") for number in range(count)]
        request = Request(model="a/b", messages=(Message("user", tuple(texts)),))
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            look = Look(frozenset(LABELS))
            visited(request, look)
            visited(request, Replacement(look))
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(100), seconds(800)
    assert large < 16 * small + 0.01  # eight times for eight times the text, and room for a busy machine


def test_a_value_cut_by_message_parts_is_replaced_as_one() -> None:
    message = Message("user", (TextPart("card 4111 11"), TextPart("11 1111 "), TextPart("1111, thanks")))
    look = Look(frozenset(LABELS))
    request = Request(model="a/b", messages=(message,))
    visited(request, look)
    parts = visited(request, Replacement(look)).messages[0].parts
    assert [part.text for part in parts if isinstance(part, TextPart)] == ["card <CARD_1>", "", ", thanks"]


def test_arguments_stay_json_even_where_the_value_was_a_number() -> None:
    given = (
        '{"card":4111111111111111,"to":"ann\\u0040example.com","note":"\\"4111111111111111\\": 4111111111111111, no"}'
    )
    call = ToolCallPart("1", "pay", given)
    look = Look(frozenset(LABELS))
    request = Request(model="a/b", messages=(Message("assistant", (call,)),))
    visited(request, look)
    replacement = Replacement(look)
    part = visited(request, replacement).messages[0].parts[0]
    assert isinstance(part, ToolCallPart)
    assert json.loads(part.arguments) == {"card": "<CARD_1>", "to": "<EMAIL_1>", "note": '"<CARD_1>": <CARD_1>, no'}
    assert json.loads(replacement.placeholders.restore_json(part.arguments))["to"] == "ann@example.com"


_VALUES = ("ann@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "536-90-4399", "+44 20 7946 0958")


@given(st.lists(st.sampled_from([*_VALUES, "so", "<EMAIL_1>", "<PHONE_2>", "12", "é", "\u200b", "<"]), max_size=20))
def test_what_is_taken_out_of_any_text_comes_back_into_it(words: list[str]) -> None:
    text = " and ".join(words)
    (without,), placeholders = replaced(text)
    assert not any(value in without for value in _VALUES)
    assert placeholders.restore(without) == text


@pytest.mark.parametrize("value", ['a "quoted" \\ one', "two\nlines", "ü"])
def test_a_value_is_written_into_json_as_a_json_string_holds_it(value: str) -> None:
    placeholders = Placeholders()
    placeholders.of("street_address", value)
    for written in ('{"a": "<STREET_ADDRESS_1>"}', '{"a": "\\u003cSTREET_ADDRESS_1\\u003E"}'):
        assert json.loads(placeholders.restore_json(written)) == {"a": value}


def _said(chunks: list[Chunk]) -> dict[str, str]:
    said: dict[str, str] = {}
    for chunk in chunks:
        one, prefix = (chunk.chunk, f"{chunk.number} ") if isinstance(chunk, AlternativeChunk) else (chunk, "")
        if isinstance(one, TextChunk | ReasoningChunk | RefusalChunk):
            name = prefix + type(one).__name__
            said[name] = said.get(name, "") + one.text
        elif isinstance(one, ToolCallChunk):
            name = f"{prefix}call {one.index}"
            said[name] = said.get(name, "") + one.arguments
    return said


_PIECE = st.sampled_from([
    "<EMAIL_1>", "<CARD_1>", "<EMAIL_9>", "<EMAIL", "_1>", "<", ">", "x", "<<EMAIL_1>>", " y ", "E",
    "\\u003cCARD_1\\u003e", "\\", "\\u00",
])  # fmt: skip
_CHANNELS = ("text", "reasoning", "refusal", "call 0", "call 1", "alternative")


def _chunk(channel: str, text: str) -> Chunk:
    match channel:
        case "text":
            return TextChunk(text)
        case "reasoning":
            return ReasoningChunk(text)
        case "refusal":
            return RefusalChunk(text)
        case "alternative":
            return AlternativeChunk(1, TextChunk(text))
        case _:
            return ToolCallChunk(int(channel[-1]), arguments=text)


@given(st.data())
def test_a_stream_cut_anywhere_reads_as_the_whole_answer_does(data: st.DataObject) -> None:
    placeholders = Placeholders()
    placeholders.of("email", 'ann"@example.com')
    placeholders.of("card", "4111 1111 1111 1111")
    channel = data.draw(st.sampled_from(_CHANNELS))
    whole = "".join(data.draw(st.lists(_PIECE, max_size=8)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[low:high] for low, high in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    restored = Restored(placeholders)
    out: list[Chunk] = []
    for piece in pieces:
        out += restored.feed(_chunk(channel, piece))
    out += restored.end()
    expected = placeholders.restore_json(whole) if channel.startswith("call") else placeholders.restore(whole)
    assert "".join(_said(out).values()) == expected


@given(st.lists(st.tuples(st.sampled_from(_CHANNELS[3:]), _PIECE), max_size=20))
def test_pieces_of_several_calls_and_answers_do_not_mix(given_pieces: list[tuple[str, str]]) -> None:
    placeholders = Placeholders()
    placeholders.of("email", "ann@example.com")
    restored = Restored(placeholders)
    out: list[Chunk] = []
    for channel, piece in given_pieces:
        out += restored.feed(_chunk(channel, piece))
    out += [*restored.feed(FinishChunk("stop")), *restored.end()]
    said = _said(out)
    for channel in _CHANNELS[3:]:
        whole = "".join(piece for name, piece in given_pieces if name == channel)
        name = "1 TextChunk" if channel == "alternative" else channel
        back = placeholders.restore if channel == "alternative" else placeholders.restore_json
        assert said.get(name, "") == back(whole)


def test_nothing_is_held_back_that_cannot_become_a_placeholder() -> None:
    restored = Restored(Placeholders())
    assert list(restored.feed(TextChunk("a < b"))) == [TextChunk("a < b")]
    assert list(restored.feed(TextChunk("x <EM"))) == [TextChunk("x ")]
    assert list(restored.feed(TextChunk("ail>"))) == [TextChunk("<EMail>")]


def test_probabilities_of_the_placeholders_tokens_are_left_out() -> None:
    assert list(Restored(Placeholders()).feed(LogprobsChunk((TokenLogprob("<EM", -0.1),)))) == []


def test_placeholders_are_never_shown_with_their_values() -> None:
    _, placeholders = replaced("ann@example.com")
    assert "ann" not in repr(placeholders)


@pytest.mark.parametrize("end", ["<", "<EMAIL_", "1 <"])
def test_the_end_of_a_text_is_told_before_the_tool_call_that_follows_it(end: str) -> None:
    _, placeholders = replaced("ann@example.com")
    restored = Restored(placeholders)
    call = ToolCallChunk(0, "i", "f", "")
    chunks: list[Chunk] = [TextChunk(f"Hi {end}"), call, ToolCallChunk(0, arguments="{}"), FinishChunk("tool_calls")]
    told = [one for chunk in chunks for one in restored.feed(chunk)]
    assert "".join(one.text for one in told[: told.index(call)] if isinstance(one, TextChunk)) == f"Hi {end}"
    assert told[told.index(call) :] == chunks[1:]
