"""The learned model tells apart what it was taught, points at the words that speak, is kept as it is, and says what is wrong with its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigError
from models.reading.learned import Grams, Learned, grams, load_learned, said_by, save_learned, sentences
from models.reading.learning import Fit, fit, lessons, read_examples
from models.reading.text import normalise

CONFIGS = Path(__file__).parents[3] / "configs"
COMPLAINT, REPEAT = "escalation/complaint", "escalation/repeat"
SAID = (
    ("我要投诉你们。", "我要投诉你们", "complaint"),
    ("今天我就要投诉。", "我就要投诉", "complaint"),
    ("我要投诉这个师傅。", "我要投诉这个师傅", "complaint"),
    ("我都打了三次电话了。", "打了三次电话", "repeat"),
    ("打了五次电话都没人来。", "打了五次电话", "repeat"),
    ("上周就打了三次电话了。", "打了三次电话", "repeat"),
    ("你好，我想问一下运费。", "", ""),
    ("好的，谢谢你。", "", ""),
    ("我的快递到哪里了。", "", ""),
    ("麻烦你帮我看一下。", "", ""),
)


def snippets() -> list[dict]:
    return [
        {
            "call_id": f"s{i}",
            "turns": [{"role": "customer", "text": text}],
            "moments": [{"turn": 0, "kind": "escalation", "type": type_, "quote": quote}] if type_ else [],
        }
        for i, (text, quote, type_) in enumerate(SAID * 3)
    ]


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(lessons(snippets()))


@pytest.fixture(scope="module")
def model(fitted: Fit) -> Learned:
    return fitted.model()


def likelihood(model: Learned, said: str, name: str) -> float:
    return float(model.likelihoods([normalise(said)])[0, model.types.index(name)])


def test_grams_have_edges_and_stand_once() -> None:
    assert grams("好好") == {"^", "好", "$", "^好", "好好", "好$", "^好好", "好好$"}
    assert grams("") == {"^", "$", "^$"}
    assert max(map(len, grams("我要投诉你们"))) == 3


@given(st.lists(st.text("投诉你我们𠮷a", max_size=8), max_size=4), st.lists(st.text("投诉你我们𠮷啊^$", min_size=1, max_size=3), max_size=20))
def test_all_n_grams_of_all_texts_are_found_at_once(bares: list[str], known: list[str]) -> None:
    names = sorted(set(known))
    whose, which = Grams(names).found(bares)
    assert list(zip(whose.tolist(), which.tolist(), strict=True)) == [(i, names.index(g)) for i, b in enumerate(bares) for g in sorted(grams(b) & set(names))]


@pytest.mark.parametrize("names", [["诉", "投"], ["投", "投"], ["投诉你们了"], [""]])
def test_n_grams_in_disorder_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError):
        Grams(names)


def test_it_tells_apart_what_it_was_taught(model: Learned) -> None:
    assert model.types == (COMPLAINT, REPEAT)
    for text, _, type_ in SAID:
        for name in model.types:
            likely = likelihood(model, text, name)
            assert likely > 0.5 if name.endswith(f"/{type_}") else likely < 0.5, (text, name)


def test_what_is_new_to_it_says_nothing(model: Learned) -> None:
    bias = 1 / (1 + np.exp(-model.bias))
    unknown = Learned(model.types, Grams(["龘"]), model.weights[:1], model.squares[:1], model.bias, "", "")
    assert np.allclose(unknown.likelihoods([normalise("我要投诉")])[0], bias)
    assert model.likelihoods([]).shape == (0, 2)


def test_a_turn_is_at_least_as_likely_as_each_of_its_sentences(model: Learned) -> None:
    parts = ["好的，谢谢你。", "我要投诉你们！", "运费是多少？"]
    whole = model.likelihoods([normalise("".join(parts))])[0]
    assert (model.likelihoods([normalise(p.rstrip("。！？")) for p in parts]) <= whole + 1e-6).all()


def test_a_call_is_judged_turn_by_turn(model: Learned) -> None:
    texts = [normalise(text) for text, _, _ in SAID] + [normalise("好的。我要投诉。")]
    alone = np.concatenate([model.likelihoods([text]) for text in texts])
    assert np.allclose(model.likelihoods(texts), alone, atol=1e-6)


@given(st.text("我投诉。！，；a ", max_size=20))
def test_sentences_hold_the_whole_turn(said: str) -> None:
    text = normalise(said)
    assert "".join(sentences(text)) == text.bare
    assert all(sentences(text))


def test_the_place_is_the_clause_that_speaks(model: Learned) -> None:
    text = normalise("好的，我要投诉你们，谢谢你")
    start, end = model.place(model.clauses([text])[0], model.types.index(COMPLAINT))
    assert text.norm[start:end] == "我要投诉你们"
    one = normalise("我要投诉你们")
    assert model.place(model.clauses([one])[0], 0) == (0, len(one.norm))


def test_it_is_kept_as_it_is(fitted: Fit, tmp_path: Path) -> None:
    save_learned(tmp_path / "learned.npz", fitted.model("abc"))
    kept, fresh = load_learned(tmp_path), fitted.model()
    assert kept is not None
    assert (kept.types, kept.grams.names, kept.examples, len(kept.version)) == (fitted.types, fitted.names, "abc", 12)
    texts = [normalise(text) for text, _, _ in SAID]
    assert np.allclose(kept.likelihoods(texts), fresh.likelihoods(texts), atol=0.02)
    assert kept.column("escalation", "repeat") == 1
    assert kept.column("escalation", "legal") is None


def test_no_file_is_no_model(tmp_path: Path) -> None:
    assert load_learned(tmp_path) is None


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 no archive", b"\x00" * 100])
def test_a_broken_file_is_told(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "learned.npz").write_bytes(broken)
    with pytest.raises(ConfigError, match="rules learn"):
        load_learned(tmp_path)


def test_a_cut_off_file_and_one_that_does_not_fit_are_told(fitted: Fit, tmp_path: Path) -> None:
    path = tmp_path / "learned.npz"
    save_learned(path, replace(fitted.model(), grams=Grams(fitted.names[:-1])))
    with pytest.raises(ConfigError, match="does not fit together"):
        load_learned(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_learned(tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"moments": [{"turn": 0, "kind": "escalation", "type": "complaint", "quote": "我要举报"}]}, "quote"),
        ({"moments": [{"turn": 3, "kind": "escalation", "type": "complaint", "quote": "我"}]}, "range"),
        ({"moments": [{"turn": 0, "kind": "escalation", "type": "sorrow", "quote": "我"}]}, "unknown type"),
        ({"turns": [{"role": "nobody", "text": "我要投诉"}]}, "role"),
    ],
)
def test_a_bad_example_is_refused_with_file_and_line(tmp_path: Path, change: dict, why: str) -> None:
    (tmp_path / "examples").mkdir()
    rows = [snippets()[0], snippets()[0] | change]
    (tmp_path / "examples" / "a.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"examples/a\.jsonl:2: .*{why}"):
        read_examples(tmp_path)


def test_a_sentence_learns_only_what_it_says_whole() -> None:
    text = "好的谢谢。我要投诉你们这个师傅。"
    snippet = {
        "call_id": "x",
        "turns": [{"role": "customer", "text": text}],
        "moments": [{"turn": 0, "kind": "escalation", "type": "complaint", "quote": "我要投诉你们"}],
    }
    taught = {lesson.bare: lesson.yes for lesson in lessons([snippet])}
    assert taught["好的谢谢"] == frozenset()
    assert taught["我要投诉你们这个师傅"] == {COMPLAINT}


def test_who_says_what() -> None:
    assert said_by("escalation", "customer") and not said_by("escalation", "agent")
    assert said_by("apology", "agent") and not said_by("apology", "customer")
    assert said_by("abuse", "customer") and said_by("abuse", "agent") and not said_by("abuse", "ivr")


def test_the_model_that_is_shipped_was_fitted_on_the_examples_that_are() -> None:
    kept = load_learned(CONFIGS)
    assert kept is not None
    assert kept.examples == read_examples(CONFIGS)[1], "configs/examples changed: make learned.npz anew with `futing rules learn`"


def test_clauses_are_the_same_alone_and_among_others(model: Learned) -> None:
    texts = [normalise(t) for t in ("好的。我要投诉，你们等着。", "嗯", "运费是多少，我问一下", "")]
    for alone, among in zip((model.clauses([t])[0] for t in texts), model.clauses(texts), strict=True):
        assert (alone.length, alone.spans) == (among.length, among.spans)
        assert [model.place(alone, k) for k in range(len(model.types))] == [model.place(among, k) for k in range(len(model.types))]
