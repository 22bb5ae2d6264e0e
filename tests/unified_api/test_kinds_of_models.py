"""What kind of call each model that a built-in row names is for."""

from __future__ import annotations

import pytest

from unified_api.catalog import Catalog
from unified_api.models import Model
from unified_api.providers import builtin_rows
from unified_api.settings import Environment, Settings
from unified_api.types import Policy

KINDS = {"chat", "embeddings", "image_output", "rerank", "moderation"}
BY_WORD = {
    "embed": "embeddings", "voyage-": "embeddings", "wordllama": "embeddings", "rerank": "rerank",
    "moderation": "moderation", "image": "image_output", "sd3.5": "image_output", "flux": "image_output",
}  # fmt: skip
"""What the names themselves say; every other name is a chat model's."""


def meant(name: str) -> str:
    # A reranker's maker may be in its name too.
    words = sorted(BY_WORD, key=lambda word: word != "rerank")
    return next((BY_WORD[word] for word in words if word in name.lower()), "chat")


@pytest.mark.parametrize("provider", builtin_rows())
def test_every_model_that_a_row_names_is_of_the_kind_that_its_name_says(provider: str) -> None:
    catalog = Catalog(Settings(environment=Environment({})))
    row = builtin_rows()[provider]
    for name in row.names:
        model = catalog.get(f"{provider}/{name}")
        assert isinstance(model, Model)
        assert model.capabilities & KINDS == {meant(name)}, name
    assert all(meant(name) == "chat" for name in row.tiers.values())


def test_mistrals_moderation_moderates_and_chats_with_nobody() -> None:
    catalog = Catalog(Settings(environment=Environment({"MISTRAL_API_KEY": "k"})))
    (found,) = catalog.candidates("auto", Policy(needs=frozenset({"moderation"}))).candidates
    assert (found.id, found.wire) == ("mistral/mistral-moderation-latest", "moderations")
    chats = catalog.candidates("auto", Policy()).candidates
    assert chats
    assert all("moderation" not in model.id for model in chats)
