"""Plays recorded interactions through the decoders: `python -m unified_api.wire.replay FOLDER [--json]`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from unified_api import pricing
from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.facts import facts
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.types import (
    EmbedResponse,
    ImageResponse,
    JsonObject,
    ReasoningPart,
    RerankResponse,
    Response,
)
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.errors import decode_error
from unified_api.wire.model_list import listed_models
from unified_api.wire.outcome import Outcome
from unified_api.wire.quoting import shorten
from unified_api.wire.recognition import Exchange, recognise
from unified_api.wire.recording import Recording, RecordingError, read_recording

__all__ = ["main", "profile_of", "replay"]

_LARGEST_BYTES = 256 * 2**20
"""What the largest answer that the gateway reads needs as a recording."""
_NOT_RECORDINGS = frozenset({"MANIFEST.json", "_index.json"})


def replay(recording: Recording) -> Outcome:
    """The outcome of one interaction. An error answer that is read as the error it is counts as ok."""
    exchange = recognise(recording.host, recording.path)
    start = Outcome(id=recording.id, ok=True, family=exchange.family or recording.api)
    profile = profile_of(recording)
    if not 200 <= recording.status < 300:
        return replace(start, error=_refusal(recording, profile))
    if exchange.task is None:
        return replace(start, ok=False, detail=f"not supported: {exchange.reason}")
    try:
        return _TASKS[exchange.task](start, recording, exchange, profile)
    except ProviderError as error:
        return _failed(start, error)


def _refusal(recording: Recording, profile: WireProfile) -> ProviderError:
    return decode_error(
        recording.status,
        recording.headers,
        recording.body,
        provider=recording.provider,
        model=recording.model,
        profile=profile,
    )


def _chat(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    wire = families.CHAT[exchange.family]
    named = {"provider": recording.provider, "model": recording.model}
    if not recording.streaming:
        return _answered(start, recording, wire.decode(recording.body, **named, profile=profile))
    decoder, collector = wire.StreamDecoder(**named, profile=profile), Collector()
    error: ProviderError | None = None
    try:
        for step in (partial(decoder.feed, recording.body), decoder.end):
            for chunk in step():
                collector.add(chunk)
    except ProviderError as failure:
        error = failure
    outcome = _answered(start, recording, collector.response(**named))
    if decoder.malformed:
        outcome = replace(outcome, detail=f"{decoder.malformed} unreadable events were passed over")
    return outcome if error is None else _failed(outcome, error)


def _answered(start: Outcome, recording: Recording, response: Response) -> Outcome:
    calls: list[JsonObject] = [
        {"id": call.id, "name": call.name, "arguments": call.arguments} for call in response.tool_calls
    ]
    return replace(
        start,
        text=response.text,
        reasoning="".join(part.text for part in response.parts if isinstance(part, ReasoningPart)),
        tool_calls=tuple(calls),
        finish_reason=response.finish_reason,
        usage=response.usage,
        cost_usd=_cost(recording, response),
        detail=f"the model refused: {shorten(response.refusal)}" if response.refusal else "",
    )


def _failed(outcome: Outcome, error: ProviderError) -> Outcome:
    """An error that the answer itself tells is read well; one that we had to make of it is not."""
    unread = isinstance(error, MalformedResponseError | TruncatedStreamError)
    return replace(
        outcome, ok=not unread, error=error, finish_reason="error", detail=error.message if unread else outcome.detail
    )


def _embed(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    wire = families.EMBED[exchange.family]
    response = wire.decode(recording.body, provider=recording.provider, model=recording.model, profile=profile)
    size = len(response.vectors[0]) if response.vectors else 0
    said = f"{len(response.vectors)} vectors of {size} numbers"
    return replace(start, usage=response.usage, cost_usd=_cost(recording, response), detail=said)


def _image(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    named = {"provider": recording.provider, "model": recording.model}
    polled = families.POLLED.get(exchange.family)
    if polled is not None and (waiting := polled.pending(recording.body, **named)) is not None:
        return replace(start, detail=f"not done yet: ask again at {waiting.poll.path}")
    wire = families.IMAGE[exchange.family]
    response = wire.decode(recording.body, provider=recording.provider, model=recording.model, profile=profile)
    kinds = ", ".join(f"{image.media_type} {'bytes' if image.data else 'url'}" for image in response.images)
    return replace(start, usage=response.usage, cost_usd=_cost(recording, response), detail=f"images: {kinds}")


def _rerank(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    wire = families.RERANK[exchange.family]
    response = wire.decode(recording.body, provider=recording.provider, model=recording.model, profile=profile)
    order = ", ".join(f"{one.index} ({one.score:.4g})" for one in response.results)
    return replace(start, usage=response.usage, cost_usd=_cost(recording, response), detail=f"order: {order}")


def _moderate(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    wire = families.MODERATE[exchange.family]
    response = wire.decode(recording.body, provider=recording.provider, model=recording.model, profile=profile)
    verdicts = (
        ", ".join(sorted(name for name, hit in one.categories.items() if hit)) or "nothing" for one in response.results
    )
    return replace(start, usage=response.usage, detail="flagged: " + "; ".join(verdicts))


def _models(start: Outcome, recording: Recording, exchange: Exchange, profile: WireProfile) -> Outcome:
    del profile
    names = listed_models(recording.body)
    if names is None:
        return replace(start, ok=False, detail=f"this is no list of {exchange.family}")
    return replace(start, detail=f"{len(names)} models")


_TASKS: Mapping[str, Callable[[Outcome, Recording, Exchange, WireProfile], Outcome]] = {
    "chat": _chat,
    "embed": _embed,
    "image": _image,
    "rerank": _rerank,
    "moderate": _moderate,
    "models": _models,
}


def _cost(recording: Recording, response: Response | EmbedResponse | ImageResponse | RerankResponse) -> float | None:
    """What the provider states, else what the gateway makes of the usage."""
    cost = response.cost_usd
    if cost is None:
        echoed, asked = response.model.removeprefix(f"{recording.provider}/"), recording.model
        provider, row = _row(recording)
        address = f"https://{recording.host}{recording.path}"
        plain = None
        if row is not None:
            if urlsplit(row.base_url or "").hostname != recording.host:
                address = row.price_address or address
            known = facts(row.priced_as or provider, asked)
            stated, listed = row.prices_of(asked), None if known is None else known.prices
            plain = pricing.plain_prices(stated=stated, listed=listed, base_url=address, name=asked)
        writes = isinstance(response, Response | ImageResponse)
        cost = pricing.charge(response.usage, plain=plain, base_url=address, names=(echoed, asked), writes=writes)
    return None if cost is None else float(cost)


def _row(recording: Recording) -> tuple[str, ProviderRow | None]:
    """The provider that has the recording's host, or else its name, and its row."""
    rows, host = builtin_rows(), recording.host.partition(":")[0]
    hosted = (name for name, row in rows.items() if urlsplit(row.base_url or "").hostname == host)
    name = next(hosted, recording.provider)
    return name, rows.get(name)


def profile_of(recording: Recording) -> WireProfile:
    """How the provider departs from its family."""
    _, row = _row(recording)
    if row is None:
        return WireProfile()
    return row.profile.for_wire(row.unsupported_by(recording.model))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.name not in _NOT_RECORDINGS)


def _content(path: Path) -> bytes:
    if not path.is_file():  # a pipe would never end
        raise RecordingError("it is no file")
    if path.stat().st_size > _LARGEST_BYTES:
        raise RecordingError(f"it is larger than {_LARGEST_BYTES // 2**20} MiB")
    return path.read_bytes()


def _outcomes(paths: Iterable[Path]) -> Iterator[Outcome]:
    for path in paths:
        try:
            recording = read_recording(_content(path))
        except (OSError, RecordingError) as error:
            name = path.stem.encode("utf-8", "replace").decode()  # a file may be named in another encoding
            yield Outcome(id=name, ok=False, family="", detail=f"{shorten(path.name)} cannot be read: {error}")
        else:
            yield replay(recording)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when every interaction was decoded, 1 when one was not, 2 when there is nothing to replay."""
    parser = argparse.ArgumentParser(
        prog="python -m unified_api.wire.replay",
        description="Decode recorded provider traffic, one line an interaction.",
        epilog="Exit status: 0 all decoded, 1 some not (their lines say why), 2 nothing to replay.",
    )
    parser.add_argument("folder", type=Path, help="folder of *.json files, one recorded interaction each")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead of words")
    options = parser.parse_args(arguments)
    paths = _files(options.folder)
    if not paths:
        sys.stderr.write(f"no *.json file in {str(options.folder)!r}: name a folder of recorded interactions\n")
        return 2
    counts: Counter[bool] = Counter()
    for outcome in _outcomes(paths):
        counts[outcome.ok] += 1
        line = orjson.dumps(outcome.as_json()).decode() if options.json else outcome.as_line()
        sys.stdout.write(f"{line}\n")
    if not options.json:
        sys.stdout.write(f"{counts[True]} decoded, {counts[False]} not\n")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
