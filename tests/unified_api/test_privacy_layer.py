"""Labels raised by what requests hold, and answers with the values back in them."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest

from unified_api.errors import ConfigurationError, NoCandidateError, TruncatedStreamError
from unified_api.gateway import Gateway
from unified_api.privacy.kinds import LABELS, Kind
from unified_api.settings import CacheSettings, PrivacySettings, Settings
from unified_api.testing import Script, ScriptedModel, scripted_gateway
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    Chunk,
    Citation,
    DocumentPart,
    EmbedRequest,
    FinishChunk,
    Image,
    ImagePart,
    ImageRequest,
    LogprobsChunk,
    Message,
    ModerationRequest,
    OutputSchema,
    Policy,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    Response,
    Sensitivity,
    TextChunk,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCallChunk,
    ToolCallPart,
    ToolResultPart,
)

CARD = "4111 1111 1111 1111"
MAIL = "ann@example.com"


def guarded(script: Script | ScriptedModel, clearance: Sensitivity = "restricted", **privacy: Any) -> Gateway:
    settings = Settings(privacy=PrivacySettings.model_validate({"detect": True} | privacy))
    return scripted_gateway({"scripted/one": script}, clearance=clearance, settings=settings)


def asked(text: str, **fields: Any) -> Request:
    return Request(model="scripted/one", messages=(Message.user(text),), **fields)


def notes(response: Any) -> list[tuple[str | None, str | None]]:
    return [(one.error, one.message) for one in response.attempts if one.model == "privacy"]


async def test_what_is_found_raises_the_label_and_bars_who_is_not_cleared() -> None:
    model = ScriptedModel("fine")
    with pytest.raises(NoCandidateError, match=r"cleared for internal data, and this is restricted"):
        await guarded(model, "internal").chat(asked(f"charge {CARD}"))
    assert model.calls == 0
    assert (await guarded(model, "internal").chat(asked("charge nothing"))).text == "fine"


async def test_a_label_is_never_lowered() -> None:
    gateway = guarded("fine", "confidential", labels={"email": "public"})
    with pytest.raises(NoCandidateError):
        await gateway.chat(asked(MAIL), Policy(sensitivity="restricted"))
    response = await gateway.chat(asked(MAIL), Policy(sensitivity="confidential"))
    assert notes(response) == [("found", "found 1 of kind email; it stays confidential")]


async def test_the_trail_tells_kinds_and_numbers_and_never_a_value() -> None:
    response = await guarded("fine").chat(asked(f"{MAIL} {CARD} bob@example.com"), Policy(sensitivity="internal"))
    assert notes(response) == [
        ("raised", "found 1 of kind card, 2 of kind email; labelled internal, so it counts as restricted")
    ]
    assert "4111" not in repr(response.attempts) + repr(response)
    assert "ann@" not in repr(response.attempts)


async def test_nothing_is_looked_for_unless_the_settings_say_so() -> None:
    response = await guarded("fine", "public", detect=False).chat(asked(CARD))
    assert notes(response) == []


async def test_kinds_that_are_ignored_raise_nothing() -> None:
    assert (await guarded("fine", "public", ignore=["email"]).chat(asked(MAIL))).text == "fine"


def everywhere() -> list[Any]:
    user = Message.user
    message = user("hello")

    def chat(*messages: Message, **fields: Any) -> Request:
        return Request(model="scripted/one", messages=messages or (message,), **fields)

    schema = {"type": "object", "properties": {"to": {"type": "string", "default": MAIL}}}
    numbers = {"enum": [4111111111111111]}
    return [
        chat(Message.system(MAIL), message),
        chat(Message("user", (TextPart("ann@exam"), TextPart("ple.com")))),
        chat(Message("assistant", (ToolCallPart("1", "send", '{"to": "ann\\u0040example.com"}'),)), message),
        chat(Message("assistant", (ToolCallPart("1", "send", "{}"),)), Message("tool", (ToolResultPart("1", MAIL),))),
        chat(Message("tool", (ToolResultPart("1", (TextPart(MAIL),)),))),
        chat(Message("assistant", (ReasoningPart(MAIL),)), message),
        chat(Message("assistant", (RefusalPart(MAIL),)), message),
        chat(Message("user", (TextPart("hi"),), name=MAIL)),
        chat(Message("user", (DocumentPart(text=MAIL),))),
        chat(Message("user", (DocumentPart(text="x", name=f"{MAIL}.txt"),))),
        chat(Message("user", (DocumentPart(data=MAIL.encode(), media_type="text/plain", name="bytes"),))),
        chat(Message("user", (DocumentPart(data=MAIL.encode(), media_type="TEXT/csv; charset=utf-8", name="bytes"),))),
        chat(Message("user", (DocumentPart(data=MAIL.encode("utf-16"), media_type="text/plain", name="bytes"),))),
        chat(
            Message(
                "user", (DocumentPart(data=f"\xe9 {MAIL}".encode("latin-1"), media_type="text/plain", name="bytes"),)
            )
        ),
        chat(
            Message(
                "user", (DocumentPart(data=b'"ann\\u0040example.com"', media_type="application/ld+json", name="bytes"),)
            )
        ),
        chat(Message("user", (DocumentPart(data=MAIL.encode(), name="bytes"),))),
        chat(Message("user", (DocumentPart(url=f"data:text/plain,{MAIL}"),))),
        chat(Message("user", (DocumentPart(url="data:,ann%40example.com"),))),
        chat(Message("user", (DocumentPart(url=f"data:text/plain;BASE64,{b64encode(MAIL.encode()).decode()}"),))),
        chat(Message("user", (DocumentPart(text="x", data=MAIL.encode(), media_type="text/plain", name="bytes"),))),
        chat(Message("user", (ImagePart(url=f"https://pictures.example/{MAIL}.png"),))),
        chat(Message("user", (AudioPart(data=b"x", media_type="audio/wav", transcript=MAIL),))),
        chat(tools=(Tool("send", f"mails {MAIL}"),)),
        chat(tools=(Tool("send", "mails", schema),)),
        chat(output_schema=OutputSchema(schema)),
        chat(output_schema=OutputSchema(numbers)),
        chat(builtin_tools=(BuiltinTool("scripted", {"type": "search", "user": MAIL}),)),
        chat(extra={"scripted": {"deep": [{"er": MAIL}]}}),
        chat(extra={"scripted": {"deep": (MAIL,)}}),
        chat(extra={"scripted": MappingProxyType({"deep": frozenset({MAIL})})}),
        chat(extra={"scripted": {"deep": 4111111111111111.0}}),
        chat(extra={"scripted": {"deep": {"phone": 2125550123}}}),
        chat(extra={"scripted": {"deep": {"phones": [2125550123, "5550123"]}}}),
        chat(user=MAIL),
        chat(metadata={"who": MAIL}),
        chat(metadata={MAIL: "who"}),
        chat(stop=(MAIL,)),
        EmbedRequest(model="scripted/one", inputs=("x", MAIL)),
        ImageRequest(model="scripted/one", prompt=f"draw {MAIL}"),
        ImageRequest(model="scripted/one", prompt="draw", negative_prompt=MAIL),
        ImageRequest(model="scripted/one", prompt="draw", user=MAIL),
        ImageRequest(model="scripted/one", prompt="draw", extra={"scripted": {"style": MAIL}}),
        RerankRequest(model="scripted/one", query=MAIL, documents=("a",)),
        RerankRequest(model="scripted/one", query="a", documents=("b", MAIL)),
        ModerationRequest(model="scripted/one", inputs=("a", MAIL)),
    ]


async def ask(gateway: Gateway, request: Any) -> Any:
    match request:
        case EmbedRequest():
            return await gateway.embed(request)
        case ImageRequest():
            return await gateway.image(request)
        case RerankRequest():
            return await gateway.rerank(request)
        case ModerationRequest():
            return await gateway.moderate(request)
        case _:
            return await gateway.chat(request)


_READ = (
    DocumentPart(data=b"Card", media_type="text/plain"),
    DocumentPart(url="data:application/json;base64,e30"),
    DocumentPart(text="x"),
)
_UNREAD = (
    DocumentPart(data=b"%PDF", media_type="application/pdf"),
    DocumentPart(text="x", data=b"%PDF", media_type="application/pdf"),
    DocumentPart(text="x", url="https://papers.example/1"),
    DocumentPart(data=b"x", media_type="text/plain", url="https://papers.example/1"),
    DocumentPart(data=b"x"),
    DocumentPart(url="data:application/pdf;base64,e30"),
    DocumentPart(url="data:text/plain;base64,e"),
    DocumentPart(),
)


@pytest.mark.parametrize(
    ("part", "label"), [*((one, "public") for one in _READ), *((one, "internal") for one in _UNREAD)]
)
async def test_documents_that_are_not_plain_text_count_as_media(part: DocumentPart, label: str) -> None:
    gateway = guarded("fine", unread_media="internal")
    response = await gateway.chat(Request(model="scripted/one", messages=(Message("user", (part,)),)))
    told = f"holds media that nobody has looked into; labelled public, so it counts as {label}"
    assert notes(response) == ([] if label == "public" else [("raised", told)])


async def test_a_label_that_there_is_not_is_refused_before_anything_is_looked_at() -> None:
    model = ScriptedModel("never")
    with pytest.raises(ConfigurationError, match="the policy's sensitivity is 'Restricted'; did you mean 'restricted'"):
        await guarded(model).chat(asked(MAIL), Policy(sensitivity="Restricted"))  # type: ignore[arg-type]
    assert model.calls == 0


@pytest.mark.parametrize("request_", everywhere(), ids=lambda request: str(request)[:90])
async def test_everything_that_leaves_is_looked_at(request_: Any) -> None:
    model = ScriptedModel("never")
    with pytest.raises(NoCandidateError, match="cleared for public data"):
        await ask(guarded(model, "public"), request_)
    assert model.calls == 0


_FIXED = (
    "),), name='ann", "pictures.example", "tools=(Tool(name", "OutputSchema(", "BuiltinTool(", "deep",
    "name='bytes'", "url='data:",
    "stop=('ann", "'who'}",
    "style",
)  # fmt: skip
"""Names, addresses and what a schema says are a contract with others and are not rewritten."""


@pytest.mark.parametrize("request_", everywhere(), ids=lambda request: str(request)[:90])
async def test_what_can_be_replaced_is_and_the_rest_keeps_its_label(request_: Any) -> None:
    replies: dict[type, Any] = {
        EmbedRequest: lambda request: [[1.0]] * len(request.inputs),
        ImageRequest: Image("image/png", data=b"x"),
        RerankRequest: lambda request: [0.5] * len(request.documents),
        ModerationRequest: lambda request: [False] * len(request.inputs),
    }
    model = ScriptedModel(replies.get(type(request_), "fine"))
    gateway = guarded(model, "public", redact="placeholders")
    if any(mark in repr(request_) for mark in _FIXED):
        with pytest.raises(NoCandidateError):
            await ask(gateway, request_)
        assert model.calls == 0
        return
    await ask(gateway, request_)
    sent = repr(model.requests)
    assert "<EMAIL_1>" in sent
    assert "ann" not in sent


_PASSWORD = "hunter2xyz9q"


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": (_PASSWORD,)},
        {"extra": {"scripted": {"deep": [{"er": _PASSWORD}]}}},
        {"tools": (Tool("open", f"opens with {_PASSWORD}"),)},
        {"tools": (Tool("open", "opens", {"type": "object", "properties": {_PASSWORD: {}}}),)},
        {"output_schema": OutputSchema({"type": "object", "description": f"about {_PASSWORD}"})},
        {"metadata": {_PASSWORD: "who"}},
        {"messages": (Message("user", (ImagePart(url=f"https://pictures.example/?p={_PASSWORD}"),)),)},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_value_that_is_replaced_in_one_place_keeps_its_label_where_it_cannot_be(fields: dict[str, Any]) -> None:
    model = ScriptedModel("fine")
    said = Message.user(f"my password is {_PASSWORD}")
    request = Request(model="scripted/one", **(fields | {"messages": (said, *fields.get("messages", ()))}))
    with pytest.raises(NoCandidateError, match="cleared for public data, and this is restricted"):
        await guarded(model, "public", redact="placeholders").chat(request)
    assert model.calls == 0


async def test_what_is_found_and_known_in_one_fixed_text_is_told_once() -> None:
    gateway = guarded("fine", redact="placeholders")
    response = await gateway.chat(asked(f"write to {MAIL}", stop=(MAIL,), tools=(Tool("send", f"mails {MAIL}"),)))
    assert ("raised", "found 2 of kind email; labelled public, so it counts as confidential") in notes(response)


async def test_a_long_value_is_replaced_wherever_it_stands() -> None:
    model = ScriptedModel("fine")
    one, other = "aZ9" * 30, "aZ9" * 30 + "b" * 9
    await guarded(model, "public", redact="placeholders").chat(
        asked(f"password: {one} or password: {other} . Again: {one}, {other}, {one}c")
    )
    text = f"password: <SECRET_1> or password: <SECRET_2> . Again: <SECRET_1>, <SECRET_2>, {one}c"
    assert model.requests[0].messages == (Message.user(text),)


async def test_every_spelling_of_a_value_is_replaced_where_it_stands_alone() -> None:
    apart = "Nothing near what follows here says what it may be, for once."
    model = ScriptedModel("fine")
    await guarded(model, "public", redact="placeholders").chat(
        asked(f"bsn 111222333, bsn 111.222.333. {apart} 111222333 and 111.222.333")
    )
    text = f"bsn <NATIONAL_ID_1>, bsn <NATIONAL_ID_1>. {apart} <NATIONAL_ID_1> and <NATIONAL_ID_1>"
    assert model.requests[0].messages == (Message.user(text),)


async def test_media_that_nobody_looks_into_get_the_label_that_the_settings_name() -> None:
    picture = Request(
        model="scripted/one", messages=(Message("user", (ImagePart(data=b"x", media_type="image/png"),)),)
    )
    with pytest.raises(NoCandidateError):
        await guarded("fine", "internal", detect=False, unread_media="confidential").chat(picture)
    response = await guarded("fine", "confidential", detect=False, unread_media="confidential").chat(picture)
    assert notes(response) == [
        ("raised", "holds media that nobody has looked into; labelled public, so it counts as confidential")
    ]
    assert (await guarded("fine", "public").chat(picture)).text == "fine"


async def test_an_answer_has_the_values_back_everywhere_and_no_probabilities() -> None:
    state = ProviderState("scripted", {"signature": "<EMAIL_1>"})
    answer = Response(
        model="one",
        provider="scripted",
        parts=(
            ReasoningPart("of <EMAIL_1>", state),
            TextPart("to <EMAIL_1>: <EMAIL_7>, see", (Citation(quote="<CARD_1>", start=14, end=23),), state),
            ToolCallPart("1", "pay", '{"card": "<CARD_1>"}'),
        ),
        finish_reason="stop",
        logprobs=(TokenLogprob("<EM", -0.1),),
    )
    model = ScriptedModel(answer)
    response = await guarded(model, "public", redact="placeholders").chat(asked(f"pay {MAIL} by {CARD}"))
    assert response.parts == (
        ReasoningPart(f"of {MAIL}", state),
        TextPart(f"to {MAIL}: <EMAIL_7>, see", (Citation(quote=CARD, start=20, end=29),), state),
        ToolCallPart("1", "pay", f'{{"card": "{CARD}"}}'),
    )
    assert response.logprobs == ()
    sent = model.requests[0]
    assert isinstance(sent, Request)
    assert sent.messages == (Message.user("pay <EMAIL_1> by <CARD_1>"),)
    assert notes(response) == [("replaced", "put placeholders in the place of 1 of kind card, 1 of kind email")]


async def test_an_answer_in_json_stays_json() -> None:
    request = asked('password: hunter2\\x"9!abc', output_schema=OutputSchema({"type": "object"}))
    model = ScriptedModel('{"was": "<SECRET_1>"}')
    response = await guarded(model, "public", redact="placeholders").chat(request)
    assert json.loads(response.text)["was"].startswith("hunter2")


async def test_a_revised_prompt_has_the_values_back() -> None:
    image = Image("image/png", data=b"x", revised_prompt="a card for <EMAIL_1>")
    gateway = guarded(image, "public", redact="placeholders")
    response = await gateway.image(ImageRequest(model="scripted/one", prompt=f"a card for {MAIL}"))
    assert response.images[0].revised_prompt == f"a card for {MAIL}"


async def test_a_stream_has_the_values_back() -> None:
    chunks: list[Chunk] = [
        TextChunk("to <EM"),
        LogprobsChunk((TokenLogprob("<EM", -0.1),)),
        TextChunk("AIL_1> <"),
        ToolCallChunk(0, id="1", name="pay", arguments='{"card": "<CA'),
        ToolCallChunk(0, arguments='RD_1>"}'),
        FinishChunk("tool_calls"),
    ]
    gateway = guarded(chunks, "public", redact="placeholders")
    async with gateway.stream(asked(f"pay {MAIL} by {CARD}")) as stream:
        told = [chunk async for chunk in stream]
    assert "".join(chunk.text for chunk in told if isinstance(chunk, TextChunk)) == f"to {MAIL} <"
    arguments = "".join(chunk.arguments for chunk in told if isinstance(chunk, ToolCallChunk))
    assert arguments == f'{{"card": "{CARD}"}}'
    assert not any(isinstance(chunk, LogprobsChunk) for chunk in told)


async def test_a_stream_that_breaks_tells_all_that_came_before() -> None:
    chunks: list[Any] = [TextChunk("so far <EM"), TruncatedStreamError("cut")]
    gateway = guarded(chunks, "public", redact="placeholders")
    said = ""
    async with gateway.stream(asked(MAIL), Policy(fallback=False, max_attempts=1)) as stream:
        with pytest.raises(TruncatedStreamError):  # noqa: PT012  # what came before the error is what is told
            async for chunk in stream:
                said += chunk.text if isinstance(chunk, TextChunk) else ""
    assert said == "so far <EM"


async def test_a_reader_may_leave_a_stream_early() -> None:
    chunks: list[Chunk] = [TextChunk("<EMAIL_1>"), TextChunk("more"), FinishChunk("stop")]
    async with guarded(chunks, "public", redact="placeholders").stream(asked(MAIL)) as stream:
        async for chunk in stream:
            assert chunk == TextChunk(MAIL)
            break


async def test_what_is_kept_of_one_callers_answer_holds_none_of_their_values() -> None:
    settings = Settings(
        privacy=PrivacySettings(redact="placeholders"), cache=CacheSettings.model_validate({"enabled": True})
    )
    model = ScriptedModel("hello <EMAIL_1>")
    gateway = scripted_gateway({"scripted/one": model}, settings=settings)
    first = await gateway.chat(asked("I am ann@example.com", temperature=0))
    second = await gateway.chat(asked("I am bob@example.com", temperature=0))
    assert (first.text, second.text) == ("hello ann@example.com", "hello bob@example.com")
    assert model.calls == 1


@pytest.mark.parametrize(
    "table",
    [
        {"redact": "yes"},
        {"labels": {"emails": "public"}},
        {"labels": {"email": "secret"}},
        {"ignore": ["x"]},
        {"find": True},
    ],
)
def test_a_wrong_setting_is_refused_when_the_file_is_read(table: dict[str, Any], tmp_path: Path) -> None:
    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + "}"
        return json.dumps(value)

    file = tmp_path / "orchestrator.toml"
    file.write_text("[privacy]\n" + "".join(f"{key} = {written(value)}\n" for key, value in table.items()))
    with pytest.raises(ConfigurationError, match="privacy"):
        Settings.load(file, {})


def test_every_kind_has_a_label() -> None:
    assert set(LABELS) == set(get_args(Kind))


@pytest.mark.parametrize("streams", [False, True])
async def test_others_have_their_turns_while_a_long_text_is_searched(streams: bool) -> None:
    model = ScriptedModel("fine")
    gateway = guarded(model, "public", redact="placeholders")
    request = asked(" ".join(f"{number:012d}" for number in range(15_000)) + f" {MAIL}")
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while model.calls == 0:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(take_turns)
        if streams:
            async with gateway.stream(request) as chunks:
                assert [chunk async for chunk in chunks]
        else:
            await gateway.chat(request)
    assert turns > 200
    part = model.requests[0].messages[0].parts[0]
    assert isinstance(part, TextPart)
    assert part.text.endswith(" <EMAIL_1>")
