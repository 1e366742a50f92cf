"""Homophones are put right where calls say so, and nothing else changes. Every test makes its own small language."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigError
from models.hearing import wording
from models.hearing.transcriber import Spoken
from models.hearing.wording import Grams, Wording, load_wording, read_hotwords, reworded

SAID = ["我的手机号您记一下", "手机坏了", "请您按一键", "我要去消协投诉你们", "消协的电话我有", "快递到了没有", "您的快递放在门口"]
COUNTS = {"手机": 900, "手": 2000, "机": 500, "鸡": 300, "快递": 800, "一": 9000, "按": 900, "案": 700, "小": 5000, "鞋": 400, "小鞋": 50, "的": 90000}
LANGUAGE = Wording(SAID[:1], SAID[1:], ["消协"], COUNTS)


def heard(text: str, probability: float = 0.5) -> list[Spoken]:
    return [Spoken(c, 0.2 * i, 0.2 * i + 0.2, probability, "，" if i == 0 else "") for i, c in enumerate(text)]


def spelt(text: str, probability: float = 0.5, language: Wording = LANGUAGE) -> str:
    return "".join(s.text for s in reworded(heard(text, probability), language))


@pytest.mark.parametrize(("said", "meant"), [("我的手鸡号", "我的手机号"), ("请您案一键", "请您按一键"), ("块递到了没有", "快递到了没有")])
def test_what_calls_say_is_spelt_as_they_say_it(said: str, meant: str) -> None:
    assert spelt(said) == meant


def test_a_hotword_is_heard_by_its_syllables() -> None:
    assert spelt("我要去小鞋投诉你们") == "我要去消协投诉你们"
    assert spelt("他穿小鞋", 0.97) == "他穿小鞋"
    assert "消协" not in spelt("我要去鞋小投诉你们")


def test_what_was_heard_surely_stays() -> None:
    assert spelt("我的手鸡号", 0.999) == "我的手鸡号"


def test_times_probabilities_and_marks_stay() -> None:
    before = heard("我的手鸡号")
    after = reworded(before, LANGUAGE)
    assert [(s.start_s, s.end_s, s.probability, s.mark) for s in after] == [(s.start_s, s.end_s, s.probability, s.mark) for s in before]


def test_words_of_several_characters_and_other_scripts_keep_their_borders() -> None:
    words = [Spoken("手鸡", 0.0, 0.4, 0.5), Spoken("12315", 0.4, 1.0, 0.5), Spoken("ok", 1.0, 1.2, 0.5)]
    assert [s.text for s in reworded(words, LANGUAGE)] == ["手机", "12315", "ok"]


@given(st.text(alphabet="我的手机鸡号案按一键小鞋消协快块递1a", min_size=1, max_size=12), st.floats(0, 1))
def test_nothing_is_added_or_left_out(text: str, probability: float) -> None:
    out = spelt(text, probability)
    assert len(out) == len(text)
    assert [c for c in out if not "\u4e00" <= c <= "\u9fff"] == [c for c in text if not "\u4e00" <= c <= "\u9fff"]


@given(st.text(alphabet="手机鸡按案一快块", min_size=1, max_size=4), st.lists(st.floats(0.05, 0.95), min_size=4, max_size=4))
def test_the_beam_finds_what_trying_everything_finds(text: str, probabilities: list[float]) -> None:
    """Oracle: every spelling scored by the formula. The beam may drop nothing here, the strings are short."""
    best = -math.inf
    for spelling in itertools.product(*([(c, 0.0), *((o.char, o.cost) for o in LANGUAGE.offers(c))] for c in text)):
        score, said = 0.0, wording.EDGE * 2
        for (meant, share), char, p in zip(spelling, text, probabilities, strict=False):
            heard_as = math.log(max(p, 0.01)) if meant == char else math.log(max(1 - p, wording.LEAST_DOUBT)) + share
            score += wording.TRUST * heard_as + LANGUAGE.log_probability(meant, said)
            said += meant
        best = max(best, score + LANGUAGE.log_probability("$", said))
    found, said = 0.0, wording.EDGE * 2
    for meant, char, p in zip(LANGUAGE.spell(text, probabilities), text, probabilities, strict=False):
        cost = 0.0 if meant == char else next(o.cost for o in LANGUAGE.offers(char) if o.char == meant)
        found += wording.TRUST * (math.log(max(p, 0.01)) if meant == char else math.log(max(1 - p, wording.LEAST_DOUBT)) + cost)
        found += LANGUAGE.log_probability(meant, said)
        said += meant
    assert found + LANGUAGE.log_probability("$", said) == pytest.approx(best)


@given(st.text(alphabet="手机号^", max_size=2))
def test_probabilities_of_what_may_follow_sum_to_one_at_most(before: str) -> None:
    grams = Grams(SAID)
    everything = {*"".join(SAID), "$"}
    assert sum(grams.probability(c, before) for c in everything) <= 1.0 + 1e-9


def test_what_is_remembered_does_not_grow_with_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "MOST_KEPT", 50)
    language = Wording(SAID[:1], SAID[1:], ["消协"], COUNTS)
    assert [spelt("我的手鸡号请您案一键", language=language) for _ in range(3)] == ["我的手机号请您按一键"] * 3
    assert len(language._log) <= 50


def test_the_version_tells_sentences_and_hotwords_apart() -> None:
    versions = {Wording(SAID, [], [], COUNTS).version, Wording(SAID, [], ["消协"], COUNTS).version, Wording(SAID[1:], [], ["消协"], COUNTS).version}
    assert len(versions) == 3


def test_whose_side_says_such_things() -> None:
    language = Wording(["请您稍等我帮您查", "您好请问有什么可以帮您"], ["你们怎么还没给我退钱", "我要投诉你们"], [], COUNTS)
    assert language.like_company(["请您稍等"]) > 1 > -1 > language.like_company(["你们怎么还没退钱"])
    assert abs(language.like_company(["请您稍等我帮您查" * 9])) <= wording.TELLING
    assert language.like_company([]) == 0.0


def test_files_are_read_and_refused_with_their_line(tmp_path: Path) -> None:
    assert load_wording(None, None) is None and load_wording(tmp_path, None) is None
    lines = [json.dumps({"turns": [{"role": "customer", "text": s}]}, ensure_ascii=False) for s in SAID]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    hot = tmp_path / "hot.txt"
    hot.write_text("# names\n消协  # the body\n\n", encoding="utf-8")
    loaded = load_wording(tmp_path, hot)
    assert loaded is not None and loaded.hotwords == ("消协",)
    hot.write_text("消协\n12315\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"hot\.txt:2: '12315' is no hotword"):
        read_hotwords(hot)
    (tmp_path / "a.jsonl").write_text(lines[0] + "\nnonsense\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.jsonl:2"):
        load_wording(tmp_path, None)
