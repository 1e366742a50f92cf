"""From call to moments: what every moment promises, exceptions that only take away, doubt, two phases, merging, dirty text."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import ConfigError
from models.reading.rules import check_rules, find, find_hits, load_rulebook, look
from models.records import HeardCall, Turn, Word
from tests.models.reading.rulekit import call, compiled, one, quotes, worded, write

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
BOOK = """
kind: escalation
defaults: {role: customer, sounds_like: true, unless: {negated: true, quoted: true, withdrawn: true}}
rules:
  - id: escalation.supervisor.demand
    phrases: ['(叫|让|换|找)(你们|)*{leaders}(来|出来|接电话|，)', 找你们领导]
    quote: clause
    examples: {hit: [叫你们领导来], miss: [叫你们快点]}
  - id: escalation.complaint.plain
    any: [投诉, {regex: '告(你|他)们?'}, {near: {a: [记], b: [一笔], within: 4}}]
    examples: {hit: [我要投诉], miss: [好的]}
  - id: escalation.repeat.again
    repeats: {by: self, back: 0, min_chars: 4}
    examples: {hit: [x], miss: [y]}
  - id: escalation.churn.hot
    phrases: [退订]
    when: {sound: {heat: {at_least: 0.5}}}
    examples: {hit: [x], miss: [y]}
  - id: escalation.media.after_hot
    phrases: [发抖音]
    unless: {part_of_word: false}
    when: {after: {rule: escalation.churn.*, turns: call}}
    examples: {hit: [x], miss: [y]}
  - id: escalation.legal.draft
    status: draft
    phrases: [律师]
    examples: {hit: [x], miss: [y]}
  - id: mark.talk.lawyer
    kind: mark
    status: mark
    phrases: [律师]
    examples: {hit: [x], miss: [y]}
"""
LEXICONS = "leaders: {words: [领导, 经理], synonyms: {领导: [头儿]}}"
PIECES = [
    "我要投诉你们",
    "叫你们经历来",
    "找你们领导",
    "不是来投诉的",
    "告你们",
    "退订",
    "发抖音",
    "，",
    "。",
    "！",
    "好的",
    "他说",
    "算了",
    "律师",
    "&nbsp;",
    "\u200b",
    "　",
    "投 诉",
    "記一筆",
    "ｔｅｓｔ",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("book"), BOOK, LEXICONS)


def spoken(texts: list[str], with_words: bool) -> HeardCall:
    turns = []
    for i, text in enumerate(texts):
        turn = Turn(i, "customer" if i % 3 else "agent", text, i * 10.0, i * 10.0 + 8.0)
        if with_words:
            letters = [c for c in text if c.isalnum()]
            step = 8.0 / max(1, len(letters))
            turn = replace(turn, words=tuple(Word(c, i * 10 + k * step, i * 10 + (k + 1) * step, (k % 10) / 10) for k, c in enumerate(letters)))
        turns.append(turn)
    return HeardCall("c", tuple(turns), "stereo", duration_s=10.0 * len(texts))


TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=6)


@HERE
@given(TEXTS, st.booleans())
def test_what_every_moment_promises(folder: Path, texts: list[str], with_words: bool) -> None:
    book = load_rulebook(folder)
    heard = spoken(texts, with_words)
    moments = find(heard, book, [0.7] * len(texts))
    assert [m.index for m in moments] == list(range(len(moments)))
    assert [(m.turn, m.char_start) for m in moments] == sorted((m.turn, m.char_start) for m in moments)
    for m in moments:
        turn = heard.turns[m.turn]
        assert m.quote == turn.text[m.char_start : m.char_end] and m.quote.strip()
        assert turn.start_s is not None and turn.end_s is not None and m.start_s is not None and m.end_s is not None
        assert turn.start_s - 1e-6 <= m.start_s <= m.end_s <= turn.end_s + 1e-6
        assert 0 <= m.score <= 1 and m.role == turn.role == "customer"
        assert m.rule_id not in ("escalation.legal.draft", "mark.talk.lawyer")
        assert (m.meant is not None) == (m.match == "sounds_like")


def test_times_come_from_words_are_interpolated_without_and_none_without_times(folder: Path) -> None:
    book = load_rulebook(folder)
    [by_words] = find(HeardCall("c", (worded("你听着我要投诉", each_s=0.5),), "stereo"), book)
    assert (by_words.start_s, by_words.end_s) == (2.5, 3.5)
    [spread] = find(HeardCall("c", (Turn(0, "customer", "你听着，我要投诉", 10.0, 17.0),), "stereo"), book)
    assert (spread.start_s, spread.end_s) == (pytest.approx(15.0), pytest.approx(17.0))
    [untimed] = find(HeardCall("c", (Turn(0, "customer", "我要投诉"),), "text"), book)
    assert untimed.start_s is None and untimed.end_s is None


def test_two_phases_and_anchors_on_rules_that_need_heat(folder: Path) -> None:
    book = load_rulebook(folder)
    heard = call("我要退订", "agent: 好的", "我就发抖音")
    assert find(heard, book) == ()
    assert [m.type for m in find(heard, book, [0.9, None, 0.2])] == ["churn", "media"]
    assert find(heard, book, [0.1, None, 0.9]) == ()


def test_a_scan_kept_between_the_phases_changes_nothing(folder: Path) -> None:
    book = load_rulebook(folder)
    heard = call("我要投诉，叫你们经历来", "agent: 好的", "退订，发抖音")
    heat = [0.4, None, 0.9]
    scan = look(heard, book)
    assert find(heard, book, scan=scan) == find(heard, book)
    assert find(heard, book, heat, scan=scan) == find(heard, book, heat)


def test_drafts_and_marks_write_nothing_but_are_found(folder: Path) -> None:
    book = load_rulebook(folder)
    heard = call("我找律师")
    assert find(heard, book) == ()
    hits = find_hits(heard, book)
    assert len(hits["escalation.legal.draft"]) == len(hits["mark.talk.lawyer"]) == 1
    assert [m.type for m in find(heard, book, statuses=frozenset({"active", "draft"}))] == ["legal"]


# ---- exceptions ----

EXCEPTIONS = [
    "negated: true", "quoted: true", "third_person: true", "self: true", "information: true", "hypothetical: true",
    "question: true", "withdrawn: true", "negated: 0.3", "question: 0.5",
    "part_of_word: true", "name: true", "phrases: [没投诉, 好你们]", "clause: [好]",
    "sentence: [他]", "turn: [算了]", "regex: '投诉.{0,2}们'", "after: {rule: escalation.churn.a}", "last: {turns: 1}",
    "any: [{phrases: [没]}]", "sound: {heat: {at_least: 0.2}}",
]  # fmt: skip
TWO = """
kind: escalation
rules:
  - id: escalation.churn.a
    phrases: [退订]
    examples: {{hit: [x], miss: [y]}}
  - id: escalation.complaint.x
    phrases: [我要投诉, 投诉, 投诉你们, 你们, 你们的]
    unless: {{{unless}}}
    examples: {{hit: [x], miss: [y]}}
"""


@HERE
@given(
    st.lists(
        st.lists(st.sampled_from(["投诉", "我要", "你们", "的", "没", "他说", "，", "。", "？", "好", "算了", "退订", "如果"]), max_size=7).map("".join),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.sampled_from(EXCEPTIONS), max_size=2, unique_by=lambda e: e.split(":")[0]),
    st.sampled_from(EXCEPTIONS),
)
def test_an_exception_never_adds_a_hit(tmp_path_factory: pytest.TempPathFactory, texts: list[str], some: list[str], more: str) -> None:
    if more.split(":")[0] in {e.split(":")[0] for e in some}:
        return
    base = ["part_of_word: false", "name: false"]
    free = [b for b in base if b.split(":")[0] not in {e.split(":")[0] for e in [*some, more]}]
    tmp = tmp_path_factory.mktemp("x")
    heard, heat = call(*texts), [0.5] * len(texts)
    off = f"{more.split(':')[0]}: false" if more.split(":")[0] in ("part_of_word", "name") else None
    fewer = list(find_hits(heard, compiled(tmp, TWO.format(unless=", ".join([*some, more, *free]))), heat).get("escalation.complaint.x", ()))
    without = find_hits(heard, compiled(tmp, TWO.format(unless=", ".join([*some, *free, *([off] if off else [])]))), heat).get("escalation.complaint.x", ())
    assert len(fewer) <= len(without)
    assert sum(h.score for h in fewer) <= sum(h.score for h in without) + 1e-9
    for h in fewer:
        assert any(w.turn == h.turn and w.norm_start < h.norm_end and h.norm_start < w.norm_end for w in without)


@pytest.mark.parametrize(
    ("unless", "said", "hit"),
    [
        ("phrases: [投诉科]", "我找投诉科", False),
        ("phrases: [投诉科]", "投诉科在哪我要投诉", True),
        ("clause: [朋友]", "朋友要投诉", False),
        ("clause: [朋友]", "朋友来了，我要投诉", True),
        ("sentence: [朋友]", "朋友来了，我要投诉", False),
        ("turn: [朋友]", "我要投诉。朋友来了", False),
        ("regex: '投诉.{0,2}热线'", "投诉的热线", False),
        ("part_of_word: true", "我不投诉讼", False),
        ("question: 0.5", "可以投诉吗？", True),
    ],
)
def test_exceptions(tmp_path: Path, unless: str, said: str, hit: bool) -> None:
    assert bool(quotes(one(tmp_path, f"phrases: [投诉]\nunless: {{{unless}}}"), call(said))) is hit


@pytest.mark.parametrize(
    ("said", "hit"),
    [
        ("我没想打官司", False),
        ("我不打官司", False),
        ("我现在就打官司", True),
        ("我受不了了打官司", True),
        ("我再不打官司", True),
        ("我不管了打官司", True),
        ("我是不是得打官司", True),
    ],
)
def test_a_negator_in_a_gap_of_the_phrase_denies_it(tmp_path: Path, said: str, hit: bool) -> None:
    assert bool(quotes(one(tmp_path, "phrases: ['我*打官司']\nunless: {negated: true}"), call(said))) is hit


def test_a_negator_of_the_phrase_itself_denies_nothing(tmp_path: Path) -> None:
    assert quotes(one(tmp_path, "phrases: ['我(没|不)*打官司']\nunless: {negated: true}"), call("我没有钱打官司"))


def test_a_name_of_a_lexicon_is_no_hit(tmp_path: Path) -> None:
    book = one(tmp_path, "phrases: [工商]\nunless: {part_of_word: false}", "banks: {words: [工商银行], names: true}")
    assert quotes(book, call("我的工商银行卡")) == [] and quotes(book, call("我找工商，告你")) == [(0, "工商")]


# ---- doubt ----


def test_doubt_is_composed_as_documented(tmp_path: Path) -> None:
    body = """
    score: 0.6
    phrases: [投诉]
    unless: {question: 0.5}
    evidence:
      - {when: {sound: {heat: {at_least: 0.6}}}, raise: 0.5}
      - {when: {turn: {chars: {at_most: 3}}}, lower: 0.5}
    """
    book = one(tmp_path, textwrap.dedent(body))

    def score(said: str, heat: float) -> float:
        return find(call(said), book, [heat])[0].score

    assert score("我现在要投诉", 0.1) == 0.6
    assert score("我现在要投诉", 0.9) == 0.8
    assert score("投诉", 0.1) == 0.3
    assert score("投诉吗？", 0.1) == 0.15
    assert score("投诉吗？", 0.9) == pytest.approx((0.3 + 0.7 * 0.5) * 0.5)


def test_recognition_lowers_what_it_hardly_heard(tmp_path: Path) -> None:
    book = one(tmp_path, "phrases: [投诉]\nscore: 0.8")
    scores = [find(HeardCall("c", (worded("我要投诉", p),), "stereo"), book)[0].score for p in (0.95, 0.5, 0.2)]
    assert scores == [0.8, 0.8, pytest.approx(0.8 * 0.85)]


def test_a_sound_alike_is_doubted_more_where_the_recogniser_was_sure(tmp_path: Path) -> None:
    book = one(tmp_path, "phrases: [叫你们经理来]\nsounds_like: true\nscore: 0.9")
    unsure, sure = (find(HeardCall("c", (worded("叫你们经历来", p),), "stereo"), book)[0] for p in (0.4, 0.95))
    assert unsure.match == sure.match == "sounds_like" and unsure.meant == "叫你们经理来" and unsure.quote == "叫你们经历来"
    assert sure.score < 0.6 < unsure.score


def test_a_sound_alike_never_ends_inside_a_word(tmp_path: Path) -> None:
    book = one(tmp_path, "phrases: [我是您的事]\nsounds_like: true\nunless: {part_of_word: false}")
    assert quotes(book, call("我是您的私人服务专员")) == [] and quotes(book, call("我是您的是")) == [(0, "我是您的是")]


# ---- quotes and merging ----


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("hit", "投诉"),
        ("clause", "我要投诉你们"),
        ("sentence", "行，我要投诉你们，等着"),
        ("turn", "好！行，我要投诉你们，等着。再见"),
        ("to_end", "我要投诉你们，等着"),
    ],
)
def test_what_is_quoted(tmp_path: Path, quote: str, expected: str) -> None:
    book = one(tmp_path, f"phrases: [投诉]\nquote: {quote}")
    assert [m.quote for m in find(call("好！行，我要投诉你们，等着。再见。"), book)] == [expected]


MERGING = """
kind: escalation
rules:
  - id: escalation.complaint.a
    phrases: [投诉]
    score: 0.6
    quote: clause
    once: ONCE
    examples: {hit: [x], miss: [y]}
  - id: escalation.complaint.b
    phrases: [举报]
    score: 0.9
    quote: clause
    examples: {hit: [x], miss: [y]}
"""


def test_hits_of_one_type_that_touch_are_one_moment_of_the_stronger_rule(tmp_path: Path) -> None:
    book = compiled(tmp_path, MERGING.replace("ONCE", "hit"))
    [m] = find(call("我要投诉，我要举报。好的"), book)
    assert (m.quote, m.rule_id, m.score) == ("我要投诉，我要举报", "escalation.complaint.b", 0.9)
    assert len(find(call("我要投诉，你听着，我要举报"), book)) == 2


@pytest.mark.parametrize(("once", "expected"), [("hit", [0, 0, 1]), ("turn", [0, 1]), ("call", [0]), ("call_last", [1])])
def test_once(tmp_path: Path, once: str, expected: list[int]) -> None:
    book = compiled(tmp_path, MERGING.replace("ONCE", once))
    assert [m.turn for m in find(call("我要投诉，你听着，我要投诉", "我要投诉"), book)] == expected


# ---- dirty text ----

ANY = st.text(st.one_of(st.characters(), st.sampled_from("投诉叫你们经理来，。！？&<>;#\u200b\ud800１")), max_size=40)


@HERE
@given(st.lists(ANY, max_size=4))
def test_dirty_transcripts_are_read_and_never_crash(folder: Path, texts: list[str]) -> None:
    book = load_rulebook(folder)
    heard = call(*texts)
    for m in find(heard, book, [0.5] * len(texts)):
        assert m.quote == heard.turns[m.turn].text[m.char_start : m.char_end]


@pytest.mark.parametrize("said", ["我要投訴你們", "我要&nbsp;投诉", "我要投\u200b诉", "我要投诉".encode().decode("latin-1"), "我 要 投 诉", "我要<b>投诉</b>"])
def test_what_copying_did_to_a_complaint_hides_it_not(folder: Path, said: str) -> None:
    [m] = find(call(said), load_rulebook(folder))
    assert m.type == "complaint" and said[m.char_start : m.char_end] == m.quote


def test_empty_calls_have_no_moments(folder: Path) -> None:
    book = load_rulebook(folder)
    assert find(HeardCall("c", (), "text"), book) == () and find(call("", " ", "。"), book, [None] * 3) == ()


def test_a_book_that_cannot_be_used_says_everything_at_once(tmp_path: Path) -> None:
    write(tmp_path, "kind: escalation\nrules:\n  - id: escalation.complaint.x\n    phrase: [x]\n  - id: bad\n")
    assert len(check_rules(tmp_path)) >= 3
    with pytest.raises(ConfigError, match=r"escalation\.yaml:4: unknown key 'phrase'"):
        load_rulebook(tmp_path)
