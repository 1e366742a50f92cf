"""When a promise falls due: the time words of an undertaking, resolved from the moment the call began.

In: the words of the undertaking and when the call started (with its zone). Out: the due time, or None where no time was
named or the start is unknown. Days without an hour are due at 23:59, 下班前 at 18:00, a range at its end, a stretch (两小时内)
counts from the call's start, working days are Monday to Friday. Where several steps are promised, the last one is meant.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from models.reading.entities import number

_NUM = r"(?:\d+(?:\.\d+)?|[零一二三四五六七八九十两半几]+)"
_DAYWORD = r"(?:今天|今日|今儿|今晚|今早|当天|当日|当晚|明天|明日|明儿|明晚|明早|明个|后天|大后天)"
_WEEKDAY = r"(?:下下?个?|这个?|本)?(?:周|星期|礼拜)[一二三四五六日天末]"
_N = r"(?:\d{1,2}|[一二三四五六七八九十]+)"
_MONTHDAY = rf"(?:(?:下个?月|这个?月|本月|{_N}月)?{_N}[号日](?!楼|线|店|单元|机|门)|{_N}月{_N}[号日]?|月底|月末)"
_PART = r"(?:凌晨|清晨|早上|早晨|早|上午|中午|正午|午后|下午|傍晚|晚上|夜里|半夜|晚)"
_CLOCK = (
    r"(?:\d{1,2}[:：]\d{2}|(?:\d{1,2}|[零一二三四五六七八九十两]+)点(?:钟|整|半|一刻|三刻|(?:\d{1,2}|[零一二三四五六七八九十]+)分?)?(?!数|击|评|赞|开头|多余))"
)
_SPAN = re.compile(rf"({_NUM})\s*(个半|个?)(小时|钟头|分钟|刻钟|工作日|自然日|天|日|周|星期|礼拜|月)(半)?(?:之?内|以内|之?后|以后)?")
_POINT = re.compile(
    rf"(?P<day>{_DAYWORD}|{_WEEKDAY}|{_MONTHDAY})?(?:的)?(?P<part>{_PART})?(?:的)?(?P<clock>{_CLOCK})?(?P<close>下班之?前|下班以前|天黑之?前|关门之?前|打烊之?前|收工之?前)?"
)
_DAYS = {"今": 0, "当": 0, "明": 1, "后": 2, "大": 3}
_WEEK = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6, "末": 6}
_CLOSES_AT = time(18, 0)
_END_OF_DAY = time(23, 59)
_PAST = re.compile(r"昨天|前天|上周|上个?星期|上个?礼拜|刚才|之前就")


def due_at(words: str, started_at: datetime | None) -> datetime | None:
    """The latest time that the words name, from `started_at` (aware) on. None without a time in them."""
    if started_at is None or not words:
        return None
    found = [d for d in (*_stretches(words, started_at), *_points(words, started_at)) if d is not None]
    return max(found) if found else None


def _stretches(words: str, start: datetime) -> list[datetime]:
    """两小时内, 半小时之内, 三天内, 七个工作日内 — each from the call's start."""
    out: list[datetime] = []
    for m in _SPAN.finditer(words):
        if m[3] in ("天", "日", "月", "周", "星期", "礼拜") and not re.search(r"内|后", m[0]) and not re.match(r"之?内|以内", words[m.end() :]):
            continue  # 三天没人来, 三月, 一周两次: no undertaking
        if words[max(0, m.start() - 1) : m.start()] in ("第", "下", "这", "本"):
            continue
        value = number(m[1])
        if value is None:
            continue
        value += 0.5 if m[2] == "个半" or m[4] else 0.0
        unit = m[3]
        if unit in ("小时", "钟头"):
            out.append(start + timedelta(hours=value))
        elif unit == "分钟":
            out.append(start + timedelta(minutes=value))
        elif unit == "刻钟":
            out.append(start + timedelta(minutes=15 * value))
        elif unit == "工作日":
            out.append(_at(_working_day(start, int(value)), _END_OF_DAY))
        elif unit in ("周", "星期", "礼拜"):
            out.append(_at(start + timedelta(days=7 * value), _END_OF_DAY))
        elif unit == "月":
            out.append(_at(start + timedelta(days=30 * value), _END_OF_DAY))
        else:
            out.append(_at(start + timedelta(days=value), _END_OF_DAY))
    return out


def _points(words: str, start: datetime) -> list[datetime]:
    """Days, parts of days and clock times; a day carries on to the hours named after it in the same breath."""
    out: list[datetime] = []
    day: datetime | None = None
    part = ""
    for m in _POINT.finditer(words):
        if not m[0] or not (m["day"] or m["part"] or m["clock"] or m["close"]):
            continue
        if m["clock"] == "一点" and not (m["day"] or m["part"]) and not re.match(r"之?前|以前|准|左右|给|到", words[m.end() :]):
            continue  # 一点 is a little
        if _PAST.search(words[max(0, m.start() - 2) : m.end()]):
            continue
        named = m["day"] or ""
        if named:
            found = _day(named, start)
            if found is None:
                continue
            day, part = found, ""
        spoken = m["part"] or ("晚" if "晚" in named else "早" if "早" in named else "")
        if spoken == "早" and not m["clock"] and not named:
            continue  # 早 alone is no part of a day: 早就, 早点
        if spoken == "晚" and not m["clock"] and not named:
            continue
        part = spoken or part
        if m["close"]:
            out.append(_at(day or start, _CLOSES_AT))
        elif m["clock"]:
            when = _clock(m["clock"], part, day, start)
            if when is not None:
                out.append(when)
        elif spoken and (named or spoken in ("中午", "上午", "下午", "晚上", "傍晚", "凌晨", "早上")):
            out.append(_part_end(day or start, spoken))
        elif named:
            out.append(_at(day or start, _END_OF_DAY))
    return _last_words(out, words)


def _last_words(found: list[datetime], words: str) -> list[datetime]:
    """A day that only introduces a later hour (今天…下午五点前) is no time of its own."""
    if len(found) > 1:
        hours = [d for d in found if d.time() != _END_OF_DAY]
        if hours:
            dates = {d.date() for d in hours}
            return hours + [d for d in found if d.time() == _END_OF_DAY and d.date() not in dates and d > max(hours)]
    return found


def _day(named: str, start: datetime) -> datetime | None:
    if named[0] in _DAYS and not named.startswith("大后天"):
        return start + timedelta(days=_DAYS[named[0]])
    if named.startswith("大后天"):
        return start + timedelta(days=3)
    week = re.fullmatch(r"(下下|下|这个?|本)?个?(?:周|星期|礼拜)([一二三四五六日天末])", named)
    if week:
        wanted = _WEEK[week[2]]
        monday = start - timedelta(days=start.weekday())
        if week[1] in ("下", "下下"):
            return monday + timedelta(days=7 * len(week[1]) + wanted)
        ahead = (wanted - start.weekday()) % 7
        return start + timedelta(days=ahead)
    if named in ("月底", "月末"):
        first = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
        return first - timedelta(days=1)
    return _month_day(named, start)


def _month_day(named: str, start: datetime) -> datetime | None:
    m = re.fullmatch(r"(?:(下个?月|这个?月|本月|[\d一二三四五六七八九十]+月))?(?:([\d一二三四五六七八九十]+)[号日]?)?", named)
    if m is None or m[2] is None:
        return None
    date = number(m[2])
    if date is None or not 1 <= date <= 31:
        return None
    month, year = start.month, start.year
    if m[1] and m[1].startswith("下"):
        month += 1
    elif m[1] and m[1][0] not in "这本":
        value = number(m[1][:-1])
        if value is None or not 1 <= value <= 12:
            return None
        month = int(value)
        year += month < start.month
    elif int(date) < start.day:
        month += 1
    year, month = (year + 1, month - 12) if month > 12 else (year, month)
    try:
        return start.replace(year=year, month=month, day=int(date))
    except ValueError:
        return None


def _clock(said: str, part: str, day: datetime | None, start: datetime) -> datetime | None:
    digits = re.fullmatch(r"(\d{1,2})[:：](\d{2})", said)
    if digits:
        hour, minute = int(digits[1]), int(digits[2])
    else:
        m = re.match(r"([\d零一二三四五六七八九十两]+)点(半|一刻|三刻|[\d零一二三四五六七八九十]+)?", said)
        if m is None:
            return None
        value = number(m[1])
        if value is None:
            return None
        hour = int(value)
        quarters = {"半": 30, "一刻": 15, "三刻": 45}
        minute = quarters[m[2]] if m[2] in quarters else int(number(m[2] or "") or 0)
    if not (0 <= hour <= 24 and 0 <= minute < 60):
        return None
    base = day or start
    if hour == 24 or (hour == 12 and part in ("晚", "晚上", "夜里", "半夜")):
        return _at(base + timedelta(days=1), time(0, minute))
    if (part in ("下午", "午后", "傍晚", "晚", "晚上") and hour < 12) or (part in ("中午", "正午") and hour < 3):
        hour += 12
    elif part in ("凌晨", "夜里", "半夜") and day is None and hour < 6:
        when = _at(start, time(hour, minute))
        return when if when > start else when + timedelta(days=1)
    elif not part and hour <= 12:
        return _next(base, hour % 24, minute, day is not None, start)
    when = _at(base, time(hour % 24, minute))
    return when if day is not None or when > start else when + timedelta(days=1)


def _next(base: datetime, hour: int, minute: int, day_named: bool, start: datetime) -> datetime:
    """An hour without a half of the day: its next occurrence after the call began, on the day that was named."""
    choices = [_at(base, time(h, minute)) for h in ((hour, hour + 12) if hour < 12 else (12,))]
    later = [c for c in choices if c > start]
    if later:
        if day_named and base.date() != start.date() and 8 <= hour <= 12:
            return choices[0]
        if day_named and base.date() != start.date() and hour < 8:
            return choices[-1]  # nobody promises four in the morning
        return later[0]
    return choices[0] + timedelta(days=1)


def _part_end(day: datetime, part: str) -> datetime:
    ends = {
        "凌晨": time(6, 0),
        "清晨": time(9, 0),
        "早上": time(12, 0),
        "早晨": time(12, 0),
        "早": time(12, 0),
        "上午": time(12, 0),
        "中午": time(12, 0),
        "正午": time(12, 0),
    }
    ends |= {"午后": time(18, 0), "下午": time(18, 0), "傍晚": time(18, 0)}
    return _at(day, ends.get(part, _END_OF_DAY))


def _at(day: datetime, when: time) -> datetime:
    return day.replace(hour=when.hour, minute=when.minute, second=0, microsecond=0)


def _working_day(start: datetime, days: int) -> datetime:
    day = start
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day
