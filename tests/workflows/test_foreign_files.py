"""Files of other systems, given by mistake: the first finding says what is wrong, and nothing crashes."""

from __future__ import annotations

import json

import pytest
from corpus import needs_corpora, rows

from workflows.checks import inspect


@needs_corpora
@pytest.mark.parametrize(
    ("pattern", "system"),
    [
        ("aws_states_language*.jsonl", "AWS States Language"),
        ("n8n_sample.jsonl", "n8n"),
        ("cncf_serverless_workflow.jsonl", None),
        ("dify_sample.jsonl", None),
    ],
)
def test_a_foreign_file_gets_a_first_finding_that_helps(pattern: str, system: str | None):
    count = named = 0
    for row in rows(f"misc/workflows/{pattern}"):
        count += 1
        inspection = inspect(row["text"])
        assert inspection.workflow is None
        first = inspection.findings[0]
        assert first.code in {"missing_key", "invalid_json"}, row["path"]
        if first.code == "missing_key":
            assert first.pointer == "/workflow"
            named += system is not None and system in (first.fix or "")
        else:
            assert "JSON" in first.message
            assert first.line
    assert count > 20
    if system is not None:
        assert named / count > 0.9


@pytest.mark.parametrize(
    "document",
    [{"StartAt": "a", "States": {}}, {"nodes": [], "connections": {}}, {"document": {"dsl": "1.0"}, "do": []}],
)
def test_a_file_of_a_known_system_is_called_by_its_name(document: dict):
    first = inspect(json.dumps(document)).findings[0]
    assert first.pointer == "/workflow"
    assert "This is a file of" in (first.fix or "")
