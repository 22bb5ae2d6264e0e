"""Tools that are not in this program: which servers a workflow needs, and what is said of those that do not answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executors.mcp.servers import McpServers
    from workflows.findings import Finding
    from workflows.model import Workflow

__all__ = ["explained", "tools_of"]


def tools_of(workflow: Workflow) -> tuple[str, ...]:
    """The tools that its steps call, however deep."""
    from workflows.blocks import nested_steps
    from workflows.model import ToolStep

    steps = (one for step in workflow.steps for one in (step, *(inner for _, inner in nested_steps(step))))
    return tuple(dict.fromkeys(step.tool for step in steps if isinstance(step, ToolStep)))


def explained(
    findings: tuple[Finding, ...],
    workflow: Workflow | str | bytes | Mapping[str, Any] | Path,
    servers: McpServers | None,
) -> tuple[Finding, ...]:
    """The findings, where a tool is unknown only because its server was not asked or did not answer."""
    if servers is None or not any(finding.code == "unknown_tool" for finding in findings):
        return findings
    value = _value(workflow)
    return tuple(_explained(finding, value, servers) for finding in findings)


def _explained(finding: Finding, value: Any, servers: McpServers) -> Finding:
    tool = _at(value, finding.pointer) if finding.code == "unknown_tool" else None
    server = servers.server_of(tool) if isinstance(tool, str) else None
    if server is None:
        return finding
    trouble = servers.troubles.get(server)
    if trouble is not None and server in servers.refused:
        return replace(
            finding,
            code="server_not_trusted",
            message=f"the tool {tool!r} is not known: {trouble}",
            allowed=(),
            fix="See what it would do, and agree to it: orchestrate trust",
        )
    if trouble is not None:
        return replace(
            finding,
            code="server_unreachable",
            message=f"the tool {tool!r} is not known: {trouble}",
            allowed=(),
            fix=f"Mend [mcp.servers.{server}] of orchestrator.toml, or start the server.",
        )
    if not servers.has_asked(server):
        return replace(
            finding,
            code="server_not_asked",
            severity="warning",
            message=f"whether there is a tool {tool!r} is known once its server is asked, when the workflow is run",
            allowed=(),
            fix="To ask it now: orchestrate check --ask-servers",
        )
    return finding


def _value(workflow: Workflow | str | bytes | Mapping[str, Any] | Path) -> Any:
    from workflows.model import Workflow

    if isinstance(workflow, Workflow):
        return workflow.model_dump(mode="json", by_alias=True)
    if isinstance(workflow, Mapping):
        return workflow
    try:
        return json.loads(workflow.read_bytes() if isinstance(workflow, Path) else workflow)
    except (ValueError, OSError, RecursionError):
        return None  # then its faults are found elsewhere


def _at(value: Any, pointer: str) -> Any:
    for token in _tokens(pointer):
        if isinstance(value, Mapping):
            value = value.get(token)
        elif isinstance(value, list) and token.isdigit() and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value


def _tokens(pointer: str) -> Iterator[str]:
    for token in pointer.split("/")[1:]:
        yield token.replace("~1", "/").replace("~0", "~")
