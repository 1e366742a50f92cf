"""Amounts, dates, times, deadlines, phone and order numbers, spoken and written; numbers against a slow reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.entities import entities, number
from models.reading.text import normalise


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        ("赔三千五百块", "amount", ["三千五百块"]),
        ("一年多两百多块", "amount", ["两百多块"]),
        ("￥99.9，还有３０元", "amount", ["¥99.9", "30元"]),
        ("这块儿地方，元旦", "amount", []),
        ("今天晚上七点之前送到", "deadline", ["今天晚上七点之前"]),
        ("七个工作日内原路退回", "deadline", ["七个工作日内"]),
        ("五分钟之内给我解开", "deadline", ["五分钟之内"]),
        ("后天中午十二点前给您结论", "deadline", ["后天中午十二点前"]),
        ("前天打的，三天了", "deadline", []),
        ("四月三号下单", "date", ["四月三号"]),
        ("上个星期三到现在", "date", ["上个星期三"]),
        ("三号楼五单元", "date", []),
        ("明天下午四点我再打", "time", ["下午四点"]),
        ("有一点贵", "time", []),
        ("我手机幺三八一二三四五六七八", "phone", ["13812345678"]),
        ("400-800-1234", "phone", ["400-800-1234"]),
        ("订单号二四一七九", "order_number", ["订单号24179"]),
        ("单号是SF1234567890", "order_number", ["单号是sf1234567890"]),
        ("我手机13812345678", "order_number", []),
    ],
)  # fmt: skip
def test_entities(said: str, kind: str, expected: list[str]) -> None:
    norm = normalise(said).norm
    assert [norm[e.start : e.end] for e in entities(norm, [kind])] == expected  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("said", "value"),
    [("两千五", 2500), ("一万二", 12000), ("三百零五", 305), ("十二", 12), ("一百一", 110), ("三万五千", 35000), ("二零二四", 2024),
     ("半", 0.5), ("10万", 100000), ("3.5", 3.5), ("几", None), ("", None), ("好", None)],
)  # fmt: skip
def test_numbers(said: str, value: float | None) -> None:
    assert number(said) == value


def spoken(n: int) -> str:
    """A number below 100,000,000 in full, as a slow reader would write it."""
    if n == 0:
        return "零"
    out, zero = "", False
    for size, name in ((10_000_000, "千万"), (1_000_000, "百万"), (100_000, "十万"), (10_000, "万"), (1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = n // size % 10
        if digit:
            out += ("零" if zero and out else "") + "零一二三四五六七八九"[digit] + name.replace("万", "")
            zero = False
        elif out:
            zero = True
        if size == 10_000 and n >= 10_000:
            out += "万"
    return out


@given(st.integers(0, 99_999))
def test_numbers_against_a_slow_speaker(n: int) -> None:
    assert number(spoken(n)) == n


def test_the_value_of_an_amount() -> None:
    values = {said: entities(normalise(said).norm, ["amount"])[0].value for said in ("三块五", "五毛钱", "一万二千块", "2万元", "几百块")}
    assert values == {"三块五": 3.5, "五毛钱": 0.5, "一万二千块": 12000, "2万元": 20000, "几百块": None}


@given(st.text("一二三十百千万块元点号月日前内之天今明12.:-￥ 电话单号", max_size=25))
def test_entities_point_into_the_text_and_never_raise(said: str) -> None:
    norm = normalise(said).norm
    for e in entities(norm):
        assert 0 <= e.start < e.end <= len(norm)
