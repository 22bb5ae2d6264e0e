"""An Orchestrator with MCP servers: their tools are checked, planned and called like functions, and go with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from running import tool, workflow_of

from executors.events import StepWaiting
from executors.journal.entries import Approval, Decision, JournalError
from orchestrator import Orchestrator
from orchestrator.doctor import examine
from unified_api.settings import Environment, HttpSettings, McpServerSettings, McpSettings, Settings
from workflows.findings import WorkflowError

SERVER = '''
import os, sys
from pathlib import Path
from mcp.server.mcpserver import MCPServer

server = MCPServer("test")
Path(sys.argv[1]).open("a").write(f"{os.getpid()}\\n")

@server.tool()
def shout(text: str) -> str:
    """Says it loudly."""
    return text.upper()

server.run()
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    return tmp_path


def settings(home: Path, **servers: McpServerSettings) -> Settings:
    loud = McpServerSettings(command=(sys.executable, str(home / "server.py"), str(home / "pids")))
    return Settings(
        mcp=McpSettings(servers={"loud": loud, **servers}),
        environment=Environment({"ORCHESTRATOR_HOME": str(home), "PATH": os.environ["PATH"]}),
    )


def pids(home: Path) -> list[str]:
    return (home / "pids").read_text().split() if (home / "pids").exists() else []


async def test_a_run_starts_the_servers_it_needs_and_they_end_with_the_orchestrator(home: Path) -> None:
    missing = McpServerSettings(command=("/nowhere/at-all",))
    async with Orchestrator(settings=settings(home, missing=missing)) as orchestrator:
        assert pids(home) == []
        result = await orchestrator.run(workflow_of(tool("a", "loud.shout", {"text": "hi"})))
        assert result.outputs == {"a": {"result": "HI"}}
        await orchestrator.run(workflow_of(tool("a", "loud.shout", {"text": "ho"})))
        [pid] = pids(home)
        assert orchestrator.tools.specs.keys() == {"loud.shout"}
        troubles = await orchestrator.known_tools()
        assert troubles.keys() == {"missing"}
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert orchestrator.tools.specs == {}


async def test_the_checks_know_the_tools_of_servers_once_they_were_asked(home: Path) -> None:
    missing = McpServerSettings(command=("/nowhere/at-all",))
    workflow = workflow_of(
        tool("a", "loud.shout", {"txt": "hi"}),
        tool("b", "missing.tool"),
        tool("c", "loud.whisper"),
        tool("d", "other.tool"),
    )
    async with Orchestrator(settings=settings(home, missing=missing)) as orchestrator:
        before = {(found.code, found.pointer, found.severity) for found in orchestrator.check(workflow)}
        assert ("server_not_asked", "/steps/0/tool", "warning") in before
        assert ("unknown_tool", "/steps/3/tool", "error") in before
        await orchestrator.known_tools(workflow)
        after = {(found.code, found.pointer) for found in orchestrator.check(workflow) if found.severity == "error"}
        assert {
            ("unknown_argument", "/steps/0/arguments/txt"),
            ("server_unreachable", "/steps/1/tool"),
            ("unknown_tool", "/steps/2/tool"),
            ("unknown_tool", "/steps/3/tool"),
        } <= after
        with pytest.raises(WorkflowError, match="/nowhere/at-all"):
            await orchestrator.run(workflow_of(tool("b", "missing.tool")))


async def test_the_doctor_names_the_servers_and_whether_they_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "orchestrator.toml"
    file.write_text(
        f"[mcp.servers.loud]\ncommand = [{sys.executable!r}, {str(home / 'server.py')!r}, {str(home / 'pids')!r}]\n"
        "[mcp.servers.gone]\ncommand = ['/nowhere/at-all']\n"
    )
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(file))
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(home))
    found = {one.message: one for one in await examine() if one.name == "tool servers"}
    assert {one.verdict for one in found.values()} == {"ok", "error"}
    assert "loud offers loud.shout" in found
    assert any("/nowhere/at-all" in message for message in found)


def asking(**fields: Any) -> Any:
    return workflow_of({"id": "ask", "kind": "approval", "message": "Go on?", **fields})


async def test_an_orchestrator_answers_its_own_runs_at_once_and_lists_what_waits(home: Path) -> None:
    results: list[Any] = []
    waiting = anyio.Event()

    def hear(event: Any) -> None:
        if isinstance(event, StepWaiting):
            waiting.set()

    async with Orchestrator(settings=settings(home)) as orchestrator:

        async def work() -> None:
            results.append(await orchestrator.run(asking(), on_event=hear))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await waiting.wait()
            while not (found := await orchestrator.approvals()):  # noqa: ASYNC110  # as another program would look
                await anyio.sleep(0.01)
            [asked] = found
            await orchestrator.approve(asked.run_id, asked.path, by="ada")
            with anyio.fail_after(5):
                while not results:  # noqa: ASYNC110  # the run tells nobody here
                    await anyio.sleep(0.01)
        assert results[0].outputs["ask"]["by"] == "ada"
        assert await orchestrator.approvals() == ()
        with pytest.raises(JournalError):
            await orchestrator.approve(asked.run_id, asked.path, approved=False)


async def test_a_function_of_the_orchestrator_answers_for_the_person(home: Path) -> None:
    async def approve(asked: Approval) -> Decision:
        return Decision(approved=asked.message == "Go on?", by="policy")

    async with Orchestrator(settings=settings(home), approve=approve) as orchestrator:
        result = await orchestrator.run(asking())
    assert result.outputs["ask"] == {"approved": True, "by": "policy", "comment": None, "expired": False}


async def test_an_expired_question_is_not_answered_any_more(home: Path) -> None:
    async with Orchestrator(settings=settings(home)) as orchestrator:
        result = await orchestrator.run(asking(expires_s=0.05, default="reject"))
        assert result.outputs["ask"]["expired"]
        with pytest.raises(JournalError, match="cannot be taken back"):
            await orchestrator.approve(result.run_id, "ask")


async def test_an_orchestrator_sends_requests_as_its_settings_allow(home: Path) -> None:
    made = Settings(http=HttpSettings(), environment=Environment({"ORCHESTRATOR_HOME": str(home)}))
    step = {"id": "get", "kind": "http", "url": "{{ inputs.url }}"}
    workflow = workflow_of(step, inputs={"url": {"type": "string"}})
    async with Orchestrator(settings=made) as orchestrator:
        result = await orchestrator.run(workflow, inputs={"url": "https://api.example.com/"})
    assert result.error is not None
    assert result.error.code == "host_not_allowed"


async def test_the_servers_of_the_workflows_that_it_runs_are_started_too(home: Path) -> None:
    inner = workflow_of(tool("a", "loud.shout", {"text": "hi"}))
    outer = workflow_of({"id": "in", "kind": "workflow", "workflow": "test", "version": inner.version}, name="outer")
    async with Orchestrator(settings=settings(home)) as orchestrator:
        result = await orchestrator.run(outer, workflows={f"test@{inner.version}": inner})
    assert result.outputs == {"in": {"a": {"result": "HI"}}}
