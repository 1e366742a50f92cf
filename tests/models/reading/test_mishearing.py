"""Text misheard on purpose has the errors that were counted, in about the shares that were counted."""

from __future__ import annotations

import random
from difflib import SequenceMatcher

import pytest

from models.mandarin import split, syllable
from models.reading.mishearing import SHARES, Mishearing, confidence

SAID = ("你们到底什么时候给我退钱，我已经打了三次电话了！", "请您稍等，我帮您查询一下订单的物流信息。", "再这样我就去消协投诉你们，别以为我好欺负。")


@pytest.fixture(scope="module")
def ear() -> Mishearing:
    return Mishearing(SAID)


def test_nothing_is_misheard_for_nothing(ear: Mishearing) -> None:
    assert [ear.text(said, 0.0, random.Random(1)) for said in SAID] == list(SAID)


def test_as_much_is_misheard_as_was_asked_for(ear: Mishearing) -> None:
    rng, kept, said = random.Random(2), 0, 0
    for _ in range(200):
        for text in SAID:
            kept += sum(b.size for b in SequenceMatcher(None, text, ear.text(text, 0.3, rng), autojunk=False).get_matching_blocks())
            said += len(text)
    letters = sum(c.isalnum() for text in SAID for c in text) / sum(map(len, SAID))
    assert 1 - 0.32 * letters <= kept / said <= 1 - 0.24 * letters  # what was inserted keeps its character, and some are drawn again by chance


def test_kinds_of_error_have_their_shares() -> None:
    ear, rng = Mishearing(["投头偷抖兜都听停通透诉素苏书属"]), random.Random(3)
    heard = [ear.text("投", 1.0, rng) for _ in range(6000)]
    assert abs(sum(h == "" for h in heard) / 6000 - SHARES["deleted"]) < 0.02
    assert abs(sum(len(h) == 2 for h in heard) / 6000 - SHARES["inserted"]) < 0.02
    alike = [h for h in heard if len(h) == 1]
    same = sum(syllable(h) == "tou" for h in alike) / 6000
    near = sum(syllable(h) != "tou" and (split(syllable(h))[0] == "t" or split(syllable(h))[1] == "ou") for h in alike) / 6000
    assert same > SHARES["syllable"]
    assert near > 0.05
    assert {syllable(h) for h in alike} > {"tou", "dou", "ting"}


def test_punctuation_and_what_nothing_is_known_of_survive() -> None:
    ear = Mishearing([])
    assert ear.text("，。！", 1.0, random.Random(4)) == "，。！"
    assert {ear.text("龘", 1.0, random.Random(seed)) for seed in range(50)} == {"龘", "", "龘龘"}


def test_confidence_falls_with_errors() -> None:
    rng = random.Random(6)
    means = [sum(confidence(share, rng) for _ in range(500)) / 500 for share in (0.0, 0.2, 0.5, 1.0)]
    assert means == sorted(means, reverse=True)
    assert 0.9 < means[0] < 0.99 and 0.75 < means[1] < 0.86
