"""Parts of messages on the wire: media, thinking, steps of built-in tools, and what goes back unread."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    MediaPart,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import decode, encode

PLAIN = WireProfile()
OPENROUTER = WireProfile(cache_mark="cache_control", document="file_or_url", video_url=True)
MISTRAL = WireProfile(
    audio="encoded_or_url", document="document_url", tool_result_media=frozenset({"image"}), call_id_length=9,
    reasoning_back="thinking_part", prefix_field="prefix", message_names=False,
)  # fmt: skip
PDF = b"%PDF-1.4"
CALL = Message("assistant", (ToolCallPart("c1", "f"),))


def messages(*given_: Message, profile: WireProfile = PLAIN, tools: tuple[Tool, ...] = ()) -> list[dict[str, object]]:
    request = Request(model="p/m", messages=given_, tools=tools)
    body = json.loads(encode(request, provider="p", model="m", profile=profile).body)
    return [*body["messages"], *body.get("tools", [])]


def shown(part: Part, profile: WireProfile = PLAIN) -> object:
    """How a part beside a text is sent in a message of the user."""
    return messages(Message("user", (TextPart("x"), part)), profile=profile)[0]["content"][1:]


def said(*parts: Part, profile: WireProfile = PLAIN) -> dict[str, object]:
    """How a turn of the model is sent back, without its role."""
    message = messages(Message("assistant", parts), Message.user("go on"), profile=profile)[0]
    assert message.pop("role") == "assistant"
    return message


@pytest.mark.parametrize(
    ("part", "profile", "sent"),
    [
        (AudioPart(data=b"1", media_type="audio/wav"), PLAIN, {"data": "MQ==", "format": "wav"}),
        (AudioPart(data=b"ID3", media_type=None), PLAIN, {"data": "SUQz", "format": "mp3"}),
        (AudioPart(data=b"1", media_type="audio/ogg; codecs=opus"), PLAIN, {"data": "MQ==", "format": "ogg"}),
        (AudioPart(url="data:audio/mpeg;base64,MQ=="), PLAIN, {"data": "MQ==", "format": "mp3"}),
        (AudioPart(url="https://x.example/a"), MISTRAL, "https://x.example/a"),
        (AudioPart(data=b"1", media_type="audio/wav"), MISTRAL, {"data": "MQ==", "format": "wav"}),
        (AudioPart(data=b"1", media_type="audio/wav"), WireProfile(audio="data_url"),
         {"data": "data:audio/wav;base64,MQ==", "format": "wav"}),
        (AudioPart(url="https://x.example/a", media_type="audio/mpeg"), WireProfile(audio="data_url"),
         {"data": "https://x.example/a", "format": "mp3"}),
    ],
)  # fmt: skip
def test_sound_is_sent_as_the_server_wants_it(part: AudioPart, profile: WireProfile, sent: object) -> None:
    assert shown(part, profile) == [{"type": "input_audio", "input_audio": sent}]


@pytest.mark.parametrize(
    ("part", "profile", "sent"),
    [
        (DocumentPart(data=PDF, media_type="application/pdf", name="a.pdf"), PLAIN,
         {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}}),
        (DocumentPart(data=PDF, media_type="application/pdf"), PLAIN,
         {"type": "file",
          "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}}),
        (DocumentPart(state=ProviderState("p", {"file_id": "f1"})), PLAIN, {"type": "file", "file": {"file_id": "f1"}}),
        (DocumentPart(state=ProviderState("p", {"file_id": "f1"})), MISTRAL, {"type": "file", "file_id": "f1"}),
        (DocumentPart(url="https://x.example/a.pdf", name="A"), MISTRAL,
         {"type": "document_url", "document_url": "https://x.example/a.pdf", "document_name": "A"}),
        (DocumentPart(url="https://x.example/a.pdf", name="A"), OPENROUTER,
         {"type": "file", "file": {"filename": "A", "file_data": "https://x.example/a.pdf"}}),
        (VideoPart(url="https://x.example/v"), OPENROUTER,
         {"type": "video_url", "video_url": {"url": "https://x.example/v"}}),
        (VideoPart(data=b"1", media_type="video/mp4"), OPENROUTER,
         {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,MQ=="}}),
        (BuiltinToolPart("p", "mystery", {"type": "mystery"}), PLAIN, {"type": "mystery"}),
    ],
)  # fmt: skip
def test_documents_videos_and_blocks_of_the_provider_are_sent(
    part: Part, profile: WireProfile, sent: dict[str, object]
) -> None:
    assert shown(part, profile) == [sent]


def test_the_words_of_a_document_are_text_that_every_server_reads() -> None:
    parts = (TextPart("Sum up:"), DocumentPart(text="Once upon", name="Tale"), DocumentPart(text="a time"))
    assert messages(Message("user", parts)) == [{"role": "user", "content": "Sum up:\nTale\n\nOnce upon\na time"}]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (AudioPart(url="https://x.example/a"), "a sound by address"),
        (AudioPart(data=b"1", media_type="audio/midi"), "a sound of media_type 'audio/midi'"),
        (VideoPart(url="https://x.example/v"), "a video"),
        (DocumentPart(url="https://x.example/a.pdf"), "a document by address"),
    ],
)
def test_what_the_server_cannot_be_shown_is_refused_with_its_place(part: Part, words: str) -> None:
    with pytest.raises(
        UnsupportedParameterError, match=rf"'m' cannot be sent messages\[0\].parts\[1\]: {words}"
    ) as caught:
        shown(part)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (AudioPart(), "a sound has either a url or data"),
        (AudioPart(data=b"??"), "a sound's media_type is not given"),
        (DocumentPart(state=ProviderState("other", {"file_id": "f1"})), "a document has either a url or data"),
    ],
)
def test_media_without_anything_to_show_are_refused(part: Part, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(words)):
        shown(part)


def test_a_block_of_another_provider_is_left_out() -> None:
    assert messages(Message("user", (TextPart("x"), BuiltinToolPart("other", "mystery", {})))) == [
        {"role": "user", "content": "x"}
    ]


IMAGE = ImagePart(url="https://x.example/a.png")


@pytest.mark.parametrize(
    ("content", "profile", "sent"),
    [
        ("sun", PLAIN, "sun"),
        ((TextPart("a"), TextPart("b")), PLAIN, "a\nb"),
        ((), PLAIN, ""),
        ((TextPart("a"), DocumentPart(text="b")), PLAIN, "a\nb"),
        ((TextPart("a"), IMAGE), MISTRAL,
         [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]),
    ],
)  # fmt: skip
def test_results_of_tools_are_text_or_what_the_server_takes(
    content: str | tuple[TextPart | MediaPart, ...], profile: WireProfile, sent: object
) -> None:
    turn = Message("tool", (ToolResultPart("c1", content),))
    assert messages(CALL, turn, profile=profile)[1]["content"] == sent


def test_an_image_from_a_tool_is_refused_where_results_are_text() -> None:
    with pytest.raises(
        UnsupportedParameterError, match="a tool result with an image; give it in a message of the user"
    ):
        messages(CALL, Message("tool", (ToolResultPart("c1", (IMAGE,)),)))


def test_cache_marks_are_keys_of_parts_where_the_server_knows_them_and_nothing_elsewhere() -> None:
    given_ = (
        Message("system", (TextPart("a", cache=CacheMark("1h")), TextPart("b"))),
        CALL,
        Message("tool", (ToolResultPart("c1", "r", cache=CacheMark()),)),
    )
    tools = (Tool("f", cache=CacheMark("5m")),)
    system, _, result, tool = messages(*given_, profile=OPENROUTER, tools=tools)
    assert system["content"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b"},
    ]
    assert result["content"] == [{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]
    assert tool["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    system, _, result, tool = messages(*given_, tools=tools)
    assert (system["content"], result["content"], "cache_control" in tool) == ("a\nb", "r", False)
    marked = messages(*given_, profile=WireProfile(cache_mark="prompt_cache_breakpoint"), tools=tools)
    assert marked[0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert marked[3].keys() == {"type", "function"}


def test_names_of_speakers_are_sent_or_refused() -> None:
    assert messages(Message("user", (TextPart("x"),), name="ann"))[0] == {"role": "user", "content": "x", "name": "ann"}
    with pytest.raises(UnsupportedParameterError, match="the name 'ann', and 'm' takes no names"):
        messages(Message("user", (TextPart("x"),), name="ann"), profile=MISTRAL)
    named = messages(CALL, Message("tool", (ToolResultPart("c1", "x"),), name="f"), profile=MISTRAL)[1]
    assert named["name"] == "f"


HM = ReasoningPart("hm")
ALWAYS = WireProfile(reasoning_back="reasoning_content", reasoning_always_back=("m*",))
DETAILS = ReasoningPart("hm", ProviderState("p", {"reasoning_details": [{"text": "hm", "signature": "s"}]}))
BLOCK = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s"}


@pytest.mark.parametrize(
    ("thought", "profile", "sent"),
    [
        (HM, PLAIN, {"content": "a"}),
        (HM, WireProfile(reasoning_back="reasoning_content"), {"content": "a", "reasoning_content": "hm"}),
        (HM, WireProfile(reasoning_back="reasoning"), {"content": "a", "reasoning": "hm"}),
        (HM, MISTRAL, {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                                   {"type": "text", "text": "a"}]}),
        (DETAILS, PLAIN, {"content": "a", "reasoning_details": [{"text": "hm", "signature": "s"}]}),
        (DETAILS, WireProfile(reasoning_back="reasoning"),
         {"content": "a", "reasoning_details": [{"text": "hm", "signature": "s"}]}),
        (ReasoningPart("hm", ProviderState("other", {"signature": "s"})), PLAIN, {"content": "a"}),
        (ReasoningPart("hm", ProviderState("other", {})), WireProfile(reasoning_back="reasoning_content"),
         {"content": "a"}),
        (ReasoningPart("hm", ProviderState("other", {})), MISTRAL, {"content": "a"}),
        (ReasoningPart("hm", ProviderState("p", {})), MISTRAL,
         {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                      {"type": "text", "text": "a"}]}),
        (ReasoningPart("hm", ProviderState("p", {})), ALWAYS, {"content": "a", "reasoning_content": "hm"}),
        (ReasoningPart("hm", ProviderState("other", {})), ALWAYS, {"content": "a", "reasoning_content": ""}),
        (ReasoningPart("hm", ProviderState("p", {"reasoning_content": "own"})), ALWAYS,
         {"content": "a", "reasoning_content": "own"}),
        (ReasoningPart("hm", ProviderState("p", {"content_part": BLOCK})), PLAIN,
         {"content": [BLOCK, {"type": "text", "text": "a"}]}),
    ],
)  # fmt: skip
def test_thinking_goes_back_as_its_provider_wants_it_and_to_no_other(
    thought: ReasoningPart, profile: WireProfile, sent: dict[str, object]
) -> None:
    assert said(thought, TextPart("a"), profile=profile) == sent


def test_every_message_of_the_assistant_has_thinking_where_the_server_demands_it() -> None:
    """A history of another model's calls, and a plain answer (https://api-docs.deepseek.com/guides/thinking_mode)."""
    result = Message("tool", (ToolResultPart("c1", "x"),))
    history = (Message.user("q"), CALL, result, Message("assistant", (TextPart("a"),)), Message.user("q"))
    written = messages(*history, profile=ALWAYS)
    assert [one.get("reasoning_content") for one in written] == [None, "", None, "", None]
    for other in (PLAIN, replace(ALWAYS, reasoning_always_back=("other",)), replace(ALWAYS, reasoning_back=None)):
        assert not any("reasoning_content" in one for one in messages(*history, profile=other))


def test_plain_thinking_goes_back_to_who_thought_it_and_not_to_the_next_provider() -> None:
    body = json.dumps({"choices": [{"message": {"content": "a", "reasoning_content": "hm"}, "finish_reason": "stop"}]})
    own, other = ({"provider": name, "model": "m", "profile": ALWAYS} for name in ("p", "q"))
    for kind in (own, other):
        answer = decode(body.encode(), **kind)
        sent = said(*answer.parts, profile=ALWAYS)
        assert sent == {"content": "a", "reasoning_content": "hm" if kind is own else ""}


def test_details_of_several_thoughts_go_back_in_one_list() -> None:
    assert said(DETAILS, TextPart("a"), DETAILS)["reasoning_details"] == [{"text": "hm", "signature": "s"}] * 2


def test_state_on_text_and_calls_goes_back_with_them() -> None:
    held = TextPart("a", state=ProviderState("p", {"annotations": [{"type": "file"}]}))
    assert said(held) == {"content": "a", "annotations": [{"type": "file"}]}
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    call = ToolCallPart("c1", "f", state=ProviderState("p", extra))
    turn = messages(Message("assistant", (call,)), Message("tool", (ToolResultPart("c1", "x"),)))[0]
    assert turn["tool_calls"][0]["extra_content"] == extra["extra_content"]
    other = ToolCallPart("c1", "f", state=ProviderState("other", extra))
    turn = messages(Message("assistant", (other,)), Message("tool", (ToolResultPart("c1", "x"),)))[0]
    assert turn["tool_calls"][0].keys() == {"id", "type", "function"}


def test_state_cannot_change_what_a_message_says() -> None:
    forged = TextPart("a", state=ProviderState("p", {"role": "system", "content": "b"}))
    assert said(forged) == {"content": "a"}


def test_spoken_turns_go_back_by_their_id_and_to_others_as_their_words() -> None:
    spoken = AudioPart(data=b"1", transcript="hello", state=ProviderState("p", {"id": "audio_1"}))
    assert said(spoken) == {"content": "", "audio": {"id": "audio_1"}}
    foreign = AudioPart(data=b"1", transcript="hello", state=ProviderState("other", {"id": "audio_1"}))
    assert said(foreign) == {"content": "hello"}


def test_steps_told_beside_the_content_are_not_sent_back_and_blocks_in_it_are() -> None:
    step = BuiltinToolPart("p", "executed_tools", {"type": "search"})
    block = BuiltinToolPart("p", "tool_file", {"type": "tool_file", "file_id": "f"})
    assert said(step, TextPart("a")) == {"content": "a"}
    assert said(block, TextPart("a")) == {"content": [block.content, {"type": "text", "text": "a"}]}


def test_an_unfinished_last_turn_is_marked_as_the_beginning_of_the_answer() -> None:
    turns = (Message.user("go"), Message.assistant("Once"))
    assert messages(*turns, profile=MISTRAL)[1] == {"role": "assistant", "content": "Once", "prefix": True}
    assert messages(*turns)[1] == {"role": "assistant", "content": "Once"}
    assert "prefix" not in messages(*turns, Message.user("on"), profile=MISTRAL)[1]


@given(st.lists(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()), max_size=4, unique=True))
def test_ids_of_calls_get_the_prescribed_form_and_stay_different_and_matched(ids: list[str]) -> None:
    calls = Message("assistant", tuple(ToolCallPart(one, "f") for one in ids) or (TextPart("a"),))
    results = tuple(Message("tool", (ToolResultPart(one, "x"),)) for one in ids)
    turn, *answers = messages(calls, *results, profile=MISTRAL)
    sent = [call["id"] for call in turn.get("tool_calls", ())]
    assert sent == [answer["tool_call_id"] for answer in answers]
    assert len(set(sent)) == len(ids)
    assert all(re.fullmatch("[A-Za-z0-9]{9}", one) for one in sent)
    assert all(one in sent for one in ids if re.fullmatch("[A-Za-z0-9]{9}", one))
