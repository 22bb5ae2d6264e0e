"""Writes `unified_api/models.tsv`: what public tables state of every model at the built-in providers.

    python tools/model_facts.py FOLDER > unified_api/models.tsv

FOLDER holds `models_dev.json` (https://models.dev/api.json, MIT) and `litellm_model_prices.json`
(`model_prices_and_context_window.json` of BerriAI/litellm, MIT). Only facts are taken: names, sizes, abilities, prices.
models.dev goes first; what it leaves to a model's maker (`base_model`) is looked up there, gaps are filled from
litellm, and media that are still unknown are those that most providers of the model state. A price is written only
where the installed genai-prices does not know the model. Review the difference before you commit it: a model that
vanished, a context that shrank, a tenfold price.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from unified_api import pricing
from unified_api.providers import builtin_rows
from unified_api.wire.model_patterns import any_matches

Table = Mapping[str, Any]
Price = tuple[float | None, float | None, float | None]
CHAT = frozenset({"chat", "embeddings"})


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the models of one of our rows are listed, and which of them its wire families can call."""

    models_dev: str | None = None
    litellm: str | None = None
    listed_by_litellm: bool = False
    """Whether litellm's names count too, for what models.dev does not have."""
    kinds: frozenset[str] = CHAT
    only: str = ""
    """Names that are called at the row's address; empty for all."""
    never: str = r"(?!)"


def _source(models_dev: str | None = None, litellm: str | None = None, **more: Any) -> Source:  # a table
    return Source(models_dev=models_dev, litellm=litellm, **more)


IMAGES = CHAT | {"image_output"}
ALL = IMAGES | {"rerank", "moderation"}
SOURCES: Mapping[str, Source] = {
    "openai": _source("openai", "openai", listed_by_litellm=True, kinds=CHAT | {"image_output", "moderation"},
                      never=r"^ft:|gpt-oss|codex-mini-latest|/|^chatgpt-image|-search-api"),
    "azure": _source("azure", "azure", kinds=IMAGES, never=r"claude"),
    "anthropic": _source("anthropic", "anthropic", listed_by_litellm=True),
    "google": _source("google", "gemini", listed_by_litellm=True, kinds=IMAGES,
                      never=r"veo|lyria|gemini-exp|-exp-|learnlm|robotics|deep-research|imagen|^gemini-gemma"),
    "google-vertex": _source("google-vertex", "vertex_ai-language-models", listed_by_litellm=True, kinds=IMAGES,
                             only=r"^(gemini|text-embedding|text-multilingual|imagen)", never="robotics|-experimental"),
    "bedrock": _source("amazon-bedrock", "bedrock_converse", kinds=frozenset({"chat"}), listed_by_litellm=True,
                       never=r"/|^openai\.gpt-5"),
    "mistral": _source("mistral", "mistral", listed_by_litellm=True, never="ocr|voxtral.*transcribe|codestral-embed"),
    "xai": _source("xai", "xai", listed_by_litellm=True, kinds=IMAGES, never="video|multi-agent|beta|-gv2|/"),
    "deepseek": _source("deepseek", "deepseek"),
    "moonshot": _source("moonshotai", "moonshot"),
    "dashscope": _source("alibaba", "dashscope", never="tts|asr|livetranslate|realtime|-mt-"),
    "groq": _source("groq", "groq", never="whisper|orpheus|tts|compound"),
    "together": _source("togetherai", "together_ai", listed_by_litellm=True, never=r"together-ai-|^together-"),
    "fireworks": _source("fireworks-ai", "fireworks_ai"),
    "openrouter": _source("openrouter", "openrouter", kinds=frozenset({"chat"})),
    "cerebras": _source("cerebras", "cerebras"),
    "perplexity": _source("perplexity", "perplexity"),
    "databricks": _source("databricks", "databricks", listed_by_litellm=True),
    "cloudflare": _source("cloudflare-workers-ai", "cloudflare"),
    "cohere": _source("cohere", "cohere", listed_by_litellm=True, kinds=ALL, never="nightly|parse"),
    "voyage": _source(None, "voyage", listed_by_litellm=True, kinds=ALL),
    "jina": _source(None, "jina_ai", listed_by_litellm=True, kinds=ALL),
    "huggingface": _source("huggingface"),
    "nvidia": _source("nvidia", kinds=frozenset({"chat"}), never="detect|voicechat|parse|ocr|whisper|cosmos"),
    "zai": _source("zai", "zai"),
    "zhipu": _source("zhipuai"),
    "minimax": _source("minimax", "minimax", never="speech|music|hailuo"),
    "sambanova": _source(None, "sambanova", listed_by_litellm=True),
    "novita": _source("novita-ai", "novita", listed_by_litellm=True),
    "nebius": _source("nebius", "nebius", listed_by_litellm=True),
    "hyperbolic": _source(None, "hyperbolic", listed_by_litellm=True),
    "baseten": _source("baseten", "baseten"),
    "deepinfra": _source("deepinfra", "deepinfra", listed_by_litellm=True),
    "scaleway": _source("scaleway", "scaleway", never="whisper"),
    "ovhcloud": _source("ovhcloud", "ovhcloud"),
    "snowflake": _source("snowflake-cortex", "snowflake"),
    "ai21": _source(None, "ai21", listed_by_litellm=True, never="^j2-|@"),
    "inception": _source("inception", "inception", never="edit"),
    "github": _source("github-models"),
    "vercel": _source("vercel", "vercel_ai_gateway", never="video|image|flux|imagen|recraft|veo|seedream"),
    "requesty": _source("requesty"),
    "upstage": _source("upstage"),
    "stepfun": _source("stepfun"),
    "siliconflow": _source("siliconflow"),
    "friendli": _source("friendli", "friendliai"),
    "wandb": _source("wandb", "wandb"),
    "digitalocean": _source("digitalocean", kinds=frozenset({"chat"}), never="tts|voice|whisper|image|flux|embed"),
    "poe": _source("poe", kinds=frozenset({"chat"}), never="image|video|sora|veo|imagen|flux|tts|elevenlabs|lyria"),
    "venice": _source("venice"),
    "chutes": _source("chutes"),
    "crusoe": _source(None, "crusoe", listed_by_litellm=True),
    "stability": _source(None, "stability", listed_by_litellm=True, kinds=frozenset({"image_output"}), only="^sd3"),
}  # fmt: skip

LABS = {
    "alibaba": "alibaba", "anthropic": "anthropic", "cohere": "cohere", "deepseek": "deepseek", "google": "google",
    "meta": "llama", "minimax": "minimax", "mistral": "mistral", "mistralai": "mistral", "moonshotai": "moonshotai",
    "openai": "openai", "qwen": "alibaba", "x-ai": "xai", "xai": "xai", "z-ai": "zai", "zai": "zai", "zai-org": "zai",
}  # fmt: skip
"""Maker as a name is prefixed -> its own table in models.dev."""
LITELLM_LABS = {"anthropic": "anthropic", "google": "gemini", "mistral": "mistral", "openai": "openai", "xai": "xai"}
LITELLM_FLAGS = {
    "supports_vision": "vision", "supports_audio_input": "audio", "supports_video_input": "video",
    "supports_pdf_input": "documents", "supports_function_calling": "tools",
    "supports_response_schema": "structured_output", "supports_reasoning": "reasoning",
}  # fmt: skip
SHOWN = {"image": "vision", "audio": "audio", "video": "video", "pdf": "documents"}
FLAGS = {"tool_call": "tools", "structured_output": "structured_output", "reasoning": "reasoning",
         "temperature": "temperature"}  # fmt: skip
CORRECTED = {r"(openai|azure)/gpt-3\.5-turbo(-0613|-1106|-0125)?": {"tools": True}}
"""What the tables have wrong: expression for a model's `provider/name` -> what it can do, as its answers show."""
DEAREST_VECTORS = 10
"""US dollars per million tokens."""
DATE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|20\d{6})$")
EMBEDS = re.compile(r"embed|(?:^|[/-])(?:bge|e5|gte)-|mini-?lm|mpnet")
NO_CALL = re.compile(r"realtime|-live|whisper|\btts|-tts|transcri|speech|audio-generation|computer-use|video-gen")


@dataclass(kw_only=True)
class Line:
    """What has been gathered of one model; the first source to say something is believed."""

    kind: str | None = None
    context: int | None = None
    max_output: int | None = None
    abilities: dict[str, bool] = field(default_factory=dict)
    prices: Price | None = None
    writes: bool = False
    """Whether text is among what it gives."""

    def take(self, other: Line) -> None:
        self.kind = self.kind or other.kind
        self.context = self.context or other.context
        self.max_output = self.max_output or other.max_output
        # models.dev lists few of those that read PDF files, so that its silence is no fact.
        reads = {"documents": True} if other.abilities.get("documents") else {}
        self.abilities = {**other.abilities, **self.abilities, **reads}
        self.prices = self.prices or other.prices
        self.writes = self.writes or other.writes


def of_models_dev(name: str, entry: Table) -> Line:
    limit, cost = entry.get("limit") or {}, entry.get("cost") or {}
    modalities = entry.get("modalities") or {}
    shown, made = modalities.get("input"), modalities.get("output")
    abilities = {ours: bool(entry[theirs]) for theirs, ours in FLAGS.items() if entry.get(theirs) is not None}
    if abilities.get("temperature") is True:
        del abilities["temperature"]  # only its absence is a fact worth a word
    if shown is not None:
        abilities.update({ours: theirs in shown for theirs, ours in SHOWN.items()})
    return Line(
        kind=None if made is None else kind_of(name, shown or ["text"], made),
        context=limit.get("context") or None,
        max_output=limit.get("output") or None,
        abilities=abilities,
        prices=price(cost.get("input"), cost.get("output"), cost.get("cache_read")),
        writes="text" in (made or ()),
    )


def kind_of(name: str, shown: list[str], made: list[str]) -> str:
    low = name.lower()
    if EMBEDS.search(low):
        return "embeddings"
    if "rerank" in low:
        return "rerank"
    if "moderation" in low:
        return "moderation"
    if "image" in made and ("image" in low or "text" not in made or "imagen" in low):
        return "image_output"
    return "chat" if "text" in made and "text" in shown and not NO_CALL.search(low) else "none"


def of_litellm(name: str, entry: Table) -> Line:
    modes = {"chat": "chat", "responses": "chat", "embedding": "embeddings", "rerank": "rerank",
             "image_generation": "image_output", "moderation": "moderation"}  # fmt: skip
    kind = modes.get(entry.get("mode") or "", "none")
    if kind == "chat" and NO_CALL.search(name.lower()):
        kind = "none"
    sizes = {key: entry.get(key) for key in ("max_input_tokens", "max_output_tokens")}
    tokens = {key: int(size) for key, size in sizes.items() if isinstance(size, int | float) and size}
    per_token = (entry.get(f"{key}_cost_per_token") for key in ("input", "output", "cache_read_input_token"))
    given, made, _ = per_token
    cached = entry.get("cache_read_input_token_cost")
    return Line(
        kind=kind,
        context=tokens.get("max_input_tokens"),
        max_output=tokens.get("max_output_tokens") if kind == "chat" else None,
        abilities={ours: entry[key] for key, ours in LITELLM_FLAGS.items() if isinstance(entry.get(key), bool)},
        prices=price(*(None if one is None else one * 1_000_000 for one in (given, made, cached))),
    )


def price(given: float | None, made: float | None, cached: float | None) -> Price | None:
    """None for what is not stated, and for a zero: tables write it for a trial or what they do not know.

    A cache that would cost more than no cache is a slip of the table, and so are vectors at the price of a novel.
    """
    return (given, made, cached if cached and given and cached <= given else None) if given else None


class Tables:
    """Both tables, by the words of either."""

    def __init__(self, folder: Path) -> None:
        self.models_dev: Table = json.loads((folder / "models_dev.json").read_text("utf-8"))
        self.everywhere: dict[str, list[Table]] = {}
        for provider in self.models_dev:
            for name, entry in self.entries(provider).items():
                self.everywhere.setdefault(name.lower().rpartition("/")[2], []).append(entry)
        self.litellm: dict[str, dict[str, Table]] = {}
        for key, entry in json.loads((folder / "litellm_model_prices.json").read_text("utf-8")).items():
            provider = entry.get("litellm_provider")
            if isinstance(provider, str):
                name = key.removeprefix(f"{provider}/").removeprefix(f"{provider.removesuffix('_converse')}/")
                self.litellm.setdefault(provider, {})[name] = entry

    def entries(self, models_dev: str | None) -> Table:
        return self.models_dev[models_dev]["models"] if models_dev else {}

    def lines(self, provider: str, source: Source) -> Iterator[tuple[str, Line]]:
        row = builtin_rows()[provider]
        theirs, others = self.entries(source.models_dev), self.litellm.get(source.litellm or "", {})
        names = dict.fromkeys((*theirs, *(others if source.listed_by_litellm else ()), *row.names))
        priced = [one.name for one in pricing.listings(row.price_address or "") if row.lists_priced]
        names.update(dict.fromkeys(priced))
        for name in sorted(names):
            if not re.search(source.only, name) or re.search(source.never, name):
                continue
            entry = theirs.get(name) or theirs.get(DATE.sub("", name), {})
            if entry.get("status") == "deprecated" and name not in priced:
                continue
            line = self.line(name, entry, others.get(name, {}))
            for model, abilities in CORRECTED.items():
                if line.kind and re.fullmatch(model, f"{provider}/{name}"):
                    line.abilities.update(abilities)
            if any_matches(row.profile.refused_while_thinking.get("temperature", ()), name):
                line.abilities.pop("temperature", None)  # the tables know no "while it thinks"
            if line.kind == "image_output" and "image_output" not in source.kinds and line.writes:
                line.kind = "chat"  # a gateway where it is asked for its pictures like any chat model
            if line.kind not in {"chat", None}:
                line.max_output = None  # models.dev has the length of the vectors there
            if line.kind in {"embeddings", "rerank"} and line.prices and (line.prices[0] or 0) > DEAREST_VECTORS:
                line.prices = None
            if line.kind in source.kinds:
                yield name, line
            elif name in priced and (line.kind or line.abilities):  # genai-prices would list it as any chat model
                yield name, replace(line, kind=line.kind and "none")

    def line(self, name: str, entry: Table, other: Table) -> Line:
        line = of_models_dev(name, entry)
        for maker in (entry.get("base_model"), name):
            if maker and "/" in maker:
                line.take(self.made(maker))
        if other:
            line.take(of_litellm(name, other))
        if entry and line.kind is None:
            line.take(self.elsewhere(entry.get("base_model") or name))
        return line

    def elsewhere(self, name: str) -> Line:
        """What most providers state of the model of that name: media and abilities, which go with the weights."""
        found = self.everywhere.get(name.lower().rpartition("/")[2], [])
        most = Counter(json.dumps(one["modalities"]) for one in found if "modalities" in one).most_common(1)
        common = {"modalities": json.loads(most[0][0])} if most else {}
        for key in ("tool_call", "reasoning"):
            said = Counter(one[key] for one in found if key in one).most_common(1)
            common.update({key: said[0][0]} if said else {})
        return of_models_dev(name, common)

    def made(self, maker_and_name: str) -> Line:
        """The model at its maker. Its prices are the maker's alone."""
        maker, _, name = maker_and_name.lower().partition("/")
        lab = LABS.get(maker)
        line = Line()
        entry = {key.lower(): value for key, value in self.entries(lab).items()}.get(name)
        if entry is not None:
            line.take(of_models_dev(name, {key: one for key, one in entry.items() if key != "cost"}))
        other = self.litellm.get(LITELLM_LABS.get(lab or "", ""), {}).get(name)
        if other is not None:
            line.take(of_litellm(name, other))
        line.prices = None
        return line


def main(folder: Path) -> Iterator[str]:
    tables, rows = Tables(folder), builtin_rows()
    entries = (one for provider in tables.models_dev for one in tables.entries(provider).values())
    newest = max(one.get("last_updated") or "" for one in entries)
    yield "# Written by tools/model_facts.py; mend that or the sources, not this file.\n"
    yield f"# Sources: models.dev (newest entry {newest[:10]}) and litellm's price map, both MIT; facts only.\n"
    yield "# provider, name, kind, context, longest answer, abilities (-: cannot), US dollars per million tokens as\n"
    yield f"# input/output/cached input where genai-prices {metadata.version('genai-prices')} has none.\n"
    for provider, source in SOURCES.items():
        for name, line in tables.lines(provider, source):
            known = pricing.listing(rows[provider].price_address, name)
            cells = (provider, name, line.kind or "", line.context or "", line.max_output or "", abilities_of(line))
            priced = known is not None and known.prices is not None
            yield "\t".join(map(str, (*cells, "" if priced else prices_of(line)))) + "\n"


def abilities_of(line: Line) -> str:
    return ",".join(able if yes else f"-{able}" for able, yes in sorted(line.abilities.items()))


def prices_of(line: Line) -> str:
    return "/".join("" if one is None else f"{one:.6g}" for one in line.prices) if line.prices else ""


if __name__ == "__main__":
    sys.stdout.writelines(main(Path(sys.argv[1])))
