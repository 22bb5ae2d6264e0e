"""Hosts and tools as recipients of labelled data, by the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.recipients import SettingsRecipients
from unified_api.settings import HttpSettings
from workflows.tools import ToolSpec

HTTP = HttpSettings.model_validate(
    {
        "clearance": "internal",
        "hosts": {
            "example.com": {},
            "*.example.com": {"clearance": "restricted"},
            "example.com:8443": {"clearance": "public"},
        },
    }
)


@pytest.mark.parametrize(
    ("host", "clearance"),
    [
        ("example.com", "internal"),
        ("EXAMPLE.com", "internal"),
        ("example.com:80", "internal"),
        ("api.example.com", "restricted"),
        ("example.com:8443", "public"),
        ("example.net", None),
        ("not a host", None),
        ("", None),
    ],
)
def test_the_clearance_of_a_host_is_that_of_its_most_exact_entry(host: str, clearance: str | None):
    assert SettingsRecipients(HTTP, {}).clearance_of_host(host) == clearance


def test_a_function_of_the_users_own_may_be_given_everything():
    tools = {"own": ToolSpec("own"), "theirs.look": ToolSpec("theirs.look", clearance="internal")}
    recipients = SettingsRecipients(HTTP, tools)
    assert [recipients.clearance_of_tool(name) for name in ("own", "theirs.look", "unknown")] == [
        None,
        "internal",
        None,
    ]


def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, **step: object) -> list[dict[str, str]]:
    file = tmp_path / "flow.json"
    inputs = {"patient": {"type": "string", "sensitivity": "confidential"}}
    document = {"workflow": "1", "name": "x", "inputs": inputs, "steps": [{"id": "a", **step}]}
    file.write_text(json.dumps(document), encoding="utf-8")
    main(["check", str(file), "--json", *words])
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_the_command_goes_by_the_hosts_of_the_settings(tmp_path: Path, monkeypatch, capsys):
    config = tmp_path / "orchestrator.toml"
    config.write_text('[http]\nhosts = ["example.com"]\n', encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(config))
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    url = "https://example.com/?q={{ inputs.patient }}"
    [told] = checked(tmp_path, capsys, kind="http", url=url)
    assert (told["code"], told["pointer"]) == ("insufficient_clearance", "/steps/0/url")
    assert "inputs.patient -> a" in told["message"]
    [told] = checked(tmp_path, capsys, kind="http", url=url.replace(".com", ".net"))
    assert told["code"] == "host_not_allowed"


def test_the_command_names_single_points_only_where_it_is_asked(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "a" * 40)
    step = {"kind": "llm", "model": "openai/gpt-4o", "prompt": "x", "after": []}
    plain = checked(tmp_path, capsys, **step)
    thorough = checked(tmp_path, capsys, "--thorough", **step)
    assert [one["code"] for one in plain] == ["unused_input"]
    assert sorted(one["code"] for one in thorough) == ["single_point_of_failure", "unused_input"]
