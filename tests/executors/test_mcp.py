"""Tools of MCP servers, which are real: written with the SDK, run as programs and on the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from running import NO_GATEWAY, failure, tool, value, workflow_of

from executors.mcp.servers import McpServers
from executors.runner import run
from executors.tools import ToolError, ToolRegistry
from unified_api.settings import Environment, McpServerSettings, McpSettings

SERVER = '''
import base64, os, signal, subprocess, sys, time
from pathlib import Path
from pydantic import BaseModel
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("test")
folder = Path(sys.argv[1])
(folder / "pids").open("a").write(f"{os.getpid()}\\n")
print("the test's server is up", file=sys.stderr, flush=True)

class Sum(BaseModel):
    total: int
    terms: list[int]

@server.tool()
def add(terms: list[int]) -> Sum:
    """Adds whole numbers."""
    return Sum(total=sum(terms), terms=terms)

@server.tool(structured_output=False, annotations=ToolAnnotations(readOnlyHint=True))
def greet(name: str = "you"):
    """Greets somebody."""
    return f"Hello, {name}!"

@server.tool(structured_output=False)
def draw():
    """A picture and a word."""
    return [Image(data=b"PNG", format="png"), "a drawing"]

@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)

@server.tool()
def environment() -> dict[str, str]:
    """Its own variables."""
    return dict(os.environ)

@server.tool()
async def sleep(seconds: float) -> str:
    """Takes its time."""
    import anyio
    await anyio.sleep(seconds)
    return "awake"

@server.tool()
def huge(bytes_: int) -> str:
    """More than anybody wants."""
    return "x" * bytes_

@server.tool()
def die() -> str:
    """Dies each time."""
    (folder / "deaths").open("a").write("x")
    print("about to die", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

@server.tool()
def die_once() -> str:
    """Dies the first time."""
    mark = folder / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"

@server.tool()
def breed() -> int:
    """Leaves a child behind that outlives its parent's input."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return child.pid

@server.tool()
def babble() -> str:
    """Writes what is no message to its output."""
    sys.stdout.write("not json\\n" * 100)
    sys.stdout.flush()
    return "said"

if len(sys.argv) > 2:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
else:
    server.run()
'''


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


def program(script: Path, **fields: Any) -> McpServerSettings:
    fields = {"timeout_s": 20, **fields}
    return McpServerSettings(command=(sys.executable, str(script), str(script.parent)), **fields)


@asynccontextmanager
async def opened(
    settings: McpServerSettings | None = None, environ: dict[str, str] | None = None, **more: McpServerSettings
) -> AsyncIterator[McpServers]:
    servers = {**({"test": settings} if settings is not None else {}), **more}
    environment = Environment({"PATH": os.environ["PATH"], **(environ or {})})
    async with McpServers(McpSettings(servers=servers), environment=environment) as made:
        yield made


def pids(script: Path) -> list[int]:
    listed = script.parent / "pids"
    return [int(line) for line in listed.read_text().split()] if listed.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that this process has yet to reap is dead.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else True


async def gone(pid: int) -> None:
    """Waits for the end of a program that is no child to be waited for."""
    with anyio.fail_after(10):
        while is_alive(pid):  # noqa: ASYNC110  # nobody tells
            await anyio.sleep(0.01)
    await anyio.sleep(0.05)


async def failed(servers: McpServers, called: str, /, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ToolError) as caught:
        await servers.call(called, arguments)
    return caught.value.code, caught.value.message


# --- what workflows see and are given ---------------------------------------------------------------------------------


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


# --- servers that do not what they should -----------------------------------------------------------------------------


async def test_a_server_that_cannot_be_started_is_told_and_the_others_are_not_in_its_way(
    script: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; sys.exit('no such database')")
    others = {
        "missing": McpServerSettings(command=("/nowhere/at-all",)),
        "broken": McpServerSettings(command=(sys.executable, str(broken))),
        "mute": McpServerSettings(command=(sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=1),
    }
    async with opened(program(script), **others) as servers:
        before = time.monotonic()
        await servers.load()
        assert time.monotonic() - before < 10
        assert "test.add" in servers.specs
        assert servers.troubles.keys() == others.keys()
        assert "/nowhere/at-all" in servers.troubles["missing"]
        assert "no such database" in servers.troubles["broken"]
        assert "within 1 s" in servers.troubles["mute"]
        assert (await failed(servers, "broken.tool"))[0] == "unknown_tool"


async def test_a_tool_that_hangs_costs_its_timeout_and_the_server_lives_on(script: Path) -> None:
    async with opened(program(script, timeout_s=3)) as servers:
        await servers.load()
        before = time.monotonic()
        code, message = await failed(servers, "test.sleep", seconds=60)
        assert (code, "within 3 s" in message) == ("timed_out", True)
        assert time.monotonic() - before < 6
        assert await servers.call("test.sleep", {"seconds": 0}) == {"result": "awake"}
        assert len(pids(script)) == 1


async def test_a_result_that_is_too_large_is_an_error_and_the_next_call_finds_a_new_server(script: Path) -> None:
    async with opened(program(script, max_bytes=200_000, repeatable=["huge"])) as servers:
        code, message = await failed(servers, "test.huge", bytes_=5_000_000)
        assert (code, "200,000 bytes" in message) == ("malformed_result", True)
        assert await servers.call("test.add", {"terms": [1]}) == {"total": 1, "terms": [1]}


async def test_what_is_no_message_is_passed_over(script: Path) -> None:
    async with opened(program(script)) as servers:
        assert await servers.call("test.babble", {}) == {"result": "said"}


async def test_a_server_that_dies_is_started_once_more_where_a_second_call_does_no_harm(script: Path) -> None:
    async with opened(program(script, repeatable=["die_once", "die"])) as servers:
        assert await servers.call("test.die_once", {}) == {"result": "alive"}
        assert len(pids(script)) == 2
        code, message = await failed(servers, "test.die")
        assert (code, "about to die" in message) == ("tool_failed", True)
        assert (script.parent / "deaths").read_text() == "xx"


async def test_a_server_that_dies_during_a_call_with_effects_is_not_called_again(script: Path) -> None:
    async with opened(program(script)) as servers:
        code, message = await failed(servers, "test.die")
        assert (code, "about to die" in message, "repeatable" in message) == ("unknown_outcome", True, True)
        assert (script.parent / "deaths").read_text() == "x"
        assert await servers.call("test.add", {"terms": [1]}) == {"total": 1, "terms": [1]}


async def test_a_server_that_was_killed_between_two_calls_is_started_again(script: Path) -> None:
    async with opened(program(script)) as servers:
        await servers.call("test.add", {"terms": [1]})
        os.kill(pids(script)[0], signal.SIGKILL)
        await gone(pids(script)[0])
        assert await servers.call("test.add", {"terms": [2]}) == {"total": 2, "terms": [2]}
        assert len(pids(script)) == 2


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


# --- servers elsewhere ------------------------------------------------------------------------------------------------


@contextmanager
def website(script: Path, *, port: int = 0) -> Iterator[str]:
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    with (script.parent / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, script, script.parent, str(port)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


async def test_a_server_at_an_address_is_used_alike(script: Path) -> None:
    with website(script) as url:
        settings = McpServerSettings(url=url, timeout_s=5, max_bytes=200_000, token_env="TOKEN")
        async with opened(settings, {"TOKEN": "abc"}) as servers:
            assert await servers.call("test.add", {"terms": [1, 2]}) == {"total": 3, "terms": [1, 2]}
            assert (await failed(servers, "test.fail", why="no bread"))[0] == "tool_failed"
            assert (await failed(servers, "test.sleep", seconds=60))[0] == "timed_out"
            code, message = await failed(servers, "test.huge", bytes_=5_000_000)
            assert (code, "200,000 bytes" in message) == ("malformed_result", True)
            assert await servers.call("test.greet", {"name": "Ada"}) == "Hello, Ada!"
        async with opened(settings) as servers:
            assert "TOKEN" in (await failed(servers, "test.greet"))[1]
    async with opened(McpServerSettings(url=url, timeout_s=2)) as servers:
        await servers.load()
        assert "cannot be reached" in servers.troubles["test"]


async def test_a_server_at_an_address_that_went_away_and_came_back_is_found_again(script: Path) -> None:
    with website(script) as url:
        async with opened(McpServerSettings(url=url, timeout_s=3)) as servers:
            await servers.load()
            os.kill(pids(script)[0], signal.SIGKILL)
            assert (await failed(servers, "test.greet", name="Ada"))[0] in {"unknown_outcome", "server_unreachable"}
            assert (await failed(servers, "test.greet", name="Ada"))[0] == "server_unreachable"
            with website(script, port=int(url.split(":")[2].split("/")[0])):
                assert await servers.call("test.greet", {"name": "Ada"}) == "Hello, Ada!"
