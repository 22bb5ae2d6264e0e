"""What a streamed chunk costs: our event splitter and chunk decoder beside httpx-sse and beside a naive line reader.

CPU time, best of several rounds, the same bytes for all. `pip install httpx-sse` adds that row.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

import orjson

from unified_api.sse import SseDecoder
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import StreamDecoder

ROUNDS = 5
EVENTS = 2000
CHUNK = {
    "id": "chatcmpl-123",
    "object": "chat.completion.chunk",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "delta": {"content": "fox "}, "logprobs": None, "finish_reason": None}],
}
LAST = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
EVENT = b"data: " + orjson.dumps(CHUNK) + b"\n\n"
END = b"data: " + orjson.dumps(LAST) + b"\n\ndata: [DONE]\n\n"
STREAM = EVENT * EVENTS + END
PROFILE = WireProfile()


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def split(pieces: Iterable[bytes]) -> int:
    decoder = SseDecoder()
    return sum(len(decoder.feed(piece)) for piece in pieces)


def split_and_parse(pieces: Iterable[bytes]) -> int:
    decoder, read = SseDecoder(), 0
    for piece in pieces:
        for event in decoder.feed(piece):
            if event.data != b"[DONE]":
                orjson.loads(event.data)
                read += 1
    return read


def decode(pieces: Iterable[bytes]) -> int:
    decoder = StreamDecoder(provider="p", model="m", profile=PROFILE)
    return sum(len(decoder.feed(piece)) for piece in pieces) + len(decoder.end())


def naive_lines(pieces: Iterable[bytes]) -> int:
    """What adapters are often written like: decode, append, cut at line feeds, the standard JSON reader."""
    text, read = "", 0
    for piece in pieces:
        text += piece.decode()
        while "\n" in text:
            line, text = text.split("\n", 1)
            if line.startswith("data: ") and line != "data: [DONE]":
                json.loads(line[6:])["choices"][0]["delta"].get("content")
                read += 1
    return read


def naive_split(pieces: Iterable[bytes]) -> int:
    buffer, read = b"", 0
    for piece in pieces:
        buffer += piece
        *events, buffer = buffer.split(b"\n\n")
        read += len(events)
    return read


def with_httpx_sse(pieces: Iterable[bytes]) -> int:
    import httpx
    import httpx_sse

    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(pieces))
    return sum(1 for _ in httpx_sse.EventSource(response).iter_sse())


def cpu(work: Callable[[Iterable[bytes]], int], pieces: list[bytes]) -> float:
    """Seconds of the best round; the work must have seen every event."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        found = work(pieces)
        best = min(best, time.process_time() - started)
        assert found >= 1, work
    return best


def peers() -> dict[str, Callable[[Iterable[bytes]], int]]:
    table = {"split": split, "split + orjson": split_and_parse, "split + decode to chunks": decode}
    try:
        import httpx_sse  # noqa: F401 - only whether it is there
    except ImportError:
        pass
    else:
        table["httpx-sse, events only"] = with_httpx_sse
    return {**table, "naive lines + json": naive_lines}


def main() -> None:
    shapes = {"one event a read": [EVENT] * EVENTS + [END], "1,400 B reads": cut(STREAM, 1400)}
    shapes["64 KiB reads"] = cut(STREAM, 65536)
    for shape, pieces in shapes.items():
        print(shape)
        base = cpu(split, pieces)
        for name, work in peers().items():
            seconds = cpu(work, pieces)
            print(f"  {name:26} {seconds / EVENTS * 1e6:6.2f} us an event   {seconds / base:5.1f} x the splitter")
    print("one large event in reads of 1 KiB: the cost of a byte must not grow with the event")
    sizes = {megabytes: cut(b"data: " + b"x" * (megabytes << 20) + b"\n\n", 1024) for megabytes in (1, 4, 16)}
    costs = {megabytes: cpu(split, pieces) for megabytes, pieces in sizes.items()}
    for megabytes, seconds in costs.items():
        growth = seconds / costs[1] / megabytes
        print(f"  ours, {megabytes:2} MiB {seconds * 1e3:8.2f} ms   a byte costs {growth:4.2f} x that of 1 MiB")
    print(f"  naive split, 1 MiB {cpu(naive_split, sizes[1]) / costs[1]:.0f} x ours")


if __name__ == "__main__":
    main()
