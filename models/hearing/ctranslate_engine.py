"""Whisper by CTranslate2 (through faster-whisper): the default on a CPU, where int8 is about eight times openai-whisper.

Batched generation without faster-whisper's own pipeline, which cuts out silence and drops every safeguard; ours stand in
models/hearing/transcriber.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from models.errors import WeightsError
from models.hearing.audio import SAMPLE_RATE_HZ, Samples
from models.hearing.transcriber import CHUNK_S, TOKENS_PER_S, Attempt, Transcript, spoken_words

FRAMES_PER_S = 100
PATIENCE, LENGTH_PENALTY = 2.0, 1.3  # a beam that waits and does not favour the short: fewer turns left unsaid
MAX_TOKENS = 224  # half of Whisper's text context; the other half is the prompt's


class CtranslateEngine:
    """A loaded CTranslate2 Whisper. compute_type: `int8` on a CPU, `float16` on a GPU, `float32` to compare engines."""

    def __init__(
        self,
        folder: Path,
        device: str = "cpu",
        compute_type: str = "int8",
        beam_size: int = 5,
        prompt: str = "",
        batch: int = 8,
        threads: int = 0,
        streams: int = 1,
        name: str = "whisper",
    ) -> None:
        """streams: how many callers may decode at the same time, with `threads` threads each (0: all cores)."""
        try:
            self._model = WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=streams, local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(
                f"{folder} is no CTranslate2 Whisper that loads on {device} as {compute_type} ({_first_line(error)}); run `futing weights verify`"
            ) from error
        self._tokenizer = Tokenizer(self._model.hf_tokenizer, True, task="transcribe", language="zh")
        self._beam_size = beam_size
        self._prompt = self._tokenizer.encode(" " + prompt.strip()) if prompt.strip() else []
        self.batch = batch
        self.name = f"{name}/ctranslate-{compute_type}"

    def decode(self, chunks: Sequence[Samples], attempt: Attempt) -> list[Transcript]:
        t = self._tokenizer
        features = np.stack([self._features(c) for c in chunks])
        encoded = self._model.encode(features)
        prompt = [t.sot_prev, *self._prompt] if self._prompt and attempt.prompt else []
        prompt = [*prompt, *t.sot_sequence, t.no_timestamps]
        longest_s = max(len(c) for c in chunks) / SAMPLE_RATE_HZ
        sampling = (
            {"beam_size": self._beam_size, "patience": PATIENCE, "length_penalty": LENGTH_PENALTY}
            if attempt.temperature == 0
            else {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": attempt.temperature}
        )
        if attempt.temperature:
            ctranslate2.set_random_seed(0)
        results = self._model.model.generate(
            encoded,
            [prompt] * len(chunks),
            max_length=min(448, len(prompt) + min(MAX_TOKENS, int(longest_s * TOKENS_PER_S) + 10)),
            return_scores=True,
            return_no_speech_prob=True,
            no_repeat_ngram_size=attempt.no_repeat_ngram,
            suppress_blank=True,
            suppress_tokens=[-1],
            **sampling,
        )
        tokens = [[i for i in r.sequences_ids[0] if i < t.eot] for r in results]
        frames = [min(int(CHUNK_S * FRAMES_PER_S), max(2, len(c) * FRAMES_PER_S // SAMPLE_RATE_HZ)) for c in chunks]
        words = self._align(encoded, tokens, frames)
        return [
            Transcript(spoken_words(w, len(c) / SAMPLE_RATE_HZ), float(r.scores[0]), float(r.no_speech_prob))
            for w, c, r in zip(words, chunks, results, strict=True)
        ]

    def _features(self, chunk: Samples) -> np.ndarray:
        """(time,) to (80 or 128, 3000) log-mel, normalised by this chunk alone.

        The sound is padded, as Whisper was trained, and not the spectrogram, as faster-whisper does: a zero in the
        spectrogram is not silence.
        """
        padded = np.zeros(int(CHUNK_S * SAMPLE_RATE_HZ), np.float32)
        padded[: len(chunk)] = chunk[: len(padded)]
        return self._model.feature_extractor(padded, padding=0)[:, : int(CHUNK_S * FRAMES_PER_S)].astype(np.float32)

    def _align(self, encoded: ctranslate2.StorageView, tokens: list[list[int]], frames: list[int]) -> list[list[tuple[str, float, float, float]]]:
        """Word times by cross-attention, for all rows with text at once."""
        rows = self._model.model.align(
            encoded, self._tokenizer.sot_sequence, [t or [self._tokenizer.encode("嗯")[0]] for t in tokens], frames, median_filter_width=7
        )
        return [self._words(r, t) if t else [] for r, t in zip(rows, tokens, strict=True)]

    def _words(self, row: Any, tokens: list[int]) -> list[tuple[str, float, float, float]]:
        words, parts = self._tokenizer.split_to_word_tokens([*tokens, self._tokenizer.eot])
        edges = np.cumsum([0, *(len(p) for p in parts[:-1])])
        text_at, time_at = np.array([a for a, _ in row.alignments]), np.array([b for _, b in row.alignments])
        if not len(text_at) or len(edges) < 2:
            return []
        jumps = time_at[np.r_[True, np.diff(text_at) > 0]] / self._model.tokens_per_second
        last = len(jumps) - 1
        return [
            (w, float(jumps[min(a, last)]), float(jumps[min(b, last)]), float(np.mean(row.text_token_probs[a:b] or [0.0])))
            for w, a, b in zip(words, edges[:-1], edges[1:], strict=False)
        ]


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
