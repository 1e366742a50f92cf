"""Whose voice it is: single-voice stretches, one embedding each, and the sides they fall into.

In: a (time,) sound and its `Activity`. Out: `Stretch`es with a side, and stretches where two sides overlap. Surprising: the
number of speakers is not searched for. A telephone call has two sides, so embeddings are centred on the call's own mean
(the line's colour, common to both voices, is most of a raw similarity) and split in two; a third voice is looked for
afterwards, on the company's side, where supervisors and announcements speak (models/hearing/roles.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torchaudio.compliance import kaldi

from models.errors import WeightsError
from models.hearing.audio import SAMPLE_RATE_HZ, Samples
from models.hearing.campplus import N_MELS, CamPlusPlus
from models.hearing.segmentation import FRAME_STEP_S, FRAMES, WINDOW_S, Activity, frame_s

ACTIVE = 0.5  # a local voice speaks above this probability
LONGEST_STRETCH_S = 6.0  # longer runs are cut, so that a missed change of speaker cannot take a whole minute along
SHORTEST_PAUSE_S = 0.3  # within one voice, a pause shorter than this does not end a stretch
EMBEDDED_S = 4.0  # seconds of a stretch that are embedded (its middle); longer adds cost, not certainty
SHORTEST_EMBEDDED_S = 0.3
SEGMENTATION_WEIGHT = 0.05  # weight of "segmentation heard the same voice" (per shared second) beside the embeddings
MEL_HOP_S = 0.01
MEL_HOP = 160
MEL_WINDOW = 400

Vectors = npt.NDArray[np.float32]  # (n, 192), rows of length 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds in which one voice speaks alone. window, voice: where segmentation heard it. side: 0 or 1 once clustered."""

    start_s: float
    end_s: float
    window: int
    voice: int
    side: int = -1

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Sides:
    """A mixed recording taken apart. stretches: in time order, with sides. overlaps_s: where both speak.
    confidence: 0–1, how clearly the voices fall into two. vectors: (n, 192), the stretches' embeddings."""

    stretches: tuple[Stretch, ...]
    overlaps_s: tuple[tuple[float, float], ...]
    confidence: float
    vectors: Vectors = field(repr=False)


class VoiceEncoder:
    """CAM++ with its front end. One instance a process."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            net = CamPlusPlus()
            net.load_state_dict(state)
        except Exception as error:
            raise WeightsError(f"{weights} holds no CAM++ weights ({type(error).__name__}); run `futing weights verify`") from error
        self._net = net.to(device).eval()
        self._device = device

    def __call__(self, sound: Samples, spans_s: Sequence[tuple[float, float]]) -> Vectors:
        """(n, 192) unit vectors for spans of a (time,) sound; the middle 4 s of each, at least 0.3 s."""
        out = np.zeros((len(spans_s), 192), np.float32)
        for i, (a, b) in enumerate(spans_s):
            a, b = middle(a, b, len(sound) / SAMPLE_RATE_HZ)
            piece = sound[int(a * SAMPLE_RATE_HZ) : int(b * SAMPLE_RATE_HZ) + MEL_WINDOW - MEL_HOP]
            if len(piece) < MEL_WINDOW + 20 * MEL_HOP:
                piece = np.pad(piece, (0, MEL_WINDOW + 20 * MEL_HOP - len(piece)))
            mel = kaldi.fbank(torch.from_numpy(np.ascontiguousarray(piece))[None] * 32768.0, num_mel_bins=N_MELS, sample_frequency=SAMPLE_RATE_HZ, dither=0.0)
            with torch.inference_mode():
                vector = self._net((mel - mel.mean(0))[None].to(self._device))[0].float().cpu().numpy()
            out[i] = vector / max(float(np.linalg.norm(vector)), 1e-9)
        return out


def middle(start_s: float, end_s: float, duration_s: float) -> tuple[float, float]:
    """The part of a span that is embedded: its middle, between 0.3 and 4 s, inside the sound."""
    centre, half = (start_s + end_s) / 2, np.clip(end_s - start_s, SHORTEST_EMBEDDED_S, EMBEDDED_S) / 2
    start = min(max(0.0, centre - half), max(0.0, duration_s - 2 * half))
    return start, min(duration_s, start + 2 * half)


def separate(sound: Samples, activity: Activity, encoder: VoiceEncoder) -> Sides:
    """Take a mixed (time,) recording apart into two sides."""
    stretches, overlaps = find_stretches(activity)
    if not stretches:
        return Sides((), overlaps, 0.0, np.zeros((0, 192), np.float32))
    vectors = encoder(sound, [(s.start_s, s.end_s) for s in stretches])
    sides, confidence = split_in_two(vectors, np.array([s.duration_s for s in stretches]), agreement(activity, stretches))
    return Sides(tuple(replace(s, side=int(k)) for s, k in zip(stretches, sides, strict=True)), overlaps, confidence, vectors)


def find_stretches(activity: Activity) -> tuple[list[Stretch], tuple[tuple[float, float], ...]]:
    """Single-voice stretches and overlaps of a sound. Each instant is taken from the window that sees it most centrally."""
    n = activity.frames
    voice = np.full(n, -1)  # -1 silence, -2 several voices
    window = np.zeros(n, int)
    centres = activity.starts_s + WINDOW_S / 2
    edges = [0, *(round((a + b) / 2 / FRAME_STEP_S) for a, b in itertools.pairwise(centres)), n]
    for w in range(len(centres)):
        a, first = edges[w], activity.first_frame(w)
        active = activity.voices[w][a - first : edges[w + 1] - first] > ACTIVE
        b = a + len(active)
        count = active.sum(1)
        voice[a:b] = np.where(count == 1, active.argmax(1), np.where(count > 1, -2, -1))
        window[a:b] = w
    runs: list[list[int]] = []
    for a, b in constant_runs(voice, window):
        if voice[a] < 0:
            continue
        last = runs[-1] if runs else None
        same = last is not None and voice[last[0]] == voice[a] and window[last[0]] == window[a]
        if last is not None and same and (a - last[1]) * FRAME_STEP_S < SHORTEST_PAUSE_S and not (voice[last[1] : a] == -2).any():
            last[1] = b
        else:
            runs.append([a, b])
    stretches = []
    for a, b in runs:
        cuts = np.linspace(a, b, int(np.ceil((b - a) * FRAME_STEP_S / LONGEST_STRETCH_S)) + 1).round().astype(int)
        stretches += [Stretch(edge_s(x), edge_s(y), int(window[a]), int(voice[a])) for x, y in itertools.pairwise(cuts)]
    overlaps = tuple((edge_s(a), edge_s(b)) for a, b in constant_runs(voice) if voice[a] == -2)
    return stretches, overlaps


def edge_s(frame: int) -> float:
    """Where a frame begins (half a step before its centre), in seconds."""
    return max(0.0, float(frame_s(frame)) - FRAME_STEP_S / 2)


def constant_runs(*tracks: npt.NDArray[np.int_]) -> list[tuple[int, int]]:
    """Half-open (start, end) of the longest runs over which every track is constant."""
    if not len(tracks[0]):
        return []
    change = np.zeros(len(tracks[0]) - 1, bool)
    for t in tracks:
        change |= np.diff(t) != 0
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(tracks[0])]
    return list(itertools.pairwise(edges))


def agreement(activity: Activity, stretches: Sequence[Stretch]) -> npt.NDArray[np.float64]:
    """(n, n) seconds of evidence that two stretches are one voice (+) or two (-), from every window that sees both."""
    n = len(stretches)
    out = np.zeros((n, n))
    spans = [(round((s.start_s - edge_s(0)) / FRAME_STEP_S), round((s.end_s - edge_s(0)) / FRAME_STEP_S)) for s in stretches]
    for w in range(len(activity.voices)):
        first = activity.first_frame(w)
        seen = [(i, max(a, first) - first, min(b, first + FRAMES) - first) for i, (a, b) in enumerate(spans) if min(b, first + FRAMES) - max(a, first) >= 6]
        if len(seen) < 2:
            continue
        index = np.array([i for i, _, _ in seen])
        share = np.stack([activity.voices[w][a:b].mean(0) for _, a, b in seen])
        share /= np.maximum(share.sum(1, keepdims=True), 1e-6)
        seconds = np.array([(b - a) * FRAME_STEP_S for _, a, b in seen])
        out[np.ix_(index, index)] += (2 * share @ share.T - 1) * np.minimum.outer(seconds, seconds)
    np.fill_diagonal(out, 0.0)
    return out


def split_in_two(vectors: Vectors, durations_s: npt.NDArray[np.float64], same: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int_], float]:
    """(n,) side 0 or 1 of each stretch, and 0–1 how clear the split is.

    Spherical two-means on centred embeddings plus segmentation's opinion, from several deterministic starts; the side that
    speaks first is 0. With one stretch, or one voice, everything is side 0 and the confidence 0.
    """
    n = len(vectors)
    weight = np.minimum(durations_s, EMBEDDED_S)
    if n < 2:
        return np.zeros(n, int), 0.0
    centred = vectors - (vectors * weight[:, None]).sum(0) / weight.sum()
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    alike = centred @ centred.T
    starts = [(centred @ np.linalg.svd(centred * np.sqrt(weight)[:, None], full_matrices=False)[2][0] > 0).astype(int)]
    heavy = np.argsort(-weight, kind="stable")[:12]
    for i in heavy[:4]:
        far = heavy[np.argmin(alike[i, heavy])]
        starts.append((alike[:, i] < alike[:, far]).astype(int))
    best, best_value = starts[0], -np.inf
    for side in starts:
        value, side = _improve(side.copy(), centred, weight, same)
        if value > best_value:
            best, best_value = side, value
    if len(set(best.tolist())) < 2:
        return np.zeros(n, int), 0.0
    if best[0] == 1:
        best = 1 - best
    return best, clearness(vectors, weight, best)


def _improve(
    side: npt.NDArray[np.int_], centred: Vectors, weight: npt.NDArray[np.float64], same: npt.NDArray[np.float64]
) -> tuple[float, npt.NDArray[np.int_]]:
    """Move single stretches until none wants to move; returns the objective and the sides."""
    for _ in range(30):
        means = _means(side, centred, weight)
        before = side.copy()
        pull = centred @ means.T * weight[:, None]
        for i in range(len(side)):
            score = [pull[i, k] + SEGMENTATION_WEIGHT * same[i, side == k].sum() for k in (0, 1)]
            side[i] = int(score[1] > score[0])
        if (side == before).all():
            break
    means = _means(side, centred, weight)
    fit = float((weight * (centred * means[side]).sum(1)).sum())
    return fit + SEGMENTATION_WEIGHT * 0.5 * float((same * (side[:, None] == side[None])).sum()), side


def _means(side: npt.NDArray[np.int_], centred: Vectors, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    means = np.stack([(centred[side == k] * weight[side == k, None]).sum(0) for k in (0, 1)])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


def clearness(vectors: Vectors, weight: npt.NDArray[np.float64], side: npt.NDArray[np.int_]) -> float:
    """0–1: how much more alike voices are within a side than across, on raw similarities.

    Within-call same-speaker pairs of CAM++ on telephone speech lie about 0.1–0.45 above different-speaker pairs; below
    0.03 a split means nothing.
    """
    alike = vectors @ vectors.T
    pair = np.outer(weight, weight) * ~np.eye(len(weight), dtype=bool)
    within, across = side[:, None] == side[None], side[:, None] != side[None]
    if (pair * within).sum() == 0 or (pair * across).sum() == 0:
        return 0.0
    gap = (alike * pair * within).sum() / (pair * within).sum() - (alike * pair * across).sum() / (pair * across).sum()
    return float(np.clip((gap - 0.03) / 0.12, 0.0, 1.0))


def new_voice(vectors: Vectors) -> tuple[int, int, float]:
    """Where in a sequence of (n, 192) turns of one side another voice speaks: (first, end, gap), the best block.

    gap: mean similarity within the two groups less that across. One voice gives up to about 0.05, two give 0.1 or more.
    Blocks touch the first or the last turn, or have at least two turns: nobody takes over for a single turn in the middle.
    """
    n = len(vectors)
    alike = vectors @ vectors.T
    best = (0, 0, 0.0)
    for i in range(n):
        for j in range(i + 1, n + 1):
            if j - i == n or (i > 0 and j < n and j - i < 2):
                continue
            inside = np.zeros(n, bool)
            inside[i:j] = True
            groups = [alike[np.ix_(g, g)][~np.eye(int(g.sum()), dtype=bool)].mean() for g in (inside, ~inside) if g.sum() > 1]
            if groups:
                gap = float(np.mean(groups) - alike[np.ix_(inside, ~inside)].mean())
                if gap > best[2]:
                    best = (i, j, gap)
    return best
