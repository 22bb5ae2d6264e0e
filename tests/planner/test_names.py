from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.names import meant

TOOLS = (
    "Text-to-Speech",
    "Text-to-Image",
    "Image Downloader",
    "web_search",
    "Keyword Extractor",
    "upload",
    "read_file",
)


@pytest.mark.parametrize(
    ("written", "tool"),
    [
        ("text_to_speech", "Text-to-Speech"),
        ("TextToSpeech", "Text-to-Speech"),
        ("functions.web_search", "web_search"),
        ("Web Search Tool", "web_search"),
        ("web_serch", "web_search"),
        ("web_saerch", "web_search"),
        ("Keywords Extractor", "Keyword Extractor"),
        ("uploads", "upload"),
    ],
)
def test_another_spelling_of_a_name_is_understood(written, tool):
    assert meant(written, TOOLS) == tool


@pytest.mark.parametrize(
    "written",
    [
        "Text-to-Video",
        "Text-to-Text",
        "Video Downloader",
        "unload",
        "load_file",
        "read_files_recursively",
        "",
        "工具",
        "search",
    ],
)
def test_another_name_is_never_taken_for_a_known_one(written):
    assert meant(written, TOOLS) is None


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("encrypt", "decrypt"),
        ("increment", "decrement"),
        ("typical", "atypical"),
        ("draft1", "draft2"),
        ("draft1", "draft11"),
        ("sum", "sums"),
    ],
)
def test_a_letter_that_changes_the_meaning_is_not_mended(written, known):
    assert meant(written, [known]) is None


def test_a_name_that_could_be_two_is_left_alone():
    assert meant("web search", ["web_search", "Web-Search"]) is None


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_a_known_name_never_means_another_one(names):
    for name in names:
        assert meant(name, names) in {name, None}


@given(st.text(), st.lists(st.text()))
def test_what_is_meant_is_always_a_known_name(name, known):
    assert meant(name, known) in {*known, None}
