from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import GatewayError, InvalidRequestError
from unified_api.types import Message, Request, RerankRequest
from unified_api.wire import families, rerank
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.own_path import quoted_model

BY_PATH = WireProfile(paths={"/rerank": "/model/{model}/invoke"})


def chat(family: str) -> Callable[[str], WireRequest]:
    request = Request(model="p/m", messages=(Message.user("Hello"),), max_tokens=5)
    return lambda model: families.CHAT[family].encode(request, provider="p", model=model, profile=WireProfile())


def ranking(model: str) -> WireRequest:
    return rerank.encode(
        RerankRequest(model="p/m", query="q", documents=("a",)), provider="p", model=model, profile=BY_PATH
    )


ENCODERS = pytest.mark.parametrize(
    "encode", [chat("gemini"), chat("bedrock"), ranking], ids=["gemini", "bedrock", "own path"]
)


@ENCODERS
@pytest.mark.parametrize("model", ["\ud800", "half\udfff", ".", "..", "...", ""])
def test_a_name_that_no_path_can_hold_is_refused(encode: Callable[[str], WireRequest], model: str) -> None:
    with pytest.raises(InvalidRequestError, match="no name that an address can hold") as caught:
        encode(model)
    assert caught.value.param == "model"


@ENCODERS
@pytest.mark.parametrize("model", ["a..b", ".a", "v1.0:0", "../x", "müsli"])
def test_other_names_are_one_step_of_the_path(encode: Callable[[str], WireRequest], model: str) -> None:
    path = encode(model).path
    assert unquote(path).count(model) == 1
    assert not {".", ".."} & set(path.split("/"))


@given(st.text())
def test_a_quoted_name_is_one_step_and_means_the_same(model: str) -> None:
    try:
        step = quoted_model(model, safe=":@")
    except GatewayError:
        return
    assert unquote(step) == model
    assert step.isascii()
    assert not set(step) & set("/?#%") - {"%"}
