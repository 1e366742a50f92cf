"""Asking again for what the customer has already given.

In: the look at a call. Out: ask_again moments. What was given is read from the customer's own turns — said outright (订单号
七七四六零一) or in answer to a question — so a first question is never one, however often it is put in other calls. A
request to confirm (尾号是一八八四对吗) or to say again what was not heard is no ask_again either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.reading.rules import Look
from models.reading.text import clause_span
from models.records import Moment

_NUMBER = r"[a-z0-9零一二三四五六七八九幺两]{3,}"
_LINK = r"(?:号|号码|尾号|后[四六五三4563]位)?(?:是|为|：|，|叫|报你|给你|的是)?(?:尾号|后[四六五三4563]位)?(?:是)?"


@dataclass(frozen=True, slots=True)
class _Slot:
    """One thing an agent needs. named: its names in a question; given: how a customer says it unasked; numeric: digits answer it."""

    name: str
    named: re.Pattern[str]
    given: re.Pattern[str]
    numeric: bool


SLOTS = (
    _Slot(
        "order",
        re.compile(r"(?:订单|运单|快递|工|保|票|流水|物流|受理|案件|报案|预订|预约|合同|保修|维修)?(?:单号|单子号|订单编号|票号|保单号|订单的?号码?|运单号|编号|工单号|受理号|行李牌号?码?|预订号|确认号)"),
        re.compile(rf"(?:单号|订单号?|运单号?|票号|保单号?|编号|订单编号|工单号?|行李牌号?){_LINK}{_NUMBER}"),
        True,
    ),
    _Slot(
        "phone",
        re.compile(r"(?:手机号码?|电话号码|联系电话|联系方式|预留(?:的)?(?:电话|手机|号码)|(?:收件人|您的?|登记的?|下单的?)电话|号码(?:是)?多少|手机尾号|电话后四位|机主号码)"),
        re.compile(rf"(?:手机号?码?|电话号?码?|号码){_LINK}{_NUMBER}|1[3-9][0-9]{{9}}|就是(?:现在)?(?:打|这个|来电)\w{{0,6}}号"),
        True,
    ),
    _Slot(
        "card",
        re.compile(r"(?:卡号|银行卡号?|信用卡号?|卡片后四位|卡号后四位|会员号|会员卡号|卡的?后四位|尾号)"),
        re.compile(rf"(?:卡号|尾号|后四位|会员号|卡){_LINK}{_NUMBER}"),
        True,
    ),
    _Slot("id", re.compile(r"(?:身份证(?:号码?)?|证件号码?)"), re.compile(rf"(?:身份证|证件){_LINK}{_NUMBER}"), True),
    _Slot(
        "account",
        re.compile(r"(?:户号|用户编号|账号|账户名?|学号|房间号|房号|车牌号?码?|缴费号|燃气号|客户编号|设备号|序列号|宽带账号)"),
        re.compile(rf"(?:户号|用户编号|账号|学号|房间号?|房号|车牌号?|缴费号|客户编号|设备号|序列号){_LINK}\w?{_NUMBER}"),
        True,
    ),
    _Slot(
        "name",
        re.compile(
            r"(?:姓名|名字|全名|贵姓|怎么称呼|如何称呼|称呼您|您叫什么|收[货件]人(?!电话|手机|号码|地址)(?:的)?(?:姓名|名字|叫|是)?|机主(?!号)(?:姓名)?|户主(?:姓名)?|持卡人|"
            r"什么名字|(?:用|以)(?:谁|什么)的?名字?(?:订|办|登记)|您是哪位|哪位(?:学员|客户))"
        ),
        re.compile(
            r"(?:我叫|我姓|我是(?!来|想|说|问|要|在|你们|不|个|从|昨|前|上|打|用|买|通|因|为|一)|姓名(?:是|：)?|名字(?:是|叫)?|收[货件]人(?:是|叫)?(?!电话|手机|地址)|机主(?:是|叫)?|户主(?:是|叫)?|免贵姓|姓|持卡人(?:是|叫)?|孩子叫|学员(?:叫|是))"
            r"(?!什么|啥|谁|名|不|没)[\u4e00-\u9fa5]{1,4}"
        ),
        False,
    ),
    _Slot(
        "address",
        re.compile(r"(?:收货地址|家庭住址|送货地址|详细地址|您的?地址|地址(?:是|在)|您住(?:在)?哪|哪个小区|什么地址|具体位置|上门地址)"),
        re.compile(r"(?:地址(?:是|在|就是)|我(?:家)?住(?:在)?|送到|小区|号楼)\w{0,12}(?:路|街|小区|号楼|单元|栋|弄|村|镇|区|苑|花园|大厦)"),
        False,
    ),
    _Slot(
        "when",
        re.compile(r"(?:什么时候|哪天|几号|啥时候|何时)(?:的事|买的|下的?单|办的|订的|寄的|发生|坏的|开始|交的|缴的|申请|打过|联系过|住的|出行)"),
        re.compile(
            r"(?:今天|昨天|前天|大前天|上周|上个?星期|上个?礼拜|上个?月|(?:十|一|二|三|四|五|六|七|八|九|\d)+[号日]|周[一二三四五六日]|星期|月初|月底|刚才)\w{0,6}"
            r"(?:买|下单|办|订|寄|坏|开始|交|缴|申请|打|住|出|装|修|送|退|发)"
        ),
        False,
    ),
    _Slot(
        "issue",
        re.compile(
            r"(?:再|重新|从头|麻烦再|您再|重复)\w{0,6}(?:说|讲|描述|介绍|复述|叙述)\w{0,4}(?:情况|问题|经过|事情|事由|一遍|遍|过程)|"
            r"(?:什么|啥)(?:问题|情况|事|东西|商品|产品|业务)来着|^(?:先生|女士|您好)?，?请问您?(?:是)?(?:要)?(?:反映|咨询|反馈|遇到|投诉)(?:的)?(?:是)?(?:了)?什么(?:问题|事情|事|情况)"
        ),
        re.compile(r"(?!)"),
        False,
    ),
)  # fmt: skip
_ASKS = re.compile(
    r"[？]|请|麻烦|提供|报|说(?:一)?[下声]|告诉|多少|什么|哪|贵姓|称呼|吗|呢|核对|核实|是几|给我|发我|再说|输入|方便|留|登记|还得|需要您|要您|您(?:的|这边)"
)
_CONFIRMS = re.compile(r"对吗|对吧|是吗|是吧|对不对|没错吧|是不是|确认一下(?:是|您)|跟您(?:确认|核对)|我重复|您刚才说的是|您说的是|对么")
_NOT_HEARD = re.compile(r"没听清|听不清|没听见|信号(?:不|有|太)|断断续续|没听到|杂音|刚才断")
_NO_QUESTION = re.compile(r"(?:查到|看到|收到|发到|发给|短信|发送|写着|备注|显示|记下|已经|我这边是|工号|我的|给您|告诉您|单号发|会把|把单号|将)")
_FULL_NAME = re.compile(
    r"(?:我叫|我是|姓名(?:是|：)?|名字(?:是|叫)?|收[货件]人(?:是|叫)?|机主(?:是|叫)?|户主(?:是|叫)?|持卡人(?:是|叫)?|孩子叫|学员(?:叫|是))[\u4e00-\u9fa5]{2,4}"
)
_SAYS_FIRST = re.compile(r"工号|我的|我姓|我叫")


def asked_again(scan: Look) -> tuple[Moment, ...]:
    """Each company turn that asks for a thing given before it, at most one moment a turn."""
    given: set[str] = set()
    pending: set[str] = set()
    talked = 0  # customer turns of substance so far
    out: list[Moment] = []
    for i, turn in enumerate(scan.call.turns):
        text = scan.texts[i]
        if turn.by_customer:
            given |= _gives(text.norm, pending)
            talked += len(text.bare) >= 12
            if talked >= 1:
                given.add("issue")
            pending = set()
            continue
        if turn.role == "ivr":
            continue
        asked = _questions(text.norm)
        if "name" in asked and "name" not in given and "surname" in given and re.search(r"贵姓|称呼", text.norm):
            given.add("name")
        for slot, (start, end) in sorted(asked.items(), key=lambda x: x[1]):
            if slot in given and not _CONFIRMS.search(text.norm) and not _NOT_HEARD.search(text.norm):
                low, high = clause_span(text, start, end)
                first, last = text.original_span(low, high)
                times = scan.clocks[i].times(first, last)
                out.append(
                    Moment(0, "conduct", "ask_again", turn.role, i, turn.text[first:last], first, last, "conduct.ask_again.given", 0.78, "context", 2,
                           times[0] if times else None, times[1] if times else None)
                )  # fmt: skip
                break
        pending = set(asked)
    return tuple(out)


def _questions(norm: str) -> dict[str, tuple[int, int]]:
    """What a company turn asks for, and where."""
    found: dict[str, tuple[int, int]] = {}
    for slot in SLOTS:
        for m in slot.named.finditer(norm):
            low = max(norm.rfind(mark, 0, m.start()) for mark in "，。！？；") + 1
            high = min((k for k in (norm.find(mark, m.end()) for mark in "，。！？；") if k >= 0), default=len(norm))
            clause = norm[low : high + 1]
            if slot.name == "issue" or (_ASKS.search(clause) and not _NO_QUESTION.search(clause) and not _SAYS_FIRST.search(norm[low : m.start()])):
                found.setdefault(slot.name, m.span())
                break
    return found


def _gives(norm: str, pending: set[str]) -> set[str]:
    """What a customer's turn gives: said by its name, or in answer to what was just asked."""
    out = {slot.name for slot in SLOTS if slot.given.search(norm)}
    if "name" in out and not _FULL_NAME.search(norm):  # 我姓宋 leaves the full name to be asked for
        out = (out - {"name"}) | {"surname"}
    digits = re.search(r"\d{3,}", norm) is not None
    for slot in SLOTS:
        if slot.name not in pending or slot.name == "issue":
            continue
        answered_by_digits = slot.numeric and digits
        answered_by_words = not slot.numeric and _looks_like_answer(slot.name, norm)
        if answered_by_digits or answered_by_words:
            out.add(slot.name)
    return out


def _looks_like_answer(slot: str, norm: str) -> bool:
    clauses = [c for c in re.split(r"[，。！？；： ]", norm) if c]
    if slot == "name":
        return any(
            re.fullmatch(r"(?:我)?(?:叫|姓|是|免贵姓|姓名)?[\u4e00-\u9fa5]{2,4}", c) and not re.search(r"什么|怎么|没有|不|你们|等|好的|可以|行|嗯|喂", c)
            for c in clauses[:3]
        )
    if slot == "address":
        return bool(re.search(r"路|街|小区|号楼|单元|栋|弄|村|镇|区|苑|花园|大厦|号", norm))
    return bool(re.search(r"天|号|周|月|昨|前|上|刚", norm))
