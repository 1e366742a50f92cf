"""Calls of one customer over days: which belong together, what was promised, how hot it is."""

from datetime import datetime, timedelta, timezone

from models.reading.cases import Contact, cases
from models.records import Moment

ZONE = timezone(timedelta(hours=8))
FIRST = datetime(2026, 11, 2, 9, 0, tzinfo=ZONE)


def found(kind, type_, role="customer", due_at=None):
    return Moment(0, kind, type_, role, 1, "话", 0, 1, "x", 0.9, "exact", 3, due_at=due_at)


def contact(n, day, *said, moments=(), agent=None, ref="C1", unresolved=False, heat_end=0.0):
    turns = tuple(tuple(line.split(": ", 1)) for line in said)
    return Contact(f"call-{n}", ref, FIRST + timedelta(days=day), agent or f"A{n}", turns, tuple(moments), unresolved, heat_end)


PARCEL = "customer: 我的包裹单号尾数二二七零，电饭煲还没送到"


def test_one_call_is_a_case_with_one_contact():
    (matter,) = cases([contact(1, 0, "customer: 怎么改密码", "customer: 好的谢谢")])
    assert (matter.case.contacts, matter.case.tier, matter.case.open) == (1, "ordinary", False)


def test_the_same_number_is_the_same_matter_and_another_is_not():
    matters = cases([contact(1, 0, PARCEL), contact(2, 2, "customer: 单号二二七零到了没有"), contact(3, 3, "customer: 我家宽带断了，网线灯不亮")])
    assert [m.calls for m in matters] == [("call-1", "call-2"), ("call-3",)]


def test_customers_are_kept_apart_whatever_they_say():
    assert len(cases([contact(1, 0, PARCEL), contact(2, 1, PARCEL, ref="C2")])) == 2


def test_who_says_that_they_called_before_joins_the_likeliest_matter():
    calls = [contact(1, 0, "customer: 空调漏水，墙都泡了"), contact(2, 4, "customer: 我上周打过电话，空调的事没人管", moments=[found("escalation", "repeat")])]
    (matter,) = cases(calls)
    assert matter.case.contacts == 2 and matter.case.tier == "experienced"


def test_outside_bodies_make_it_high_risk():
    (matter,) = cases([contact(1, 0, PARCEL), contact(2, 2, PARCEL, moments=[found("escalation", "regulator")], unresolved=True)])
    assert matter.case.tier == "high_risk" and matter.case.open
    assert {"contacts", "outside_bodies", "days_open"} <= {r.code for r in matter.case.reasons}


def test_complaints_against_many_agents_are_habitual():
    calls = [contact(n, n, PARCEL, moments=[found("escalation", "complaint")]) for n in range(4)]
    (matter,) = cases(calls)
    assert matter.case.tier == "habitual" and matter.case.contacts == 4


def test_a_promise_is_broken_or_kept_by_what_the_next_call_tells():
    promise = found("conduct", "commit", "agent", FIRST + timedelta(days=1))
    broken = cases([contact(1, 0, PARCEL, moments=[promise]), contact(2, 2, "customer: 单号二二七零，说好昨天送，到现在没送到")])[0].case
    kept = cases([contact(1, 0, PARCEL, moments=[promise]), contact(2, 2, "customer: 二二七零那个收到了，谢谢")])[0].case
    open_ = cases([contact(1, 0, PARCEL, moments=[promise])])[0].case
    assert (broken.promises_kept, broken.promises_broken) == (0, 1)
    assert (kept.promises_kept, kept.promises_broken, kept.open) == (1, 0, False)
    assert (open_.promises_kept, open_.promises_broken) == (0, 0)


def test_order_of_arrival_changes_nothing():
    calls = [contact(n, n, PARCEL) for n in range(4)]
    assert cases(calls) == cases(reversed(calls))


def test_no_customer_reference_no_case():
    assert cases([contact(1, 0, PARCEL, ref="")]) == ()


def test_what_others_call_about_changes_no_case():
    mine = [contact(1, 0, "customer: 空调漏水，墙都泡了"), contact(2, 4, "customer: 空调又漏水了，师傅没来"), contact(3, 9, "customer: 我想改一下会员密码")]
    others = [contact(n, n, "customer: 空调漏水，墙都泡了，师傅没来", ref=f"X{n}") for n in range(10, 40)]
    assert cases(mine) == tuple(m for m in cases([*others, *mine]) if m.case.customer_ref == "C1")
