import subprocess
import sys

import pytest

from unified_api.adapter import Adapter
from unified_api.errors import ConfigurationError, NotFoundError, UnsupportedParameterError
from unified_api.gateway import Gateway
from unified_api.local import LocalAdapter, missing, weights
from unified_api.local.embedder import files
from unified_api.models import Model
from unified_api.settings import Environment, Settings, Timeouts
from unified_api.types import EmbedRequest, ImageRequest, Message, Policy, Request

TIMEOUTS = Timeouts()


def model(name: str) -> Model:
    return Model(id=f"local/{name}", provider="local", name=name, wire="local")


CHAT, VECTORS, PICTURE = model("smollm2-135m-instruct"), model("wordllama-256"), model("placeholder-image")
HELLO = Request(model=CHAT.id, messages=(Message.user("hello"),))


@pytest.fixture
async def adapter(tmp_path):
    adapter = LocalAdapter(tmp_path)
    yield adapter
    await adapter.aclose()


async def test_it_is_an_adapter(adapter):
    assert isinstance(adapter, Adapter)


async def test_a_chat_without_weights_names_the_command_that_brings_them(adapter):
    with pytest.raises(ConfigurationError, match=weights.PULL_COMMAND):
        await adapter.chat(CHAT, HELLO, TIMEOUTS)


async def test_a_placeholder_image_is_an_svg_of_the_asked_size(adapter):
    answer = await adapter.image(PICTURE, ImageRequest(model=PICTURE.id, prompt="a cat", size="64x32"), TIMEOUTS)

    (image,) = answer.images
    assert image.media_type == "image/svg+xml"
    assert b'width="64" height="32"' in image.data


@pytest.mark.skipif(files() is None, reason="the extra `local` is not installed")
async def test_embeddings_come_with_their_token_count(adapter):
    answer = await adapter.embed(VECTORS, EmbedRequest(model=VECTORS.id, inputs=("one", "two words")), TIMEOUTS)

    assert [len(vector) for vector in answer.vectors] == [256, 256]
    assert answer.usage.input_tokens == 3
    assert (answer.model, answer.quality) == ("local/wordllama-256", None)


async def test_a_model_that_cannot_do_it_is_answered_with_the_one_that_can(adapter):
    with pytest.raises(NotFoundError, match="local/placeholder-image"):
        await adapter.image(CHAT, ImageRequest(model=CHAT.id, prompt="a cat"), TIMEOUTS)
    with pytest.raises(NotFoundError, match="local/wordllama-256"):
        await adapter.embed(CHAT, EmbedRequest(model=CHAT.id, inputs=("one",)), TIMEOUTS)
    with pytest.raises(NotFoundError, match="local/smollm2-135m-instruct"):
        await adapter.chat(VECTORS, HELLO, TIMEOUTS)


def test_what_is_missing_is_said_with_its_command(tmp_path):
    lacking = missing(tmp_path)

    assert "placeholder-image" not in lacking
    assert "orchestrate models pull local" in lacking["smollm2-135m-instruct"] or files() is None


WITHOUT_THE_EXTRA = """
import sys
for name in ("xllamacpp", "wordllama", "numpy", "tokenizers"):
    sys.modules[name] = None  # what Python keeps for a package that cannot be imported
import anyio
from pathlib import Path
from unified_api.errors import ConfigurationError
from unified_api.local import missing
from unified_api.local.embedder import Embedder
from unified_api.local.engine import Engine
for model, reason in missing(Path(".")).items():
    print(model, reason)
for load in (Embedder, lambda: Engine(Path("weights.gguf"))):
    try:
        load()
    except ConfigurationError as error:
        print(error)
"""


def test_without_the_extra_everything_that_needs_it_says_how_to_install_it():
    told = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=True)

    lines = told.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["smollm2-135m-instruct", "wordllama-256"]
    assert len(lines) == 4
    assert all("pip install 'meta-orchestrator[local]'" in line for line in lines)


def test_importing_the_provider_loads_nothing_heavy():
    code = "import sys, unified_api.local; print([n for n in ('numpy', 'xllamacpp', 'tokenizers') if n in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_what_the_stand_ins_would_pass_over_is_refused_by_name(tmp_path) -> None:
    settings = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    async with Gateway(settings) as gateway:
        for field in ({"negative_prompt": "dogs"}, {"seed": 1}, {"user": "me"}):
            with pytest.raises(UnsupportedParameterError, match=next(iter(field))):
                await gateway.image(ImageRequest(model="local/placeholder-image", prompt="x", **field))
        asked = ImageRequest(model="local/placeholder-image", prompt="x", seed=1, n=2)
        drawn = await gateway.image(asked, Policy(on_unsupported="drop"))
        assert (drawn.dropped, len(drawn.images)) == (("seed",), 2)
        with pytest.raises(UnsupportedParameterError, match="purpose"):
            await gateway.embed(EmbedRequest(model="local/wordllama-256", inputs=("x",), purpose="query"))
