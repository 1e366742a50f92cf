"""Sound: a call's audio by id with Range requests, and its peaks. A path never comes from the address; every hearing is noted."""

from __future__ import annotations

import threading
import time

import numpy as np
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse

from flows import peaks
from flows.review import audio, audit, corrections
from flows.review.call import Row, shown
from flows.review.routes.calling import find
from flows.review.web import Desk, Reader, TheDesk, address

router = APIRouter()
ONE_HEARING_S = 600.0  # further ranges of the same sound by the same session belong to the hearing that is noted already
WIDTH = 3000  # buckets a lane: more than any screen has pixels for
_heard: dict[tuple[str, str], float] = {}
_lock = threading.Lock()


def _new_hearing(session_key: str, call_id: str) -> bool:
    now = time.monotonic()
    with _lock:
        for key in [k for k, at in _heard.items() if now - at > ONE_HEARING_S]:
            del _heard[key]
        new = (session_key, call_id) not in _heard
        _heard[session_key, call_id] = now
        return new


def _turns(desk: Desk, row: Row) -> list[Row]:
    """The turns as the page shows them: what is masked there must be silent here, in a night that kept its originals too."""
    return shown(desk.index, row, corrections.of_call(desk.engine, row["call_id"]), desk.zone)[1]


@router.get("/calls/{text}/audio")
def sound(request: Request, desk: TheDesk, session: Reader, text: str) -> Response:
    """The recording as WAV, redacted spans silenced; 206 for a Range."""
    row = find(desk, session, text)
    if not row["recording"] or row["layout"] == "text":
        raise HTTPException(404, "text_only")
    if _new_hearing(session.token_hash, row["call_id"]):
        audit.note(desk.engine, session.user, "hear", row["call_id"], address=address(request))
    try:
        path = audio.browser_file(desk.out, row["call_id"], row["recording"], row["run_id"], _turns(desk, row))
    except audio.AudioError as error:
        raise HTTPException(404, "audio_missing") from error
    return FileResponse(
        path, media_type="audio/wav", headers={"Cache-Control": "private, no-store", "Accept-Ranges": "bytes"}, content_disposition_type="inline"
    )


@router.get("/calls/{text}/peaks")
def wave(desk: TheDesk, session: Reader, text: str) -> Response:
    """Two lanes of bytes, agent then customer, each half of the body."""
    row = find(desk, session, text)
    turns = _turns(desk, row)
    found = peaks.load(desk.out, row["call_id"])
    if found is None and row["recording"] and row["layout"] != "text":
        try:
            path = audio.browser_file(desk.out, row["call_id"], row["recording"], row["run_id"], turns)
            found = peaks.load(desk.out, row["call_id"])
            if found is None:  # the sound is kept, its peaks were cleared away
                samples, rate = audio.decode(str(path))
                found = peaks.peaks((samples.T / 32768).astype(np.float32), rate)
                peaks.save(desk.out, row["call_id"], found)
        except audio.AudioError:
            found = None
    if found is None:
        raise HTTPException(404, "audio_missing")
    spans = [(t["start_s"], t["end_s"], t["role"] == "customer") for t in turns if t["start_s"] is not None and t["end_s"] is not None]
    found = peaks.silenced(found, audio.silent_spans(turns))  # made at night, they know nothing of redactions
    return Response(peaks.lanes(found, spans, WIDTH).tobytes(), media_type="application/octet-stream")
