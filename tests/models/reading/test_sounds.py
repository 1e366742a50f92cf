"""Sound-alikes: what is heard as what, what is not, and the automaton's spellings against the distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mandarin import confusion, split, syllable
from models.reading.sounds import codes, distance, recogniser_factor, spellings


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        pytest.param("经历", "经理", id="tone"),
        pytest.param("合适", "核实", id="tone-both"),
        pytest.param("给您带来不变", "给您带来不便", id="long"),
        pytest.param("叫你们林导来", "叫你们领导来", id="n-ng"),
        pytest.param("我要投数", "我要投诉", id="s-sh"),
        pytest.param("打官施告你", "打官司告你", id="sh-s"),
        pytest.param("找你们组管", "找你们主管", id="z-zh"),
        pytest.param("老年机不好用", "脑年机不好用", id="n-l"),
        pytest.param("互务态度差", "服务态度差", id="f-h"),
        pytest.param("找你们经经理来", "找你们经理来", id="doubled"),
        pytest.param("给带来不便", "给您带来不便", id="dropped"),
    ],
)
def test_heard_as(heard: str, meant: str) -> None:
    far = distance(heard, meant)
    assert far is not None and 0 < far.factor < 1
    assert codes(heard) in spellings(meant)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        pytest.param("投诉", "投诉", id="the-same-is-no-sound-alike"),
        pytest.param("脑子", "老子", id="two-syllables-bear-no-confusion"),
        pytest.param("灭有权限", "没有权限", id="mie-mei-is-no-usual-confusion"),
        pytest.param("他", "她", id="one-syllable-bears-nothing"),
        pytest.param("我要透露", "我要投诉", id="other-sound"),
        pytest.param("是骗子你们", "不是骗子你们", id="a-negation-is-never-dropped"),
        pytest.param("要投诉", "我要投诉", id="four-syllables-lose-none"),
        pytest.param("老年人", "脑娘人", id="three-bear-one"),
    ],
)
def test_not_heard_as(heard: str, meant: str) -> None:
    assert distance(heard, meant) is None


HAN = st.text("投诉头数经理精力里领导林道核实合适不便变变辨找早组主管馆飞灰发花", min_size=1, max_size=7)


def slow(heard: str, meant: str) -> bool:
    """May `heard` be `meant`? Written from the documentation, syllable by syllable, trying every edit."""
    n = len(meant)
    if heard == meant or n < 2:
        return False
    allowed = 0 if n == 2 else 1 if n == 3 else n // 2
    trials = [(heard, meant, 0)]
    if n >= 5 and len(heard) == n - 1:
        trials += [(heard, meant[:i] + meant[i + 1 :], 2) for i in range(1, n - 1) if meant[i] not in "不没别未无非"]
    if n >= 4 and len(heard) == n + 1:
        trials += [(heard[:i] + heard[i + 1 :], meant, 2) for i in range(n) if syllable(heard[i]) == syllable(heard[i + 1])]
    for a, b, cost in trials:
        if len(a) == len(b):
            each = [0 if x == y else confusion(syllable(x), syllable(y)) for x, y in zip(a, b, strict=True)]
            if all(e is not None for e in each) and sum(e or 0 for e in each) + cost <= allowed:
                return True
    return False


@given(HAN, HAN)
def test_distance_against_the_slow_oracle(heard: str, meant: str) -> None:
    assert (distance(heard, meant) is not None) == slow(heard, meant)


@given(HAN, HAN)
def test_what_is_near_is_spelt_in_the_automaton(heard: str, meant: str) -> None:
    if distance(heard, meant) is not None:
        assert codes(heard) in spellings(meant)


@given(
    st.sampled_from(["lan", "nan", "zhang", "zang", "chi", "ci", "shi", "si", "fen", "hun", "fei", "hui", "ling", "lin", "beng", "ben"]),
    st.sampled_from(["lan", "nan", "zhang", "zang", "chi", "ci", "shi", "si", "fen", "hun"]),
)
def test_confusion_is_symmetric(a: str, b: str) -> None:
    assert confusion(a, b) == confusion(b, a)


def test_syllables_split() -> None:
    assert [split(s) for s in ("zhuang", "an", "shi", "x")] == [("zh", "uang"), ("", "an"), ("sh", "i"), ("", "x")]


def test_the_surer_the_recogniser_the_more_doubt() -> None:
    factors = [recogniser_factor(p) for p in (0.3, 0.5, 0.7, 0.9, 1.0)]
    assert factors == sorted(factors, reverse=True) and factors[0] == 1.0 and factors[-1] == pytest.approx(0.6)
    assert recogniser_factor(None) == 0.8
