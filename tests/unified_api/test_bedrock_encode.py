from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from unified_api.errors import GatewayError, InvalidRequestError, UnsupportedParameterError
from unified_api.providers import builtin_rows
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire import bedrock
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock import invoke as bedrock_invoke

PNG = b"\x89PNG\r\n\x1a\n-image"
OBJECT: Any = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}
TOOL = Tool("look_up", "Looks it up", OBJECT)
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = WireProfile(
    reasoning_style={
        "*claude-opus-4-6*": "adaptive", "*anthropic.*": "budget", "*nova-2*": "reasoningConfig",
        "*openai.*": "reasoning_effort", "*qwen*": "reasoning_config",
    },
    top_k_field={"*anthropic.*": "top_k", "*nova*": "inferenceConfig.topK", "cohere.*": "k"},
    cache_points=("*anthropic*", "*nova*"),
    system_turns=("*claude-opus-4-6*",),
)  # fmt: skip


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sent(request: Request, *, model: str = CLAUDE, stream: bool = False) -> dict[str, Any]:
    wire = bedrock.encode(request, provider="bedrock", model=model, profile=PROFILE, stream=stream)
    body: dict[str, Any] = json.loads(wire.body)
    assert_valid(body, stream=stream)
    return body


def assert_valid(body: dict[str, Any], *, stream: bool) -> None:
    """By AWS's own description of the operation, which botocore ships."""
    session = pytest.importorskip("botocore.session")
    from botocore.validate import ParamValidator

    model = session.Session().get_service_model("bedrock-runtime")
    shape = model.operation_model("ConverseStream" if stream else "Converse").input_shape
    assert ParamValidator().validate({"modelId": CLAUDE, **body}, shape).generate_report() == ""


def asked(*parts: Part, **fields: Any) -> Request:
    return Request(model="bedrock/m", messages=(Message("user", parts or (TextPart("Hi"),)),), **fields)


def content(*parts: Part, role: Any = "user") -> list[dict[str, Any]]:
    begin = () if role == "user" else (Message.user("Hi"),)
    body = sent(Request(model="m", messages=(*begin, Message(role, parts))))
    blocks: list[dict[str, Any]] = body["messages"][-1]["content"]
    return blocks


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-lite-v1:0", "/model/amazon.nova-lite-v1:0/converse"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
            "/model/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile%2Fabc/converse",
        ),
        ("a b?c#d%e", "/model/a%20b%3Fc%23d%25e/converse"),
    ],
)
def test_the_model_is_named_in_the_path(model: str, path: str) -> None:
    wire = bedrock.encode(asked(), provider="bedrock", model=model, profile=PROFILE)
    assert (wire.method, wire.path) == ("POST", path)
    assert bedrock.encode(asked(), provider="b", model=model, profile=PROFILE, stream=True).path == f"{path}-stream"


def test_the_settings_of_an_answer_have_their_places() -> None:
    body = sent(
        asked(max_tokens=9, temperature=0.5, top_p=0.25, stop=("END",), top_k=7, metadata={"team": "a"}), stream=True
    )
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]}
    assert body["additionalModelRequestFields"] == {"top_k": 7}
    assert body["requestMetadata"] == {"team": "a"}
    assert sent(asked(top_k=7), model="amazon.nova-lite-v1:0")["additionalModelRequestFields"] == {
        "inferenceConfig": {"topK": 7}
    }


def test_system_messages_go_before_the_conversation_with_their_cache_marks() -> None:
    marked = Message("system", (TextPart("Be kind", cache=CacheMark("1h")),))
    body = sent(Request(model="m", messages=(marked, Message.system("Be brief"), Message.user("Hi"))))
    assert body["system"] == [
        {"text": "Be kind"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "Be brief"},
    ]  # fmt: skip
    assert body["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]


def test_a_later_system_message_stays_in_its_place() -> None:
    request = Request(model="m", messages=(Message.user("Hi"), Message.system("Be brief")))
    assert sent(request)["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}, {"text": "<system>Be brief</system>"}]}
    ]
    assert sent(request, model="anthropic.claude-opus-4-6-v1")["messages"][1] == {
        "role": "system", "content": [{"text": "Be brief"}],
    }  # fmt: skip


def test_messages_of_one_role_become_one_turn_and_blank_text_is_left_out() -> None:
    call = ToolCallPart("c1", "look_up", '{"x": "a"}')
    request = Request(
        model="m",
        messages=(
            Message.user("one"), Message("user", (TextPart(" \n"), TextPart("two"))),
            Message("assistant", (TextPart(""), call)),
            Message("tool", (ToolResultPart("c1", "found"),)),
            Message("tool", (ToolResultPart("c2", "", failed=True),)),
            Message.user("so?"), Message.assistant(""), Message.user("well?"),
        ),
        tools=(TOOL,),
    )  # fmt: skip
    assert sent(request)["messages"] == [
        {"role": "user", "content": [{"text": "one"}, {"text": "two"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look_up", "input": {"x": "a"}}}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "found"}]}},
            {"toolResult": {"toolUseId": "c2", "content": [], "status": "error"}},
            {"text": "so?"}, {"text": "well?"},
        ]},
    ]  # fmt: skip


def test_tools_their_choice_and_their_cache_mark() -> None:
    strict = replace(TOOL, name="b", description="", strict=True, cache=CacheMark())
    own = BuiltinTool("bedrock", {"systemTool": {"name": "nova_grounding"}})
    body = sent(asked(tools=(TOOL, strict), builtin_tools=(own,), tool_choice=NamedTool("b")))
    assert body["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "look_up", "description": "Looks it up", "inputSchema": {"json": OBJECT}}},
            {"toolSpec": {"name": "b", "inputSchema": {"json": OBJECT}, "strict": True}},
            {"cachePoint": {"type": "default"}},
            {"systemTool": {"name": "nova_grounding"}},
        ],
        "toolChoice": {"tool": {"name": "b"}},
    }
    assert sent(asked(tools=(TOOL,), tool_choice="required"))["toolConfig"]["toolChoice"] == {"any": {}}
    assert sent(asked(tools=(TOOL,), tool_choice="auto"))["toolConfig"]["toolChoice"] == {"auto": {}}
    assert "toolConfig" not in sent(asked(tools=(TOOL,), tool_choice="none"))


def test_media_are_shown_by_format_and_bytes_or_by_their_place_in_s3() -> None:
    blocks = content(
        TextPart("Look"),
        ImagePart(data=PNG),
        ImagePart(url=f"data:image/jpeg;base64,{b64(b'jpeg')}"),
        ImagePart(url="s3://bucket/a.webp"),
        AudioPart(data=b"snd", media_type="audio/mpeg"),
        VideoPart(url="s3://bucket/film.mov"),
        VideoPart(data=b"film", media_type="video/3gpp"),
    )
    assert blocks[1:] == [
        {"image": {"format": "png", "source": {"bytes": b64(PNG)}}},
        {"image": {"format": "jpeg", "source": {"bytes": b64(b"jpeg")}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": b64(b"snd")}}},
        {"video": {"format": "mov", "source": {"s3Location": {"uri": "s3://bucket/film.mov"}}}},
        {"video": {"format": "three_gp", "source": {"bytes": b64(b"film")}}},
    ]


def test_documents_have_names_of_few_characters_and_no_two_the_same() -> None:
    blocks = content(
        TextPart("Read"),
        DocumentPart(data=b"%PDF", media_type="application/pdf", name="Report: Q1/2026 (final).pdf"),
        DocumentPart(data=b"a,b", name="Report Q1 2026 (final).csv"),
        DocumentPart(text="words"),
        DocumentPart(text="more"),
        DocumentPart(data=b"x", media_type="text/markdown", name="x" * 300),
    )
    shown = [block["document"] for block in blocks[1:]]
    assert [(one["format"], one["name"]) for one in shown[:4]] == [
        ("pdf", "Report Q1 2026 (final)"), ("csv", "Report Q1 2026 (final) (2)"), ("txt", "document"),
        ("txt", "document (2)"),
    ]  # fmt: skip
    assert len(shown[4]["name"]) <= 200
    assert shown[2]["source"] == {"bytes": b64(b"words")}


def test_what_the_provider_holds_itself_goes_back_as_it_was() -> None:
    held = {"format": "pdf", "source": {"s3Location": {"uri": "s3://bucket/key", "bucketOwner": "123456789012"}}}
    (_, block) = content(TextPart("Read"), DocumentPart(name="a.pdf", state=ProviderState("bedrock", held)))
    assert block == {"document": {"name": "a", **held}}
    with pytest.raises(InvalidRequestError):
        content(DocumentPart(name="a.pdf", state=ProviderState("elsewhere", held)))


def test_results_of_tools_hold_text_and_media_but_no_sound() -> None:
    result = ToolResultPart("c", (TextPart("seen"), ImagePart(data=PNG), DocumentPart(text="t", name="n")))
    (block,) = content(result, role="user")
    assert block["toolResult"]["content"] == [
        {"text": "seen"},
        {"image": {"format": "png", "source": {"bytes": b64(PNG)}}},
        {"document": {"format": "txt", "name": "n", "source": {"bytes": b64(b"t")}}},
    ]
    with pytest.raises(UnsupportedParameterError) as caught:
        content(ToolResultPart("c", (AudioPart(data=b"x", media_type="audio/wav"),)))
    assert caught.value.param == "messages"


def test_cache_marks_are_left_out_for_models_without_a_cache() -> None:
    request = asked(TextPart("long", cache=CacheMark("5m")), TextPart("short"))
    assert sent(request)["messages"][0]["content"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}
    assert sent(request, model="meta.llama3-8b-instruct-v1:0")["messages"][0]["content"] == [
        {"text": "long"}, {"text": "short"},
    ]  # fmt: skip


def test_nova_takes_no_mark_after_a_tool_and_is_told_no_time() -> None:
    """LibreChat-AI/agents #253 and #256: any ttl is refused there, the usual one too."""
    request = asked(TextPart("long", cache=CacheMark("1h")), tools=(replace(TOOL, cache=CacheMark("5m")),))
    point = {"cachePoint": {"type": "default"}}
    nova = row_sent(request, "us.amazon.nova-2-lite-v1:0")
    assert nova["messages"][0]["content"] == [{"text": "long"}, point]
    assert len(nova["toolConfig"]["tools"]) == 1
    former = row_sent(request, "us.anthropic.claude-sonnet-4-20250514-v1:0")
    assert former["messages"][0]["content"] == [{"text": "long"}, point]
    assert former["toolConfig"]["tools"][1] == point
    for model in (CLAUDE, "us.anthropic.claude-opus-4-6-v1", "global.anthropic.claude-sonnet-5"):
        claude = row_sent(request, model)
        assert claude["messages"][0]["content"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
        assert claude["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}


def test_a_turn_of_documents_alone_has_a_text_before_its_mark() -> None:
    pdf = DocumentPart(data=b"%PDF", media_type="application/pdf", cache=CacheMark())
    shown, text, mark = content(pdf)
    assert (list(shown), list(mark)) == (["document"], ["cachePoint"])
    assert text["text"].strip()
    assert [list(block) for block in content(TextPart(" "), pdf, TextPart("Read"))] == [
        ["document"], ["cachePoint"], ["text"],
    ]  # fmt: skip
    result = ToolResultPart("c", (DocumentPart(text="t"),))
    assert [list(block) for block in content(result)] == [["toolResult"]]


def test_a_mark_after_a_document_that_is_no_pdf_comes_after_an_empty_line() -> None:
    """As pydantic-ai sends it and was answered; without the line it is refused (strands-agents/harness-sdk #1966)."""
    words = DocumentPart(text="words", cache=CacheMark())
    assert content(TextPart("Read"), words)[2:] == [{"text": "\n"}, {"cachePoint": {"type": "default"}}]
    assert [list(block) for block in content(TextPart("Read"), replace(words, cache=None), words)] == [
        ["text"], ["document"], ["document"], ["text"], ["cachePoint"],
    ]  # fmt: skip


def test_deepseek_is_sent_none_of_its_thinking_back() -> None:
    thought = ReasoningPart("hm", ProviderState("bedrock", {}))
    answer = Message("assistant", (thought, TextPart("said")))
    talk = Request(model="m", messages=(Message.user("Hi"), answer, Message.user("and?")))
    for model in ("us.deepseek.r1-v1:0", "deepseek.v3.2"):
        assert row_sent(talk, model)["messages"][1]["content"] == [{"text": "said"}]
    assert len(row_sent(talk, "openai.gpt-oss-20b-1:0")["messages"][1]["content"]) == 2


def test_state_goes_home_and_nowhere_else() -> None:
    def parts(provider: str) -> tuple[Part, ...]:
        return (
            ReasoningPart("hm", ProviderState(provider, {"signature": "s"})),
            ReasoningPart("", ProviderState(provider, {"redactedContent": "AAAA"})),
            ReasoningPart("unsigned"),
            BuiltinToolPart(provider, "server_tool_use", {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}),
            TextPart("said", (Citation(start=1, end=3, state=ProviderState(provider, {"title": "T"})),)),
            RefusalPart("No."),
        )

    assert content(*parts("bedrock"), role="assistant") == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "AAAA"}},
        {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}},
        {"text": "s"},
        {"citationsContent": {"content": [{"text": "ai"}], "citations": [{"title": "T"}]}},
        {"text": "d"},
        {"text": "No."},
    ]
    assert content(*parts("elsewhere"), role="assistant") == [{"text": "said"}, {"text": "No."}]


def test_ids_and_arguments_of_other_providers_are_made_to_fit() -> None:
    strange = "call|" + "x" * 80
    call, result = ToolCallPart(strange, "f", "not json"), ToolResultPart(strange, "r")
    body = sent(
        Request(model="m", messages=(Message.user("a"), Message("assistant", (call,)), Message("tool", (result,))))
    )
    use = body["messages"][1]["content"][0]["toolUse"]
    assert use["toolUseId"] == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert use["input"] == {"arguments": "not json"}


def test_a_schema_is_sent_as_text_and_wrapped_where_its_root_is_no_object() -> None:
    wanted = OutputSchema(OBJECT, name="found", description="What was found")
    definition = sent(asked(output_schema=wanted))["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition.pop("schema")) == OBJECT
    assert definition == {"name": "found", "description": "What was found"}
    bare = sent(asked(output_schema=OutputSchema({"type": "array", "items": {"type": "string"}})))
    schema = json.loads(bare["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert schema["properties"]["value"]["type"] == "array"


def test_a_schema_is_closed_and_its_bounds_are_told_in_words() -> None:
    """Bedrock refuses open objects and bounds: "'additionalProperties' must be explicitly set to false"."""
    bounded: Any = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    tools = (replace(TOOL, parameters=bounded, strict=True), replace(TOOL, name="loose", parameters=bounded))
    body = sent(asked(output_schema=OutputSchema(bounded), tools=tools))
    schema = json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert (schema["additionalProperties"], schema["required"]) == (False, ["n"])
    assert schema["properties"]["n"] == {"type": "integer", "description": "(minimum: 1)"}
    strict, loose = (one["toolSpec"]["inputSchema"]["json"] for one in body["toolConfig"]["tools"])
    assert (strict, loose) == (schema, bounded)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (asked(output_schema=OutputSchema({"type": "object"})), "output_schema"),
        (asked(tools=(replace(TOOL, parameters={"type": "object"}, strict=True),)), "tools"),
    ],
)
def test_a_schema_that_cannot_be_held_is_refused_by_name(request_: Request, param: str) -> None:
    with pytest.raises(UnsupportedParameterError, match="free keys") as caught:
        sent(request_)
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["max_tokens", "temperature", "top_p", "top_k"])
def test_novas_highest_effort_stands_alone(field: str) -> None:
    nova = "global.amazon.nova-2-lite-v1:0"
    with pytest.raises(UnsupportedParameterError, match=field) as caught:
        row_sent(asked(reasoning_effort="high", **{field: 1}), nova)
    assert caught.value.param == field
    row_sent(asked(reasoning_effort="medium", **{field: 1}), nova)
    row_sent(asked(reasoning_effort="high"), nova)


@pytest.mark.parametrize(
    ("model", "fields", "added"),
    [
        (CLAUDE, {"reasoning_budget": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            "anthropic.claude-opus-4-6-v1",
            {"reasoning_effort": "high"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            "us.amazon.nova-2-lite-v1:0",
            {"reasoning_effort": "low", "top_k": 3},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}, "inferenceConfig": {"topK": 3}},
        ),
        ("us.amazon.nova-2-lite-v1:0", {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-20b-1:0", {"reasoning_effort": "medium"}, {"reasoning_effort": "medium"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning_effort": "high"}, {"reasoning_config": "high"}),
    ],
)
def test_each_publisher_is_told_to_think_in_its_own_words(
    model: str, fields: dict[str, Any], added: dict[str, Any]
) -> None:
    assert sent(asked(**fields), model=model)["additionalModelRequestFields"] == added


def row_sent(request: Request, model: str) -> dict[str, Any]:
    """What is sent by the built-in row."""
    row = builtin_rows()["bedrock"]
    profile = row.profile.for_wire(row.unsupported_by(model))
    body: dict[str, Any] = json.loads(bedrock.encode(request, provider="bedrock", model=model, profile=profile).body)
    return body


@pytest.mark.parametrize(
    ("model", "fields", "thinking"),
    [
        ("anthropic.claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", {"show_reasoning": True},
         {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {"reasoning_effort": "none", "show_reasoning": False}, None),
        ("us.anthropic.claude-opus-4-6-v1", {"reasoning_effort": "high", "temperature": 1}, {"type": "adaptive"}),
    ],
)  # fmt: skip
def test_the_row_tells_each_claude_to_think_in_its_own_way(model: str, fields: dict[str, Any], thinking: Any) -> None:
    assert row_sent(asked(**fields), model).get("additionalModelRequestFields", {}).get("thinking") == thinking


BEGUN = Request(model="m", messages=(Message.user("Hi"), Message.assistant("{")))


@pytest.mark.parametrize(
    ("model", "request_", "param"),
    [
        ("us.anthropic.claude-opus-4-6-v1", asked(reasoning_effort="xhigh"), "reasoning_effort"),
        ("us.anthropic.claude-opus-4-6-v1", asked(reasoning_effort="low", temperature=0.2), "temperature"),
        ("anthropic.claude-opus-4-7", asked(reasoning_budget=2000), "reasoning_budget"),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", asked(reasoning_budget=2000), "reasoning_budget"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", asked(temperature=0.2, top_p=0.9), "top_p"),
        ("us.anthropic.claude-opus-5-5", asked(tools=(TOOL,), tool_choice="required"), "tool_choice"),
        ("anthropic.claude-fable-5-1", asked(tools=(TOOL,), tool_choice=NamedTool("look_up")), "tool_choice"),
        ("anthropic.claude-sonnet-4-6", BEGUN, "messages"),
    ],
)
def test_the_row_refuses_by_name_what_single_claudes_refuse(model: str, request_: Request, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        row_sent(request_, model)
    assert caught.value.param == param


def test_signed_thinking_goes_back_to_no_other_publishers_model() -> None:
    signed = ReasoningPart("hm", ProviderState("bedrock", {"signature": "s"}))
    hidden = ReasoningPart("", ProviderState("bedrock", {"redactedContent": "AAAA"}))
    bare = ReasoningPart("hm", ProviderState("bedrock", {}))
    answer = Message("assistant", (signed, hidden, bare, TextPart("said")))
    talk = Request(model="m", messages=(Message.user("Hi"), answer, Message.user("and?")))

    def kinds(model: str) -> list[str]:
        blocks = row_sent(talk, model)["messages"][1]["content"]
        return [next(iter(block.get("reasoningContent", block))) for block in blocks]

    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    for model in ("us.anthropic.claude-opus-4-6-v1", profile):
        assert kinds(model) == ["reasoningText", "redactedContent", "reasoningText", "text"]
    for model in ("zai.glm-5", "openai.gpt-oss-120b-1:0", "us.amazon.nova-2-lite-v1:0"):
        assert kinds(model) == ["reasoningText", "text"]


def test_the_row_sends_other_models_what_some_claudes_refuse() -> None:
    forced = asked(tools=(TOOL,), tool_choice="required", temperature=0.2, top_p=0.9)
    assert row_sent(forced, "amazon.nova-pro-v1:0")["toolConfig"]["toolChoice"] == {"any": {}}
    assert row_sent(BEGUN, "anthropic.claude-sonnet-4-5-20250929-v1:0")["messages"][-1]["role"] == "assistant"


def test_other_models_are_told_an_effort_by_the_field_of_converse() -> None:
    body = sent(asked(reasoning_effort="high", output_schema=OutputSchema(OBJECT)), model="zai.glm-5")
    assert body["outputConfig"]["effort"] == "high"
    assert "textFormat" in body["outputConfig"]


def test_extra_fields_are_added_and_objects_joined() -> None:
    extra = {
        "bedrock": {
            "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
            "additionalModelRequestFields": {"anthropic_beta": ["b"]},
            "outputConfig": {"effort": "max"},
        },
        "elsewhere": {"x": 1},
    }
    body = sent(asked(extra=extra, top_k=3, output_schema=OutputSchema(OBJECT)))
    assert body["guardrailConfig"]["guardrailIdentifier"] == "g"
    assert body["additionalModelRequestFields"] == {"top_k": 3, "anthropic_beta": ["b"]}
    assert body["outputConfig"]["effort"] == "max"
    assert "x" not in body


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (asked(seed=1), "seed"),
        (asked(logprobs=0), "logprobs"),
        (asked(n=2), "n"),
        (asked(user="u"), "user"),
        (asked(parallel_tool_calls=False), "parallel_tool_calls"),
        (asked(frequency_penalty=0.1), "frequency_penalty"),
        (asked(ImagePart(url="https://x.example/a.png")), "messages"),
        (asked(DocumentPart(url="https://x.example/a.pdf")), "messages"),
        (asked(ImagePart(data=PNG, detail="high")), "messages"),
        (asked(builtin_tools=(BuiltinTool("openai", {"type": "web_search"}),)), "builtin_tools"),
        (Request(model="m", messages=(Message("user", (TextPart("Hi"),), name="Ann"),)), "messages"),
        (
            Request(
                model="m",
                messages=(Message.user("Hi"), Message("assistant", (ToolCallPart("a", "look_up"),))),
                tools=(TOOL,),
                tool_choice="none",
            ),
            "tool_choice",
        ),
    ],
)
def test_what_converse_has_no_words_for_is_refused_by_name(request_: Request, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        sent(request_)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        ("mistral.mistral-7b-instruct-v0:2", {"top_k": 1}, "top_k"),
        ("us.amazon.nova-2-lite-v1:0", {"reasoning_budget": 100}, "reasoning_budget"),
        ("us.amazon.nova-2-lite-v1:0", {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ("zai.glm-5", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("zai.glm-5", {"show_reasoning": True}, "show_reasoning"),
    ],
)
def test_what_a_model_cannot_be_told_is_refused_by_name(model: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        sent(asked(**fields), model=model)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "request_",
    [
        Request(model="m", messages=()),
        asked(TextPart("  ")),
        asked(temperature=float("nan")),
        asked(ReasoningPart("hm")),
        asked(ImagePart(data=b"no image")),
        asked(ImagePart()),
        asked(ImagePart(url="s3://b/k", data=b"x")),
        asked(ImagePart(url="data:image/png;base64,!!")),
        asked(AudioPart(data=b"x", media_type="audio/strange")),
        asked(tools=(TOOL, TOOL)),
        asked(tools=(TOOL,), tool_choice=NamedTool("other")),
        asked(tool_choice="required"),
        asked(extra={"bedrock": {"messages": []}}),
        asked(extra={"bedrock": {"inferenceConfig": {"maxTokens": 1}}}, max_tokens=2),
        Request(model="m", messages=(Message("assistant", (ToolCallPart("a", "no name!"),)),)),
    ],
)
def test_what_no_server_could_take_is_refused_in_words(request_: Request) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        sent(request_)
    assert caught.value.param or "message" in str(caught.value)


def test_claude_is_asked_through_invoke_in_the_words_of_its_own_api() -> None:
    wire = bedrock_invoke.encode(
        asked(max_tokens=50, extra={"bedrock": {"anthropic_beta": ["b"]}}),
        provider="bedrock", model=CLAUDE, profile=PROFILE, stream=True,
    )  # fmt: skip
    assert wire.path == f"/model/{CLAUDE}/invoke-with-response-stream"
    assert json.loads(wire.body) == {
        "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["b"], "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }  # fmt: skip
    with pytest.raises(GatewayError):
        bedrock_invoke.encode(asked(seed=1), provider="bedrock", model=CLAUDE, profile=PROFILE)
