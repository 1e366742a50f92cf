"""When a promise falls due: what people say, resolved from the start of the call."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.promises import due_at

ZONE = timezone(timedelta(hours=8))
START = datetime(2026, 11, 18, 10, 20, tzinfo=ZONE)  # a Wednesday


def at(day, hour, minute=0, month=11):
    return datetime(2026, month, day, hour, minute, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("今天晚上七点之前给您送到", at(18, 19)),
        ("六点半我给您打电话", at(18, 18, 30)),
        ("今天就给您退", at(18, 23, 59)),
        ("明天中午前我亲自盯", at(19, 12)),
        ("明天下午四点再打给您", at(19, 16)),
        ("后天上午给您结论", at(20, 12)),
        ("七个工作日内原路退回", at(27, 23, 59)),
        ("两分钟之内就能用", at(18, 10, 22)),
        ("半小时之内给您回电", at(18, 10, 50)),
        ("一个半小时内到", at(18, 11, 50)),
        ("二十四小时内联系您", at(19, 10, 20)),
        ("凌晨一点前送到", at(19, 1)),
        ("今晚十二点前到账", at(19, 0)),
        ("下班前给您发过去", at(18, 18)),
        ("周二下班前跟您确认", at(24, 18)),
        ("下周二之前", at(24, 23, 59)),
        ("周日给您回话", at(22, 23, 59)),
        ("五号之前处理完", at(5, 23, 59, month=12)),
        ("月底前打款", at(30, 23, 59)),
        ("明天九点到十一点上门", at(19, 11)),
        ("三天内解决", at(21, 23, 59)),
        ("今天下午三点前到账，押金明天中午前到", at(19, 12)),
    ],
)
def test_due(said, due):
    assert due_at(said, START) == due


@pytest.mark.parametrize("said", ["我会尽快处理", "请您耐心等待", "", "一点小意思", "三天没人来了"])
def test_no_time_no_due(said):
    assert due_at(said, START) is None


def test_without_the_start_nothing_is_due():
    assert due_at("明天下午四点", None) is None


@given(st.text(alphabet="今明后天晚上下午点半小时内前周一二三日号月底工作十两3:0我给您打", max_size=24), st.integers(0, 23))
def test_nothing_crashes_and_nothing_falls_due_long_before(said, hour):
    due = due_at(said, START.replace(hour=hour))
    assert due is None or due > START - timedelta(days=2)


@given(st.integers(1, 48))
def test_hours_count_from_the_start(hours):
    assert due_at(f"{hours}小时内给您回复", START) == START + timedelta(hours=hours)
