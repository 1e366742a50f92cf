"""Regexes that hang are refused; the strings that a regex needs do stand in everything it matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.conditions import leftmost
from models.reading.regexes import FLAGS, alternatives, required_sets, required_strings, why_it_hangs


@pytest.mark.parametrize("pattern", ["(a+)+b", r"(\w+,?)*x", "(我|我我)*投", r"((是|来)*说)*", r".*.*.*.*.*啊$", r"(.*投诉){12,}"])
def test_a_regex_that_can_hang_is_refused(pattern: str) -> None:
    assert why_it_hangs(pattern)


@pytest.mark.parametrize(
    "pattern", ["(打|找|问)过?.{0,4}(三|四|五|\\d+)(次|遍|回)", "不.{0,6}我就", r"\d{4,}", "(投诉|举报)+", "[^，。]{0,10}(12315|消协)", "没(打|找)过"]
)
def test_an_honest_regex_passes(pattern: str) -> None:
    assert why_it_hangs(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("不.{0,6}我就", ("我就",)),
        ("(打|找)过", ("过",)),
        ("[找叫]人?", ("叫", "找")),
        (r"\d+次?", None),
        ("a?b?", None),
        ("(投诉|举报)你", ("举报", "投诉")),
        ("ABC", ("abc",)),
    ],
)
def test_required_strings(pattern: str, needed: tuple[str, ...] | None) -> None:
    assert required_strings(pattern) == needed


PIECE = st.sampled_from(["投", "诉", "(投|诉)", "[投诉]", "投?", "你*", "(你们)?", ".{0,3}", "(投诉)+", r"\d", "(a|b|)"])


@given(st.lists(PIECE, min_size=1, max_size=5).map("".join), st.text("投诉你们ab1", max_size=12))
def test_what_is_required_is_there(pattern: str, said: str) -> None:
    needed = required_strings(pattern)
    for m in re.finditer(pattern, said, FLAGS):
        if needed is not None:
            assert any(n in m[0].lower() for n in needed)


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("投诉|举报", ("投诉", "举报")),
        ("(投诉|举报)你|[|]a|\\|b", ("(投诉|举报)你", "[|]a", "\\|b")),
        ("[]|]x|[^]|]y|[\\]|]z", ("[]|]x", "[^]|]y", "[\\]|]z")),
        ("(投|诉)\\1|你", ("(投|诉)\\1|你",)),
        ("投诉", ("投诉",)),
    ],
)
def test_alternatives(pattern: str, parts: tuple[str, ...]) -> None:
    assert alternatives(pattern) == parts


@given(st.lists(st.lists(PIECE, min_size=1, max_size=3).map("".join), min_size=1, max_size=4), st.text("投诉你们ab1", max_size=12))
def test_alternatives_that_can_match_match_as_the_whole_regex(parts: list[str], said: str) -> None:
    whole = [m.span() for m in re.finditer("|".join(parts), said, FLAGS) if m.end() > m.start()]
    can = [p for p in parts if all(any(s in said for s in strings) for strings in required_sets(p))]
    if all(re.compile(p, FLAGS).search("") is None for p in parts):  # rules' regexes match no empty string
        assert [m.span() for m in leftmost([re.compile(p, FLAGS) for p in can], said)] == whole
