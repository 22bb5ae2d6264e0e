"""Drill 6: what the local classifier is worth, and what a reader sees of a streamed answer that is unsafe.

The classifier is measured on the texts of `misc/safety` that it has not learned from. The streams come over real
sockets on loopback, a word at a time, with marks planted in what the back ends call unsafe; nothing that is printed
repeats anything of the texts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream

from benchmarks.bar import at_least, at_most, equal, figure, percentile
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.safety.classifier import Classifier, packed_classifier
from unified_api.safety.local import LocalGuard
from unified_api.safety.texts import cut
from unified_api.settings import Environment, SafetySettings, Settings
from unified_api.types import Chunk, Message, RefusalChunk, Request, TextChunk

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names

from corpus import ROOT  # noqa: E402  # the line above finds it
from loopback import Answer, loopback  # noqa: E402
from ordinary_corpus import KINDS, ordinary  # noqa: E402
from safety_corpus import alarms, counts, divided, in_pieces, injections, measured  # noqa: E402

MARK = "QZX"
CALM = "The tide comes in twice a day because the moon pulls at the sea. "
WINDOW = 300
PACE_S = 0.002
"""Between two words: 500 tokens a second."""
CPU_PER_WINDOW_US = 250


@dataclass
class Writer:
    """A server that streams `words`, one an event, to whoever asks, and counts what it could send."""

    words: Sequence[str]
    url: str = ""
    sent: list[int] = field(default_factory=list)

    async def answer(self, stream: SocketStream) -> None:
        async with stream:
            await _read_request(stream)
            self.sent.append(0)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            try:
                await stream.send(head)
                for event in _events(self.words):
                    await stream.send(b"%x\r\n%s\r\n" % (len(event), event))
                    self.sent[-1] += 1
                    await anyio.sleep(PACE_S)
                await stream.send(b"0\r\n\r\n")
            except anyio.BrokenResourceError:
                return


async def _read_request(stream: SocketStream) -> None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += await stream.receive()
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < int(lengths[0]):
        body += await stream.receive()


def _events(words: Sequence[str]) -> Iterator[bytes]:
    for word in words:
        yield _event({"content": word + " "}, None)
    yield _event({}, "stop")
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"


@asynccontextmanager
async def writing(words: Sequence[str]) -> AsyncIterator[Writer]:
    writer = Writer(words)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        writer.url = f"http://127.0.0.1:{port}/v1"
        group.start_soon(partial(listener.serve, writer.answer))
        yield writer
        group.cancel_scope.cancel()


def _judge(body: dict[str, Any]) -> str | Answer:
    """Both kinds of back end: unsafe is what holds the mark."""
    if "input" not in body:
        return "unsafe\nS1" if MARK in json.dumps(body["messages"][-1]) else "safe"
    results = []
    for text in body["input"]:
        hit = MARK in text
        results.append({"flagged": hit, "categories": {"violence": hit}, "category_scores": {"violence": float(hit)}})
    return Answer(body=json.dumps({"model": "m", "results": results}).encode())


@contextmanager
def judging() -> Iterator[str]:
    with loopback(_judge, models=("llama-guard3:8b",)) as server:
        yield server.url


def _gateway(writer: str, judge: str, table: dict[str, Any] | None) -> Gateway:
    rows = {
        "writer": ProviderRow(base_url=writer, models=("m",)),
        "judge": ProviderRow(base_url=judge, models=("llama-guard3:8b", "mod"), capabilities={"moderation": ("mod",)}),
    }
    safety = SafetySettings() if table is None else SafetySettings(**table)
    return Gateway(Settings(providers=rows, safety=safety, environment=Environment()))


async def read(gateway: Gateway) -> tuple[list[Chunk], float]:
    """The chunks of one answer, and how long the first text took."""
    request = Request(model="writer/m", messages=(Message.user("Why is there a tide?"),))
    chunks: list[Chunk] = []
    started, first = time.monotonic(), 0.0
    async with gateway.stream(request) as stream:
        async for chunk in stream:
            if not first and isinstance(chunk, TextChunk | RefusalChunk):
                first = time.monotonic() - started
            chunks.append(chunk)
    return chunks, first


def _text(chunks: Sequence[Chunk]) -> str:
    return "".join(one.text for one in chunks if isinstance(one, TextChunk))


BACKENDS: dict[str, dict[str, Any]] = {
    "llama_guard": {"backend": "llama_guard", "model": "judge/llama-guard3:8b"},
    "moderation": {"backend": "moderation", "model": "judge/mod"},
    "local": {},
}


async def streams(unsafe: str, *, times: int) -> bool:
    """Each back end with each action. The local one is given an answer that is unsafe throughout, and that it finds."""
    met = True
    calm = (CALM * 8).split()
    for name, table in BACKENDS.items():
        bad = f"{MARK} {MARK} {MARK}" if name != "local" else unsafe
        if not bad:
            continue
        words = [*calm, *bad.split(), *calm, *calm] if name != "local" else bad.split()
        for action in ("block", "redact", "flag"):
            met &= await _stream(name, {**table, "action": action, "window": WINDOW}, words, bad, times=times)
    return met


async def _stream(name: str, table: dict[str, Any], words: Sequence[str], bad: str, *, times: int) -> bool:
    leaks, whole, ended = 0, 0, 0
    firsts: list[float] = []
    with judging() as judge:
        async with writing(words) as writer, _gateway(writer.url, judge, table) as gateway:
            await read(gateway)  # the first call makes the connections
            for _ in range(times):
                chunks, first = await read(gateway)
                text = _text(chunks)
                firsts.append(first)
                leaks += _leaks(text, bad)
                whole += text.split() == list(words)
                ended += writer.sent[-1] < len(words)
    action = table["action"]
    figure(f"{name}, {action}: first text after", f"{1000 * percentile(firsts, 0.5):.0f} ms (median of {times})")
    if action == "flag":
        return equal(f"{name}, flag: streams delivered whole", whole, times)
    if (
        name == "local" and action == "redact"
    ):  # the classifier may miss a window of it, which is no leak of the layer's
        figure("local, redact: streams in which it missed a window", f"{leaks} of {times}")
        return True
    met = equal(f"{name}, {action}: streams that showed anything of the unsafe window", leaks, 0)
    if action == "block":
        met &= equal(f"{name}, block: upstreams left before their end", ended, times)
    return met


def _leaks(text: str, bad: str) -> bool:
    """Whether any four words of the unsafe text are to be seen one after the other, or the mark."""
    words = bad.split()
    runs = [" ".join(words[at : at + 4]) for at in range(max(1, len(words) - 3))]
    return any(run in text for run in runs) or (MARK in bad and MARK in text)


async def plain(*, times: int) -> None:
    with judging() as judge:
        async with writing((CALM * 24).split()) as writer, _gateway(writer.url, judge, None) as gateway:
            firsts = [(await read(gateway))[1] for _ in range(times + 1)][1:]
    figure("no safety layer: first text after", f"{1000 * percentile(firsts, 0.5):.0f} ms (median of {times})")


def classifier_measured(classifier: Classifier) -> bool:
    """As the layer judges: in pieces, the worst one counting."""
    scores, least = in_pieces(classifier.scores), classifier.thresholds
    learned, held_out = divided(ROOT)
    figure("misc/safety", f"{len(learned)} texts learned from; of the {len(held_out)} held out:")
    for line in measured(scores, least, held_out):
        figure("  held out", line)
    met = calm_measured(classifier)
    short = [one.text for one in held_out if one.unsafe and len(one.text) < 200]
    among = [f"{CALM}{CALM}{text} {CALM}{CALM}" for text in short]
    found = (
        f"{alarms(scores, least, short)} of {len(short)} found alone, {alarms(scores, least, among)} among calm ones"
    )
    figure("short unsafe texts, held out", found)
    attacks = injections(ROOT)
    figure("prompt injections, which it was not made to find", f"{alarms(scores, least, attacks)} of {len(attacks)}")
    anything = counts(scores, least, held_out)["any"]
    met &= at_least("precision for anything unsafe (a floor against decay, no claim)", anything.precision, 0.5)
    return met & at_least("recall for anything unsafe (a floor against decay, no claim)", anything.recall, 0.25)


def calm_measured(classifier: Classifier) -> bool:
    """Who blocks what is ordinary is switched off, so that this is what the thresholds are chosen for."""
    met, held_out = True, ordinary(ROOT)[1]
    for kind in KINDS:
        texts = [one.text for one in held_out if one.kind == kind]
        false = alarms(in_pieces(classifier.scores), classifier.thresholds, texts)
        what = f"ordinary {kind}, held out: called unsafe of 1,000 ({false} of {len(texts)})"
        met &= at_most(what, 1_000 * false / len(texts), 5, digits=1)
    return met


def cpu(texts: Sequence[str]) -> bool:
    """A new process knows no word yet; a running one knows most."""
    windows = [text[at : at + WINDOW] for text in texts for at in range(0, max(1, len(text) - 99), WINDOW - 100)]
    fresh = Classifier((TESTS.parent / "unified_api/safety/classifier.weights").read_bytes())
    taken = []
    for _ in range(2):
        started = time.process_time()
        for window in windows:
            for start, end in cut(window, LocalGuard.longest, 100):
                fresh.scores(window[start:end])
        taken.append((time.process_time() - started) / len(windows) * 1e6)
    what = f"local classifier, CPU per window of {WINDOW} characters"
    met = at_most(f"{what}, words new", taken[0], CPU_PER_WINDOW_US, unit=" us", digits=0)
    return met & at_most(f"{what}, words met before", taken[1], CPU_PER_WINDOW_US, unit=" us", digits=0)


def unsafe_text(classifier: Classifier) -> str:
    """Held-out texts, one after the other, in each of which the classifier is sure of every piece."""
    raised = {name: min(0.99, least + 0.1) for name, least in classifier.thresholds.items()}
    texts = [one.text for one in divided(ROOT)[1] if one.unsafe and len(one.text) >= WINDOW]
    sure = [
        text
        for text in texts
        if all(
            alarms(classifier.scores, raised, [text[start:end]]) for start, end in cut(text, LocalGuard.longest, 100)
        )
    ]
    return " ".join(sorted(sure, key=len)[:3])


def main(*, quick: bool = False) -> bool:
    classifier = packed_classifier()
    met, unsafe = True, ""
    if ROOT.is_dir():
        met &= classifier_measured(classifier)
        unsafe = unsafe_text(classifier)
        met &= cpu([one.text for one in divided(ROOT)[1]])
    else:
        figure("the corpora are not there, so the classifier is not measured", str(ROOT))
        met &= cpu([CALM * 50])
    times = 2 if quick else 10
    anyio.run(partial(plain, times=times))
    return anyio.run(partial(streams, unsafe, times=times)) and met


if __name__ == "__main__":
    raise SystemExit(0 if main(quick="--quick" in sys.argv) else 1)
