from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from corpus import ROOT, needs_corpora

from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Usage
from unified_api.wire.recognition import recognise
from unified_api.wire.recording import RecordingError, read_recording
from unified_api.wire.replay import main

ANSWER = {
    "id": "c1", "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "content": "Hello", "reasoning": "hm",
        "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 10}},
}  # fmt: skip


def interaction(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "one", "provider": "openai", "api": "chat", "model": "gpt-4o", "streaming": False,
        "request": {"method": "POST", "host": "api.openai.com", "url_path": "/v1/chat/completions?x=1", "headers": {},
                    "body": {"model": "gpt-4o"}},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": ANSWER},
    }  # fmt: skip
    request, response = row["request"] | changes.pop("request", {}), row["response"] | changes.pop("response", {})
    return {**row, **changes, "request": request, "response": response}


def run(folder: Path, *rows: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    for number, row in enumerate(rows):
        text = row if isinstance(row, str) else json.dumps(row)
        (folder / f"{number}.json").write_text(text, "utf-8")
    status = main([str(folder), "--json"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_interaction_becomes_one_line_with_everything_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, (line,) = run(tmp_path, interaction(), capsys=capsys)
    assert status == 0
    assert line == {
        "id": "one", "ok": True, "family": "openai_chat", "text": "Hello", "reasoning": "hm",
        "tool_calls": [{"id": "call_a", "name": "f", "arguments": '{"x":1}'}], "finish_reason": "tool_calls",
        "usage": {"input": 1000, "cached_input": 10, "cache_write": None, "output": 100, "reasoning": None},
        "cost_usd": pytest.approx(0.0034875), "error": None, "detail": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "host", "model"),
    [
        ("openai", "api.openai.com", "gpt-4o"),
        ("together", "api.together.xyz", "openai/gpt-oss-20b"),
        ("cerebras", "api.cerebras.ai", "qwen-3-coder-480b"),
        ("ollama", "127.0.0.1:11434", "llama3"),
    ],
)
def test_the_money_is_what_the_gateway_says(
    provider: str, host: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Gateway(Settings())
    known = gateway.catalog.get(f"{provider}/{model}")
    assert known is not None
    usage = Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=10)
    said = gateway._serving.price(known, model, usage)
    answer = interaction(
        provider=provider,
        model=model,
        request={"host": host, "body": {"model": model}},
        response={"body": {**ANSWER, "model": model}},
    )
    _, (line,) = run(tmp_path, answer, capsys=capsys)
    assert line["cost_usd"] == (None if said is None else pytest.approx(float(said)))


def test_the_bytes_as_they_came_go_before_what_the_recorder_made_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = json.dumps({**ANSWER, "id": "raw", "choices": [{"message": {"content": "raw"}, "finish_reason": "stop"}]})
    packed = base64.b64encode(raw.encode()).decode()
    rows = [interaction(response={"body_text": raw}), interaction(response={"body_base64": packed})]
    _, lines = run(tmp_path, *rows, capsys=capsys)
    assert [line["text"] for line in lines] == ["raw", "raw"]


def test_an_error_answer_is_decoded_as_the_error_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    refused = interaction(response={"status": 429, "headers": {"Retry-After": "2.5"}, "body": body})
    status, (line,) = run(tmp_path, refused, capsys=capsys)
    assert (status, line["ok"]) == (0, True)
    assert line["error"]["class"] == "RateLimitError"
    assert (line["error"]["status"], line["error"]["retry_after_s"]) == (429, 2.5)
    assert "slow down" in line["error"]["message"]


def test_an_error_inside_a_stream_keeps_what_came_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = (
        'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
        'event: error\ndata: {"error":{"message":"overloaded","code":503}}\n\n'
    )
    status, (line,) = run(tmp_path, interaction(streaming=True, response={"body_text": events}), capsys=capsys)
    assert (status, line["ok"], line["text"]) == (0, True, "Hel")
    assert line["error"]["class"] == "ServerError"


def test_what_cannot_be_decoded_says_why_and_makes_the_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = 'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    status, lines = run(
        tmp_path,
        interaction(streaming=True, response={"body_text": cut}),
        interaction(response={"body_text": "<html>"}),
        interaction(request={"url_path": "/v1/audio/speech"}),
        "[]",
        "{",
        interaction(response={"status": "200"}),
        capsys=capsys,
    )
    assert status == 1
    assert not any(line["ok"] for line in lines)
    assert [line["detail"].partition(":")[0] for line in lines[2:]] == [
        "not supported", "3.json cannot be read", "4.json cannot be read", "5.json cannot be read",
    ]  # fmt: skip
    assert (lines[0]["error"]["class"], lines[0]["text"]) == ("TruncatedStreamError", "Hel")
    assert lines[1]["error"]["class"] == "MalformedResponseError"


def test_people_get_words_and_a_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(interaction()), "utf-8")
    assert main([str(tmp_path)]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("ok")
    assert "Hello" in line
    assert total == "1 decoded, 0 not"


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_interactions_is_said_so(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / name)]) == 2
    assert "name a folder of recorded interactions" in capsys.readouterr().err


def test_a_file_that_is_no_interaction_names_what_is_missing() -> None:
    with pytest.raises(RecordingError, match="request is no JSON object"):
        read_recording(b'{"id": "x"}')
    with pytest.raises(RecordingError, match="no base64"):
        read_recording(b'{"request": {}, "response": {"status": 200, "body_base64": "!"}}')


@pytest.mark.parametrize(
    ("address", "family"),
    [
        ("RESOURCE.openai.azure.com//openai/deployments/d/chat/completions", "openai_chat"),
        ("aiplatform.googleapis.com/v1/projects/p/publishers/google/models/g:streamGenerateContent", "gemini"),
        ("us-central1-aiplatform.googleapis.com/v1/projects/p/models/imagen-4.0-generate-001:predict", "imagen"),
        ("bedrock-runtime.eu-west-1.amazonaws.com/model/a%3A0/converse-stream", "bedrock"),
        ("localhost:11434/api/chat", "ollama"),
        ("localhost:11434/v1/chat/completions", "openai_chat"),
        ("api.cohere.com/v2/chat", "cohere"),
        ("api.x.ai/v1/responses", "openai_responses"),
        ("api.anthropic.com/v1/messages", "anthropic"),
        ("api.stability.ai/v2beta/stable-image/generate/sd3", "stability"),
        ("api.nowhere.example/v9/divination", ""),
    ],
)  # fmt: skip
def test_an_address_tells_its_wire_family(address: str, family: str) -> None:
    host, slash, path = address.partition("/")
    assert recognise(host, slash + path).family == family


@needs_corpora
def test_all_recorded_traffic_is_decoded_but_for_a_few_services_that_are_named() -> None:
    command = [sys.executable, "-m", "unified_api.wire.replay", str(ROOT / "wire"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    with (ROOT / "wire" / "_index.jsonl").open(encoding="utf-8") as index:
        rows = {row["id"]: row for row in map(json.loads, index)}
    assert [line["id"] for line in lines] == sorted(rows)
    failed = [line for line in lines if not line["ok"]]
    assert done.returncode == (1 if failed else 0)
    assert len(failed) < 0.05 * len(lines)
    assert [line["id"] for line in failed if not line["detail"].startswith("not supported: ")] == []
    for line in lines:
        assert (line["error"] is not None) >= (rows[line["id"]]["status"] >= 400), line["id"]
    counted = [line for line in lines if line["error"] is None and set(line["usage"].values()) != {None}]
    assert sum(line["cost_usd"] is not None for line in counted) > 0.9 * len(counted) > 900
