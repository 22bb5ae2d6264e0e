"""A schema asked for by a tool that the model must call: what is asked, and how the answer becomes text again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.by_tool import StreamReader, asked_by_tool
from unified_api.errors import ServerError
from unified_api.testing import scripted_gateway
from unified_api.types import (
    Alternative,
    AlternativeChunk,
    Chunk,
    Citation,
    CitationChunk,
    FinishChunk,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    Request,
    Response,
    SentChunk,
    TextChunk,
    TextPart,
    Tool,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.collect import Collector

TITLE = {"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"]}
SEARCH = Tool("search", "Searches", {"type": "object"})


def ask(schema: dict = TITLE, **more: object) -> Request:
    return Request(model="m", messages=(Message.user("?"),), output_schema=OutputSchema(schema), **more)


def whole(*parts: object, finish: str = "tool_calls", **more: object) -> Response:
    return Response(model="p/m", provider="p", parts=parts, finish_reason=finish, **more)


def streamed(request: Request, *chunks: Chunk) -> list[Chunk]:
    reader = StreamReader(asked_by_tool(request)[1])
    return [*(one for chunk in chunks for one in reader.feed(chunk)), *reader.end()]


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="p", model="m")


def test_alone_the_tool_must_be_called_and_its_parameters_are_the_schema() -> None:
    made, tool = asked_by_tool(ask())
    assert made.output_schema is None
    assert [(one.name, one.parameters) for one in made.tools] == [("output", TITLE)]
    assert made.tool_choice == NamedTool("output")
    assert tool.alone


def test_beside_tools_of_the_caller_some_tool_must_be_called() -> None:
    made, tool = asked_by_tool(ask(tools=(SEARCH,)))
    assert [one.name for one in made.tools] == ["search", "output"]
    assert made.tool_choice == "required"
    assert not tool.alone
    unused, _ = asked_by_tool(ask(tools=(SEARCH,), tool_choice="none"))
    assert unused.tool_choice == NamedTool("output")


@pytest.mark.parametrize("choice", ["required", NamedTool("search")])
def test_a_turn_in_which_the_caller_forces_a_tool_has_no_other(choice: object) -> None:
    made, _ = asked_by_tool(ask(tools=(SEARCH,), tool_choice=choice))
    assert (made.tools, made.tool_choice, made.output_schema) == ((SEARCH,), choice, None)


@given(st.lists(st.sampled_from(["output", "output_2", "output_3", "x" * 64]), unique=True))
def test_the_tool_has_a_name_of_its_own_that_providers_allow(taken: list[str]) -> None:
    for wanted in ("output", "x" * 64):
        request = Request(
            model="m",
            messages=(),
            tools=tuple(Tool(name) for name in taken),
            output_schema=OutputSchema(TITLE, name=wanted),
        )
        _, tool = asked_by_tool(request)
        assert tool.name not in taken
        assert 1 <= len(tool.name) <= 64


def test_the_arguments_are_the_answer_and_it_stopped() -> None:
    _, tool = asked_by_tool(ask())
    state = ProviderState("p", {"signature": "s"})
    read = tool.read(whole(TextPart("Here it is:"), ToolCallPart("c", "output", '{"t":"x"}', state)))
    assert read.text == '{"t":"x"}'
    assert read.parts == (ReasoningPart("Here it is:"), TextPart('{"t":"x"}', state=state))
    assert read.finish_reason == "stop"
    assert tool.read(whole(ToolCallPart("c", "output", '{"t":'), finish="length")).finish_reason == "length"


def test_a_second_call_of_it_is_not_said_twice_and_a_call_of_another_tool_stays_one() -> None:
    _, tool = asked_by_tool(ask(tools=(SEARCH,)))
    answer, again, other = (ToolCallPart("1", "output", '{"t":"x"}'), ToolCallPart("2", "output", '{"t":"y"}'),
                            ToolCallPart("3", "search", "{}"))  # fmt: skip
    assert tool.read(whole(answer, again)).text == '{"t":"x"}'
    read = tool.read(whole(answer, other))
    assert (read.text, read.tool_calls, read.finish_reason) == ('{"t":"x"}', (other,), "tool_calls")
    assert tool.read(whole(other)) == whole(other)


def test_a_schema_whose_root_is_no_object_is_unwrapped() -> None:
    made, tool = asked_by_tool(ask({"type": "array"}))
    assert made.tools[0].parameters["properties"] == {"value": {"type": "array"}}
    assert tool.read(whole(ToolCallPart("c", "output", '{"value": [1]}'))).text == "[1]"
    chunks = streamed(
        ask({"type": "array"}),
        ToolCallChunk(0, id="c", name="output"),
        ToolCallChunk(0, arguments='{"val'),
        ToolCallChunk(0, arguments='ue":[1]}'),
        FinishChunk("tool_calls"),
    )
    assert chunks == [TextChunk("[1]"), FinishChunk("stop")]


def test_every_alternative_is_read() -> None:
    _, tool = asked_by_tool(ask())
    other = Alternative(parts=(ToolCallPart("d", "output", '{"t":"y"}'),), finish_reason="tool_calls")
    read = tool.read(whole(ToolCallPart("c", "output", '{"t":"x"}'), alternatives=(other,)))
    assert [(one.text, one.finish_reason) for one in read.alternatives] == [('{"t":"y"}', "stop")]


def test_a_stream_gives_the_arguments_as_text_while_they_come() -> None:
    usage = UsageChunk(Usage(input_tokens=1))
    chunks = streamed(
        ask(),
        TextChunk("Let me "),
        ToolCallChunk(0, id="c"),
        ToolCallChunk(0, name="output", arguments='{"t"'),
        ToolCallChunk(0, arguments=':"x"}'),
        FinishChunk("tool_calls"),
        usage,
    )
    assert chunks == [ReasoningChunk("Let me "), TextChunk('{"t"'), TextChunk(':"x"}'), FinishChunk("stop"), usage]


def test_a_model_that_only_talks_has_its_words_given_as_they_are() -> None:
    said = [TextChunk('{"t":'), TextChunk('"x"}'), FinishChunk("stop")]
    assert streamed(ask(), *said) == said
    assert streamed(ask(), *said[:2]) == said[:2]
    assert asked_by_tool(ask())[1].was_ignored(whole(TextPart("x"), finish="stop"))
    assert not asked_by_tool(ask())[1].was_ignored(whole(TextPart("x"), finish="length"))


def test_a_call_without_arguments_is_an_empty_object() -> None:
    chunks = streamed(ask(), ToolCallChunk(0, id="c", name="output"), FinishChunk("tool_calls"))
    assert collected(chunks).text == "{}"


_names = st.sampled_from(["output", "search"])
_state = st.none() | st.just(ProviderState("p", {"s": "1"}))
_parts = st.lists(
    st.one_of(
        st.builds(TextPart, st.text(min_size=1, max_size=4), st.just(()), _state),
        st.builds(ReasoningPart, st.text(min_size=1, max_size=4), st.just(ProviderState("p", {}))),
        st.builds(
            ToolCallPart, st.just("c"), _names, st.sampled_from(['{"t":"x"}', '{"value":3}', '{"t', "{}"]), _state
        ),
    ),
    max_size=5,
)


def _told(parts: list[object], number: int, cut: int) -> list[Chunk]:
    """The parts as chunks, texts and arguments cut in two."""
    chunks: list[Chunk] = []
    for index, part in enumerate(parts):
        match part:
            case TextPart():
                chunks += [TextChunk(part.text[:cut])] if part.text[:cut] else []
                chunks.append(TextChunk(part.text[cut:], part.state))
            case ReasoningPart():
                chunks.append(ReasoningChunk(part.text, part.state))
            case ToolCallPart():
                chunks.append(ToolCallChunk(index, id=part.id))
                chunks.append(ToolCallChunk(index, name=part.name, arguments=part.arguments[:cut], state=part.state))
                chunks.append(ToolCallChunk(index, arguments=part.arguments[cut:]))
    chunks.append(FinishChunk("tool_calls" if any(isinstance(one, ToolCallPart) for one in parts) else "stop"))
    return [AlternativeChunk(number, chunk) if number else chunk for chunk in chunks]


@given(_parts, _parts, st.integers(0, 5), st.booleans())
def test_a_stream_and_a_whole_answer_are_read_alike(first: list, second: list, cut: int, wraps: bool) -> None:
    request = ask({"type": "integer"} if wraps else TITLE, tools=(SEARCH,))
    _, tool = asked_by_tool(request)
    told = [*_told(first, 0, cut), *_told(second, 1, cut)]
    assert _joined(collected(streamed(request, *told))) == _joined(tool.read(collected(told)))


def _joined(response: Response) -> object:
    """Thoughts that follow each other are one thought or two; the words and all else must agree."""
    answers = [(response.parts, response.finish_reason)]
    answers += [(one.parts, one.finish_reason) for one in response.alternatives]
    return [
        (
            "".join(part.text for part in parts if isinstance(part, ReasoningPart)),
            [part for part in parts if not isinstance(part, ReasoningPart)],
            finish,
        )
        for parts, finish in answers
    ]


def test_sources_of_words_beside_the_answer_go_with_the_words() -> None:
    chunks = streamed(
        ask(),
        TextChunk("as the page says"),
        CitationChunk(Citation(url="https://x.example")),
        ToolCallChunk(0, id="c", name="output", arguments=json.dumps({"t": "x"})),
        FinishChunk("tool_calls"),
    )
    assert collected(chunks).citations == ()
    assert collected(chunks).text == '{"t": "x"}'


async def test_words_that_are_held_back_reach_the_reader_before_the_error_that_ends_the_stream() -> None:
    capabilities = frozenset({"chat", "streaming", "tools"})
    script = [TextChunk("half an ans"), ServerError("broke")]
    gateway = scripted_gateway({"s/m": script}, capabilities=capabilities)
    request = Request(model="s/m", messages=(Message.user("?"),), output_schema=OutputSchema(TITLE))
    seen: list[Chunk] = []

    async def read(chunks: AsyncIterator[Chunk]) -> None:
        async for chunk in chunks:
            seen.append(chunk)  # noqa: PERF401  # a comprehension would lose them with the error

    async with gateway.stream(request) as stream:
        with pytest.raises(ServerError, match="broke"):
            await read(stream)
    assert seen == [SentChunk("tool"), TextChunk("half an ans")]


@pytest.mark.parametrize("whole_answer", [True, False])
async def test_a_refusal_in_words_is_the_answer(whole_answer: bool) -> None:
    gateway = scripted_gateway(
        {"s/m": "I will not name the title."}, capabilities=frozenset({"chat", "streaming", "tools"})
    )
    request = Request(model="s/m", messages=(Message.user("?"),), output_schema=OutputSchema(TITLE))
    if whole_answer:
        response = await gateway.chat(request)
    else:
        async with gateway.stream(request) as stream:
            _ = [chunk async for chunk in stream]
        response = stream.response
    assert response.parts == (TextPart("I will not name the title."),)
    assert (response.finish_reason, response.structured_by) == ("stop", "tool")


def test_nothing_is_held_back_longer_than_until_the_call_is_named_or_the_answer_ends() -> None:
    _, tool = asked_by_tool(ask(tools=(SEARCH,)))
    reader = StreamReader(tool)
    thought, refusal, words = ReasoningChunk("hm"), RefusalChunk("no"), TextChunk("Here it is: ")
    assert [list(reader.feed(one)) for one in (thought, refusal, words)] == [[thought], [refusal], []]
    assert list(reader.feed(ToolCallChunk(0, name="output"))) == [ReasoningChunk("Here it is: ")]
    assert list(reader.feed(ToolCallChunk(0, arguments='{"t"'))) == [TextChunk('{"t"')]

    reader = StreamReader(tool)
    search = ToolCallChunk(0, "c", "search", "{}")
    assert [list(reader.feed(one)) for one in (words, search)] == [[], []]
    assert list(reader.feed(FinishChunk("tool_calls"))) == [words, search, FinishChunk("tool_calls")]
    assert list(reader.end()) == []
