"""Calls of one customer over days → matters: contacts, promises kept or broken, whether it is open, how dangerous it is.

In: contacts (what was said and found in each call), any customers, any order. Out: one `Case` a matter, and the calls in it.
Calls belong to one matter when they share a number that was said (an order, a plate, a policy) or enough rare words; a caller
who says that they called before is believed, and their call joins the likeliest matter. The tiers are the trade's: ordinary,
experienced (also dissatisfied with the handling), high_risk (outside bodies or reputation in play), habitual (complaints
against many agents).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from models.reading.text import Cutter, normalise
from models.records import Case, Moment, Reason, Role

OUTSIDE = frozenset({"regulator", "media", "legal"})
HANDLING = frozenset({"repeat", "rejects_apology", "complaint", "supervisor", "accusation"})
HABITUAL_AGENTS = 3  # complaints against at least so many agents, in at least so many calls
APART = timedelta(days=60)  # no word for two months: another matter, unless a number says otherwise
ALIKE = 0.18  # cosine over rare words: 19 of the 21 written matters come apart from 0.12 on, 21 here, 20 up to 0.25
BELIEVED = 0.1  # enough where the caller says that they called before

_KEPT = re.compile(
    r"(?:来看了|来看过|来检|来取|来装|收到|取走|取件|弄完|换好|补了|送到|到账|到了|来过了|来了|修好|装好|弄好|解决|处理好|办好|退了|退到|回了|回过|打来了|打过来了|联系我了|补发|寄到|换好|恢复|通了|好了|搞定|说到做到|说话算话|没食言|兑现)"
)
_BROKEN = re.compile(
    r"(?:还|也|都|又|根本|一直|压根|连)?(?:没|没有|未|冇)(?:有|人|见|个|给我|给|一个|等到|接到|看到|看见)?[^，。！？；]{0,6}(?:来|到|收|打|回|联系|动静|消息|影|退|修|送|装|处理|解决|兑现|信儿|音信|电话|人|下文|结果|发|补|做)|"
    r"[^，。]{1,4}都没有|放(?:我)?鸽子|空空|空炮|食言|说话不算|不算数|不见人|不见踪影|石沉大海|杳无音信|等了[^，。]{0,6}(?:天|空)|白等|过了(?:点|时间|期)|拖到|又拖|人呢|钱呢|电话呢|影子|毛都"
)
_CALLS_BACK = re.compile(r"我是[^，。]{2,14}(?:的|组|部|主任|经理)|给您(?:答复|回电|回话|回个)|您收到了吗|跟您说一下|通知您")
_PROMISED_WORD = re.compile(r"电话|答复|回|联系|通知|意见|结果|方案|告诉|跟您说")
_CONTENT = re.compile(r"谢谢|多谢|感谢|辛苦|太好了|挺好|满意|放心|没事了|没问题了|解决了|收到了|到账了|好了|可以了|不用了|麻烦你了|行，|成，|好嘞")
_LEFT_TO_DO = re.compile(r"等着|再说|看着办|没完|还要|继续|到时候|怎么办|什么时候|不行")
_WORD = re.compile(r"[\u4e00-\u9fff]{2,}")
_USUAL_WORDS = """
您好 你好 请问 什么 怎么 这个 那个 我们 你们 他们 一下 可以 现在 已经 就是 还是 不是 没有
今天 明天 昨天 前天 上午 下午 电话 客服 工号 先生 女士 谢谢 再见 不客气 好的 帮您 给您 知道
时候 问题 事情 处理 联系 回电 一个 为您 服务 抱歉 对不起 不好意思 理解 麻烦 稍等 查询 查到
看到 尾号 尾数 单号 多少 因为 所以 但是 如果 之前 上次 说好 到底 投诉 经理
"""
_USUAL = frozenset(_USUAL_WORDS.split())


@dataclass(frozen=True, slots=True)
class Contact:
    """One call as cases need it. turns: (role, text) in order; moments: all of them, asserted or not."""

    call_id: str
    customer_ref: str = field(repr=False)
    started_at: datetime | None
    agent_id: str | None
    turns: tuple[tuple[Role, str], ...] = field(repr=False)
    moments: tuple[Moment, ...] = field(repr=False)
    unresolved: bool = False
    heat_end: float | None = None

    def found(self, kind: str, role: Role | None = None) -> list[Moment]:
        return [m for m in self.moments if m.asserted and m.kind == kind and (role is None or m.role == role)]


@dataclass(frozen=True, slots=True)
class Matter:
    """A case and the ids of its calls, in order of time."""

    case: Case
    calls: tuple[str, ...]


def cases(contacts: Iterable[Contact]) -> tuple[Matter, ...]:
    """The matters of all customers among `contacts`, by customer and first call."""
    by_customer: dict[str, list[Contact]] = {}
    for contact in contacts:
        if contact.customer_ref:
            by_customer.setdefault(contact.customer_ref, []).append(contact)
    cutter = Cutter()
    words = {c.call_id: _words_of(c, cutter) for some in by_customer.values() for c in some}
    weight = {w: cutter.rarity(w) for w in set().union(*words.values())}  # of the language, never of whoever else called
    out: list[Matter] = []
    for ref in sorted(by_customer):
        mine = sorted(by_customer[ref], key=lambda c: (c.started_at is None, c.started_at.timestamp() if c.started_at else 0.0, c.call_id))
        habitual = is_habitual(mine)
        out += [_matter(ref, group, habitual) for group in _grouped(mine, words, weight)]
    return tuple(out)


def is_habitual(contacts: Sequence[Contact]) -> bool:
    """Complaints (or worse) against many agents over many calls of one customer, whatever the matter."""
    hostile = [c for c in contacts if any(m.type == "complaint" for m in c.found("escalation")) or c.found("abuse", "customer")]
    return len(hostile) >= HABITUAL_AGENTS and len({c.agent_id for c in hostile if c.agent_id}) >= HABITUAL_AGENTS


def _grouped(contacts: Sequence[Contact], said: Mapping[str, Counter[str]], weight: Mapping[str, float]) -> list[list[Contact]]:
    numbers = [_numbers(c) for c in contacts]
    words = [said[c.call_id] for c in contacts]
    groups: list[list[int]] = []
    for i, contact in enumerate(contacts):
        repeats = any(m.type == "repeat" for m in contact.found("escalation"))
        best, score = None, 0.0
        for group in groups:
            last = contacts[group[-1]]
            shared = any(numbers[i] & numbers[j] for j in group)
            near = max(_cosine(words[i], words[j], weight) for j in group)
            apart = contact.started_at and last.started_at and contact.started_at - last.started_at > APART
            value = 1.0 + near if shared else 0.0 if apart else near
            if value > score:
                best, score = group, value
        enough = BELIEVED if repeats else ALIKE
        if best is not None and score >= enough:
            best.append(i)
        else:
            groups.append([i])
    return [[contacts[i] for i in group] for group in groups]


def _numbers(contact: Contact) -> frozenset[str]:
    """Runs of three digits and more that the two sides said to each other: orders, plates, tails; not hotlines and money."""
    found: set[str] = set()
    for _, text in contact.turns:
        norm = normalise(text).norm
        for m in re.finditer(r"(?<![\d.])\d{3,}(?![\d.])", norm):
            if not re.match(r"(?:块|元|多块|年|米|度|公里|号线|毫升|克|斤|小时|天|分|秒|人|次|万)", norm[m.end() :]) and m[0] not in (
                "12315",
                "12345",
                "12300",
                "12378",
                "110",
                "400",
            ):
                found.add(m[0][-4:])
    return frozenset(found)


def _words_of(contact: Contact, cutter: Cutter) -> Counter[str]:
    """Words of two characters and more, those in everybody's mouth left out; what the customer says counts double."""
    out: Counter[str] = Counter()
    for role, text in contact.turns:
        if role != "ivr":
            for word in _telling(cutter, text):
                out[word] += 2 if role == "customer" else 1
    return out


@lru_cache(maxsize=1 << 15)  # half of what agents say is stock: greetings, apologies, farewells
def _telling(cutter: Cutter, text: str) -> tuple[str, ...]:
    return tuple(w for w in cutter.words(normalise(text).norm) if _WORD.fullmatch(w) and w not in _USUAL)


def _cosine(a: Counter[str], b: Counter[str], weight: Mapping[str, float]) -> float:
    """Cosine of the square roots of word counts, a word weighing the more the rarer it is in Mandarin."""
    dot = sum(math.sqrt(a[w] * b[w]) * weight[w] ** 2 for w in a.keys() & b.keys())
    size = math.sqrt(sum(n * weight[w] ** 2 for w, n in a.items()) * sum(n * weight[w] ** 2 for w, n in b.items()))
    return dot / size if size else 0.0


def _matter(ref: str, calls: Sequence[Contact], habitual: bool) -> Matter:
    escalations = [m for c in calls for m in c.found("escalation")]
    kinds = Counter(m.type for m in escalations)
    outside = sum(kinds[k] for k in OUTSIDE)
    kept, broken = promises(calls)
    unhappy = sum(kinds[k] for k in HANDLING) + broken
    complaints = sum(any(m.type == "complaint" for m in c.found("escalation")) for c in calls)
    agents = len({c.agent_id for c in calls if c.agent_id and c.found("escalation")})
    tier = "habitual" if habitual else "high_risk" if outside else "experienced" if unhappy else "ordinary"
    is_open = _is_open(calls[-1])
    reasons: list[Reason] = []

    def say(code: str, count: int, least: int = 1) -> None:
        if count >= least:
            reasons.append(Reason(code, None, (("count", str(count)),)))

    say("contacts", len(calls), 2)
    say("complaints_before", complaints)
    if unhappy:
        reasons.append(Reason("handling"))
    if outside:
        reasons.append(Reason("outside_bodies"))
    if kinds["ultimatum"]:
        reasons.append(Reason("demands"))
    if habitual:
        say("many_agents", agents, 2)
    say("promise_broken", broken)
    if any(c.found("abuse", "customer") for c in calls):
        reasons.append(Reason("abusive"))
    first, last = calls[0].started_at, calls[-1].started_at
    if is_open and first and last:
        say("days_open", (last - first).days)
    case_id = hashlib.sha256(f"{ref}\0{calls[0].call_id}".encode()).hexdigest()[:12]
    case = Case(case_id, ref, calls[0].call_id, calls[-1].call_id, len(calls), tier, is_open, kept, broken, tuple(reasons))
    return Matter(case, tuple(c.call_id for c in calls))


def _is_open(last: Contact) -> bool:
    """Closed where the last call ends with the customer content or with nothing left to do."""
    if last.found("resolution"):
        return False
    if last.unresolved or last.found("abuse"):
        return True
    said = "。".join([text for role, text in last.turns if role == "customer"][-2:])
    if _CONTENT.search(said) and not _LEFT_TO_DO.search(said):
        return False
    return (last.heat_end or 0.0) >= 0.2 or bool(_LEFT_TO_DO.search(said)) or not _CONTENT.search(said)


def promises(calls: Sequence[Contact]) -> tuple[int, int]:
    """(kept, broken): undertakings with a time of which the next call after it fell due tells; one a call, a repeated one once."""
    kept = broken = 0
    told: set[str] = set()
    for i, contact in enumerate(calls):
        due = [m.due_at for m in contact.found("conduct") if m.type == "commit" and m.due_at is not None]
        if not due:
            continue
        later = next((c for c in calls[i + 1 :] if c.started_at and c.started_at >= min(due)), None)
        if later is None or later.call_id in told:
            continue
        outcome = _outcome(later, "".join(m.quote for m in contact.found("conduct") if m.type == "commit"))
        if outcome is not None:
            told.add(later.call_id)
            kept += outcome
            broken += not outcome
    return kept, broken


def _outcome(later: Contact, promised: str) -> bool | None:
    """Whether the next call tells that what was promised came true; None where nobody speaks of it."""
    opening = [text for role, text in later.turns if role == "customer"][:3]
    first = next((text for role, text in later.turns if role in ("agent", "supervisor")), "")
    if later.turns and later.turns[0][0] != "customer" and _CALLS_BACK.search(first) and _PROMISED_WORD.search(promised):
        return True  # the company calls, as it said it would
    for text in opening:
        if _BROKEN.search(text):
            return False
        if _KEPT.search(text):
            return True
    return None
