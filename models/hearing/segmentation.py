"""pyannote's segmentation network, once over every sound: where speech is, which local voice, where two overlap.

In: (time,) sounds at 16 kHz. Out: one `Activity` a sound — for every 10 s window and every 17 ms frame, how active each
of up to three voices is. The voices are local to their window: voice 0 of one window need not be voice 0 of the next
(models/hearing/speakers.py finds out). Windows of many calls share a batch.

Source: Plaquet & Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023
(pyannote/segmentation-3.0, MIT).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")  # pyannote.audio reports usage unless told before import

import numpy as np
import numpy.typing as npt
import torch

from models.errors import WeightsError
from models.hearing.audio import SAMPLE_RATE_HZ, Samples

WINDOW_S = 10.0
VOICES = 3  # local voices a window can tell apart
POWERSET = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=np.float32)
FRAMES = 589  # a window; SincNet's strides make a frame 270 samples long
FRAME_STEP_S = 270 / SAMPLE_RATE_HZ
FRAME_START_S = 991 / 2 / SAMPLE_RATE_HZ  # centre of the first frame's receptive field


@dataclass(frozen=True, slots=True)
class Activity:
    """What the network heard in one sound.

    voices: (window, frame, 3) float32, probability that a local voice is active. starts_s: (window,) start of each window.
    duration_s: length of the sound.
    """

    voices: npt.NDArray[np.float32] = field(repr=False)
    starts_s: npt.NDArray[np.float64] = field(repr=False)
    duration_s: float

    @property
    def frames(self) -> int:
        """Frames of the whole sound on the common grid."""
        return max(1, round((self.duration_s - 2 * FRAME_START_S) / FRAME_STEP_S) + 1)

    def first_frame(self, window: int) -> int:
        """Where a window's first frame lies on the common grid."""
        return round(float(self.starts_s[window]) / FRAME_STEP_S)

    def mean(self, per_frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(window, frame, n) values to (frames, n): the mean of all windows that see a frame, its centre most."""
        total = np.zeros((self.frames, per_frame.shape[2]), np.float64)
        weight = np.zeros((self.frames, 1), np.float64)
        shape = np.minimum(np.arange(FRAMES), np.arange(FRAMES)[::-1])[:, None] + 1.0
        for w in range(len(per_frame)):
            at = self.first_frame(w)
            n = min(FRAMES, self.frames - at)
            if n > 0:
                total[at : at + n] += (per_frame[w] * shape)[:n]
                weight[at : at + n] += shape[:n]
        return (total / np.maximum(weight, 1e-9)).astype(np.float32)


def frame_s(frame: int | npt.NDArray[np.int_]) -> float:
    """Centre of a frame of the common grid, in seconds."""
    return FRAME_START_S + frame * FRAME_STEP_S  # type: ignore[return-value]


class Segmenter:
    """The loaded network. One instance a process."""

    def __init__(self, weights: Path, device: torch.device, batch: int = 16) -> None:
        self._net = load_segmentation(weights).to(device)
        self._device = device
        self._batch = batch

    def __call__(self, sounds: Sequence[Samples], hop_s: float = 5.0, tell: Callable[[float], None] | None = None) -> list[Activity]:
        """One `Activity` for each (time,) sound; `tell` hears the seconds of window done, a batch at a time."""
        size = int(WINDOW_S * SAMPLE_RATE_HZ)
        jobs = [(i, s) for i, x in enumerate(sounds) for s in window_starts(len(x), hop_s)]
        out: list[list[npt.NDArray[np.float32]]] = [[] for _ in sounds]
        mapping = torch.from_numpy(POWERSET).to(self._device)
        for b in range(0, len(jobs), self._batch):
            part = jobs[b : b + self._batch]
            batch = np.zeros((len(part), 1, size), np.float32)
            for row, (i, s) in enumerate(part):
                piece = sounds[i][s : s + size]
                batch[row, 0, : len(piece)] = piece
            with torch.inference_mode():
                logp = self._net(torch.from_numpy(batch).to(self._device))
                voices = (logp.exp() @ mapping).float().cpu().numpy()
            for (i, _), row in zip(part, voices, strict=True):
                out[i].append(row)
            if tell:
                tell(len(part) * hop_s)
        return [
            Activity(np.stack(rows), np.array([s / SAMPLE_RATE_HZ for s in window_starts(len(x), hop_s)]), len(x) / SAMPLE_RATE_HZ)
            for x, rows in zip(sounds, out, strict=True)
        ]


def window_starts(n: int, hop_s: float) -> list[int]:
    """Start samples of the 10 s windows over n samples: every hop, the last one flush with the end."""
    size, hop = int(WINDOW_S * SAMPLE_RATE_HZ), int(hop_s * SAMPLE_RATE_HZ)
    last = max(0, n - size)
    last -= last % 270  # stay on the frame grid
    starts = list(range(0, last + 1, hop))
    return starts if starts[-1] == last else [*starts, last]


def load_segmentation(weights: Path) -> torch.nn.Module:
    """pyannote's PyanNet with published weights; only tensors and pyannote's four own value types are unpickled."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet
    from torch.torch_version import TorchVersion

    try:
        with torch.serialization.safe_globals([Specifications, Problem, Resolution, TorchVersion]):
            checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
        settings = checkpoint["hyper_parameters"]
        net = PyanNet(sincnet=settings["sincnet"], lstm=settings["lstm"], linear=settings["linear"], sample_rate=SAMPLE_RATE_HZ)
        net.specifications = checkpoint["pyannote.audio"]["specifications"]
        net.build()
        net.load_state_dict(checkpoint["state_dict"])
    except Exception as error:
        raise WeightsError(f"{weights} is no pyannote segmentation checkpoint ({type(error).__name__}); run `futing weights verify`") from error
    if len(net.specifications.powerset_classes_ if hasattr(net.specifications, "powerset_classes_") else POWERSET) != len(POWERSET):
        raise WeightsError(f"{weights} was trained for other speaker classes than segmentation-3.0's seven")
    return net.eval()
