"""Asking again for what the customer has already given.

In: the look at a call. Out: ask_again moments. What was given is read from the customer's own turns — said outright (订单号
七七四六零一) or in answer to a question — so a first question is never one, however often it is put in other calls. A
request to confirm (尾号是一八八四对吗) or to say again what was not heard is no ask_again either. The surest sign is the answer:
whoever is asked again says so (刚才不是说了吗), or gives, word for word, what they gave before. Whoever is asked for the first time does neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.reading.looking import Look
from models.reading.text import Text, clause_span
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
_NO_ISSUE = re.compile(r"不用|不必|怎么了|^[你您]再说一遍|声音|慢")
_SAYS_FIRST = re.compile(r"工号|我的|我姓|我叫")
UNLIKE = 0.015  # likelihood by labelled examples below which no slot makes a moment
UNLIKE_ANSWERED = 0.01  # and below which no answer does
LIKE_UNANSWERED = 0.4  # from which labelled examples alone make one, where the call has no answer to tell by
_QUESTION = re.compile(
    r"[？]|什么|多少|哪|几|谁|来着|吗|呢|(?:报|念|说|讲|留|提供|告诉|重复|传|发|给)[^，。！？；]{0,4}(?:一下|一遍|一次|下|个|我)|再[^，。！？；]{0,4}(?:报|念|说|讲|留|传|发|来一)"
)
_TOLD = re.compile(
    r"(?:刚(?!好)|(?<=我)才|(?<=们)才|开头|一开始|一上来|[一头]句|张嘴|开口|话音|嘴巴|合着|前面)[^，。！？；]{0,8}?(?:说|报|念|给|讲|告诉|发|传|登记|答|交代|留|问|填|拍|录|落)|"
    r"不是[^，。！？；]{0,6}(?:说|报|念|给|讲|发|传)[^，。！？；]{0,4}(?:过|了)|(?:我|都|也|已经|早就)(?:说|讲|报|念|发|传|拍|填)(?:过|了|完)(?!修)|(?:又|还|再)(?:来)?(?:问|要我|让我|叫我)|"
    r"第[二三四五六几]遍|(?:说|讲|报|念|问)(?:了|过|你)?[^，。！？；]{0,6}(?:遍|道)|听不进|复读|你没听|没在听|[开一头第]+句(?:话)?[，。！？]"
)
_TOLD_ELSEWHERE = re.compile(
    r"(?:周|礼拜|星期)[一二三四五六日天][^，。！？；]{0,6}(?:打|报|跳)|上次|上回|上周|上个?月|上礼拜|上星期|昨天|前天|同事|前两次|(?:打|来|反映|催)[^，。！？；]{0,4}[几两二三四五六七八九十]+[次回]"
)
_FILLERS = re.compile(r"[我你您他她们的了吗呢啊吧就都也还没这那么什怎要说好对行可以不嗯喂谢哦噢哎唉先来去看让叫]|今天|现在|明天|退|知道")
_DIGITS = str.maketrans("零一二三四五六七八九幺两〇", "0123456789120")


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
        place = _again(scan, i, asked, given)
        if place is not None:
            out.append(_moment(scan, i, *place))
        pending = set(asked)
    return tuple(out)


def _again(scan: Look, i: int, asked: dict[str, tuple[int, int]], given: set[str]) -> tuple[int, int, float] | None:
    """Where a company turn asks again, and how sure that is."""
    norm = scan.texts[i].norm
    if _CONFIRMS.search(norm) or _NOT_HEARD.search(norm):
        return None
    like = _likelihood(scan, i)
    slots = sorted(span for slot, span in asked.items() if slot in given)
    if slots and (like is None or like >= UNLIKE):
        return (*slots[0], 0.78)
    questions = [m.span() for m in _QUESTION.finditer(norm)]
    if not questions or not any(turn.by_customer for turn in scan.call.turns[:i]):
        return None
    if i + 1 < len(scan.call.turns):
        sure = scan.call.turns[i + 1].by_customer and (like is None or like >= UNLIKE_ANSWERED) and _answered_before(scan, i)
    else:
        sure = like is not None and like >= LIKE_UNANSWERED
    return (*questions[-1], 0.8) if sure else None


def _answered_before(scan: Look, i: int) -> bool:
    """Whether the answer to turn i says that it was given before, or gives again what was."""
    answer, question = scan.texts[i + 1], scan.texts[i]
    if _TOLD.search(answer.norm) and not _TOLD_ELSEWHERE.search(answer.norm):
        return True
    earlier = [scan.texts[k] for k in range(i) if scan.call.turns[k].by_customer]
    known, asked = " ".join(_figures(t) for t in earlier), _figures(question)
    for run in _figures(answer).split():
        if any(run[k : k + 3] in known and run[k : k + 3] not in asked for k in range(len(run) - 2)):
            return True
    return any(piece not in question.bare and any(piece in t.bare for t in earlier) for piece in _pieces(answer)[:2])


def _figures(text: Text) -> str:
    """Runs of three digits and letters or more, as said: 六零二，七七幺 → 602771."""
    return " ".join(re.findall(r"[0-9a-z]{3,}", text.bare.translate(_DIGITS)))


def _pieces(text: Text) -> list[str]:
    """The clauses of an answer that say something of their own; what is spelled out (窗……台……上) is one."""
    out: list[str] = []
    single = False
    for clause in re.findall(r"\w+", text.norm):
        if single and len(clause) == 1:
            out[-1] += clause
        else:
            out.append(re.sub(r"^(?:就是|是|在|姓|叫|哎|嗯)|(?:的|呀|啊|嘛)$", "", clause))
            single = len(clause) == 1
    return [piece for piece in out if 2 <= len(piece) <= 9 and not _FILLERS.search(piece)]


def _likelihood(scan: Look, i: int) -> float | None:
    """How like labelled examples of ask_again a turn is, 0–1; None without a learned model."""
    learned, found = scan.book.learned, scan.likelihoods[i]
    column = learned.column("conduct", "ask_again") if learned else None
    return None if found is None or column is None else float(found[column])


def _moment(scan: Look, i: int, start: int, end: int, score: float) -> Moment:
    turn = scan.call.turns[i]
    low, high = clause_span(scan.texts[i], start, end)
    first, last = scan.texts[i].original_span(low, high)
    times = scan.clocks[i].times(first, last)
    return Moment(
        0, "conduct", "ask_again", turn.role, i, turn.text[first:last], first, last, "conduct.ask_again.given", score, "context", 2,
        times[0] if times else None, times[1] if times else None,
    )  # fmt: skip


def _questions(norm: str) -> dict[str, tuple[int, int]]:
    """What a company turn asks for, and where."""
    found: dict[str, tuple[int, int]] = {}
    for slot in SLOTS:
        for m in slot.named.finditer(norm):
            low = max(norm.rfind(mark, 0, m.start()) for mark in "，。！？；") + 1
            high = min((k for k in (norm.find(mark, m.end()) for mark in "，。！？；") if k >= 0), default=len(norm))
            clause = norm[low : high + 1]
            if slot.name == "issue" and _NO_ISSUE.search(clause):
                continue
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
