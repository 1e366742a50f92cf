"""The page of one call in a real browser: every way to hear it, what it shows against what the tables hold, what a person adds to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.synthetic_nights import Made, record, write_night
from flows.review import database, users, verdicts
from flows.review.call import DOUBTFUL_WORD
from tests.flows.review.house import DAY, PASSWORD, Night, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PAUSE_S = 8.0
EARLIER = "20261120-00900"


def later(row: dict, from_s: float, by_s: float) -> dict:
    return row | {k: round(row[k] + by_s, 3) for k in ("start_s", "end_s") if row[k] >= from_s}


def with_pause(made: Made, after: int) -> Made:
    """The call with PAUSE_S of silence after a turn."""
    from_s = next(t["start_s"] for t in made.turns if t["turn"] == after + 1)
    turns = []
    for t in made.turns:
        words = [later(w, from_s, PAUSE_S) if t["turn"] > after else w for w in t["words"]]
        turns.append((later(t, from_s, PAUSE_S) if t["turn"] > after else t) | {"words": words})
    moments = [later(m, from_s, PAUSE_S) if m["turn"] > after else m for m in made.moments]
    return Made(made.call | {"duration_s": made.call["duration_s"] + PAUSE_S}, turns, moments)


@pytest.fixture
def night(written: Night, tmp_path: Path) -> Night:
    """A night of two calls of one customer: the worst one, with a long pause, a possible finding, a mishearing and a warm apology; and an earlier one."""
    worst = with_pause(written.worst, after=1)
    taken = {m["turn"] for m in worst.moments}
    agent = next(t for t in worst.turns if t["role"] == "agent" and t["turn"] > 3 and len(t["text"]) > 6 and t["turn"] not in taken)
    place = {
        "role": "agent",
        "turn": agent["turn"],
        "start_s": agent["start_s"],
        "end_s": agent["start_s"] + 1.0,
        "severity": 1,
        "meant": None,
        "components": [],
    }

    def more(number: int, kind: str, kind_type: str, a: int, b: int, **what: object) -> dict:
        says = {
            "moment": number,
            "kind": kind,
            "type": kind_type,
            "char_start": a,
            "char_end": b,
            "quote": agent["text"][a:b],
            "score": 0.9,
            "match": "pattern",
        }
        return worst.moments[0] | place | says | {"rule_id": f"{kind}.{kind_type}.1", "match": "pattern", "components": []} | what

    added = [
        more(90, "apology", "warm", 0, 4, components=[{"name": "naming", "quote": agent["text"][:2]}, {"name": "repair", "quote": agent["text"][2:4]}]),
        more(91, "conduct", "stall", 4, 6, score=0.3),
        more(92, "conduct", "commit", 2, 4, match="sounds_like", meant="经理"),
    ]
    call = worst.call | {"customer_ref": "C00001"}
    worst = Made(call, worst.turns, [*worst.moments, *added])
    before = next(m for m in written.made if m.call["call_id"] != call["call_id"] and m.call["reasons"])
    ids = {"call_id": EARLIER}
    call_before = before.call | ids | {"customer_ref": "C00001", "started_at": call["started_at"].replace(hour=0)}
    earlier = Made(call_before, [t | ids for t in before.turns], [m | ids for m in before.moments])
    out = tmp_path / "out"
    path = out / "recordings" / "worst.wav"
    worst = replace(worst, call=worst.call | {"recording": str(path)})
    record(worst, path)
    write_night(out, DAY, [worst, earlier])
    store = database.connect(database.default_url(out))
    for name, role in (("zhou", "reviewer"), ("wu", "reviewer"), ("zheng", "lead")):
        users.add(store, name, role, PASSWORD)
    store.dispose()
    return Night(out, (worst, earlier), worst)


def at(page) -> float:
    return page.evaluate("audio.currentTime")


def open_worst(window, served: str, night: Night, name: str = "zhou"):
    page = window(name)
    page.goto(f"{served}/calls/{night.worst.call['call_id']}")
    page.wait_for_selector("#wave div", state="attached")
    until(page, "audio.readyState >= 0")
    return page


def heard_from(page, start_s: float) -> None:
    """It plays, from this second on."""
    until(page, f"!audio.paused && audio.currentTime > {start_s} && audio.currentTime < {start_s + 4}")
    page.keyboard.press("Space") if page.evaluate("document.activeElement === document.body") else page.evaluate("audio.pause()")
    until(page, "audio.paused")


def test_every_way_to_hear(window, served: str, night: Night) -> None:
    page = open_worst(window, served, night)
    moments = sorted(night.worst.moments, key=lambda m: m["start_s"])
    # a word: heard from its first sound, and lit while it is said
    word = page.locator("#turns .turn").nth(4).locator(".w[data-s]").nth(1)
    word.click()
    until(page, "document.querySelectorAll('.w.now').length > 0 && !audio.paused")
    lit_s = float(page.locator(".w.now").first.get_attribute("data-s"))
    assert lit_s >= float(word.get_attribute("data-s")) - 0.01
    heard_from(page, float(word.get_attribute("data-s")))
    # a turn, by its time
    turn = page.locator("#turns .turn").nth(2)
    turn.locator(".seek").click()
    heard_from(page, float(turn.get_attribute("data-s")))
    # a moment, by its card and by its mark on the wave: from two seconds before it
    page.locator("#m1 .jump").click()
    heard_from(page, max(0.0, moments[1]["start_s"] - 2))
    page.locator("#over .flagpole[data-m='0'] rect").click()
    heard_from(page, max(0.0, moments[0]["start_s"] - 2))
    assert page.locator("#m0.at").count() == 1
    # the wave itself
    box = page.locator("#wave").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 30)
    until(page, f"Math.abs(audio.currentTime - {night.worst.call['duration_s'] / 2}) < 1")
    # speeds, by button and by key
    for rate in ("0.75", "1.25", "1.5", "2"):
        page.locator(f"[data-speed='{rate}']").click()
        assert page.evaluate("audio.playbackRate") == float(rate)
    page.keyboard.press("[")
    assert page.evaluate("audio.playbackRate") == 1.5 and page.locator("[data-speed='1.5']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert page.evaluate("audio.playbackRate") == 2
    # the arrows
    here = at(page)
    page.keyboard.press("ArrowLeft")
    assert at(page) == pytest.approx(here - 3, abs=0.3)
    assert window.noise == []


def test_silence_is_skipped_and_a_moment_looped(window, served: str, night: Night) -> None:
    page = open_worst(window, served, night)
    data = json.loads(page.locator("#player").get_attribute("data-call"))
    a, b = max(data["silences"], key=lambda s: s[1] - s[0])
    assert b - a >= PAUSE_S - 1
    page.keyboard.press("s")
    assert page.locator("#skip").get_attribute("aria-pressed") == "true"
    page.locator("#t1 .w[data-s]").last.click()
    until(page, f"audio.currentTime > {a + 0.3}")
    until(page, f"audio.currentTime >= {b - 0.5}", seconds=3)  # eight seconds of silence in less than three
    page.evaluate("audio.pause()")
    page.keyboard.press("s")

    page.keyboard.press("]")
    page.keyboard.press("j")
    page.keyboard.press("l")
    moment = sorted(night.worst.moments, key=lambda m: m["start_s"])[0]
    until(page, "!audio.paused")
    for _ in range(2):  # to its end and back before it, twice
        until(page, f"audio.currentTime > {moment['end_s']}")
        until(page, f"audio.currentTime < {moment['start_s']}")
    page.keyboard.press("l")
    until(page, f"audio.currentTime > {moment['end_s'] + 1.5}")
    assert window.noise == []


def test_the_page_shows_what_the_tables_hold(window, served: str, night: Night) -> None:
    page = open_worst(window, served, night)
    worst = night.worst
    roles = [t["role"] for t in worst.turns]
    assert page.locator("#under .t-agent").count() == roles.count("agent") and page.locator("#under .t-customer").count() == roles.count("customer")
    colours = page.evaluate("['.t-agent', '.t-customer'].map(c => getComputedStyle(document.querySelector('#under ' + c)).fill)")
    assert len(set(colours)) == 2
    data = json.loads(page.locator("#player").get_attribute("data-call"))
    assert page.locator("#under .overlap").count() == len(data["overlaps"]) and page.locator("#under .silence").count() == len(data["silences"]) >= 1
    assert page.locator("#heat rect").count() == sum(t["heat"] is not None for t in worst.turns)
    assert page.locator("#under .moment-band").count() == page.locator("#over .flagpole").count() == len(worst.moments) == page.locator(".card").count()
    doubtful = sum(w["probability"] < DOUBTFUL_WORD for t in worst.turns for w in t["words"])
    assert page.locator(".w.doubtful").count() >= doubtful > 0
    assert "".join(page.locator("#turns .said").first.inner_text().split()) == "".join(worst.turns[0]["text"].split())
    possible = sum(m["score"] < 0.5 for m in worst.moments)
    assert page.locator(".card.possible").count() == page.locator("#over .possible").count() == possible >= 1
    # heard and meant, components of an apology and what it did, why, severity, measures
    alike = page.locator(".card", has_text="conduct.commit.1").filter(has_text="应为")
    assert "应为「经理」" in alike.locator(".alike-line").inner_text() and page.locator(".meant").count() >= 1
    warm = page.locator(".card.k-apology", has_text="apology.warm.1")
    assert warm.locator(".components li:not(.effect)").count() == 2 and warm.locator(".effect").count() == 1
    for card in page.locator(".card").all():
        because = card.locator(".because")
        assert because.locator("a[href^='/rules/']").count() == 1 and "0." in because.inner_text() and because.locator(".dots .on").count() >= 1
    for label in ("道歉", "热度", "静音", "打断", "语速"):
        assert label in page.locator("[aria-labelledby=measures-title]").inner_text(), label
    # the customer's earlier call
    page.locator("[aria-labelledby=case-title] .earlier a").click()
    page.wait_for_url(f"**/calls/{EARLIER}")
    assert window.noise == []


def test_without_a_mouse(window, served: str, night: Night) -> None:
    """Tab alone reaches a moment and its answers; focus can be seen on the way."""
    page = open_worst(window, served, night)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = []
    for _ in range(120):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(
            "(({ activeElement: el }, css) => [el.className, css(el).outlineStyle !== 'none' || css(el).boxShadow !== 'none'])(document, getComputedStyle)"
        )
        assert outlined, name
        seen.append(name)
        if name == "jump":
            break
    assert seen[-1] == "jump"
    page.keyboard.press("Enter")
    until(page, "!audio.paused")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.className") != "answer right":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card.is-right")
    page.keyboard.press("?")
    assert page.locator("#keys").get_attribute("open") is not None and page.locator("#keys kbd").count() >= 18
    page.keyboard.press("Escape")
    assert page.locator("#keys").get_attribute("open") is None
    assert window.noise == []


def test_what_the_machine_missed_is_marked_with_its_words(window, served: str, night: Night, engine) -> None:
    page = open_worst(window, served, night)
    turn = page.locator("#t0")
    first, last = turn.locator(".w[data-s]").first.bounding_box(), turn.locator(".w[data-s]").nth(1).bounding_box()
    page.mouse.move(first["x"] + 1, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 1, last["y"] + last["height"] / 2, steps=6)
    page.mouse.up()
    page.wait_for_selector("#missed-form:not([hidden])")
    picked = page.locator("#picked").inner_text().strip("「」")
    page.select_option("#missed-form select", "conduct/taboo")
    page.fill("#missed-form input[name=comment]", "这句也不该说")
    page.click("#missed-form button.primary")
    page.wait_for_selector("#missed li")
    (given,) = verdicts.of_call(engine, str(night.worst.call["call_id"]))
    words = night.worst.turns[0]["words"]
    assert night.worst.turns[0]["text"][given.anchor.char_start : given.anchor.char_end] == picked != ""
    assert (given.target, given.answer, given.anchor.kind, given.anchor.type, given.comment) == ("missed", "missed", "conduct", "taboo", "这句也不该说")
    assert given.anchor.start_s == pytest.approx(words[0]["start_s"], abs=0.3) and given.anchor.end_s <= words[1]["end_s"] + 0.01
    page.reload()
    assert "这句也不该说" in page.locator("#missed").inner_text()
    # taken back by its author
    page.click("#missed .take-back")
    until(page, "!document.querySelector('#missed li')")
    assert [v.answer for v in verdicts.of_call(engine, str(night.worst.call["call_id"]))] == ["missed", "taken_back"]
    assert window.noise == []


def test_two_disagree_and_a_lead_decides(window, served: str, night: Night) -> None:
    call_id = str(night.worst.call["call_id"])
    first = open_worst(window, served, night)
    first.keyboard.press("j")
    first.keyboard.press("1")
    first.wait_for_selector("#m0.is-right")
    second = open_worst(window, served, night, "wu")
    assert "zhou" in second.locator(".call-head").inner_text()  # who is hearing it
    second.keyboard.press("j")
    second.keyboard.press("2")
    second.keyboard.press("4")
    second.wait_for_selector("#m0.is-disputed")
    lead = window("zheng")
    lead.goto(f"{served}/?state=disputed")
    assert lead.locator(".row").count() == 1
    lead.goto(f"{served}/settle")
    lead.click(f"a[href^='/calls/{call_id}']")
    lead.wait_for_selector("#m0.is-disputed")
    lead.click("#m0 .answer.right")
    lead.wait_for_selector("#m0.is-right")
    assert "zhou" in lead.locator("#m0 .said-by").inner_text() and "wu" in lead.locator("#m0 .said-by").inner_text()
    lead.goto(f"{served}/settle")
    assert lead.locator(f"a[href^='/calls/{call_id}']").count() == 0
    assert window.noise == []


def test_roles_are_swapped_by_a_button(window, served: str, night: Night) -> None:
    page = open_worst(window, served, night)
    before = page.locator("#t1").get_attribute("class")
    fills = "[...document.querySelectorAll('#under .t-agent')].length"
    agents = page.evaluate(fills)
    peaks = page.request.get(f"{served}/calls/{night.worst.call['call_id']}/peaks").body()
    page.get_by_role("button", name="对调").click()
    page.wait_for_selector(".call-head .tag")
    assert page.locator("#t1").get_attribute("class") != before
    until(page, f"{fills} !== {agents}")
    turned = page.request.get(f"{served}/calls/{night.worst.call['call_id']}/peaks").body()
    assert turned == peaks[len(peaks) // 2 :] + peaks[: len(peaks) // 2]
    assert window.noise == []


@pytest.mark.parametrize("how", ["key", "click"])
def test_judging_starts_no_sound(window, served: str, night: Night, how: str) -> None:
    page = open_worst(window, served, night)
    page.keyboard.press("j")
    page.keyboard.press("1") if how == "key" else page.click("#m0 .answer.right")
    page.wait_for_selector("#m0.is-right")
    page.wait_for_timeout(300)
    assert page.evaluate("audio.paused")
    quote = page.evaluate("[0, 1].map((i) => getComputedStyle(document.querySelector(`#m${i} .quote`)).color)")
    assert len(set(quote)) == 1, "the moment under the hand reads as well as the others"


def test_a_row_under_the_hand_stays_where_it_is(window, served: str, night: Night) -> None:
    page = window("zhou")
    places = "[...document.querySelectorAll('.row .reason')].map((el) => [el.getBoundingClientRect().x, getComputedStyle(el).color].join())"
    before = page.evaluate(places)
    page.keyboard.press("j")
    assert page.locator(".row.at").count() == 1 and page.evaluate(places) == before
