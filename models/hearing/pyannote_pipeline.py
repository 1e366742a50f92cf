"""An official pyannote pipeline in the place of our own clustering: a mixed recording in, two `Sides` out.

In: a local folder with the pipeline's config.yaml (flows/download.py brings it). Surprising: the pipeline is asked for two
speakers, as ours is, and further labels go to the side they follow; supervisors and announcements are found afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import torch

from models.errors import WeightsError
from models.hearing.audio import SAMPLE_RATE_HZ, Samples
from models.hearing.speakers import Sides, Stretch

SPEAKERS = 2


class PyannotePipeline:
    """A loaded pyannote.audio pipeline. `pipeline` is anything that is called as pyannote's SpeakerDiarization is."""

    def __init__(self, pipeline: Any, name: str) -> None:
        self._pipeline, self.name = pipeline, name

    def separate(self, sound: Samples) -> Sides:
        """Two sides of a mixed (time,) recording at 16 kHz."""
        answer = self._pipeline(
            {"waveform": torch.from_numpy(np.ascontiguousarray(sound))[None], "sample_rate": SAMPLE_RATE_HZ, "uri": "call"}, num_speakers=SPEAKERS
        )
        annotation = getattr(answer, "speaker_diarization", answer)
        tracks = [(float(s.start), float(s.end), str(label)) for s, _, label in annotation.itertracks(yield_label=True)]
        return sides_of(tracks)


def sides_of(tracks: list[tuple[float, float, str]]) -> Sides:
    """(start_s, end_s, label) tracks as two sides. The two labels that speak longest are the sides; the first to speak is 0."""
    seconds: dict[str, float] = {}
    for a, b, label in tracks:
        seconds[label] = seconds.get(label, 0.0) + b - a
    main = sorted(seconds, key=lambda k: (-seconds[k], k))[:SPEAKERS]
    kept = sorted((a, b, label) for a, b, label in tracks if label in main)
    if not kept:
        return Sides((), (), 0.0, np.zeros((0, 192), np.float32))
    number = {label: i for i, label in enumerate(dict.fromkeys(label for _, _, label in kept))}
    stretches = tuple(Stretch(a, b, 0, number[label], number[label]) for a, b, label in kept)
    overlaps = tuple(
        (max(x.start_s, y.start_s), min(x.end_s, y.end_s))
        for i, x in enumerate(stretches)
        for y in stretches[i + 1 :]
        if y.start_s < x.end_s and x.side != y.side
    )
    return Sides(stretches, overlaps, 1.0 if len(number) > 1 else 0.0, np.zeros((0, 192), np.float32))


def load_pipeline(folder: Path, device: torch.device) -> PyannotePipeline:
    """The pipeline of a local folder; raises WeightsError in one sentence."""
    try:
        from pyannote.audio import Pipeline

        pipeline = Pipeline.from_pretrained(str(folder))
    except Exception as error:
        raise WeightsError(
            f"{folder} holds no pyannote pipeline that loads ({type(error).__name__}); bring it with: futing weights fetch --pipeline NAME"
        ) from error
    if pipeline is None:
        raise WeightsError(f"{folder} holds no pyannote pipeline; bring it with: futing weights fetch --pipeline NAME")
    return PyannotePipeline(pipeline.to(device), folder.name)
