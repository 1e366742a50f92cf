"""Numbers that belong to a person: telephone, identity card, bank card, one-time codes — however they are dictated.

In: the turns of one call. Out: spans (turn, start, end, kind) over digits written 138… or spoken 幺三八…, broken by 呃 and commas, or given
in pieces over several turns. The surprising choice: what a number is called decides as much as how it looks. A mobile number or an identity
number is recognised by its form; anything shorter or vaguer only after a word that asks for one (电话, 身份证, 卡号).

Never a person's: public hotlines (110, 12315, 10086, 95…, 400…), amounts, dates, and numbers of a matter — order, ticket, waybill, policy,
staff number, the last four digits of anything — because QA staff find the case by them and nobody is found by them alone.
Forms: mobile numbers 1[3-9] and nine digits (MIIT numbering plan); identity numbers GB 11643 (17 digits and a check character, birthday at
the seventh); card numbers ISO/IEC 7812 (16–19 digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from models.records import Turn

VALUE = {char: str(k % 10) for k, char in enumerate("0123456789０１２３４５６７８９零一二三四五六七八九")} | {"〇": "0", "幺": "1"}
# What recognisers write for a dictated digit. Counted as that digit only between digits, or where 幺 opens a number.
SOUNDS_LIKE = {"要": "1", "腰": "1", "妖": "1", "就": "9", "酒": "9", "久": "9", "林": "0", "灵": "0", "另": "0", "刘": "6", "流": "6", "留": "6"} | {
    "而": "2", "儿": "2", "是": "4", "死": "4", "无": "5", "午": "5", "期": "7", "起": "7", "吧": "8", "把": "8", "爸": "8", "山": "3",
}  # fmt: skip
_COUNTED = re.compile(r"[一二三四五六七八九零〇](?=[下个些样点共直定起次遍会般件张块元天年月日周位种台套])|第[一二三四五六七八九十0-9]+")
_MAGNITUDE = re.compile(r"[0-9０-９零一二三四五六七八九两几]*[十百千万亿][0-9０-９零一二三四五六七八九十百千万亿]*")
_DATE_TIME = re.compile(
    r"(?:19|20)\d\d\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}|\d{1,2}[:：点]\d{1,2}(?:[:：分]\d{1,2})?|\d+\.\d+|[0-9零一二三四五六七八九]{2,4}年"
)
_LINK = re.compile(r"(?:https?://|www\.)[!-~]+|[!-~]+\.(?:com|cn|net|html?)[!-~]*")
_FILLER = (
    r"(?:[\s,，、。.．;；:：\-—–~·…!！?？()（）+＋]|那个|这个|然后|就是|后面|接着|再|等一下|稍等|不对|错了|最后面?|后边|前面|前边|中间|开头|打头|末尾|接下来|跟着|完了|四位|三位|我看看|我看一下|我想想|对吧|对吗|是吧|是吗"
    r"|呃|嗯|额|啊|哦|噢|喔|唉|哎|欸|恩|呢|吧|的|对|好|行|是|杠|转|加|还有)"
)
_GAP = re.compile(rf"{_FILLER}{{0,8}}")
_BACKCHANNEL = re.compile(
    rf"(?:{_FILLER}|您说|你说|请说|请讲|继续|您继续|好的|好嘞|没错|记下了|记好了|记一下|我记|收到|知道了|还有呢|然后呢|后面呢|接下来|不急|慢慢说|您慢点){{0,10}}"
)
_HOTLINE = re.compile(r"[48]00\d{7}|1\d{2}|(?:0\d{2,3})?1[02]\d{3}|(?:0\d{2,3})?95\d{3}|95\d{4,6}|96\d{3,4}|106\d{5,17}")
_TOLL_FREE = re.compile(r"[48]00\d{7}")
_MOBILE = re.compile(r"(?:86|086|0086|0)?1[3-9]\d{9}")
_LANDLINE = re.compile(r"(?:86|0086)?0(?:10\d{8}|2\d{9}|[3-9]\d{9,10})")
_IDENTITY = re.compile(r"[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]")
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_AMOUNT_AFTER = re.compile(r"\s*(?:多)?(?:元|块|毛|分钱|积分|公里|毫安|兆|度电|人民币|美元)")
_CUES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("secret", re.compile(r"验证码|校验码|动态码|密码")),
    ("id", re.compile(r"身份证|证件|护照|社保号|驾驶证|军官证")),
    ("card", re.compile(r"银行卡|卡号|储蓄卡|信用卡|借记卡|账号|帐号|账户|帐户|存折")),
    (
        "matter",
        re.compile(
            r"订单|单号|运单|工单|票号|保单|合同号|流水号?|编号|工号|房号|分机|尾号|最?后[四4]位|序列号|型号|会员号|户号|表号|发票|税号|取件码|条码|案件|受理号|申请号"
        ),
    ),
    ("phone", re.compile(r"手机|电话|座机|号码|联系方式|联系我|打给|回电|拨|微信|传真|热线|来电|短信|这个号|的号")),
)
_LEAST_DIGITS = {"secret": 4, "id": 6, "card": 6, "phone": 7}
_MOST_DIGITS = {"secret": 8, "id": 20, "card": 22, "phone": 16}
_CUE_REACH_TURNS = 4  # a number answers what was asked at most so many turns before
_LINK_REACH_TURNS = 4  # pieces of one dictation are at most so many turns apart
_READBACK_TURNS = 8
_MOST_PIECES_UNNAMED = 5  # a card number that nobody announced comes in four or five groups, not in ten
_MOST_GROUPS = 24  # more pieces than this is a recital, not one number


@dataclass(frozen=True, slots=True)
class Span:
    """Characters start to end of one turn (its position in the sequence) that belong to a person, and what they are."""

    turn: int
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Digits said in one breath. soft: a character that may be a misheard digit, or just itself."""

    turn: int
    start: int
    end: int
    digits: str
    soft: bool = False


def _hidden(text: str) -> str:
    """The text with counted things, quantities, dates and decimals blotted out, so that they neither make nor join numbers."""
    for pattern in (_LINK, _DATE_TIME, _MAGNITUDE, _COUNTED):
        text = pattern.sub(lambda m: "■" * len(m[0]), text)
    return text


def _groups(position: int, text: str) -> list[_Group]:
    """Maximal runs of digit characters of one turn, and the misheard digits beside them, in order."""
    groups: list[_Group] = []
    for at, char in enumerate(text):
        before, after = text[at - 1 : at], text[at + 1 : at + 3]
        if char in VALUE:
            last = groups[-1] if groups else None
            if last and not last.soft and last.end == at:
                groups[-1] = replace(last, end=at + 1, digits=last.digits + VALUE[char])
            else:
                groups.append(_Group(position, at, at + 1, VALUE[char]))
        elif char in SOUNDS_LIKE and after[:1] in VALUE and (before in VALUE or (SOUNDS_LIKE[char] == "1" and after[1:] in VALUE)) and after:
            groups.append(_Group(position, at, at + 1, SOUNDS_LIKE[char], soft=True))
    return groups


def _linked(a: _Group, b: _Group, texts: Sequence[str], sides: Sequence[bool]) -> bool:
    """Whether two groups may be pieces of one number: nothing but hesitation between them, in one turn or across the other side's nods."""
    if a.turn == b.turn:
        return _GAP.fullmatch(texts[a.turn], a.end, b.start) is not None
    if b.turn - a.turn > _LINK_REACH_TURNS:
        return False
    tail_and_head = _GAP.fullmatch(texts[a.turn], a.end) and _BACKCHANNEL.fullmatch(texts[b.turn], 0, b.start)
    between = (re.sub("[" + "".join(VALUE) + "]+", "", texts[k]) for k in range(a.turn + 1, b.turn))
    return bool(tail_and_head) and all(_BACKCHANNEL.fullmatch(text) for text in between)


def _runs(groups: Sequence[_Group], texts: Sequence[str], sides: Sequence[bool]) -> Iterator[list[_Group]]:
    """Groups of one side, split where something was said between them."""
    run: list[_Group] = []
    for group in groups:
        if run and (len(run) >= _MOST_GROUPS or not _linked(run[-1], group, texts, sides)):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _cue(texts: Sequence[str], turn: int, start: int, end: int) -> str | None:
    """What the number is called: by the nearest word before it, else just after it, else in the turns before."""

    def last(text: str, most: int) -> str | None:
        hits = [(m.end(), -order, kind) for order, (kind, pattern) in enumerate(_CUES) for m in pattern.finditer(text, 0, most)]
        return max(hits)[2] if hits else None

    if (kind := last(texts[turn], start)) is not None:
        return kind
    after = texts[turn][end : end + 10]
    if (kind := last(after, len(after))) is not None:
        return kind
    for back in range(1, _CUE_REACH_TURNS + 1):
        if turn - back < 0:
            break
        if (kind := last(texts[turn - back], len(texts[turn - back]))) is not None:
            return kind
    return None


def luhn(digits: str) -> bool:
    """Whether the last digit is right for a payment card (ISO/IEC 7812-1, annex B)."""
    doubled = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (doubled + sum(int(d) for d in digits[-1::-2])) % 10 == 0


def kind_of(digits: str, cue: str | None) -> tuple[int, str] | None:
    """How surely (4 by form, 3 by its check digit, 2 by name, 1 by length) and what of a person's these digits are; None for nobody's."""
    count = len(digits)
    if _IDENTITY.fullmatch(digits):
        return 4, "id"
    if _MOBILE.fullmatch(digits):
        return 4, "phone"
    if _HOTLINE.fullmatch(digits) and cue not in {"secret", "id", "card"}:
        return None
    if cue == "matter":
        return None
    if _LANDLINE.fullmatch(digits):
        return 4, "phone"
    if 16 <= count <= 19 and cue == "card":
        return 4, "card"
    if 16 <= count <= 19 and cue != "id" and (digits.startswith("62") or luhn(digits)):
        return 3, "card"
    if cue in _LEAST_DIGITS and _LEAST_DIGITS[cue] <= count <= _MOST_DIGITS[cue] and not (cue == "phone" and _DAY.fullmatch(digits)):
        return 2, cue
    if 15 <= count <= 19:
        return 1, "card" if count != 18 else "id"
    return None


def _readings(window: Sequence[_Group]) -> Iterator[str]:
    """The digits of a window, each misheard digit taken as a digit and as nothing (no more than four of them: 16 readings)."""
    soft = [k for k, g in enumerate(window) if g.soft]
    if len(soft) > 4:
        return
    for chosen in product((True, False), repeat=len(soft)):
        taken = dict(zip(soft, chosen, strict=True))
        yield "".join(g.digits for k, g in enumerate(window) if taken.get(k, True))


def _with_check_letter(window: Sequence[_Group], texts: Sequence[str]) -> tuple[list[_Group], str]:
    """An identity number may end in X (said 叉): the window's last group stretched over it, and what to append to its digits."""
    last = window[-1]
    found = re.compile(rf"{_GAP.pattern}(?:[XxＸｘ叉]|艾克斯|埃克斯)").match(texts[last.turn], last.end)
    if found is None:
        return list(window), ""
    return [*window[:-1], replace(last, end=found.end())], "X"


def _claims(run: Sequence[_Group], texts: Sequence[str]) -> list[tuple[list[_Group], str]]:
    """The windows of one run that are a person's numbers, surest and longest first, none overlapping another."""
    windows = [(i, j) for i in range(len(run)) for j in range(i + 1, len(run) + 1)]
    toll_free = {k for i, j in windows if _TOLL_FREE.fullmatch("".join(g.digits for g in run[i:j])) for k in range(i, j)}
    candidates: list[tuple[int, int, int, int, list[_Group], str]] = []
    for i in range(len(run)):
        if run[i].soft and run[i].digits != "1":
            continue
        cue = _cue(texts, run[i].turn, run[i].start, run[min(i, len(run) - 1)].end)
        for j in range(i + 1, len(run) + 1):
            window = run[i:j]
            if sum(len(g.digits) for g in window) > 24:
                break
            if window[-1].soft or (len(window) > 1 and len({g.digits for g in window}) == 1):
                continue  # the same piece said twice is not a longer number
            stretched, letter = _with_check_letter(window, texts)
            # An amount, a hotline said twice, or a list of prices (满900-180，600-120): only an unmistakable form stands against these.
            doubtful = (
                not toll_free.isdisjoint(range(i, j))
                or _AMOUNT_AFTER.match(texts[window[-1].turn], window[-1].end) is not None
                or any(len(g.digits) >= 5 and _HOTLINE.fullmatch(g.digits) for g in window)
            )
            pieced = cue is None and (len(window) > _MOST_PIECES_UNNAMED or (len(window) > 1 and len(window[0].digits) not in {4, 6}))
            best: tuple[int, str] | None = None
            for digits in _readings(window):
                got = kind_of(digits + letter, cue) if len(digits) == 17 and letter else kind_of(digits, cue)
                if got and not (doubtful and got[0] < 4) and not (pieced and got[0] < 4) and (best is None or got[0] > best[0]):
                    best = got
            if best:
                candidates.append((-best[0], i - j, i, j, stretched if letter else list(window), best[1]))
    taken: set[int] = set()
    claims = []
    for _, _, i, j, window, kind in sorted(candidates, key=lambda c: c[:4]):
        if not taken & set(range(i, j)):
            taken |= set(range(i, j))
            claims.append((window, kind))
    return claims


def _span_per_turn(window: Sequence[_Group], kind: str) -> Iterator[Span]:
    for turn in dict.fromkeys(g.turn for g in window):
        here = [g for g in window if g.turn == turn]
        yield Span(turn, here[0].start, here[-1].end, kind)


def find_numbers(turns: Sequence[Turn]) -> list[Span]:
    """Spans of personal numbers in the turns, in no particular order; `Span.turn` is the position in the sequence."""
    texts = [_hidden(t.text) for t in turns]
    sides = [t.by_customer for t in turns]
    groups = [_groups(k, text) for k, text in enumerate(texts)]
    spans: list[Span] = []
    known: list[tuple[int, str, str]] = []
    for side in (False, True):
        of_side = [g for k, found in enumerate(groups) if sides[k] == side for g in found]
        for run in _runs(of_side, texts, sides):
            for window, kind in _claims(run, texts):
                spans.extend(_span_per_turn(window, kind))
                known.append((window[0].turn, "".join(g.digits for g in window if not g.soft), kind))
    spans.extend(_read_back(groups, spans, known, texts))
    return spans


def _read_back(groups: Sequence[Sequence[_Group]], spans: Sequence[Span], known: Sequence[tuple[int, str, str]], texts: Sequence[str]) -> Iterator[Span]:
    """Pieces (four digits or more) of a number already found, repeated near it by either side; a 尾号 said as such stays."""
    covered = {(s.turn, at) for s in spans for at in range(s.start, s.end)}
    for group in (g for found in groups for g in found if not g.soft and len(g.digits) >= 4):
        if (group.turn, group.start) in covered or _HOTLINE.fullmatch(group.digits) or _cue(texts, group.turn, group.start, group.end) == "matter":
            continue
        for turn, digits, kind in known:
            if abs(turn - group.turn) <= _READBACK_TURNS and group.digits in digits:
                yield Span(group.turn, group.start, group.end, kind)
                break
