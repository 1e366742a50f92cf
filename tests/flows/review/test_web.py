"""Who may do what: every refusal, asked for over HTTP; and what the page promises of its headers, cookies and files."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bench.synthetic_nights import Made, failed_call, make_call, write_night, write_table
from flows import review
from flows.review import audit, database, language, sessions, users, verdicts
from flows.review.app import create_app
from flows.review.web import LANGUAGE_COOKIE
from models.errors import ConfigError
from tests.flows.review.house import DAY, PASSWORD, Night, make_night, poison, token_of


def worst(night: Night) -> str:
    return str(night.worst.call["call_id"])


def test_nobody_sees_anything_without_signing_in(app, night: Night) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in (
        "/",
        f"/calls/{worst(night)}",
        f"/calls/{worst(night)}/audio",
        f"/calls/{worst(night)}/peaks",
        "/rules",
        "/audit",
        "/export/calls.csv",
        "/blind",
    ):
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login"), path


def test_every_page_opens_for_an_admin(sign_in, night: Night) -> None:
    me = sign_in("admin")
    for path in (
        "/",
        "/not-heard",
        f"/calls/{worst(night)}",
        "/rules",
        f"/rules/{night.worst.moments[0]['rule_id']}",
        "/blind",
        "/appeals",
        "/settle",
        "/export",
        "/audit",
        "/?q=经理",
        "/?state=all&flag=all&page=2",
    ):
        answer = me.get(path)
        assert answer.status_code == 200, path


def test_an_answer_that_cannot_be_taken_is_refused_in_the_readers_language(sign_in, night: Night) -> None:
    me = sign_in("zhou")
    form = {"target": "call", "answer": "right", "comment": "x" * 4000}
    for tongue, sentence in (("zh", "备注最多 3000 字。"), ("en", "A comment has at most 3000 characters.")):
        me.client.cookies.set(LANGUAGE_COOKIE, tongue)
        answer = me.post(f"/calls/{worst(night)}/verdict", form)
        assert answer.status_code == 409 and sentence in answer.text
    hostile = me.post(f"/calls/{worst(night)}/verdict", {"target": "call", "answer": "<script>{0.__class__}"})
    assert hostile.status_code == 409 and "<script>{0" not in hostile.text and "&lt;script&gt;{0.__class__}" in hostile.text


def test_every_refusal_of_an_answer_has_both_languages() -> None:
    folder = Path(review.__file__).parent
    keys = {key for path in folder.rglob("*.py") for key in re.findall(r'VerdictError\("(\w+)"', path.read_text(encoding="utf-8"))}
    assert len(keys) > 10 and {f"cannot_{key}" for key in keys} == {key for key in language.WORDS if key.startswith("cannot_")}
    for zh, en in (language.WORDS[f"cannot_{key}"] for key in keys):
        assert zh != en and re.findall(r"\{\w+\}", zh) == re.findall(r"\{\w+\}", en)


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("seat", "/rules", 403),
        ("seat", "/blind", 403),
        ("seat", "/export", 403),
        ("seat", "/audit", 403),
        ("zhou", "/audit", 403),
        ("zheng", "/audit", 403),
        ("zhou", "/calls/nothing-of-the-kind", 404),
        ("zhou", "/rules/no.such.rule", 404),
        ("zhou", "/export/users.csv", 404),
        ("zhou", "/blind/999", 404),
    ],
)
def test_refusals(sign_in, name: str, path: str, status: int) -> None:
    assert sign_in(name).get(path).status_code == status


def test_another_teams_call_is_not_there(sign_in, night: Night) -> None:
    me = sign_in("narrow")
    assert worst(night) not in me.get("/?span=all&flag=all&state=all").text
    for path in ("", "/audio", "/peaks", "/export/vtt"):
        assert me.get(f"/calls/{worst(night)}{path}").status_code == 404
    assert me.post(f"/calls/{worst(night)}/verdict", {"target": "call", "answer": "right"}).status_code == 404
    assert me.get("/export/calls.csv").text.count("\n") == 1


def test_an_agent_sees_own_calls_and_judges_nothing(sign_in, night: Night) -> None:
    me, other = sign_in("seat"), sign_in("other-seat")
    assert me.get(f"/calls/{worst(night)}").status_code == 200
    assert other.get(f"/calls/{worst(night)}").status_code == 404
    assert me.post(f"/calls/{worst(night)}/verdict", {"target": "call", "answer": "right"}).status_code == 403
    assert me.post(f"/calls/{worst(night)}/swap").status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", None])
def test_a_form_without_its_token_changes_nothing(sign_in, night: Night, engine, token: str | None) -> None:
    me = sign_in("zhou")
    data = {"target": "call", "answer": "right"} | ({} if token is None else {"csrf": token})
    assert me.client.post(f"/calls/{worst(night)}/verdict", data=data, follow_redirects=False).status_code == 403
    assert verdicts.of_call(engine, worst(night)) == []


def test_a_form_from_elsewhere_is_refused(sign_in, night: Night) -> None:
    me = sign_in("zhou")
    answer = me.post(f"/calls/{worst(night)}/verdict", {"target": "call", "answer": "right"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/calls/..%2f..%2fetc%2fpasswd",
        "/calls/../../etc/passwd/audio",
        "/calls/%2Fetc%2Fpasswd/audio",
        "/calls/~L2V0Yy9wYXNzd2Q/audio",
        "/static/../app.py",
        "/static/..%2fapp.py",
    ],
)
def test_path_tricks_find_nothing(sign_in, path: str) -> None:
    answer = sign_in("zhou").get(path)
    assert answer.status_code in (404, 303) and "root:" not in answer.text and "create_app" not in answer.text


def test_audio_is_served_by_range_and_noted_once(sign_in, night: Night, engine) -> None:
    me = sign_in("zhou")
    whole = me.get(f"/calls/{worst(night)}/audio")
    assert whole.status_code == 200 and whole.content[:4] == b"RIFF" and whole.headers["accept-ranges"] == "bytes"
    part = me.get(f"/calls/{worst(night)}/audio", headers={"range": "bytes=1000-1999"})
    assert part.status_code == 206 and part.content == whole.content[1000:2000] and part.headers["content-range"].startswith("bytes 1000-1999/")
    assert len(audit.read(engine, action="hear")) == 1


def test_a_lost_recording_is_said_so(sign_in, night: Night) -> None:
    lost = "20261120-00777"
    made = make_call(777, DAY, random.Random(7), "run-1", recording="/nowhere/at all.wav")
    write_night(night.out, DAY, [*night.made, made], None, "run-1")
    me = sign_in("zhou")
    me.client.app.state.desk.index.refresh(force=True)
    assert me.get(f"/calls/{lost}").status_code == 200
    assert me.get(f"/calls/{lost}/audio").status_code == 404


def test_headers_forbid_inline_and_elsewhere(sign_in, night: Night) -> None:
    me = sign_in("zheng")
    for path in ("/", f"/calls/{worst(night)}", "/rules", "/blind", "/export"):
        answer = me.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", answer.text), "inline script"
        assert not re.search(r"\sstyle=|\son\w+=", answer.text), "inline style or handler"
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text), "something from elsewhere"
        assert answer.headers["cache-control"] == "no-store"


def test_cookies(app) -> None:
    client = TestClient(app, base_url="https://127.0.0.1")
    form = token_of(client.get("/login").text, "form")
    answer = client.post("/login", data={"form": form, "name": "zhou", "password": PASSWORD}, follow_redirects=False)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("futing_session="))
    assert "HttpOnly" in cookie and "Secure" in cookie and "SameSite=lax" in cookie


def test_sign_in_is_limited_and_does_not_tell_why(app, engine) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")
    form = token_of(client.get("/login").text, "form")
    for name in ("zhou", "nobody"):
        answer = client.post("/login", data={"form": form, "name": name, "password": "wrong"})
        assert answer.status_code == 401 and "用户名或密码不对" in answer.text
    for _ in range(sessions.PER_NAME - 1):
        client.post("/login", data={"form": form, "name": "zhou", "password": "wrong"})
    answer = client.post("/login", data={"form": form, "name": "zhou", "password": PASSWORD})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0


def test_the_way_back_after_signing_in_stays_here(app) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")
    form = token_of(client.get("/login").text, "form")
    answer = client.post("/login", data={"form": form, "name": "zhou", "password": PASSWORD, "to": "//evil.example/"}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_sessions_expire(engine) -> None:
    user = users.check(engine, "zhou", PASSWORD)
    assert user is not None
    token = sessions.start(engine, user, now_s=1_000_000)
    assert sessions.find(engine, token, now_s=1_000_010) is not None
    assert sessions.find(engine, token, now_s=1_000_000 + sessions.IDLE_S + 1) is None
    assert sessions.find(engine, token, now_s=1_000_000 + sessions.LONGEST_S + 1) is None
    assert sessions.find(engine, "guess", now_s=1_000_010) is None


def test_a_removed_user_is_out_at_once(sign_in, engine) -> None:
    me = sign_in("zhou")
    users.remove(engine, "zhou")
    assert me.get("/").status_code == 303


def test_demo_accounts_on_loopback_until_there_are_real_ones(tmp_path: Path) -> None:
    make_night(tmp_path, calls=12, sound=False)
    app = create_app(tmp_path)
    client = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 4000))
    form = token_of(client.get("/login").text, "form")
    assert client.post("/login/demo", data={"form": form, "role": "lead"}, headers={"x-forwarded-for": "9.9.9.9"}, follow_redirects=False).status_code == 403
    assert client.post("/login/demo", data={"form": form, "role": "lead"}, follow_redirects=False).status_code == 303
    assert client.get("/", follow_redirects=False).status_code == 200
    users.add(database.connect(database.default_url(tmp_path)), "first", "admin", PASSWORD)
    assert client.get("/", follow_redirects=False).status_code == 303
    assert "/login/demo" not in client.get("/login").text


def test_no_demo_from_another_machine(tmp_path: Path) -> None:
    make_night(tmp_path, calls=12, sound=False)
    client = TestClient(create_app(tmp_path), base_url="http://127.0.0.1", client=("10.0.0.7", 4000))
    assert "/login/demo" not in client.get("/login").text


def test_an_open_address_needs_accounts(tmp_path: Path) -> None:
    make_night(tmp_path, calls=12, sound=False)
    with pytest.raises(ConfigError, match="no accounts"):
        create_app(tmp_path, host="0.0.0.0")


def test_a_foreign_host_name_is_refused(app) -> None:
    assert TestClient(app, base_url="http://rebound.example").get("/login").status_code == 400


def test_html_in_a_transcript_is_escaped(night: Night, sign_in, engine) -> None:
    call_id = poison(night)
    create_app(night.out)
    me = sign_in("zheng")
    me.client.app.state.desk.index.refresh(force=True)
    for path in (f"/calls/{call_id}", f"/calls/{call_id}/export/print", "/?span=all&q=window"):
        text = me.get(path).text
        assert "<script>window" not in text and "<img src=x" not in text
    assert "&lt;script&gt;" in me.get(f"/calls/{call_id}").text
    assert "<script>" not in me.get(f"/calls/{call_id}/export/vtt").text


def test_a_call_id_may_hold_anything(night: Night, sign_in) -> None:
    from flows.review.web import slug, unslug

    rng = random.Random(1)
    for call_id in ("a/b", "../x", "通话 1", "~abc", "a?b#c", ".hidden", "x" * 250, "".join(chr(rng.randrange(33, 0x2FFF)) for _ in range(40))):
        assert unslug(slug(call_id)) == call_id and re.fullmatch(r"[A-Za-z0-9_.~\-]+", slug(call_id))
    odd = make_call(900, DAY, rng, "run-1")
    assert odd.call["call_id"] == "20261120-00900"


def test_opening_takes_the_call_and_a_lead_reassigns(sign_in, night: Night, engine) -> None:
    first, second, lead = sign_in("zhou"), sign_in("wu"), sign_in("zheng")
    first.get(f"/calls/{worst(night)}")
    assert "zhou 正在听" in second.get(f"/calls/{worst(night)}").text
    assert worst(night) in first.get("/?state=mine").text and worst(night) not in second.get("/?state=mine").text
    wu = next(u for u in users.everybody(engine) if u.name == "wu")
    second.post(f"/calls/{worst(night)}/assign", {"to": str(wu.id)})
    assert worst(night) not in second.get("/?state=mine").text, "a reviewer cannot take what another has"
    lead.post(f"/calls/{worst(night)}/assign", {"to": str(wu.id)})
    assert worst(night) in second.get("/?state=mine").text


def test_swap_is_kept_told_and_shown(sign_in, night: Night) -> None:
    import json

    me = sign_in("zhou")
    before = me.get(f"/calls/{worst(night)}").text
    assert me.post(f"/calls/{worst(night)}/swap").status_code == 303
    after = me.get(f"/calls/{worst(night)}")
    assert after.status_code == 200 and "已对调" in after.text and "已对调" not in before
    assert before.count('class="turn customer"') == after.text.count('class="turn agent"')
    line = json.loads((night.out / ".futing" / "corrections.jsonl").read_text().splitlines()[-1])
    assert line["call_id"] == worst(night) and line["swap"] is True
    me.post(f"/calls/{worst(night)}/swap")
    assert "已对调" not in me.get(f"/calls/{worst(night)}").text


def test_exports_open_in_other_tools(sign_in, night: Night, engine) -> None:
    import io
    import json

    import pyarrow.parquet as pq
    from openpyxl import load_workbook

    me = sign_in("zheng")
    row = me.get(f"/calls/{worst(night)}").text
    run = token_of(row, "run")
    me.post(f"/calls/{worst(night)}/verdict", {"target": "moment", "moment": "0", "answer": "right", "run": run, "comment": "=1+1"})
    text = me.get("/export/verdicts.csv").content.decode("utf-8-sig")
    assert "'=1+1" in text
    sheet = load_workbook(io.BytesIO(me.get("/export/verdicts.xlsx").content)).active
    assert sheet is not None and sheet.max_row == 2
    for what in ("verdicts", "moments", "calls"):
        table = pq.read_table(io.BytesIO(me.get(f"/export/{what}.parquet").content))
        assert table.num_rows >= 1
    assert pq.read_table(io.BytesIO(me.get("/export/calls.parquet").content)).num_rows == len(night.made)
    assert me.get(f"/calls/{worst(night)}/export/vtt").text.startswith("WEBVTT")
    speakers = me.get(f"/calls/{worst(night)}/export/rttm").text.splitlines()
    assert len(speakers) == len(night.worst.turns) and all(len(s.split()) == 10 for s in speakers)
    task = json.loads(me.get(f"/calls/{worst(night)}/export/labelstudio").text)[0]
    for r in task["predictions"][0]["result"]:
        value = r["value"]
        assert task["data"]["dialogue"][int(value["start"])]["text"][value["startOffset"] : value["endOffset"]] == value["text"]
    assert {e.detail.split(",")[0] for _, e in audit.read(engine, action="export") if e.detail} >= {"verdicts.csv", "calls.parquet"}


def test_an_answer_to_a_page_of_an_earlier_run_is_refused(sign_in, night: Night) -> None:
    me = sign_in("zhou")
    assert me.post(f"/calls/{worst(night)}/verdict", {"target": "moment", "moment": "0", "answer": "right", "run": "older"}).status_code == 409


def test_what_is_masked_on_the_page_is_silent_where_originals_were_kept(sign_in, night: Night) -> None:
    """A night stored with --keep-original: its telephone numbers stand in the tables, and are neither shown, drawn nor heard."""
    import io
    import wave

    import numpy as np
    import pyarrow.parquet as pq

    call_id, number = worst(night), "13812345678"
    path = night.out / "turns" / f"date={DAY}" / "part-0.parquet"
    rows = pq.read_table(path, partitioning=None).to_pylist()
    turn = next(r for r in rows if r["call_id"] == call_id and r["turn"] == 3)
    said = [("我的手机号是", turn["start_s"], turn["start_s"] + 0.8), (number, turn["start_s"] + 0.8, turn["end_s"])]
    turn |= {"text": "".join(s for s, _, _ in said), "words": [{"text": s, "start_s": a, "end_s": b, "probability": 0.9} for s, a, b in said]}
    for r in rows:
        r["redactions"] = [] if r["call_id"] == call_id else r["redactions"]
    write_table(night.out, "turns", DAY, rows)
    me = sign_in("zheng")
    me.client.app.state.desk.index.refresh(force=True)
    page = me.get(f"/calls/{call_id}").text
    assert number not in page and 'class="unmask"' in page
    with wave.open(io.BytesIO(me.get(f"/calls/{call_id}/audio").content)) as w:
        rate = w.getframerate()
        sound = np.frombuffer(w.readframes(w.getnframes()), "<i2").reshape(-1, w.getnchannels())
    a, b = (int(rate * s) for s in (turn["start_s"] + 0.8, turn["end_s"]))
    assert not sound[a:b].any() and sound[: a - rate // 5].any()
    drawn = np.frombuffer(me.get(f"/calls/{call_id}/peaks").content, np.uint8).reshape(2, -1)
    scale = drawn.shape[1] * rate / len(sound)
    assert not drawn[:, int(a / rate * scale) + 2 : int(b / rate * scale) - 2].any() and drawn.any()

    # a lead sees the number, and the log says so; a reviewer does not
    shown = me.post(f"/calls/{call_id}/unmask", {"turn": "3"})
    assert number in shown.text
    assert me.client.app.state.desk and [e.detail for _, e in audit.read(me.client.app.state.desk.engine, action="unmask")] == ["turn 3"]
    low = sign_in("zhou")
    assert low.post(f"/calls/{call_id}/unmask", {"turn": "3"}).status_code == 403 and 'class="unmask"' not in low.get(f"/calls/{call_id}").text
    assert len(audit.read(me.client.app.state.desk.engine, action="unmask")) == 1


def test_what_could_not_be_heard_has_a_list_of_its_own(sign_in, night: Night) -> None:
    failed = [failed_call(0, DAY, "not_audio", "run-1"), failed_call(1, DAY, "timeout", "run-1")]
    noted = make_call(5, DAY, random.Random(5), "run-1")
    noted = Made(noted.call | {"call_id": "cut-one", "error_code": "cut"}, [], [])
    write_night(night.out, DAY, [*night.made, noted], failed, "run-1")
    me = sign_in("zhou")
    me.client.app.state.desk.index.refresh(force=True)
    text = me.get("/not-heard").text
    codes = [language.value(code, "zh") for code in ("not_audio", "timeout", "cut")]
    for told in (*(str(f["call_id"]) for f in failed), *codes, "cut-one", "check what the recorder wrote"):
        assert told in text, told
    assert str(failed[0]["call_id"]) not in me.get("/?state=all&flag=all").text and "cut-one" not in sign_in("narrow").get("/not-heard").text
    assert me.get("/").text.count('href="/not-heard') == 1


def test_a_dismissed_appeal_leaves_the_machines_answer_and_the_agents_words_beside_the_leads(sign_in, night: Night, engine) -> None:
    seat, lead, other = sign_in("seat"), sign_in("zheng"), sign_in("other-seat")
    place = f"/calls/{worst(night)}"
    run = token_of(seat.get(place).text, "run")
    grounds = "我是在转述客户的话"
    assert other.post(f"{place}/appeal", {"moment": "0", "grounds": grounds, "run": run}).status_code == 404
    assert sign_in("zhou").post(f"{place}/appeal", {"moment": "0", "grounds": grounds, "run": run}).status_code == 403
    assert seat.post(f"{place}/appeal", {"moment": "0", "grounds": " ", "run": run}).status_code == 409
    assert seat.post(f"{place}/appeal", {"moment": "0", "grounds": grounds, "run": run}).status_code == 303
    assert seat.post(f"{place}/appeal", {"moment": "0", "grounds": grounds, "run": run}).status_code == 409
    assert grounds in lead.get("/appeals").text and grounds in seat.get("/appeals").text and grounds not in other.get("/appeals").text
    assert worst(night) in lead.get("/?state=appealed").text
    card = lead.get(place).text.split('id="m0"', 1)[1].split('id="m1"', 1)[0]
    score = re.search(r"0\.\d\d", card.split('class="because"', 1)[1])
    assert sign_in("zhou").post("/appeals/1", {"upheld": "0"}).status_code == 403
    assert lead.post("/appeals/1", {"upheld": "0", "comment": "录音里是自己说的"}).status_code == 303
    assert lead.post("/appeals/1", {"upheld": "1"}).status_code == 409
    card = seat.get(place).text.split('<li class="card')[1]
    assert score and score[0] in card and card.split('"', 1)[0].endswith("is-right") and grounds in card and "录音里是自己说的" in card
    assert worst(night) not in lead.get("/?state=appealed").text
    assert [e.action for _, e in audit.read(engine, call_id=worst(night)) if e.action in ("appeal", "decide")] == ["decide", "appeal"]


def test_missed_settled_and_taken_back_need_the_right_person(sign_in, night: Night, engine) -> None:
    zhou, wu, lead, seat = (sign_in(n) for n in ("zhou", "wu", "zheng", "seat"))
    place = f"/calls/{worst(night)}"
    words = {"turn": "0", "char_start": "0", "char_end": "2", "what": "conduct/taboo"}
    assert seat.post(f"{place}/missed", words).status_code == 403
    for wrong in ({"what": "conduct/nothing"}, {"turn": "999"}, {"char_end": "9999"}, {"char_start": "2"}):
        assert zhou.post(f"{place}/missed", words | wrong).status_code == 409, wrong
    assert verdicts.of_call(engine, worst(night)) == []
    assert zhou.post(f"{place}/missed", words).status_code == 303
    (missed,) = verdicts.of_call(engine, worst(night))
    assert wu.post(f"{place}/take-back", {"verdict": str(missed.id)}).status_code == 409
    assert wu.post("/calls/other/take-back", {"verdict": str(missed.id)}).status_code == 404
    call = {"target": "call", "answer": "right"}
    assert zhou.post(f"{place}/verdict", call | {"settles": "1"}).status_code == 409
    zhou.post(f"{place}/verdict", call)
    wu.post(f"{place}/verdict", call | {"answer": "wrong", "why": "other", "comment": "我听着不是"})
    assert worst(night) in lead.get("/?state=disputed").text and worst(night) in zhou.get("/settle").text
    assert lead.post(f"{place}/verdict", call | {"settles": "1"}).status_code == 303
    assert worst(night) not in lead.get("/?state=disputed").text and worst(night) not in lead.get("/settle").text
    assert "我听着不是" in lead.get(place).text
