"""Hosts and tools as recipients of labelled data, by the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executors.failures import StepFailure
from executors.http.hosts import allowed
from executors.http.target import Target
from orchestrator.cli import main
from orchestrator.recipients import SettingsRecipients
from unified_api.settings import HttpSettings
from workflows.checks import check
from workflows.model import Workflow
from workflows.tools import ToolSpec
from workflows.web_target import WebTarget

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


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:18799/",
        "http://[::1]/",
        "https://[::1]/",
        "https://example.com:80/",
        "http://example.com:443/",
        "http://example.com/",
    ],
)
@pytest.mark.parametrize(
    "entry", ["[::1]:18799", "[::1]", "[::1]:80", "example.com", "example.com:80", "example.com:443"]
)
def test_the_checks_allow_exactly_the_hosts_that_the_run_allows(url: str, entry: str):
    http = HttpSettings.model_validate({"hosts": [entry]})
    try:
        allowed(Target.of(url), http)
        is_allowed = True
    except StepFailure:
        is_allowed = False
    recipients = SettingsRecipients(http, {})
    assert (recipients.clearance_of_host(WebTarget.of(url).recipient) is not None) == is_allowed
    step = {"id": "h", "kind": "http", "url": url}
    flow = Workflow.model_validate({"workflow": "1", "name": "n", "steps": [step]})
    told = {one.code for one in check(flow, recipients=recipients)}
    assert ("host_not_allowed" in told) != is_allowed


@pytest.mark.parametrize("host", ["0x7f.1", "127.1", "2130706433", "0177.0.0.1", "a.0x1", "0x7f000001:80", "*.1"])
def test_a_host_that_programs_read_in_different_ways_cannot_be_allowed(host: str):
    with pytest.raises(ValueError, match="is no IPv4 address"):
        HttpSettings.model_validate({"hosts": [host]})


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
