"""Denied, quoted, about others, supposed, asked, offered, taken back: sentences of each kind and their look-alikes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.evidence import DETECTORS, cuts_a_word, part_of_name, person
from models.reading.text import normalise
from models.records import Role

CASES: dict[str, dict[str, tuple[list[str], list[str]]]] = {
    "negated": {
        "投诉": (
            ["我不是来投诉的", "我没说要投诉", "你别投诉", "我没打算投诉", "我不想投诉你们", "用不着投诉",
             "我并非要投诉", "我不用投诉", "犯不着去投诉", "我没有要投诉你的意思",
             "谁要投诉你啊", "我唔系要投诉", "又没说要去投诉", "我冇想投诉你", "不是说非要投诉"],
            [
                "再不解决我就投诉", "不给退我就投诉", "受不了了我要投诉", "我不得不投诉", "你不处理我投诉", "要不要投诉", "解决不了我就投诉", "凭什么不能投诉",
                "你们不退钱，我要投诉", "你不管是吧，投诉", "我要投诉不知道找谁", "非投诉不可", "我等不了，必须投诉", "没人管我就投诉", "还不来我就投诉",
                "顶唔顺啦我要投诉", "你哋系唔系要我投诉", "谁让你们逼我投诉", "别的不说，我要投诉", "我不怕麻烦，投诉到底",
            ],
        ),
        "骗": (["没骗你", "我们不会骗您", "我不骗你", "我怎么会骗您", "谁骗你了"], ["到底谁骗谁", "谁在骗人",
                "这不是骗人吗", "你们不是骗人吗", "这不就是骗", "不是骗是什么",
                "是不是骗人", "难道不是骗"]),
    },
    "quoted": {
        "骗子": (
            ["他说你们是骗子", "我朋友说你们是骗子", "人家都讲你是骗子", "网上说你们是骗子", "你们上次那个客服骂我骗子", "他骂我说“骗子”"],
            ["我跟你说你们就是骗子", "你们就是骗子", "他说能退，我看你们就是骗子", "骗子", "我说你们是骗子"],
        ),
    },
    "third_person": {
        "投诉": (["我朋友投诉过", "隔壁投诉了", "他昨天投诉了", "人家都投诉"],
                 ["我要投诉", "他再不来我就投诉", "我要投诉他", "你们等着我投诉",
                  "他们再不来就投诉"]),
    },
    "self": {"傻子": (["我真是个傻子", "我当时就是个傻子", "怪我自己傻子"],
                      ["你当我是傻子", "我看你是傻子", "你是傻子", "他骂我傻子"]), "堵你": ([], ["我下班堵你"])},
    "hypothetical": {
        "骂": (["要是有人骂你呢", "如果我骂你你高兴吗", "万一他们骂人怎么办", "就怕他骂人"], ["如果再不来我就骂", "你骂谁", "要是不退，我就骂"]),
    },
    "question": {"投诉": (["这个怎么投诉？", "可以投诉吗", "在哪投诉？"], ["你信不信我投诉？", "我要投诉", "你以为我不敢投诉吗？"])},
    "withdrawn": {
        "消协": (
            ["算了，消协我先不找了", "消协就算了", "我不找消协了", "消协我不去了", "那消协的事就算了"],
            ["我要找消协", "算了我不跟你说了，我直接找消协", "你不处理我找消协", "我不说了我找消协了", "消协不管我就上法院"],
        ),
        "投诉": (["我撤销这个投诉", "投诉我撤了", "我不投诉了", "那投诉就不用了", "取消投诉"],
                 ["我要投诉", "不退了我投诉", "我要投诉你们了", "我忍不了要投诉了"]),
    },
}  # fmt: skip
TABLE = [
    pytest.param(name, said, word, expected, id=f"{name}-{said}")
    for name, words in CASES.items()
    for word, sides in words.items()
    for expected, sentences in zip((True, False), sides, strict=True)
    for said in sentences
]


def detect(name: str, said: str, word: str, role: Role = "customer") -> bool:
    text = normalise(said)
    start = text.norm.index(word)
    return DETECTORS[name](text, start, start + len(word), role)


@pytest.mark.parametrize(("name", "said", "word", "expected"), TABLE)
def test_detectors(name: str, said: str, word: str, expected: bool) -> None:
    assert detect(name, said, word) is expected


@pytest.mark.parametrize(
    ("said", "role", "expected"),
    [
        ("您可以拨打12315", "agent", True),
        ("如果不满意可以打12315", "agent", True),
        ("12315我也不怕，您打吧", "agent", False),
        ("12315的电话是多少", "customer", True),
        ("我现在就打12315", "customer", False),
    ],
)
def test_information(said: str, role: Role, expected: bool) -> None:
    assert detect("information", said, "12315", role) is expected


@pytest.mark.parametrize(("said", "expected"), [("人民法院对面", True), ("法院路五号", True), ("咱们法院见", False), ("法院，等着吧", False)])
def test_places(said: str, expected: bool) -> None:
    start = said.index("法院")
    assert part_of_name(normalise(said), start, start + 2, "customer") is expected


@pytest.mark.parametrize(
    ("said", "who"), [("你就是骗子", "second"), ("我是骗子", "first"), ("他是骗子", "third"), ("真是骗子", None), ("我跟他讲过了，我看你是骗子", "second")]
)
def test_the_nearest_person_before(said: str, who: str | None) -> None:
    assert person(normalise(said), said.index("骗子")) == who


@pytest.mark.parametrize(
    ("words", "hit", "cut"),
    [
        (["我", "操作", "不了"], "我操", True),
        (["我", "操", "你"], "我操", False),
        (["投诉", "你们"], "投诉你", False),
        (["邮寄", "吧"], "寄吧", True),
        (["垃圾桶"], "垃圾", True),
        (["都是", "骗人", "的"], "是骗人", False),
        (["十二点", "前"], "点前", False),
    ],
)
def test_cutting_words(words: list[str], hit: str, cut: bool) -> None:
    norm = "".join(words)
    spans, at = [], 0
    for word in words:
        spans.append((at, at + len(word)))
        at += len(word)
    start = norm.index(hit)
    assert cuts_a_word(norm, spans, start, start + len(hit)) is cut


@given(st.text("我你他不没说投诉骗子算了，。！？如果要是就 “”", max_size=25), st.data())
def test_no_detector_ever_raises(said: str, data: st.DataObject) -> None:
    text = normalise(said)
    start = data.draw(st.integers(0, len(text.norm)))
    end = data.draw(st.integers(start, len(text.norm)))
    for detector in DETECTORS.values():
        for role in ("customer", "agent"):
            assert detector(text, start, end, role) in (True, False)
