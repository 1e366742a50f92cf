"""Reason codes → one sentence in Chinese and one in English, for people who must understand at a glance.

In: a `Reason` (code and numbers). Out: `Sentence(zh, en)`. Texts hold no caller's words: those stand in the moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.records import Reason


@dataclass(frozen=True, slots=True)
class Sentence:
    zh: str
    en: str


ESCALATIONS = {
    "supervisor": ("要求找主管/领导", "Asked for a supervisor"),
    "regulator": ("扬言或要求找监管部门", "Named a regulator"),
    "media": ("扬言曝光", "Threatened exposure"),
    "legal": ("扬言走法律途径或报警", "Threatened legal action or police"),
    "complaint": ("要求投诉", "Lodged or threatened a complaint"),
    "ultimatum": ("下最后通牒", "Set an ultimatum"),
    "repeat": ("同一问题多次来电", "Called before about the same matter"),
    "accusation": ("指责欺骗", "Accused the company of deceit"),
    "churn": ("要求退订/不再使用", "Is leaving"),
    "rejects_apology": ("不接受道歉", "Rejected the apology"),
}
TEXTS: dict[str, tuple[str, str]] = {
    "agent_abuse": ("坐席辱骂或威胁客户", "Agent abused the customer"),
    "customer_threat": ("客户威胁人身、家人或工作", "Customer threatened harm"),
    "customer_harassment": ("客户骚扰坐席", "Customer harassed the agent"),
    "customer_insult": ("客户侮辱坐席", "Customer insulted the agent"),
    "customer_profanity": ("客户说脏话", "Customer swore"),
    "taboo": ("坐席使用服务禁语", "Agent showed contempt (taboo phrase)"),
    "deflect_angry": ("客户已生气,坐席仍推诿", "Agent deflected an angry customer"),
    "stall_angry": ("客户已生气,坐席仍让空等", "Agent stalled an angry customer"),
    # cases
    "contacts": ("同一问题联系 {count} 次", "{count} contacts about one matter"),
    "complaints_before": ("此前已投诉 {count} 次", "{count} earlier complaints"),
    "handling": ("对处理过程也不满", "Also dissatisfied with the handling"),
    "outside_bodies": ("涉及外部机构或媒体", "Outside bodies or media in play"),
    "demands": ("提出具体诉求并附期限或后果", "Specific demands with a deadline or consequence"),
    "many_agents": ("投诉过 {count} 名坐席", "Complained about {count} agents"),
    "promise_broken": ("{count} 项承诺未兑现", "{count} promises broken"),
    "days_open": ("已持续 {count} 天", "Open for {count} days"),
    "abusive": ("有辱骂或威胁", "Abusive or threatening"),
} | {f"{k}_{state}": (f"{zh}{tail_zh}", f"{en}{tail_en}") for k, (zh, en) in ESCALATIONS.items()
     for state, tail_zh, tail_en in (("open", ",未平息", ", unresolved"), ("settled", ",后已平息", ", later settled"), ("lone", "", ""))}  # fmt: skip


def render(reason: Reason) -> Sentence:
    """One line each. An unknown code is shown as it is: a newer run's reasons must not break an older page."""
    params = dict(reason.params)
    count = params.get("count", "1")
    zh, en = TEXTS.get(reason.code, (reason.code, reason.code))
    if "{count}" in zh:
        return Sentence(zh.format(count=count), en.format(count=count))
    more = count.isdigit() and int(count) > 1
    return Sentence(f"{zh}({count} 处)" if more else zh, f"{en} ({count}×)" if more else en)
