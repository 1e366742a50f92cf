"""Moments are weighed by what stands around them: the scales are kept as they are, doubt lowers bars, and only what was learned of is touched."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.reading.calibrating import MISHEARD, Judged, ear_of, folds, misheard, scale_of
from models.reading.learning import read_examples
from models.reading.read import read, unweighed
from models.reading.rulebook import RuleBook
from models.reading.rules import load_rulebook
from models.reading.weighing import BAR, FAINT, FEATURES, UNSURE, Scale, columns_of, features, scales_from, scales_to, weighed
from models.records import HeardCall, Role, Turn

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rulebook(CONFIGS)


def call(*said: tuple[Role, str], confidence: float | None = None) -> HeardCall:
    return HeardCall("c", tuple(Turn(i, role, text, confidence=confidence) for i, (role, text) in enumerate(said)), "text")


QUARREL: tuple[tuple[Role, str], ...] = (
    ("agent", "您好，请问有什么可以帮您"),
    ("customer", "空调修了三次还是不凉，你们管不管"),
    ("agent", "这个我们也没办法，公司规定就是这样"),
    ("customer", "那我就去消协投诉你们，今天就去"),
    ("agent", "非常抱歉，是我们没修好，明天上午十点师傅上门给您换新机，我姓林，我来盯"),
    ("customer", "行吧，那就按你说的办，消协我先不去了"),
)


def test_a_dispute_that_is_settled_is_told_from_one_that_is_not(book: RuleBook) -> None:
    assert read(call(*QUARREL), book).flag == "review"
    assert read(call(*QUARREL[:-1], ("customer", "换什么换，我现在就出门去消协")), book).flag == "urgent"


def test_the_same_words_are_worth_less_as_somebody_elses_story(book: RuleBook) -> None:
    def surest(*said: tuple[Role, str]) -> float:
        return max((m.score for m in read(call(*said), book).moments if m.type == "regulator"), default=0.0)

    told = surest(QUARREL[0], ("customer", "我隔壁老王上个月去消协投诉了，我就不去了，我就问问什么时候能到"), ("agent", "明天就到"))
    assert told < 0.5 < surest(*QUARREL[:4])


def test_every_feature_is_a_finite_number_for_calls_of_any_shape(book: RuleBook) -> None:
    rng = random.Random(3)
    texts = [text for _, text in QUARREL] + ["你等着，我找人弄死你", "", "嗯", "你是猪脑子吗？", "谢谢"]
    for _ in range(40):
        made = call(*((rng.choice(("agent", "customer", "supervisor", "ivr")), rng.choice(texts)) for _ in range(rng.randrange(1, 8))))
        said = unweighed(made, book, [None] * len(made.turns))
        mine = [m for m in said.moments if m.kind in BAR]
        table = features(mine, said.moments, said.looking, said.hits)
        assert table.shape == (len(mine), len(FEATURES))
        assert np.isfinite(table).all()
        assert all(0.0 <= m.score <= 1.0 for m in weighed(said.moments, said.looking, said.hits))


def test_what_was_not_learned_of_keeps_its_score_and_without_scales_all_does(book: RuleBook) -> None:
    said = unweighed(call(*QUARREL), book, [None] * len(QUARREL))
    after = weighed(said.moments, said.looking, said.hits)
    assert [m for m in after if m.kind not in BAR] == [m for m in said.moments if m.kind not in BAR]
    assert {m.score for m in after if m.kind in BAR} != {m.score for m in said.moments if m.kind in BAR}
    assert all(m.score >= FAINT for m in after if m.kind in BAR)
    assert book.learned is not None
    bare = replace(book, learned=replace(book.learned, scales={}))
    plain = unweighed(call(*QUARREL), bare, [None] * len(QUARREL))
    assert weighed(plain.moments, plain.looking, plain.hits) == list(plain.moments)


def test_a_score_of_a_half_is_the_bar(book: RuleBook) -> None:
    """A scale that knows nothing but a chance: the score is 0.5 exactly where the chance is the kind's bar."""
    assert book.learned is not None
    for kind, bar in BAR.items():
        flat = Scale((), np.zeros(len(FEATURES)), np.ones(len(FEATURES)), np.zeros(len(FEATURES)), float(np.log(bar / (1 - bar))))
        said = unweighed(call(*QUARREL), replace(book, learned=replace(book.learned, scales={kind: flat})), [None] * len(QUARREL))
        scores = [m.score for m in weighed(said.moments, said.looking, said.hits) if m.kind == kind]
        assert scores == [0.5] * len(scores)


def test_of_rival_kinds_of_abuse_in_the_same_words_one_is_asserted(book: RuleBook) -> None:
    made = call(("agent", "您好"), ("customer", "你在哪栋楼上班我知道，下班我在楼下等你，看你还硬不硬"), ("agent", "您这是在威胁我吗"))
    asserted = [m for m in read(made, book).moments if m.kind == "abuse" and m.asserted]
    spans = [(m.char_start, m.char_end) for m in asserted]
    assert not any(a != b and a[0] < b[1] and b[0] < a[1] for a in spans for b in spans)


def test_faint_likeness_alone_never_asserts_abuse(book: RuleBook) -> None:
    assert book.learned is not None
    certain = Scale((), np.zeros(len(FEATURES)), np.ones(len(FEATURES)), np.zeros(len(FEATURES)), 9.0)
    sure = replace(book, learned=replace(book.learned, scales=dict.fromkeys(BAR, certain)))
    seen: dict[bool, int] = {True: 0, False: 0}
    snippets, _ = read_examples(CONFIGS)
    for snippet in [s for s in snippets if len(s["turns"]) >= 10][:40]:
        said = unweighed(misheard(snippet, 0.25, ear_of(snippets[:50])), sure, [None] * len(snippet["turns"]))
        for m in weighed(said.moments, said.looking, said.hits):
            if m.kind == "abuse" and m.rule_id.endswith(".weak"):
                seen[True] += 1
                assert not m.asserted
            elif m.kind == "escalation":
                seen[False] += 1
                assert m.asserted
    assert min(seen.values()) > 5


def test_not_looking_for_what_is_hopeless_changes_nothing(book: RuleBook) -> None:
    everything = replace(book, gates=(None,) * len(book.gates))
    assert sum(gate is not None for gate in book.gates) > 100
    snippets, _ = read_examples(CONFIGS)
    for snippet in [s for s in snippets if len(s["turns"]) >= 10][::12]:
        made = call(*((t["role"], t["text"]) for t in snippet["turns"]))
        assert read(made, book).moments == read(made, everything).moments


def test_scales_are_kept_as_they_are_and_others_are_refused() -> None:
    rng = np.random.default_rng(1)
    types = ("insult", "threat")
    n = len(FEATURES) + 2 * len(types)
    scale = Scale(types, rng.normal(size=n), rng.uniform(0.5, 2, n), rng.normal(size=n), -1.25)
    kept = scales_from(json.loads(json.dumps(scales_to({"abuse": scale}))))["abuse"]
    assert kept.types == types
    rows, said = rng.normal(size=(9, len(FEATURES))), ["insult", "threat", "profanity"] * 3
    assert np.allclose(kept.chances(rows, said), scale.chances(rows, said), atol=1e-4)
    broken = scales_to({"abuse": scale})
    del broken["abuse"]["near"]
    with pytest.raises(KeyError):
        scales_from(broken)


def test_a_scale_learns_what_tells_right_from_wrong() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, len(FEATURES)))
    right = rows[:, 0] + 0.3 * rng.normal(size=400) > 0
    scale = scale_of([Judged(row, "insult", bool(y)) for row, y in zip(rows, right, strict=True)])
    assert ((scale.chances(rows, ["insult"] * 400) > 0.5) == right).mean() > 0.9
    assert abs(scale.weights[0]) > 5 * np.abs(scale.weights[1:]).max()


def test_a_type_whose_rules_are_surer_is_believed_more() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(800, len(FEATURES)))
    types = [("profanity", "insult")[i % 2] for i in range(800)]
    score = rows[:, FEATURES.index("score")]
    right = np.where([t == "profanity" for t in types], score > 0, rng.random(800) < 0.3)
    scale = scale_of([Judged(row, t, bool(y)) for row, t, y in zip(rows, types, right, strict=True)])
    sure = np.zeros((2, len(FEATURES)))
    sure[:, FEATURES.index("score")] = 2.0
    profanity, insult = scale.chances(sure, ["profanity", "insult"])
    assert profanity > 0.9 and insult < 0.6


def test_no_call_is_judged_by_a_model_that_has_met_its_writer() -> None:
    snippets, _ = read_examples(CONFIGS)
    seen = []
    for held, rest in folds(snippets):
        writers = {s["call_id"].rpartition("-")[0] for s in held}
        assert not writers & {s["call_id"].rpartition("-")[0] for s in rest if len(s["turns"]) >= 10}
        seen += [s["call_id"] for s in held]
    assert len(seen) == len(set(seen)) == sum(len(s["turns"]) >= 10 for s in snippets) >= 200


def test_a_misheard_copy_is_the_same_every_time_and_keeps_its_turns() -> None:
    snippets, _ = read_examples(CONFIGS)
    one = next(s for s in snippets if len(s["turns"]) >= 10)
    ear = ear_of(snippets)
    assert [t.text for t in misheard(one, 0.0, ear).turns] == [t["text"] for t in one["turns"]]
    for rate, _ in MISHEARD[1:]:
        copy = misheard(one, rate, ear)
        assert copy == misheard(one, rate, ear)
        assert [t.role for t in copy.turns] == [t["role"] for t in one["turns"]]
        assert any(t.text != o["text"] for t, o in zip(copy.turns, one["turns"], strict=True))
        assert all(t.confidence is not None and 0.2 <= t.confidence <= 0.99 for t in copy.turns)


def test_groups_of_columns() -> None:
    types = ("abuse/threat", "answer/abuse", "conduct/commit", "escalation/legal", "escalation/repeat", "resolution/accepted")
    assert columns_of(types, "trouble") == (0, 3)
    assert columns_of(types, "escalation") == (3, 4)
    assert columns_of(types, "answer/abuse") == (1,)
    assert columns_of(types, "mended") == (2,)
    assert columns_of(types, "brushed") == ()


def test_doubt_moves_the_bars(book: RuleBook) -> None:
    assert book.learned is not None
    flat = {kind: Scale((), np.zeros(len(FEATURES)), np.ones(len(FEATURES)), np.zeros(len(FEATURES)), 0.0) for kind in BAR}
    blind = replace(book, learned=replace(book.learned, scales=flat))
    seen = set()
    for confidence in (0.9, 0.6):
        said = unweighed(call(*QUARREL, confidence=confidence), blind, [None] * len(QUARREL))
        for m in weighed(said.moments, said.looking, said.hits):
            if m.kind in BAR:
                odds = BAR[m.kind] / (1 - BAR[m.kind]) * np.exp(-UNSURE[m.kind] * (1 - confidence))
                assert m.score == pytest.approx(1 / (1 + odds), abs=0.002)
                seen.add(m.kind)
    assert {"escalation", "resolution"} <= seen
    assert UNSURE["abuse"] > 0 > UNSURE["resolution"]  # a missed threat is worse than a false one, a dispute taken for settled worse than one left open
