"""Models that answer from a script, a network that fails on purpose and a clock that is turned by hand.

For the tests of whoever uses the gateway; no socket is opened and no time passes.

    gateway = scripted_gateway({"scripted/writer": ["first answer", RateLimitError("busy"), "second answer"]})
    response = await gateway.chat(Request(model="scripted/writer", messages=(Message.user("Hi"),)))

A reply is a text, a Response, an Exception to raise, chunks to stream, or a function of the request that gives one of
these (or an awaitable of one). A list is a script, one reply a call; anything else answers every call. A Response is
streamed part by part in the order of its parts, and chunks of every kind are put together for a whole answer.

`faults` names what networks and providers do wrong, for the script of a FaultyTransport:

    network = FaultyTransport([faults.rate_limited(retry_after=2), faults.answer("ok")], clock=clock)
    gateway = Gateway(settings, backend=network, clock=clock)

Embeddings take vectors, images an Image, rerankings a score a document and moderations a verdict an input, or each its
own response:

    gateway = scripted_gateway({"scripted/rank": [0.1, 0.9], "scripted/guard": [False]})
    best = await gateway.rerank(RerankRequest(model="scripted/rank", query="tides", documents=("sun", "moon")))
"""

from __future__ import annotations

from unified_api.testing import faults
from unified_api.testing.faulty_transport import FaultyTransport
from unified_api.testing.http_answer import ByForm, Fault, HttpAnswer, chat_answer, stream_answer
from unified_api.testing.manual_clock import ManualClock
from unified_api.testing.replies import ALL_CAPABILITIES, Reply, Script
from unified_api.testing.scripted_model import ScriptedModel, scripted_gateway

__all__ = [
    "ALL_CAPABILITIES",
    "ByForm",
    "Fault",
    "FaultyTransport",
    "HttpAnswer",
    "ManualClock",
    "Reply",
    "Script",
    "ScriptedModel",
    "chat_answer",
    "faults",
    "scripted_gateway",
    "stream_answer",
]
