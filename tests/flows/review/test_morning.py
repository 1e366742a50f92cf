"""A reviewer's morning, in a real browser: from signing in to the audit log, with the refusals on the way and pictures for the docs.

FUTING_SCREENSHOTS=folder keeps the pictures (make them with docs/screenshots); without it they go to a temporary folder.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from flows.review import blinds, database, users, verdicts
from flows.review.index import Index
from flows.review.verdicts import Anchor
from tests.flows.review.house import Night, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("FUTING_SCREENSHOTS", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def picture(page, pictures: Path, name: str) -> None:
    page.evaluate("document.getElementById('toast').classList.remove('on')")
    page.wait_for_timeout(250)
    page.screenshot(path=str(pictures / f"{name}.png"))


def judge_many(night: Night) -> None:
    """Two reviewers' verdicts on most moments of the night: right four times in five."""
    engine = database.connect(database.default_url(night.out))
    judges = [u for u in users.everybody(engine) if u.name in ("zhou", "wu")]
    rng = random.Random(4)
    for made in night.made[2:]:
        for m in made.moments:
            at = Anchor(
                m["kind"], m["type"], m["role"], m["start_s"], m["end_s"], m["turn"], m["char_start"], m["char_end"], m["rule_id"], "bench", m["score"], "run-1"
            )  # type: ignore[arg-type]
            if made is not night.worst and rng.random() < 0.8:
                right = rng.random() < 0.8
                verdicts.give(
                    engine, rng.choice(judges), str(made.call["call_id"]), "moment", "right" if right else "wrong", at, None if right else "wrong_sense"
                )


def test_the_morning(window, served: str, night: Night, pictures: Path) -> None:
    worst = str(night.worst.call["call_id"])
    answers: list[tuple[str, int]] = []
    page = window("zhou")
    page.on("response", lambda r: answers.append((r.url, r.status)))

    # the worst call is on top; Enter opens it
    picture(page, pictures, "queue")
    assert worst in page.locator(".row").first.get_attribute("href")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#wave div", state="attached")

    # jump to its first moment and hear it
    page.keyboard.press("j")
    first = page.locator(".card.at")
    assert first.get_attribute("id") == "m0"
    start_s = float(first.get_attribute("data-s") or "nan")
    page.keyboard.press("Space")
    until(page, "audio.currentTime > 0 && !audio.paused")
    before = page.evaluate("audio.currentTime")
    assert before == pytest.approx(max(0.0, start_s - 2), abs=1.5)
    until(page, f"audio.currentTime > {before} + 0.8")
    page.wait_for_selector(".w.now", timeout=10_000)
    assert (f"{served}/calls/{worst}/audio", 206) in answers
    page.keyboard.press("Space")

    # judge moments with keys: right, wrong (wrong sense), and the call
    page.keyboard.press("1")
    page.wait_for_selector("#m0.is-right")
    page.keyboard.press("j")
    page.keyboard.press("2")
    page.keyboard.press("3")
    page.wait_for_selector("#m1.is-wrong")
    assert "意思不对" in page.locator("#m1").inner_text()
    page.wait_for_timeout(400)
    picture(page, pictures, "call")
    rule = page.locator("#m1 .because a").inner_text()
    page.keyboard.press("Shift+Digit1")
    page.wait_for_selector("#whole.is-right")

    # take back, and say it again
    page.keyboard.press("z")
    page.wait_for_selector("#m1:not(.is-wrong)")
    page.keyboard.press("2")
    page.keyboard.press("3")
    page.wait_for_selector("#m1.is-wrong")
    page.keyboard.press("n")
    page.wait_for_url(lambda url: "/calls/" in url and worst not in url)

    # the rule's precision is 0 of 1
    page.goto(f"{served}/rules/{rule}")
    assert page.locator(".big").inner_text() == "0%"

    # the agent objects to the first moment
    seat = window("seat")
    seat.goto(f"{served}/calls/{worst}")
    seat.click("#m0 details.appeal summary")
    seat.fill("#m0 textarea[name=grounds]", "客户没有这个意思，请重听前后文。")
    seat.click("#m0 details.appeal button")
    seat.wait_for_selector("#m0 .appeal-line")

    # a lead upholds it: what was right is wrong now
    lead = window("zheng")
    judged_rule = lead.goto(f"{served}/calls/{worst}") and lead.locator("#m0 .because a").inner_text()
    lead.goto(f"{served}/rules/{judged_rule}")
    before_share = lead.locator(".big").inner_text()
    lead.goto(f"{served}/appeals")
    picture(lead, pictures, "appeals")
    lead.fill("input[name=comment]", "同意，属于误判。")
    lead.click("button[value='1']")
    lead.wait_for_selector(".tag.done")
    lead.goto(f"{served}/rules/{judged_rule}")
    assert lead.locator(".big").inner_text() != before_share
    judge_many(night)
    lead.goto(f"{served}/rules")
    assert lead.locator(".interval-dot").count() >= 5
    picture(lead, pictures, "rules")

    # blind listening: drawn by the lead, heard by a reviewer who sees nothing of the machine's answer
    lead.goto(f"{served}/blind")
    lead.fill("input[name=each]", "3")
    lead.click("form[action='/blind'] button")
    lead.wait_for_selector("#next")
    blind = window("wu")
    blind.goto(f"{served}/blind")
    blind.click(".panel h2 a")
    for i in range(6):
        blind.click("#next")
        blind.wait_for_selector("#blind-form")
        html = blind.content()
        for told in ("flag-urgent", "flag-review", 'class="mk', "flagpole", "heat-bar", 'class="card'):
            assert told not in html.replace("#m", ""), told
        if i == 0:
            blind.wait_for_timeout(500)
            picture(blind, pictures, "blind")
        blind.keyboard.press("1" if i % 2 else "2")
        blind.wait_for_selector(".wide-page")
    assert "%" in blind.locator(".big").inner_text()

    # export, and all of it in the audit log
    with lead.expect_download() as got:
        lead.goto(f"{served}/export")
        lead.click("form[action='/export/verdicts.csv'] button")
    text = Path(got.value.path()).read_text(encoding="utf-8-sig")
    assert worst in text and "wrong_sense" in text
    admin = window("admin")
    admin.goto(f"{served}/audit")
    log = admin.locator("tbody").inner_text()
    for action in ("听录音", "下结论", "撤回", "申诉", "裁定申诉", "盲听抽样", "盲听结论", "导出", "登录"):
        assert action in log, action
    picture(admin, pictures, "audit")
    assert window.noise == []


def test_english_search_filters_and_sizes(window, served: str, pictures: Path) -> None:
    page = window("zheng", "laptop")
    page.keyboard.press("/")
    page.keyboard.type("找经历")
    page.keyboard.press("Enter")
    page.wait_for_timeout(800)
    assert page.locator(".empty").count() == 1
    page.fill("#q", "叫你们经历")
    page.keyboard.press("Enter")
    page.wait_for_selector(".found mark")
    assert "q=" in page.url
    page.goto(served + "/?span=all&kind=abuse")
    assert page.locator("select[name=what]").input_value() == "abuse/"
    picture(page, pictures, "queue-laptop")
    page.locator(".row").first.click()
    page.wait_for_selector("#wave div", state="attached")
    page.keyboard.press("j")
    page.wait_for_timeout(600)
    picture(page, pictures, "call-laptop")
    page.goto(served + "/rules")
    picture(page, pictures, "rules-laptop")
    page.goto(served + "/language/en?to=/")
    assert page.locator(".tabs a").first.inner_text() == "To hear"
    tablet = window("zhou", "tablet")
    picture(tablet, pictures, "queue-tablet")
    tablet.locator(".row").nth(1).click()
    tablet.wait_for_selector("#wave div", state="attached")
    tablet.keyboard.press("j")
    tablet.wait_for_timeout(600)
    picture(tablet, pictures, "call-tablet")
    call = tablet.url
    tablet.goto(served + "/rules")
    picture(tablet, pictures, "rules-tablet")
    wide = window("wu", "wide")
    picture(wide, pictures, "queue-wide")
    for at in (page, tablet, wide):
        for place in ("/", call, "/rules", "/settle", "/appeals", "/blind", "/export", "/not-heard"):
            at.goto(place if place.startswith("http") else served + place)
            assert at.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{place} scrolls sideways"
    assert tablet.goto(served + "/rules") and tablet.evaluate("(({ clientWidth: a, scrollWidth: b }) => b <= a)(document.querySelector('.scroll'))")
    assert window.noise == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_findings(window, chromium, served: str, night: Night, engine, scheme: str) -> None:
    source = AXE.read_text(encoding="utf-8")
    worst = str(night.worst.call["call_id"])
    problems: list[tuple] = []

    def scan(page, path: str) -> None:
        page.goto(served + path)
        page.wait_for_timeout(400)
        told = "r.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))])"
        found = page.evaluate(source + f"; axe.run(document, {{resultTypes: ['violations']}}).then(r => {told})")
        problems.extend((path, *f) for f in found if f[0] in ("serious", "critical"))

    judge_many(night)
    lead = next(u for u in users.everybody(engine) if u.name == "zheng")
    index = Index(night.out, night.out / "another.duckdb")
    index.refresh(force=True)
    blinds.draw(engine, index, lead, "2026-11-20", "2026-11-20", 2, seed=1)
    index.close()
    page = window("admin", color_scheme=scheme)
    rule = night.worst.moments[0]["rule_id"]
    lists = (
        "/",
        "/?q=经理",
        "/rules",
        f"/rules/{rule}",
        "/blind",
        "/blind/1",
        "/blind/1/1",
        "/appeals",
        "/settle",
        "/export",
        "/audit",
        "/not-heard",
        "/nowhere",
    )
    for path in (*lists, f"/rules/{rule}", f"/calls/{worst}", f"/calls/{night.made[2].call['call_id']}"):
        scan(page, path)
    outside = chromium.new_context(color_scheme=scheme).new_page()
    scan(outside, "/login")
    outside.context.close()
    assert problems == []


def test_a_script_in_a_transcript_is_text(window, served: str, night: Night) -> None:
    from tests.flows.review.house import poison

    call_id = poison(night)
    page = window("zheng")
    page.wait_for_timeout(5500)
    page.goto(f"{served}/calls/{call_id}")
    assert "<script>window.hit=1</script>" in page.locator("#turns").inner_text()
    assert page.evaluate("window.hit === undefined") and page.locator("#turns img").count() == 0
    assert window.noise == []
