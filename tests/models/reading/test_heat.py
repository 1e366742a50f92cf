"""Heat: words and sound apart, baselines, carrying over, settling by what was found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.heat import feel, heat_of_words, settle, settled_words
from models.records import HeardCall, Moment, Turn


def call(*said, **facts):
    turns = []
    for i, one in enumerate(said):
        role, text = ("agent", "好的我帮您看一下") if one is None else ("customer", one)
        turns.append(Turn(i, role, text, i * 5.0, i * 5.0 + 4.0, loudness_db=facts.get("loud", {}).get(i, -26.0)))
    return HeardCall("c", tuple(turns), "mixed")


@pytest.mark.parametrize(
    ("hot", "cool"),
    [
        ("凭什么不给我退？你们到底管不管！", "你好，请问怎么退款？"),
        ("我都打了五次电话了，一直没人管！", "好的谢谢，麻烦你了。"),
        ("别跟我说这些废话！", "没关系，我不急。"),
        ("你们就是在糊弄人！", "明白了，原来是这样。"),
    ],
)
def test_angry_words_are_hotter_than_kind_ones(hot, cool):
    assert heat_of_words(hot) > 0.4 > heat_of_words(cool)


def test_saying_it_again_is_heat():
    first = "我的订单号是七七四六零一"
    assert heat_of_words(first, [first]) > heat_of_words(first)
    assert heat_of_words("冯岚，冯岚，冯岚") > 0.2


def test_the_agent_has_no_heat():
    assert [h is None for h in feel(call("你好", None, "谢谢"))] == [False, True, False]


def test_a_louder_turn_is_hotter_with_the_same_words():
    said = ("我想问一下我的包裹", None, "什么时候能到我家", None, "什么时候能到我家呢", None, "那我什么时候去拿")
    quiet, loud = feel(call(*said)), feel(call(*said, loud={4: -14.0}))
    assert quiet[4] is not None and loud[4] is not None
    assert loud[4].sound > quiet[4].sound and loud[4].words == quiet[4].words


def test_without_sound_or_times_words_alone_count():
    turns = tuple(Turn(i, "customer", t) for i, t in enumerate(["你好", "凭什么不退！", "到底管不管！"]))
    felt = feel(HeardCall("c", turns, "text"))
    assert all(h is not None and h.sound is None and h.value >= h.words for h in felt)


def test_a_loud_line_is_no_anger():
    same = dict.fromkeys(range(7), -8.0)
    said = ("我想问一下我的包裹", None, "什么时候能到我家", None, "什么时候能到我家", None, "那我什么时候去拿")
    plain, loud_line = feel(call(*said)), feel(call(*said, loud=same))
    assert [h.value for h in plain if h] == [h.value for h in loud_line if h]


def test_anger_lingers_and_fades():
    felt = feel(call("你们他妈的骗人！凭什么！", None, "我的包裹呢", None, "几点到"))
    values = [h.value for h in felt if h]
    assert values[0] > values[1] > values[2]


def test_whoever_threatens_is_not_cool():
    spoken = call("晚上睡觉关好门", None, "再见")
    found = [Moment(0, "abuse", "threat", "customer", 0, "晚上", 0, 2, "x", 0.9, "exact", 5)]
    settled = settle(feel(spoken), found, spoken.turns)
    assert settled[0] >= 0.8 and settled[1] is None
    doubtful = [Moment(0, "abuse", "threat", "customer", 0, "晚上", 0, 2, "x", 0.3, "exact", 5)]
    assert settle(feel(spoken), doubtful, spoken.turns)[0] < 0.5


@given(st.lists(st.text(max_size=30), max_size=6), st.lists(st.one_of(st.none(), st.floats(-60, 0)), min_size=6, max_size=6))
def test_heat_stays_between_0_and_1(said, loud):
    turns = tuple(Turn(i, "customer", t, float(i), i + 0.9, loudness_db=loud[i]) for i, t in enumerate(said))
    for h in feel(HeardCall("c", turns, "mixed")):
        assert h is not None and 0 <= h.value <= 1 and 0 <= h.words <= 1 and (h.sound is None or 0 <= h.sound <= 1)


def test_the_part_from_words_never_looks_at_the_sound():
    said = ("我想问一下我的包裹", None, "什么时候能到我家", None, "什么时候能到我家呢", None, "那我什么时候去拿")
    quiet, loud = call(*said), call(*said, loud={4: -10.0})
    assert settled_words(feel(quiet), (), quiet.turns) == settled_words(feel(loud), (), loud.turns)
