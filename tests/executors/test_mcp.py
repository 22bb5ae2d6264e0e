"""Tools of MCP servers, as workflows see them and are given their results."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult
from mcp_servers import failed, gone, is_alive, opened, pids, program, written
from running import NO_GATEWAY, failure, tool, value, workflow_of

from executors.mcp.results import json_of
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.errors import ConfigurationError
from unified_api.settings import Settings


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return written(tmp_path)


async def test_tools_of_a_server_are_listed_with_their_schemas_and_called(script: Path) -> None:
    async with opened(program(script, repeatable=["add"])) as servers:
        assert servers.specs == {}
        assert pids(script) == []
        registry = ToolRegistry()
        registry.attach(servers)
        await registry.load()
        add = registry.specs["test.add"]
        assert add.description == "Adds whole numbers."
        assert add.parameters["required"] == ["terms"]
        assert set((add.returns or {})["properties"]) == {"total", "terms"}
        assert (add.repeatable, registry.specs["test.greet"].repeatable) == (True, False)
        assert await registry.call("test.add", {"terms": [1, 2]}) == {"total": 3, "terms": [1, 2]}
        assert await registry.call("test.greet", {}) == "Hello, you!"
        assert await registry.call("test.draw", {}) == ["data:image/png;base64,UE5H", "a drawing"]
        code, message = await failed(servers, "test.fail", why="no bread")
        assert (code, "no bread" in message) == ("tool_failed", True)
        assert (await failed(servers, "test.add", terms="x"))[0] == "invalid_argument"
        code, message = await failed(servers, "test.ad", terms=[])
        assert (code, "'test.add'" in message) == ("unknown_tool", True)
        assert len(pids(script)) == 1
    assert not any(map(is_alive, pids(script)))


async def test_a_workflow_calls_tools_of_servers_beside_functions(script: Path) -> None:
    def double(number: int) -> int:
        return 2 * number

    async with opened(program(script)) as servers:
        registry = ToolRegistry([double])
        registry.attach(servers)
        steps = [
            tool("sum", "test.add", {"terms": [1, 2, 3]}),
            tool("twice", "double", {"number": "{{ steps.sum.output.total }}"}),
        ]
        result = await run(workflow_of(*steps), {}, gateway=NO_GATEWAY, tools=registry)
    assert result.outputs == {"twice": 12}


async def test_data_that_a_server_is_not_cleared_for_is_not_sent_to_it(script: Path) -> None:
    async with opened(program(script)) as servers:
        registry = ToolRegistry()
        registry.attach(servers)
        steps = [
            value("key", "secret", sensitivity="internal"),
            tool("a", "test.greet", {"name": "{{ steps.key.output }}"}),
        ]
        result = await run(workflow_of(*steps), {}, gateway=NO_GATEWAY, tools=registry)
        assert failure(result)[0] == "insufficient_clearance"


async def test_hints_are_believed_only_where_the_settings_say_so_and_tools_are_called_only_where_allowed(
    script: Path,
) -> None:
    async with opened(program(script, trust_hints=True, tools=["greet", "gone"])) as servers:
        await servers.load()
        assert list(servers.specs) == ["test.greet"]
        assert servers.specs["test.greet"].repeatable
        assert "'gone'" in servers.troubles["test"]
        assert (await failed(servers, "test.add", terms=[1]))[0] == "unknown_tool"


async def test_a_server_is_given_the_named_variables_and_no_others(script: Path) -> None:
    environ = {"MY_TOKEN": "abc", "OPENAI_API_KEY": "secret", "HOME": "/nowhere"}
    async with opened(program(script, env=["MY_TOKEN"]), environ) as servers:
        seen: Any = await servers.call("test.environment", {})
    assert seen["MY_TOKEN"] == "abc"
    assert seen["HOME"] == "/nowhere"
    assert "OPENAI_API_KEY" not in seen
    async with opened(program(script, env=["MY_TOKEN"])) as servers:
        assert "MY_TOKEN" in (await failed(servers, "test.environment"))[1]


async def test_nothing_that_a_server_started_outlives_the_orchestrator(script: Path) -> None:
    async with opened(program(script)) as servers:
        found: Any = await servers.call("test.breed", {})
        assert is_alive(found["result"])
    await gone(found["result"])


async def test_many_calls_at_once_share_one_server_and_a_cancelled_one_disturbs_no_other(script: Path) -> None:
    async with opened(program(script)) as servers:
        sums: list[Any] = []

        async def add(number: int) -> None:
            sums.append(await servers.call("test.add", {"terms": [number]}))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(add, number)
            with anyio.move_on_after(0.3):
                await servers.call("test.sleep", {"seconds": 60})
        assert sorted(one["total"] for one in sums) == list(range(50))
        assert len(pids(script)) == 1


async def test_a_cancelled_orchestrator_leaves_no_server_behind(script: Path) -> None:
    with anyio.move_on_after(2):
        async with opened(program(script)) as servers:
            await servers.load()
            await servers.call("test.sleep", {"seconds": 60})
    [pid] = pids(script)
    await gone(pid)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("timeout_s = 3", "`command`"),
        ("command = ['a']\nurl = 'https://a.example/mcp'", "not both"),
        ("command = []", "command"),
        ("command = ['a']\ntoken_env = 'T'", "token_env"),
        ("url = 'https://a.example/mcp'\nenv = ['T']", "env"),
        ("url = 'a.example'", "address"),
        ("comand = ['a']", "did you mean 'command'"),
    ],
)
def test_a_table_of_a_server_that_cannot_be_is_told_with_its_mend(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "orchestrator.toml"
    file.write_text(f"[mcp.servers.files]\n{table}\n")
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Settings.load(file, {})


async def test_without_the_package_the_error_says_what_to_install(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    async with opened(program(script)) as servers:
        await servers.load()
        assert "pip install 'meta-orchestrator[mcp]'" in servers.troubles["test"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"content": [], "structuredContent": {"a": 1}}, {"a": 1}),
        ({"content": [{"type": "text", "text": "a"}], "structuredContent": None}, "a"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": []}, None),
        ({"content": [{"type": "image", "data": "UE5H", "mimeType": "image/png"}]}, "data:image/png;base64,UE5H"),
        ({"content": [{"type": "audio", "data": "QQ==", "mimeType": "audio/wav"}]}, "data:audio/wav;base64,QQ=="),
        ({"content": [{"type": "resource_link", "name": "x", "uri": "file:///x"}]}, "file:///x"),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "T"}}]}, "T"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "QQ=="}}]},
            "data:application/octet-stream;base64,QQ==",
        ),
    ],
)
def test_a_result_is_its_structure_else_its_text_else_what_it_shows(answer: dict[str, Any], expected: Any) -> None:
    assert json_of("a.b", CallToolResult.model_validate(answer)) == expected
