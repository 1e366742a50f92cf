"""Which side is the agent's, and who else speaks for the company: roles from what is said, when, and by which voice.

In: what each side said and when it began. Out: a role a turn and a confidence. Surprising: nothing is taken for granted.
That the agent speaks first, or sits on the first channel, is only a prior, which a few words of service overturn: swapped
roles are the first complaint about the best-known open system.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.records import Role

# Words in an agent's mouth (+) and in a customer's (-): how telling one is, in nats, counted at most three times a call.
AGENT_WORDS: tuple[tuple[str, float], ...] = (
    (r"工号|为您服务|很高兴为|有什么(可以|能)帮|请问有什么|请讲|请问您贵?姓|贵姓|怎么称呼您", 2.5),
    (r"[帮给替为](您|你)(查|看|登记|核实|反馈|处理|申请|转接|安排|备注|改|办|退|补|催|回|取消|开|加急|确认|预约|记)", 1.2),
    (r"您这边|您那边|您的(订单|账户|账号|手机|卡|号码|航班|包裹|情况|问题|心情|反馈|地址|资料|保单|尾号)", 0.9),
    (r"请您?(稍等|稍候|耐心|放心|谅解|提供|报一下|核对|留意|保持|别急|不要着急)|您(先)?别急|麻烦您(提供|报|说|稍)", 1.2),
    (r"(非常|实在|真的|十分|很|给您)?(抱歉|道歉|致歉)|带来(了)?(的)?不便|添麻烦了|让您久等", 1.0),
    (r"(系统|后台|我们?这边)(里)?(显示|查到|看到|查询)|我(帮|给|替)(您|你)", 0.9),
    (r"理解您|您的心情|感谢您|祝您|满意度|评价|还有(什么|其他)(可以|需要|问题)|请问您|方便(报|说|提供)", 1.1),
    (r"(我们)?公司(有)?规定|按(照)?(规定|流程|制度|合同)|工作人员|工作日|专员|我们会|相关部门", 0.6),
    (r"您", 0.12),
)
CUSTOMER_WORDS: tuple[tuple[str, float], ...] = (
    (r"你们", 0.7),
    (r"凭什么|怎么回事|什么意思|搞什么|忽悠|骗人|骗子|我要投诉|退钱|气死|到底(要|是|有|能)|什么态度|糊弄", 1.2),
    (r"我(买|订|寄|办|交|花|充|租|定)(的|了)|我(上|前|昨|今)(周|天|个|礼拜|次)|我(家|妈|爸|老公|老婆|孩子|儿子|女儿)", 0.9),
    (r"我(想|要)(问|查|退|换|咨询|取消|办|改|投诉|找)|帮我|给我(退|换|查|个|一个|办)|我的(包裹|手机|卡|钱|订单|快递|航班)", 0.9),
    (r"(叫|让|找)(你们?)?(领导|经理|主管)|你(这|那|叫|算|懂|听|给我|说)", 0.5),
    (r"行吧|那行|好吧|知道了|麻烦你|谢谢你|喂", 0.3),
)
IVR_WORDS = re.compile(
    r"可能被.{1,2}音|(查询|报修|咨询|办理|服务|投诉)请.(一|二|三|四|五|六|七|八|九|零|\d)|欢迎(致电|拨打|来电|使用)|请按|按(一|二|三|零|井|[0-9])|按键|人工服务|人工座席|可能(会)?被?录音|将(会)?被?录音|通话.{0,4}录音|为(了)?保[证障].{0,6}服务质量|正在(为您)?转接|请不要挂(机|断)|坐席(正)?忙"
)
SUPERVISOR_WORDS = re.compile(
    r"我(是|姓.{0,6}).{0,10}(主管|经理|组长|班长|值班|负责人|店长|主任|领导|督导)|由我来|我(来)?接手|情况我(已经|都|刚)?.{0,2}(了解|看|听)|(她|他|同事|小.)(已经)?(把|跟我|和我).{0,6}(情况|说了|转|讲)|升级到我"
)

FIRST_SPEAKER = 1.2  # nats: on an inbound call the agent speaks first
FIRST_CHANNEL = 0.6  # nats: most recorders put the agent on the first channel
KNOWN_CHANNEL = 4.0  # nats in favour of the manifest, which decides; words against it lower the confidence
TEMPER = 0.45  # what a nat of words is worth: cues come in clusters, and recognition errs
PUT, MOST_PUT = 0.1, 1.5  # what a nat of how it is put is worth, and the most that it may be worth
NEW_VOICE_GAP = 0.09  # similarity gap above which another voice has taken over (see speakers.new_voice)
MOST_ANNOUNCED = 2  # turns an announcement takes
FEWEST_LEFT = 3  # turns the agent has after it
ANNOUNCER_GAP = 0.15  # the same for an opening whose words say nothing: one odd turn is not yet another voice
CUED_GAP = 0.06  # the same, where its words say so too


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a call before roles. texts: its turns' texts in order. first_s: when it first speaks. channel: of a
    stereo recording, else None. like_company: nats by which its words are likelier the company's (see wording.like_company)."""

    texts: tuple[str, ...] = field(repr=False)
    first_s: float
    channel: int | None = None
    like_company: float = 0.0


def agent_side(sides: Sequence[Side], direction: str | None = None, agent_channel: int | None = None) -> tuple[int, float]:
    """Index of the agent's side and the confidence in it (0.5–1). One side alone is judged by its words."""
    if len(sides) == 1:
        logit = _worded(sides[0]) + (0.0 if sides[0].channel is None else (FIRST_CHANNEL if sides[0].channel == 0 else -FIRST_CHANNEL))
        return (0 if logit >= 0 else -1), _sure(logit)
    first = min(range(len(sides)), key=lambda i: sides[i].first_s)
    scores = []
    for i, s in enumerate(sides):
        score = _worded(s)
        if direction != "outbound":
            score += FIRST_SPEAKER if i == first else 0.0
        score += FIRST_CHANNEL if s.channel == 0 else 0.0
        scores.append(score)
    known = next((i for i, s in enumerate(sides) if agent_channel is not None and s.channel == agent_channel), None)
    if known is not None:
        return known, _sure(max(0.0, scores[known] + KNOWN_CHANNEL - max(x for i, x in enumerate(scores) if i != known)))
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return order[0], _sure(scores[order[0]] - scores[order[1]])


def _worded(side: Side) -> float:
    """Nats that a side's words are worth: telling ones, and how they are put as a whole."""
    return TEMPER * agentness(side.texts) + max(-MOST_PUT, min(MOST_PUT, PUT * side.like_company))


def agentness(texts: Sequence[str]) -> float:
    """Nats in favour of an agent having said this (negative: a customer)."""
    text = "。".join(texts)
    total = 0.0
    for words, sign in ((AGENT_WORDS, 1.0), (CUSTOMER_WORDS, -1.0)):
        for pattern, nats in words:
            total += sign * nats * min(3 if nats > 0.2 else 12, len(re.findall(pattern, text)))
    return total


def company_roles(texts: Sequence[str], block: tuple[int, int, float]) -> list[Role]:
    """Roles of the company side's turns: agent, and where another voice speaks (see speakers.new_voice) ivr or supervisor.

    A voice that only opens the call (one turn, or two) is an announcement; one that takes over after that is a supervisor.
    The block may be the newcomer or what the newcomer left over.
    """
    first, end, gap = block
    roles: list[Role] = ["agent"] * len(texts)
    n = len(texts)
    opening = end if first == 0 else first
    if gap >= CUED_GAP and 0 < opening < n:
        later = range(first, end) if first > 0 else range(end, n)
        announced = IVR_WORDS.search("。".join(texts[:opening])) is not None
        if opening <= MOST_ANNOUNCED and (announced or (gap >= ANNOUNCER_GAP and n - opening >= FEWEST_LEFT)):
            roles = ["ivr" if i < opening else r for i, r in enumerate(roles)]
        elif later.stop == n and len(later) <= MOST_ANNOUNCED and IVR_WORDS.search("。".join(texts[i] for i in later)):
            roles = ["ivr" if i in later else r for i, r in enumerate(roles)]
        elif SUPERVISOR_WORDS.search("。".join(texts[i] for i in later)) or (min(opening, len(later)) >= 2 and gap >= NEW_VOICE_GAP):
            for i in later:
                roles[i] = "supervisor"
    for i in {0, n - 1} if n else ():
        if roles[i] == "agent" and len(IVR_WORDS.findall(texts[i])) >= 2:
            roles[i] = "ivr"
    return roles


def _sure(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(30.0, abs(logit))))
