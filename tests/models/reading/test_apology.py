"""Formula, warm, or nothing: with the shipped rules, on sentences written for this test."""

import functools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.apology import likeness, template_likeness
from models.reading.read import read
from models.reading.rules import load_rulebook
from models.records import HeardCall, Turn

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


@functools.cache
def book():
    return load_rulebook(CONFIGS)


def judged(*said, agent="agent"):
    """The apologies of a dialogue in which customer and agent alternate; the customer begins."""
    turns = tuple(Turn(i, "customer" if i % 2 == 0 else agent, t, i * 5.0, i * 5.0 + 4) for i, t in enumerate(said))
    return [m for m in read(HeardCall("c", turns, "text"), book()).moments if m.kind == "apology" and m.asserted]


COMPLAINT = "我的冰箱送来就是坏的，打你们电话没人接！"


@pytest.mark.parametrize(
    "said", ["非常抱歉给您带来不便。", "不好意思让您久等了。", "实在对不起，请您谅解。", "抱歉，这个公司规定是不能退的。", "给您添麻烦了，还请您多多包涵。"]
)
def test_stock_words_and_refusals_are_formula(said):
    (found,) = judged(COMPLAINT, said)
    assert found.type == "formula" and found.quote in said


@pytest.mark.parametrize(
    "said",
    [
        "是我们发货前没检查，害您收到一台坏冰箱，真的对不起，我马上给您换一台新的。",
        "对不起，这件事责任在我们，师傅没核对就送出去了，今天下午三点前我安排人给您换。",
        "这事怪我们没把好关，让您大热天没冰箱用，我现在就给您补一台。",
    ],
)
def test_ownership_with_repair_is_warm(said):
    (found,) = judged(COMPLAINT, said)
    assert found.type == "warm"
    assert {"responsibility"} <= {c.name for c in found.components}
    assert all(c.quote in said for c in found.components)


@pytest.mark.parametrize(
    "said",
    ["不好意思，请问您贵姓？", "感谢您的谅解。", "好的，我马上给您查。", "这又不是我们的错。", "抱歉，我现在就给您换一台新的。"],
    ids=["excuse-me", "thanks", "no-apology", "denial", "one-component"],
)
def test_no_apology(said):
    assert judged(COMPLAINT, said) == []


def test_a_customers_own_sorry_is_none():
    assert judged("不好意思啊，我普通话不好") == []


def test_a_warm_turn_is_not_empathy_as_well():
    turns = (Turn(0, "customer", COMPLAINT), Turn(1, "agent", "是我们没检查，害您大热天没冰箱用，搁谁都着急，对不起，我马上给您换新。"))
    types = [m.type for m in read(HeardCall("c", turns, "text"), book()).moments]
    assert "warm" in types and "empathy" not in types


def test_the_same_words_again_are_surer_to_be_a_formula():
    first, second = judged(COMPLAINT, "非常抱歉给您带来不便。", "那怎么办？", "非常抱歉给您带来不便。")
    assert second.score > first.score


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_is_a_symmetric_share(a, b):
    assert 0 <= likeness(a, b) <= 1 and likeness(a, b) == likeness(b, a)
    assert likeness(a, a) == 1


def test_templates_show_over_an_agents_calls():
    read_out = ["真的很抱歉，让您等了这么久，换我我也会着急的"] * 3
    assert template_likeness([*read_out, "是我把地址登记错了，害您白跑一趟"]) == pytest.approx((0.69, 0.69, 0.69, 0.02), abs=0.1)
    assert template_likeness(["对不起"]) == (0.0,)
