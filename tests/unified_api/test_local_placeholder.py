import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError
from unified_api.local.placeholder import MAX_SIDE, draw

SVG = "{http://www.w3.org/2000/svg}"
sides = st.integers(1, MAX_SIDE)


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


@given(st.text(st.characters(), max_size=300), sides, sides)
def test_any_prompt_at_any_size_is_a_well_formed_marked_svg(prompt, width, height):
    svg = draw(prompt, size=f"{width}x{height}")

    root = ET.fromstring(svg)
    assert (root.tag, root.get("width"), root.get("height")) == (f"{SVG}svg", str(width), str(height))
    assert "PLACEHOLDER" in texts(svg)


@given(
    st.lists(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Po", "Sm"]), min_size=1, max_size=40), max_size=12)
)
def test_the_words_of_a_prompt_stand_on_it_in_order(words):
    prompt = " ".join(words)

    _, _, *lines = texts(draw(prompt))

    assert "".join("".join(lines).split()) == "".join(prompt.split())


def test_a_line_is_no_wider_than_the_picture():
    _, _, *lines = texts(draw("an " * 200 + "x" * 200, size="640x360"))

    assert len(lines) > 3
    assert max(map(len, lines)) < 70


def test_a_long_prompt_is_cut_with_an_ellipsis_and_kept_whole_in_the_description():
    prompt = " ".join(f"word{n}" for n in range(2000))
    svg = draw(prompt, size="640x360")

    assert texts(svg)[-1].endswith("…")
    assert ET.fromstring(svg).findtext(f"{SVG}desc") == prompt


@pytest.mark.parametrize(
    "size", ["big", "1024", "0x100", "-1x5", "1024x1024px", f"{MAX_SIDE + 1}x10", "１０x１０", "99999x99999"]
)
def test_a_size_that_is_none_is_refused_with_an_example(size):
    with pytest.raises(InvalidRequestError, match="1024x1024") as caught:
        draw("a lighthouse", size=size)

    assert caught.value.param == "size"
