"""The guards around any engine: what is believed, what is decoded again, what goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hearing.audio import SAMPLE_RATE_HZ, Samples
from models.hearing.transcriber import ATTEMPTS, Attempt, Chunk, Spoken, Transcript, clean, cut_loops, fault, longest_loop, settle, spoken_words, transcribe


def chunk(seconds: float) -> Chunk:
    return Chunk(np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32), seconds)


def transcript(text: str, logprob: float = -0.3, no_speech: float = 0.1) -> Transcript:
    return Transcript(tuple(Spoken(c, i * 0.2, i * 0.2 + 0.2, 0.8) for i, c in enumerate(text)), logprob, no_speech)


class Scripted:
    """An engine that answers from a list, one answer an attempt, and remembers what it was asked."""

    name = "scripted"
    batch = 4

    def __init__(self, *answers: list[Transcript]) -> None:
        self.answers, self.asked = list(answers), []

    def decode(self, chunks: Sequence[Samples], attempt: Attempt) -> list[Transcript]:
        self.asked.append((len(chunks), attempt))
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("text", "seconds", "why"),
    [
        ("您好请问有什么可以帮您", 4.0, None),
        ("好的好的好的", 2.0, None),
        ("对对对对对", 2.0, None),
        ("八八八八六六六六零零零零", 4.0, None),
        ("好的好的好的好的好的好的好的", 6.0, "loop"),
        ("我们会尽快处理我们会尽快处理我们会尽快处理我们会尽快处理", 9.0, "loop"),
        ("请不吝点赞订阅转发打赏支持明镜与点点栏目", 6.0, "phantom"),
        ("字幕由Amara.org社区提供", 6.0, "phantom"),
        ("谢谢观看", 3.0, "phantom"),
        ("这是一句在一秒钟里谁也说不出来的话太长了", 1.0, "rate"),
        ("", 3.0, "silence"),
        ("", 0.5, None),
    ],
)
def test_faults(text: str, seconds: float, why: str | None) -> None:
    assert fault(transcript(text), chunk(seconds)) == why


@pytest.mark.parametrize("text", ["我点赞了你们的服务", "我订阅的套餐要退", "这个字幕显示不出来", "感谢您的来电", "谢谢大家的理解"])
def test_ordinary_speech_is_no_phantom(text: str) -> None:
    assert fault(transcript(text), chunk(6.0)) is None


def test_only_the_row_that_fails_is_decoded_again() -> None:
    good, bad, mended = transcript("您好请讲"), transcript("好的" * 9), transcript("好的我知道了")
    engine = Scripted([good, bad], [mended])
    assert [t.text for t in transcribe(engine, [chunk(3.0), chunk(8.0)])] == ["您好请讲", "好的我知道了"]
    assert engine.asked == [(2, ATTEMPTS[0]), (1, ATTEMPTS[1])]


def test_a_loop_that_stays_is_cut_to_one_round_and_doubted() -> None:
    engine = Scripted(*([transcript("麻烦您" + "稍等一下" * 8)] for _ in ATTEMPTS))
    (t,) = transcribe(engine, [chunk(12.0)])
    assert t.text == "麻烦您稍等一下"
    assert t.spoken[0].probability == 0.8
    assert t.spoken[-1].probability == pytest.approx(0.08)


def test_phantoms_that_stay_are_dropped() -> None:
    engine = Scripted(*([transcript("请不吝点赞订阅")] for _ in ATTEMPTS))
    assert transcribe(engine, [chunk(12.0)])[0].text == ""


def test_silence_that_reads_as_text_is_dropped_and_doubt_is_kept() -> None:
    assert settle(transcript("嗯", -1.5, 0.9), chunk(3.0)).text == ""
    assert settle(transcript("听不清的一句话", -1.5, 0.2), chunk(3.0)).text == "听不清的一句话"


def test_batches_are_cut_in_order() -> None:
    engine = Scripted([transcript(c) for c in "一二三四"], [transcript("五")])
    told: list[float] = []
    assert [t.text for t in transcribe(engine, [chunk(1.0)] * 5, told.append)] == list("一二三四五")
    assert [n for n, _ in engine.asked] == [4, 1]
    assert told == [4.0, 1.0]


def test_traditional_becomes_simplified_and_marks_become_full_width() -> None:
    t = Transcript((Spoken("請問", 0, 1, 0.9, ","), Spoken("訂單", 1, 2, 0.9, "?")), -0.2, 0.0)
    assert clean(t).text == "请问，订单？"


def test_marks_move_to_the_word_before() -> None:
    words = spoken_words([(" 您好", 0.0, 0.4, 0.9), ("，", 0.4, 0.5, 0.5), ("请讲。", 0.5, 1.2, 0.9), ("\ufffd", 1.2, 1.3, 0.1)], 1.0)
    assert [(s.text, s.mark) for s in words] == [("您好", "，"), ("请讲", "。")]
    assert words[-1].end_s == 1.0, "no word ends after its chunk"


@given(st.text(alphabet="好的吗我是一二", max_size=40))
def test_longest_loop_against_a_slow_oracle(text: str) -> None:
    slow = 0
    for size in range(1, 13):
        for at in range(len(text)):
            pattern = text[at : at + size]
            if len(pattern) < size:
                break
            n = 1
            while text[at + n * size : at + (n + 1) * size] == pattern:
                n += 1
            if n >= (6 if size <= 2 else 4):
                slow = max(slow, n * size)
    fast = longest_loop(text)
    assert (fast > 0) <= (slow > 0)
    assert fast <= slow
    if slow >= 18:  # what a regex may report differently is where a loop of one or two characters begins
        assert fast > 0 or slow < 24


@given(st.text(alphabet="好的吗我", max_size=60))
def test_cutting_loops_only_removes(text: str) -> None:
    spoken = tuple(Spoken(c, i * 0.1, i * 0.1 + 0.1, 1.0) for i, c in enumerate(text))
    kept = cut_loops(spoken)
    at = iter(spoken)
    assert all(any(k.text == s.text and k.start_s == s.start_s for s in at) for k in kept), "an ordered subset"
    assert (len(kept) < len(spoken)) == (longest_loop(text) > 0)


def test_bytes_that_are_no_character_become_neither_words_nor_marks() -> None:
    spoken = spoken_words([("电", 0.0, 0.2, 0.9), ("\ufffd", 0.2, 0.3, 0.5), ("话\ufffd", 0.3, 0.5, 0.9), ("。", 0.5, 0.5, 0.9)], 1.0)
    assert [(s.text, s.mark) for s in spoken] == [("电", ""), ("话", "。")]


def test_unsure_text_where_nobody_speaks_goes_and_sure_text_stays() -> None:
    two = chunk(2.0)
    assert settle(transcript("宝贝尝尝", logprob=-0.45, no_speech=0.84), two).text == ""
    assert settle(transcript("麻烦你查一下", logprob=-0.1, no_speech=0.84), two).text == "麻烦你查一下"
    assert settle(transcript("麻烦你查一下", logprob=-0.45, no_speech=0.26), two).text == "麻烦你查一下"
