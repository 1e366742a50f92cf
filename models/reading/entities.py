"""A normal text, in; the amounts, dates, times, deadlines, phone and order numbers in it, out, each with its place and value.

Numbers are read as they are spoken (两千五, 三百二十块, 一万二) and as they are written. The surprising choice: a deadline is a date, a time or a stretch
of time *together with* what makes it one (之前, 以内, 前, 之内, 内), because 三天 alone promises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

EntityKind = Literal["amount", "date", "time", "deadline", "phone", "order_number"]
ENTITY_KINDS: tuple[EntityKind, ...] = ("amount", "date", "time", "deadline", "phone", "order_number")

_NUM = r"(?:\d+(?:\.\d+)?|[零一二三四五六七八九十百千万亿两半几]+)"
_DAY = (
    r"(?:大前天|前天|昨天|昨晚|今天|今日|今晚|今早|明天|明日|明晚|明早|后天|大后天|当天|当日|当晚|次日|"
    r"(?:上|下|这|本)?(?:个)?(?:周|星期|礼拜)[一二三四五六日天]|周末|月底|月初|年底)"
)
_DATE = rf"(?:(?:(?:\d{{4}}|今|明|去)年)?{_NUM}月(?:{_NUM}[日号])?|{_NUM}[号日](?!楼|线|店|单元|机|门|院)|{_DAY})"
_PART = r"(?:凌晨|清晨|早上|早晨|上午|中午|正午|下午|傍晚|晚上|夜里|夜间|半夜|晚间|今晚|明晚|今早|明早)"
_CLOCK = rf"(?:{_PART}?(?:\d{{1,2}}[:：]\d{{2}}|{_NUM}[点时](?:钟|整|半|一刻|三刻|{_NUM}分?)?)(?!数|击|评|赞|开|头)|{_PART}|下班前?|打烊前?)"
_WHEN = rf"(?:{_DATE}{_CLOCK}?|{_CLOCK})"
_UNIT = r"(?:秒|分钟|刻钟|个?(?:小时|钟头|工作日|自然日|星期|礼拜|月)|天|日|周|年|个工作日)"
_SPAN = rf"(?:{_NUM}(?:到|至|-|~){_NUM}{_UNIT}|{_NUM}个?多?{_UNIT}半?|半(?:天|年|个(?:小时|钟头|月)|小时))"

_BY = r"(?:之前|以前|前(?!天|面|台|后|几|两|些)|截止)"
_WITHIN = r"(?:之内|以内|内(?!容|部)|之前|以后|之后|后(?!面|台|来))"
_MONEY = r"(?:块钱|块(?!儿)|元(?!旦|宵)|毛钱|万块|万元|千块|百块|人民币)"
_NAMED_NUMBER = r"(?:(?:订|运|快递|物流|工|流水)?单(?:号)?|编号|尾号|卡号|后[四六4-6]位)(?:码)?(?:是|为|：| )?[a-z]{0,4}\d{3,24}"
_PHONE = (
    r"(?:\+?86)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}[ -]?\d{7,8}|400[ -]?\d{3}[ -]?\d{4}"
    r"|(?:电话|手机|手机号|号码)(?:号码|号)?(?:是|：| )?\d{7,12}"
)
_PATTERN: dict[EntityKind, re.Pattern[str]] = {
    "deadline": re.compile(rf"(?:{_WHEN}{_BY}|{_SPAN}{_WITHIN}|最(?:晚|迟){_WHEN}|(?:截止|截至)(?:到)?{_WHEN})"),
    "amount": re.compile(rf"(?:[¥￥$]\s?\d+(?:\.\d+)?|{_NUM}(?:多|来)?{_MONEY}(?:[一二三四五六七八九\d]毛?)?)"),
    "date": re.compile(_DATE),
    "time": re.compile(_CLOCK),
    "phone": re.compile(rf"(?<!\d)(?:{_PHONE})(?!\d)"),
    "order_number": re.compile(rf"(?:{_NAMED_NUMBER}|(?<![\da-z])(?=[a-z]*\d)[a-z]{{0,4}}\d{{9,24}}(?!\d))"),
}
_BEFORE_DIGITS = "电话手机号码是： "


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity: norm offsets, and for amounts the value in yuan (None where it cannot be told: 几百块)."""

    kind: EntityKind
    start: int
    end: int
    value: float | None = field(default=None, repr=False)


def entities(norm: str, kinds: Iterable[EntityKind] = ENTITY_KINDS) -> list[Entity]:
    """The entities of these kinds in a normal text, by place. A phone number is no order number."""
    wanted = set(kinds)
    out: list[Entity] = []
    phones = [m.span() for m in _PATTERN["phone"].finditer(norm)] if wanted & {"phone", "order_number"} else []
    for kind, pattern in _PATTERN.items():
        if kind not in wanted:
            continue
        for m in pattern.finditer(norm):
            if kind == "order_number" and any(s < m.end() and m.start() < e for s, e in phones):
                continue
            if kind == "time" and _is_no_time(norm, m.start(), m[0]):
                continue
            start = m.start() + len(m[0]) - len(m[0].lstrip(_BEFORE_DIGITS)) if kind == "phone" else m.start()
            out.append(Entity(kind, start, m.end(), _yuan(m[0]) if kind == "amount" else None))
    return sorted(out, key=lambda e: (e.start, e.end))


def _is_no_time(norm: str, start: int, said: str) -> bool:
    """一点 is a little and 有点 somewhat, unless a part of the day stands before it or 钟, 半, 整 after it."""
    return said in ("一点", "几点", "半点", "零点") and not norm[max(0, start - 1) : start].isdigit() and said != "零点"


_DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}


def number(said: str) -> float | None:
    """The value of a number as spoken or written: 三百二十, 两千五 (2500), 一万二 (12000), 3.5, 半 (0.5). None for 几 and what is none."""
    if not said:
        return None
    if re.fullmatch(r"\d+(?:\.\d+)?", said):
        return float(said)
    if said == "半":
        return 0.5
    mixed = re.fullmatch(r"(\d+(?:\.\d+)?)([百千万亿])", said)
    if mixed:
        return float(mixed[1]) * {"百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}[mixed[2]]
    if not re.fullmatch(r"[零一二三四五六七八九十百千万亿两]+", said):
        return None
    if all(c in _DIGIT for c in said):
        return float("".join(str(_DIGIT[c]) for c in said))
    total = section = digit = 0
    unit = 1  # the unit a trailing digit inherits: 两千五 is 2500
    for char in said:
        if char in _DIGIT:
            digit = _DIGIT[char]
            if char == "零":
                unit = 1
            continue
        if char in _UNITS:
            section += (digit or (1 if char == "十" else 0)) * _UNITS[char]
            unit = _UNITS[char] // 10
        else:
            scale = 10_000 if char == "万" else 100_000_000
            total = (total + section + digit) * scale
            section, unit = 0, scale // 10
        digit = 0
    return float(total + section + digit * (unit if digit else 1))


def _yuan(said: str) -> float | None:
    """三百块 → 300, 三块五 → 3.5, 五毛钱 → 0.5, 一万二千块 → 12000."""
    said = said.lstrip("¥￥$ ")
    m = re.match(rf"({_NUM})(?:多|来)?(毛钱|万块|万元|千块|百块|块钱|块|元|人民币)?([一二三四五六七八九\d])?", said)
    if m is None:
        return None
    value = number(m[1])
    if value is None:
        return None
    scale = {"毛钱": 0.1, "万块": 1e4, "万元": 1e4, "千块": 1e3, "百块": 1e2}.get(m[2] or "", 1.0)
    tenth = number(m[3]) if m[3] and m[2] in ("块", "元") else None
    return value * scale + (tenth or 0) / 10
