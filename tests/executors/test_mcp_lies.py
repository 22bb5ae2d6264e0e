"""MCP servers that lie: in their schemas, their error codes and their lines; each costs the one call and its error."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_servers import failed, opened

from unified_api.settings import McpServerSettings

SERVER = r"""
import json, sys, threading

EVIL = {"type": "object", "properties": {"q": {"pattern": "^(a+)+$"}}}
TOOLS = {"slow": None, "refuse": None, "line": None, "pattern": EVIL}
lock = threading.Lock()

def out(text):
    with lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

def answer(message, **fields):
    out(json.dumps({"jsonrpc": "2.0", "id": message["id"], **fields}))

def call(message):
    name, arguments = message["params"]["name"], message["params"]["arguments"]
    if name == "slow":
        text = {"content": [{"type": "text", "text": "done"}]}
        threading.Timer(0.7, answer, [message], {"result": text}).start()
    elif name == "refuse":
        answer(message, error={"code": arguments["code"], "message": arguments["message"]})
    elif name == "pattern":
        answer(message, result={"content": [], "structuredContent": arguments["said"]})
    else:
        out(arguments["text"].replace("ID", json.dumps(message["id"])))

for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        server = {"name": "x", "version": "1"}
        answer(message, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server})
    elif method == "tools/list":
        made = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
        for one in made:
            if TOOLS[one["name"]]:
                one["outputSchema"] = TOOLS[one["name"]]
        answer(message, result={"tools": made})
    elif method == "tools/call":
        call(message)
    elif "id" in message:
        answer(message, error={"code": -32601, "message": "no"})
"""


@pytest.fixture
def liar(tmp_path: Path) -> McpServerSettings:
    script = tmp_path / "liar.py"
    script.write_text(SERVER)
    return McpServerSettings(command=(sys.executable, str(script)), timeout_s=8)


async def test_a_pattern_of_a_server_stops_nobody_and_its_results_are_held_against_its_schema(
    liar: McpServerSettings,
) -> None:
    async with opened(liar) as servers:
        await servers.load()
        before = time.monotonic()
        code, message = await failed(servers, "test.pattern", said={"q": "a" * 40 + "!"})
        assert (code, "outputSchema" in message) == ("malformed_result", True)
        assert time.monotonic() - before < 2
        assert await servers.call("test.pattern", {"said": {"q": "aa"}}) == {"q": "aa"}
        assert (await failed(servers, "test.pattern", said=None))[0] == "malformed_result"


async def test_an_error_that_a_server_tells_is_not_its_death_and_disturbs_no_other_call(
    liar: McpServerSettings,
) -> None:
    results: list[Any] = []
    async with opened(liar) as servers:
        await servers.load()

        async def slow() -> None:
            results.append(await servers.call("test.slow", {}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            await anyio.sleep(0.1)
            for code in (-32000, -32001, -32600, 7):
                for message in ("card declined", "Connection closed", "Session terminated"):
                    told = await failed(servers, "test.refuse", code=code, message=message)
                    assert told == ("tool_failed", f"tool 'test.refuse' was refused: {message}")
    assert results == ["done"]


DEEP = "[" * 400 + "]" * 400


LINES = {
    "surrogate": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [{"type": "text", "text": "\\ud800"}]}}',
    "cut": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [',
    "number": '{"jsonrpc": "2.0", "id": ID, "result": 5}',
    "deep": f'{{"jsonrpc": "2.0", "id": ID, "result": {{"structuredContent": {{"a": {DEEP}}}, "content": []}}}}',
    "deeper": f'{{"jsonrpc": "2.0", "result": {{"a": {"[" * 9_000}}}, "id": ID}}',
    "nan": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [], "structuredContent": {"a": NaN}}}',
    "infinite": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [], "structuredContent": {"a": 1e999}}}',
    "error": '{"jsonrpc": "2.0", "id": ID, "error": "no"}',
}


async def test_an_answer_that_cannot_be_used_fails_its_request_at_once(liar: McpServerSettings) -> None:
    async with opened(liar) as servers:
        await servers.load()
        before = time.monotonic()
        for name, line in LINES.items():
            assert (name, (await failed(servers, "test.line", text=line))[0]) == (name, "malformed_result")
        assert time.monotonic() - before < 4
        assert await servers.call("test.slow", {}) == "done"
