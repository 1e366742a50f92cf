"""One call for other tools: WebVTT (https://www.w3.org/TR/webvtt1/), RTTM (NIST RT-09 evaluation plan) and a Label Studio task.

In: a call as the page shows it, masked. Out: text. Turns without times are left out of the first two, which cannot say them.
"""

from __future__ import annotations

import json
import re

from flows.review import language
from flows.review.call import CallView

NAMES = {"agent": "坐席", "customer": "客户", "supervisor": "主管", "ivr": "语音导航"}


def _stamp(s: float) -> str:
    ms = round(s * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def vtt(page: CallView) -> str:
    """A cue a turn with its speaker as a voice span; the moments in it as a note before it."""
    out = ["WEBVTT", ""]
    for t in page.turns:
        r = t.row
        if r["start_s"] is None or r["end_s"] is None:
            continue
        notes = [f"{language.value(m['type'], 'zh')} ({m['kind']}/{m['type']}, {m['score']:.2f})" for m in page.moments if m["turn"] == r["turn"]]
        if notes:
            out += ["NOTE " + "; ".join(notes), ""]
        said = (r["text"] or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
        out += [
            str(r["turn"]),
            f"{_stamp(r['start_s'])} --> {_stamp(max(r['end_s'], r['start_s'] + 0.001))}",
            f"<v {NAMES.get(r['role'], r['role'])}>{said}",
            "",
        ]
    return "\n".join(out)


def rttm(page: CallView) -> str:
    """A SPEAKER line a turn: file, channel 1, start, duration, role."""
    name = re.sub(r"\s+", "_", page.row["call_id"])
    timed = [t.row for t in page.turns if t.row["start_s"] is not None and t.row["end_s"] is not None]
    return "".join(f"SPEAKER {name} 1 {r['start_s']:.3f} {r['end_s'] - r['start_s']:.3f} <NA> <NA> {r['role']} <NA> <NA>\n" for r in timed)


def label_studio(page: CallView, audio_url: str) -> str:
    """A task with the dialogue as paragraphs and the moments as predictions on it."""
    dialogue = [{"author": t.row["role"], "text": t.row["text"], "start": t.row["start_s"], "end": t.row["end_s"]} for t in page.turns]
    places = {t.row["turn"]: i for i, t in enumerate(page.turns)}
    results = [
        {
            "id": f"m{i}",
            "from_name": "moments",
            "to_name": "dialogue",
            "type": "paragraphlabels",
            "score": m["score"],
            "value": {
                "start": str(places[m["turn"]]),
                "end": str(places[m["turn"]]),
                "startOffset": m["char_start"],
                "endOffset": m["char_end"],
                "text": m["quote"],
                "paragraphlabels": [f"{m['kind']}/{m['type']}"],
            },
        }
        for i, m in enumerate(page.moments)
        if m["turn"] in places
    ]
    predictions = [{"model_version": page.row["rules_version"], "result": results}]
    task = {"data": {"call_id": page.row["call_id"], "audio": audio_url, "dialogue": dialogue}, "predictions": predictions}
    return json.dumps([task], ensure_ascii=False, indent=1)
