"""Phrases against a slow oracle that tries every way to lay them over the text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.patterns import Matcher
from models.reading.phrases import GAP, Chain, PhraseError, parse_phrase
from models.reading.text import HARD, Text, normalise

LEXICONS = {"boss": ["领导", "经(理|历)"]}


def places(phrase: str, said: str, sounds_like: bool = False) -> set[tuple[int, int]]:
    chain = parse_phrase(phrase, LEXICONS, sounds_like)
    found, _ = Matcher([chain]).scan(normalise(said))
    return {(f.start, f.end) for f in found.get(0, [])}


@pytest.mark.parametrize(
    ("phrase", "said", "quote"),
    [
        pytest.param("投诉", "我要投诉你", "投诉", id="plain"),
        pytest.param("(叫|让)你们{boss}来", "快叫你们经理来", "叫你们经理来", id="alternatives-and-lexicon"),
        pytest.param("(向|去|)工商局", "我去工商局", "去工商局", id="optional"),
        pytest.param("叫*{boss}来", "叫你们那个领导快点来", None, id="no-gap-no-match"),
        pytest.param("叫*{boss}*来", "叫你们那个领导快点来", "叫你们那个领导快点来", id="gaps"),
        pytest.param("叫<2>领导", "叫你们领导", "叫你们领导", id="gap-of-two"),
        pytest.param("叫<1>领导", "叫你们领导", None, id="gap-too-narrow"),
        pytest.param("^滚", "你滚", None, id="start-of-clause"),
        pytest.param("^滚", "哎，滚", "滚", id="after-a-comma"),
        pytest.param("^滚", "那你就听好了！滚", "滚", id="after-a-full-stop"),
        pytest.param("滚$", "滚吧！", "滚", id="particle-at-the-end"),
        pytest.param("滚$", "滚动字幕", None, id="end-of-clause"),
        pytest.param("随便(你|您)(吧|，)", "随便您，爱打不打", "随便您", id="a-pause-asked-for"),
        pytest.param("随便(你|您)(吧|，)", "随便您挑", None, id="no-pause"),
        pytest.param("(我|)*要*退钱", "我今天要你们退钱", "我今天要你们退钱", id="optional-part-before-a-gap"),
        pytest.param("(我|)*要*退钱", "要你们退钱", "要你们退钱", id="optional-part-left-out"),
        pytest.param("不要脸", "我不要，脸上的", None, id="a-short-phrase-bears-no-comma"),
        pytest.param("给您带来不便", "给您，带来不便", "给您带来不便", id="a-long-one-does"),
        pytest.param("给您带来不便", "给您。带来不便", None, id="none-runs-over-a-full-stop"),
        pytest.param("叫*来", "叫。来", None, id="no-gap-runs-over-a-full-stop"),
        pytest.param("12315", "我打一二三一五", "12315", id="digits"),
    ],
)
def test_where_a_phrase_stands(phrase: str, said: str, quote: str | None) -> None:
    bare = normalise(said).bare
    found = sorted((bare[a:b] for a, b in places(phrase, said)), key=len)
    assert found[-1:] == ([quote] if quote else [])


@pytest.mark.parametrize("bad", ["(a", "a)", "a|b", "{nobody}来", "(|)", "，。", "<0>a", "a<99>b", "(a*b)", "", "^$"])
def test_unreadable_phrases_are_refused(bad: str) -> None:
    with pytest.raises(PhraseError):
        parse_phrase(bad, LEXICONS)


ATOM = st.sampled_from(["投", "诉", "你", "(投|诉)", "(你|们|)", "投诉", "*", "<2>", "(诉|，)"])
PHRASE = st.lists(ATOM, min_size=1, max_size=6).map("".join)
SAID = st.text("投诉你们，。", max_size=14)


def slow(chain: Chain, text: Text) -> set[tuple[int, int]]:
    """Every span over which the chain can be laid, by trying all starts, spellings and gaps; pauses as documented."""

    def fits(start: int, end: int) -> bool:
        inside = text.breaks[start + 1 : end]
        return not any(inside) if end - start < 4 else HARD not in inside

    def lay(number: int, at: int, begin: int | None, end: int, gap: int) -> set[tuple[int, int]]:
        if number == len(chain.parts):
            return {(begin, end)} if begin is not None else set()
        part, out = chain.parts[number], set()
        width = max(gap, chain.gaps[number - 1]) if number and begin is not None else gap
        for off in range(width + 1) if begin is not None else range(len(text.bare) + 1):
            near = at + off if begin is not None else off
            if near > len(text.bare) or (begin is not None and HARD in text.breaks[at : near + (0 if part.pause else 1)]):
                break
            if part.pause and begin is not None and text.breaks[near]:
                out |= lay(number + 1, near, begin, end, 0)
            for spelling in part.all:
                stop = near + len(spelling)
                if text.bare[near:stop] == spelling and fits(near, stop) and (spelling in part.spellings or text.breaks[stop]):
                    out |= lay(number + 1, stop, near if begin is None else begin, stop, 0)
        if part.optional:
            out |= lay(number + 1, at, begin, end, width if begin is not None else 0)
        return out

    return lay(0, 0, None, 0, 0)


@given(PHRASE, SAID)
def test_against_the_slow_oracle(phrase: str, said: str) -> None:
    """The matcher finds a phrase in a text exactly where it can be laid; of several ways from one place it may keep the nearest."""
    try:
        chain = parse_phrase(phrase, {})
    except PhraseError:
        return
    text = normalise(said)
    found, _ = Matcher([chain]).scan(text)
    mine = {(f.start, f.end) for f in found.get(0, [])}
    if not chain.parts[0].optional and not any(p.pause for p in chain.parts[:-1]):
        everything = slow(chain, text)
        assert bool(mine) == bool(everything)
        assert mine <= everything


@given(st.lists(PHRASE, min_size=1, max_size=6), SAID)
def test_many_phrases_in_one_automaton_find_what_each_finds_alone(phrases: list[str], said: str) -> None:
    chains = []
    for phrase in phrases:
        try:
            chains.append(parse_phrase(phrase, {}))
        except PhraseError:
            continue
    text = normalise(said)
    together, _ = Matcher(chains).scan(text)
    for i, chain in enumerate(chains):
        alone, _ = Matcher([chain]).scan(text)
        assert {(f.start, f.end) for f in together.get(i, [])} == {(f.start, f.end) for f in alone.get(0, [])}


def test_literals_ring() -> None:
    _, literals = Matcher([], ["投诉", "诉你", "没有"]).scan(normalise("我要投诉你"))
    assert literals == {0, 1}


def test_sound_alikes_say_what_was_meant_and_are_surer_of_longer_phrases() -> None:
    chain = parse_phrase("(叫|让)你们{boss}来", LEXICONS, sounds_like=True)
    found, _ = Matcher([chain]).scan(normalise("让你们林导来"))
    assert [f.meant for f in found[0]] == ["让你们领导来"]
    short, _ = Matcher([parse_phrase("经理", {}, True)]).scan(normalise("经历"))
    longer, _ = Matcher([chain]).scan(normalise("让你们灵道来"))
    assert short[0][0].factor < longer[0][0].factor


@pytest.mark.parametrize(("probability", "believed"), [(None, False), (0.95, False), (0.5, True)])
def test_two_other_characters_are_believed_only_of_an_unsure_recogniser(probability: float | None, believed: bool) -> None:
    matcher = Matcher([parse_phrase("核实", {}, True)])
    found, _ = matcher.scan(normalise("合适"), None if probability is None else lambda start, end: probability)
    assert bool(found) is believed


def test_a_sound_alike_in_a_chain_with_gaps() -> None:
    chain = parse_phrase("叫*{boss}*来", LEXICONS, sounds_like=True)
    found, _ = Matcher([chain]).scan(normalise("叫你们那个林道快来"))
    assert not found  # two syllables bear no confusion
    found, _ = Matcher([parse_phrase("叫*总经理*来", {}, True)]).scan(normalise("叫你们那个总经历快来"))
    assert found[0][0].meant == "叫…总经理…来"


def test_the_recogniser_is_asked_only_about_sound_alikes() -> None:
    asked: list[tuple[int, int]] = []

    def sure(start: int, end: int) -> float:
        asked.append((start, end))
        return 0.95

    matcher = Matcher([parse_phrase("找经理来", {}, True)])
    matcher.scan(normalise("找经理来"), sure)
    assert not asked
    doubted, _ = matcher.scan(normalise("找经历来"), sure)
    believed, _ = matcher.scan(normalise("找经历来"), lambda a, b: 0.4)
    assert asked and doubted[0][0].factor < believed[0][0].factor


def test_gap_widths_are_what_the_documentation_says() -> None:
    for width, expected in itertools.product((GAP, GAP + 1), (True,)):
        assert bool(places("叫*来", "叫" + "好" * width + "来")) == (expected and width <= GAP)
