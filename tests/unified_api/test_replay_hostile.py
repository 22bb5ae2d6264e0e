from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from unified_api.wire import replay
from unified_api.wire.recognition import recognise
from unified_api.wire.recording import read_recording


def interaction(**changes: Any) -> dict[str, Any]:
    request = {"method": "POST", "host": "api.openai.com", "url_path": "/v1/chat/completions", "body": {}}
    answer = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    response = {"status": 200, "headers": {}, "body": answer}
    return {
        "id": "one", "provider": "openai", "api": "chat", "model": "m",
        **{name: value for name, value in changes.items() if name not in {"request", "response"}},
        "request": {**request, **changes.get("request", {})},
        "response": {**response, **changes.get("response", {})},
    }  # fmt: skip


def lines(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    replay.main([str(folder), *options])
    return capsys.readouterr().out.splitlines()


def details(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {row["id"]: row["detail"] for row in map(json.loads, lines(folder, capsys, "--json"))}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_what_is_no_file_is_said_so_and_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    found = details(tmp_path, capsys)
    assert set(found) == {"pipe", "folder", "gone", "endless"}
    assert all("it is no file" in detail for detail in found.values())


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(256 * 2**20 + 1)  # a hole, which takes no room on the disk
    assert "larger than 256 MiB" in details(tmp_path, capsys)["large"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"response": {"body_base64": "ü"}}, "no base64"),
        ({"response": {"body_base64": "a"}}, "no base64"),
        ({"response": {"status": [[["x"] * 99] * 99]}}, "not a number"),
    ],
)
def test_a_field_of_the_wrong_kind_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(interaction(**changes)), "utf-8")
    detail = details(tmp_path, capsys)["a"]
    assert words in detail
    assert len(detail) < 400


@pytest.mark.parametrize("depth", [100, 198, 300, 900, 100_000])
def test_a_body_of_any_depth_is_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], depth: int) -> None:
    text = json.dumps(interaction()).replace('"body": {}', f'"body": {"[" * depth}{"]" * depth}')
    (tmp_path / "request.json").write_text(text, "utf-8")
    told = interaction(id="response", response={"body": 7})
    deep = json.dumps(told).replace('"body": 7', f'"body": {"[" * depth}{"]" * depth}')
    (tmp_path / "response.json").write_text(deep, "utf-8")
    rows = [json.loads(line) for line in lines(tmp_path, capsys, "--json")]
    assert len(rows) == 2
    assert not rows[1]["ok"]
    assert rows[0]["ok"] is (depth < 200)


@pytest.mark.parametrize(
    "path",
    ["/model" * 40_000 + "/a" * 40_000 + "\nx", "/models/" + "a-" * 100_000 + "!", "/model/" + "rerank" * 40_000],
)
def test_a_hostile_path_takes_no_time(path: str) -> None:
    start = time.process_time()
    recording = read_recording(json.dumps(interaction(request={"url_path": path})).encode())
    assert recognise(recording.host, recording.path).reason == "an address of more than 4000 characters"
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"),
        ("/model/anthropic.claude-v2%3A1/invoke-with-response-stream", "anthropic.claude-v2:1"),
        ("/model/a.b:0/converse", "a.b:0"),
        ("/openai/deployments/d/chat/completions", "d"),
        ("/v1/models/black-forest-labs/flux-1.1/predictions", "black-forest-labs/flux-1.1"),
        ("/v1/chat/completions", "m"),
        ("/v1/models", "m"),
        ("/v1/models/", "m"),
        ("/models/models/chat", "models"),
    ],
)
def test_the_model_is_the_one_in_the_path(path: str, model: str) -> None:
    assert read_recording(json.dumps(interaction(request={"url_path": path})).encode()).model == model


def test_nothing_that_steers_a_terminal_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;pwn\x07\x9b31m\u202e\nok"
    rows = [
        interaction(id=evil, api=evil, request={"url_path": f"/{evil}"}),
        interaction(id=evil, response={"body": {"choices": [{"message": {"content": evil}, "finish_reason": evil}]}}),
        interaction(id=evil, response={"status": 500, "body": {"error": {"message": evil, "code": evil}}}),
    ]
    for number, row in enumerate(rows):
        (tmp_path / f"{number}.json").write_text(json.dumps(row), "utf-8")
    (tmp_path / f"{evil}.json").write_text("[]", "utf-8")
    printed = lines(tmp_path, capsys)
    assert len(printed) == len(rows) + 2
    assert all(line.isprintable() for line in printed)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
def test_a_file_named_in_another_encoding_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.json")).write_text("[]", "utf-8")
    assert "cannot be read" in details(tmp_path, capsys)["caf?"]
    assert len(lines(tmp_path, capsys)) == 2
