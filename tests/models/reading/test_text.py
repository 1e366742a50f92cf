"""The normal form and its way back, on clean text, dirty text and any text at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mandarin import syllable
from models.reading.text import HARD, SOFT, Cutter, clause_span, normal_phrase, normalise, pieces, sentence_span

MESSY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("我要投诉你们，。！？ \u200b\ufeff&<>;#　１２三四五一幺零〇…“”「」鎴戣æˆ‘"),
        st.sampled_from(list("\ud800\udfff\x00\r\n\t")),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("dirty", "norm"),
    [
        pytest.param("我要投訴妳們，叫經理來！", "我要投诉妳们，叫经理来！", id="traditional"),
        pytest.param("ＡＢＣ　１２３！", "abc 123！", id="full-width"),
        pytest.param("&nbsp;我&amp;你&#25237;&#x8BC9;", " 我&你投诉", id="entities"),
        pytest.param("我&amp;nbsp;要", "我 要", id="entities-twice"),
        pytest.param("我<br/>要<b>投</b>诉", "我。要投诉", id="tags"),
        pytest.param("投 诉 你 们 领 导", "投诉你们领导", id="spaced-out"),
        pytest.param("我要 投诉", "我要 投诉", id="one-space-stays"),
        pytest.param("找幺二三一五，打一二三〇〇", "找12315，打12300", id="digit-runs"),
        pytest.param("我打一万两千三百一十五，拨一万二千三百零五", "我打12315，拨12305", id="hotlines-read-out-as-quantities"),
        pytest.param("我现在就打一万两千三，你等着", "我现在就打12300，你等着", id="a-hotline-of-round-hundreds"),
        pytest.param("欠一万两千三，收了一万两千三百一十五块", "欠一万两千三，收了一万两千三百一十五块", id="amounts-stay"),
        pytest.param("两三百块，一五一十", "两三百块，一五一十", id="numbers-are-no-digit-runs"),
        pytest.param("\ufeff我\u200b要\u00ad投\x00诉\ufffd", "我要投诉", id="invisible"),
        pytest.param("我\\n要", "我。要", id="escaped-newline"),
        pytest.param("3.5元.好", "3.5元。好", id="full-stop-and-decimal-point"),
    ],
)
def test_normal_form(dirty: str, norm: str) -> None:
    assert normalise(dirty).norm == norm


@pytest.mark.parametrize(("right", "wrong"), [("utf-8", "latin-1"), ("utf-8", "gbk"), ("gbk", "latin-1")])
def test_wrong_encodings_are_read_again(right: str, wrong: str) -> None:
    said = "我现在就要投诉你们公司的服务态度"
    mangled = said.encode(right).decode(wrong, "replace" if wrong == "gbk" else "strict")
    text = normalise(mangled)
    kept = sum(c in text.norm for c in said)
    assert kept >= len(said) * 0.8
    assert "投诉" in text.norm
    start, end = text.original_span(text.norm.index("投诉"), text.norm.index("投诉") + 2)
    assert 0 <= start < end <= len(mangled)


def test_utf8_read_as_cp1252_with_lost_bytes_still_shows_the_complaint() -> None:
    mangled = "我要投诉你们公司".encode().decode("cp1252", "ignore")
    assert "诉你们" in normalise(mangled).norm


@pytest.mark.parametrize(
    "genuine", ["我要投诉你们公司的服务态度，太差了", "請幫我轉接客服經理好嗎", "Ça va très bien, où êtes-vous", "工商银行的卡怎么办", "锟斤拷锟斤拷"]
)
def test_genuine_text_is_not_reread(genuine: str) -> None:
    text = normalise(genuine)
    assert len(text.norm) == len(genuine)


@given(MESSY)
def test_any_text_is_read_and_every_offset_leads_back(dirty: str) -> None:
    text = normalise(dirty)
    assert len(text.origin_start) == len(text.origin_end) == len(text.norm)
    assert len(text.place) == len(text.bare) and len(text.breaks) == len(text.bare) + 1
    assert all(0 <= a < b <= len(dirty) for a, b in zip(text.origin_start, text.origin_end, strict=True))
    assert list(text.origin_start) == sorted(text.origin_start)
    assert [text.norm[i] for i in text.place] == list(text.bare)
    assert text.breaks[0] == HARD and text.breaks[-1] == HARD
    for i in range(len(text.norm) + 1):
        for j in (i, i + 1, len(text.norm)):
            start, end = text.original_span(i, min(j, len(text.norm)))
            assert 0 <= start <= end <= len(dirty)


@given(MESSY)
def test_the_normal_form_of_a_normal_form_is_itself_but_for_pauses(dirty: str) -> None:
    """But for accented letters: what is left of them may look like another text read wrongly."""
    dirty = "".join(c for c in dirty if not "\x80" <= c <= "\xff")
    once = normalise(normalise(dirty).norm)
    assert normalise(once.norm).bare == once.bare


@given(st.text("我要投诉你，。！？ ", max_size=30))
def test_breaks_against_a_slow_oracle(said: str) -> None:
    text = normalise(said)
    position = 0
    for i, place in enumerate(text.place):
        between = text.norm[position:place]
        expected = HARD if i == 0 or re.search("[。！？；]", between) else SOFT if between else 0
        assert text.breaks[i] == expected
        position = place + 1


@given(st.text("我要投诉，。！？ ", min_size=1, max_size=30), st.data())
def test_clauses_and_sentences_hold_their_span_and_no_mark(said: str, data: st.DataObject) -> None:
    text = normalise(said)
    for start, end in pieces(text, hard_only=False):
        assert not set(text.norm[start:end]) & set("，。！？ ")
        assert clause_span(text, start, end) == (start, end)
        low, high = sentence_span(text, start, end)
        assert low <= start < end <= high and not set(text.norm[low:high]) & set("。！？")


def test_jieba_words_have_offsets_and_learn_new_ones() -> None:
    norm = "我就发抖音，曝光你们"
    assert "抖音" not in [norm[a:b] for a, b in Cutter().cut(norm)]
    cut = Cutter(["抖音"]).cut(norm)
    assert "抖音" in [norm[a:b] for a, b in cut]
    assert "".join(norm[a:b] for a, b in cut) == norm
    assert "抖音" not in [norm[a:b] for a, b in Cutter().cut(norm)]  # one book's words are not another's


@pytest.mark.parametrize(("char", "sound"), [("女", "nv"), ("核", "he"), ("2", "er"), ("a", "a"), ("，", "，")])
def test_syllables(char: str, sound: str) -> None:
    assert syllable(char) == sound


def test_a_phrase_is_looked_for_without_punctuation() -> None:
    assert normal_phrase("１２３１５，投訴！") == "12315投诉"
