"""Drill 5: random requests with planted canaries and labels over random routes; what the detectors find in a corpus."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.bar import at_least, equal, figure, progress
from benchmarks.canaries import REGIONS, Canaries, Provider, Recipient, World, upstream
from benchmarks.served import NO_BREAKER
from unified_api.errors import GatewayError, NoCandidateError
from unified_api.gateway import Gateway
from unified_api.layers.cache import Cache
from unified_api.layers.safety import Safety
from unified_api.privacy.checksums import luhn, mod_97
from unified_api.privacy.detection import find
from unified_api.providers import DataPolicyRow, ProviderRow
from unified_api.safety.local import LocalGuard
from unified_api.settings import (
    CacheSettings,
    Environment,
    PrivacySettings,
    RecordSettings,
    Route,
    SafetySettings,
    Settings,
)
from unified_api.types import SENSITIVITIES, EmbedRequest, Policy, Request

__all__ = ["main"]

VARIANTS = {
    "judged": "labels raised by what is found, answers judged by the local classifier",
    "kept": "labels raised by what is found, answers kept",
    "replaced": "what is found replaced, answers judged by a moderation model",
}
_COMMON = ("p8", "p9", "judge", "vectors", "the log", "the spans")
SEES = {
    "judged": (*_COMMON, "the local classifier"), "kept": (*_COMMON, "the cache"),
    "replaced": (*_COMMON, "guard", "the cache"),
}  # fmt: skip
"""Who must have been shown a canary, or the run has shown nothing."""
CONCURRENCY = 64
INSIDE = "internal"
"""The clearance of the cache, the local classifier and the log."""
CORPUS = Path(os.environ.get("ORCHESTRATOR_CORPORA") or Path(__file__).parents[2] / "shared" / "corpora") / "misc/pii"


class _Lines(logging.Handler):
    """Everything that is logged, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.__dict__}")


def _routes(source: random.Random, providers: list[Provider]) -> dict[str, Route]:
    routes = {}
    for name in "abcdef":
        chosen = [f"{one.name}/m" for one in source.sample(providers, source.randint(2, 6))]
        table: dict[str, Any] = {"models": chosen, "hedge": source.random() < 0.3}
        if source.random() < 0.4:
            table["escalate"] = {"evaluator": "judge", "judge": "judge/m", "criteria": "kind", "threshold": 0.5}
        if source.random() < 0.3:
            others = [f"{one.name}/m" for one in source.sample(providers, 2)]
            table["when"] = [{"sensitivity": "confidential", "models": others}]
        routes[name] = Route.model_validate(table)
    return routes


def _settings(
    world: World, providers: list[Provider], source: random.Random, *, variant: str, broken: bool, file: Path
) -> Settings:
    redacts = variant == "replaced"
    rows = {
        one.name: ProviderRow(
            base_url=world.url(one.name),
            models=("m", "embed-1", "moderation-1"),
            capabilities={"moderation": ("moderation-*",)},
            clearance="restricted" if broken else one.clearance,
            data_policy=DataPolicyRow(region=one.region),
            free=True,
        )
        for one in providers
    }
    guard = {"backend": "moderation", "model": "guard/moderation-1", "fail": "open"} if redacts else {}
    return Settings(
        providers=rows,
        routes=_routes(source, [one for one in providers if one.name.startswith("p")]),
        environment=Environment(),
        breaker=NO_BREAKER,
        privacy=PrivacySettings(detect=True, redact="placeholders" if redacts else "off"),
        cache=CacheSettings.model_validate(
            {"enabled": True, "sampled": True, "clearance": INSIDE}
            | {"semantic": {"enabled": True, "model": "vectors/embed-1", "threshold": 0.999}}
        ),
        # What the classifier has remarked on is not kept, so the cache has a run without it.
        safety=SafetySettings.model_validate(
            guard or {"enabled": variant == "judged", "fail": "open", "clearance": INSIDE}
        ),
        record=RecordSettings(log=True, file=file, traces=True, content=True, clearance=INSIDE),
    )


def _people(source: random.Random) -> list[Provider]:
    chosen = [Provider(f"p{at}", source.choice(SENSITIVITIES), source.choice(REGIONS)) for at in range(8)]
    chosen += [Provider("p8", "restricted", "eu"), Provider("p9", "public", "eu")]
    return chosen + [Provider(name, "confidential", "eu") for name in ("judge", "vectors", "guard")]


async def _run(
    calls: int, variant: str, spans: InMemorySpanExporter, *, broken: bool = False, seed: int = 5
) -> tuple[Canaries, Counter[str]]:
    source = random.Random(f"{seed} {variant}")
    providers = _people(source)
    canaries = Canaries(variant == "replaced")
    recipients = {one.name: Recipient(one.name, one.clearance, one, one.name.startswith("p")) for one in providers}
    world = World(canaries, recipients, seed=seed)
    outcomes: Counter[str] = Counter()
    lines = _Lines()
    root = logging.getLogger()
    before = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "calls.jsonl"
        try:
            async with upstream(world):
                settings = _settings(world, providers, source, variant=variant, broken=broken, file=file)
                async with Gateway(settings, random=random.Random(seed).random) as gateway:
                    layers = list(_layers(gateway))
                    _listen(layers, canaries)
                    await _ask_all(gateway, canaries, source, providers, calls, outcomes)
                    _look_inside(layers, canaries)
        finally:
            root.removeHandler(lines)
            root.setLevel(before)
        log = Recipient("the log", INSIDE)
        for line in (*lines.lines, *file.read_text("utf-8").splitlines()):
            canaries.look(log, line)
    for span in spans.get_finished_spans():
        canaries.look(Recipient("the spans", INSIDE), span.to_json())
    spans.clear()
    return canaries, outcomes


async def _ask_all(
    gateway: Gateway,
    canaries: Canaries,
    source: random.Random,
    providers: list[Provider],
    calls: int,
    outcomes: Counter[str],
) -> None:
    asked = [one for one in providers if one.name.startswith("p")]
    work = [canaries.plant(source, asked) for _ in range(calls)]
    work += source.sample(work, calls // 10)  # some again, for the cache
    tell = progress("calls", len(work))
    waiting = iter(list(enumerate(work)))

    async def ask_on() -> None:
        for number, (request, policy) in waiting:
            outcomes.update(await _ask(gateway, request, policy, streams=number % 3 == 0))
            tell(number)

    async with anyio.create_task_group() as group:
        for _ in range(CONCURRENCY):
            group.start_soon(ask_on)


async def _ask(gateway: Gateway, request: Request | EmbedRequest, policy: Policy, *, streams: bool) -> list[str]:
    try:
        if isinstance(request, EmbedRequest):
            attempts = (await gateway.embed(request, policy)).attempts
        elif streams:
            async with gateway.stream(request, policy) as stream:
                async for _ in stream:
                    pass
            attempts = stream.response.attempts
        else:
            attempts = (await gateway.chat(request, policy)).attempts
    except NoCandidateError:
        return ["nobody may answer"]
    except GatewayError as error:
        return ["failed", *(["fell back"] if len({one.model for one in error.attempts if one.number}) > 1 else [])]
    fell = len({one.model for one in attempts if one.number}) > 1
    return [
        "answered",
        *(["fell back"] if fell else []),
        *(["from the cache"] if any(one.outcome == "cached" for one in attempts) else []),
        *(["consulted"] if any(one.error == "consulted" for one in attempts) else []),
    ]


def _layers(gateway: Gateway) -> Iterator[object]:
    handler: Any = gateway._whole  # noqa: SLF001  # the drill looks into what no user can see
    while isinstance(handler, partial):
        yield handler.func.__self__  # type: ignore[attr-defined]  # each is a bound method of its layer
        handler = handler.keywords["proceed"]


def _listen(layers: list[object], canaries: Canaries) -> None:
    """Let the local classifier tell what it is shown."""
    for layer in layers:
        guard = layer._judge.guard if isinstance(layer, Safety) else None  # noqa: SLF001  # as above
        if isinstance(guard, LocalGuard):
            guard._classifier = _Listening(guard._classifier, canaries)  # noqa: SLF001  # as above


class _Listening:
    """Whatever is asked of the classifier, with what text."""

    def __init__(self, classifier: Any, canaries: Canaries) -> None:
        self._classifier = classifier
        self._canaries = canaries

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self._classifier, name)
        return partial(self._told, whole) if callable(whole) else whole

    def _told(self, whole: Any, *given: Any) -> Any:
        for one in given:
            if isinstance(one, str):
                self._canaries.look(Recipient("the local classifier", INSIDE), one)
        return whole(*given)


def _look_inside(layers: list[object], canaries: Canaries) -> None:
    """What the cache has kept."""
    for layer in layers:
        if isinstance(layer, Cache):
            for text in _texts(vars(layer), set()):
                canaries.look(Recipient("the cache", INSIDE), text)


def _texts(thing: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(thing, str | bytes):
        yield thing if isinstance(thing, str) else thing.decode("latin-1")
    elif id(thing) not in seen and not callable(thing):
        seen.add(id(thing))
        if isinstance(thing, Mapping):
            for key, value in thing.items():
                yield from _texts(key, seen)
                yield from _texts(value, seen)
        elif isinstance(thing, list | tuple | set | frozenset):
            for one in thing:
                yield from _texts(one, seen)
        elif type(thing).__module__.startswith(("unified_api.caching", "unified_api.types")):
            names = [
                *getattr(thing, "__dict__", ()),
                *(slot for kind in type(thing).__mro__ for slot in getattr(kind, "__slots__", ())),
            ]
            for name in names:
                yield from _texts(getattr(thing, name, None), seen)


def _told(variant: str, canaries: Canaries, outcomes: Counter[str], seconds: float) -> bool:
    calls = sum(outcomes[one] for one in ("answered", "failed", "nobody may answer"))
    print(f"{VARIANTS[variant]}: {calls:,} calls in {seconds:.1f} s", flush=True)
    met = equal("canaries that reached an uncleared recipient", len(canaries.leaks), 0)
    for leak in canaries.leaks[:10]:
        print(f"         {leak}", flush=True)
    figure("calls", ", ".join(f"{name} {number:,}" for name, number in outcomes.most_common()))
    inside = {name: canaries.seen[name] for name in SEES[variant]}
    figure("canaries seen by those who may", ", ".join(f"{name} {number:,}" for name, number in inside.items()))
    return met & at_least("recipients that saw some", sum(map(bool, inside.values())), len(inside), digits=0)


def _detection() -> bool:
    kinds = {
        "CREDIT_CARD": "card", "IBAN_CODE": "iban", "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone",
        "US_SSN": "national_id", "IP_ADDRESS": "ip_address", "US_DRIVER_LICENSE": "driving_licence",
        "STREET_ADDRESS": "street_address",
    }  # fmt: skip
    if not CORPUS.is_dir():
        figure("detection", f"not measured: no corpus at {CORPUS}")
        return True
    total, well, hit, hit_well, claimed, right = (Counter[str]() for _ in range(6))
    texts, spent = 0, 0.0
    for path in sorted(CORPUS.glob("*.jsonl")):
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            started = time.perf_counter()
            finds = find(row["text"])
            spent += time.perf_counter() - started
            texts += 1
            places = [
                (kinds.get(one["entity_type"]), one["start_position"], one["end_position"]) for one in row["spans"]
            ]
            for kind, start, end in places:
                if kind is None:
                    continue
                found = any(one.kind == kind and one.start < end and start < one.end for one in finds)
                formed = _well_formed(kind, row["text"][start:end])
                total[kind] += 1
                hit[kind] += found
                well[kind] += formed
                hit_well[kind] += found and formed
            for one in finds:
                claimed[one.kind] += 1
                right[one.kind] += any(
                    k == one.kind and one.start < end and start < one.end for k, start, end in places
                )
    print(f"detection on {CORPUS.name}: {spent / max(1, texts) * 1e6:.0f} us a text, of {texts:,} texts", flush=True)
    met = True
    for kind in kinds.values():
        said = (
            f"recall {hit[kind]}/{total[kind]} = {100 * hit[kind] / max(1, total[kind]):.1f} %, well-formed "
            f"{hit_well[kind]}/{well[kind]}, precision {right[kind]}/{claimed[kind]} = "
            f"{100 * right[kind] / max(1, claimed[kind]):.1f} %"
        )
        figure(kind, said)
        if kind in {"card", "iban", "email", "phone"}:
            share = 100 * hit_well[kind] / max(1, well[kind])
            met &= at_least(f"{kind}: recall where well-formed", share, 95, unit=" %")
    return met


def _well_formed(kind: str, value: str) -> bool:
    """Whether the check digits are right, or Google's library takes it for a phone number of some country."""
    plain = "".join(character for character in value if character.isalnum()).upper()
    if kind == "card":
        return plain.isdigit() and luhn(plain)
    if kind == "iban":
        return mod_97(plain)
    if kind == "phone":
        return _is_phone(value)
    return True


def _is_phone(value: str) -> bool:
    try:
        import phonenumbers
    except ImportError:  # without it, every number of the corpus is held to the bar
        return True
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(value, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


async def _all(calls: int) -> bool:
    met = True
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracing)
    for variant in VARIANTS:
        started = time.monotonic()
        canaries, outcomes = await _run(calls // len(VARIANTS) + 1, variant, spans)
        met &= _told(variant, canaries, outcomes, time.monotonic() - started)
    broken, _ = await _run(max(200, calls // 20), "kept", spans, broken=True)
    met &= at_least("leaks seen where the filter believes every provider", len(broken.leaks), 1, digits=0)
    return met


def main(*, quick: bool = False) -> bool:
    met = anyio.run(_all, 1_000 if quick else 10_000)
    met &= _detection()
    return met


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
