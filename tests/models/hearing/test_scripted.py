"""Scripted ears say what is written in the recording, the same every time, and suffer what they are told to."""

from __future__ import annotations

from datetime import date

import pytest

from models.hearing.scripted import MARKER, ScriptedEars, duration_of, script_in
from models.records import HeardCall, NotHeard, Recording, Sound
from tests.factories import recording, script


def sound(encoded: bytes, call_id: str = "a") -> Sound:
    return Sound(Recording(call_id, "a", date(2026, 11, 21)), encoded)


def test_the_script_is_what_is_heard() -> None:
    (heard,) = ScriptedEars().hear([sound(recording(script([("agent", "您好，请讲。"), ("customer", "没到！")], notes=["cut"])))])
    assert isinstance(heard, HeardCall)
    assert [(t.role, t.text, t.start_s, t.end_s) for t in heard.turns] == [("agent", "您好，请讲。", 0.0, 3.0), ("customer", "没到！", 3.5, 6.5)]
    assert ["".join(w.text for w in t.words) for t in heard.turns] == ["您好请讲", "没到"]
    assert all(t.start_s <= w.start_s <= w.end_s <= t.end_s for t in heard.turns for w in t.words if t.start_s is not None and t.end_s is not None)
    assert heard.notes == ("cut",)


def test_the_same_bytes_say_the_same_and_other_bytes_something_else() -> None:
    first, again, other = (next(iter(ScriptedEars().hear([sound(recording(seed=s))]))) for s in (1, 1, 2))
    assert first == again != other
    assert isinstance(first, HeardCall) and first.turns


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe"], ids=["nothing", "cut off", "no object", "no text"])
def test_a_script_that_is_none_counts_as_none(text: bytes) -> None:
    assert script_in(b"samples" + MARKER + text) is None


def test_lengths_and_misfortunes() -> None:
    assert duration_of(sound(b"\0" * 32_000)) == 2.0
    assert duration_of(sound(recording(script(duration_s=7)))) == 7.0
    (answer,) = ScriptedEars().hear([sound(recording(script(not_heard="too_short")))])
    assert isinstance(answer, NotHeard) and answer.code == "too_short"
    with pytest.raises(MemoryError):
        list(ScriptedEars().hear([sound(recording(script(fits=1)), "a"), sound(recording(script()), "b")]))
    with pytest.raises(ValueError, match="unknown error code"):
        list(ScriptedEars().hear([sound(recording(script(not_heard="tired")))]))
