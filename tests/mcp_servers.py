"""Shared by the tests of MCP servers: a real one, written with the SDK, run as a program or on the loopback."""

from __future__ import annotations

import os
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

from executors.mcp.servers import McpServers
from executors.tools import ToolError
from unified_api.settings import Environment, McpServerSettings, McpSettings

__all__ = ["failed", "gone", "is_alive", "opened", "pids", "program", "website", "written"]

SERVER = '''
import os, signal, subprocess, sys
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
def flood() -> str:
    """Sends notifications and no result."""
    line = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\\n' * 100
    while True:
        sys.stdout.write(line)
        sys.stdout.flush()

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


def written(folder: Path) -> Path:
    """The server's file; it notes the number of each process that runs it in the file `pids` beside it."""
    path = folder / "server.py"
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
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()
