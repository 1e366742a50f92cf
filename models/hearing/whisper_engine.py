"""Whisper by openai-whisper: its model, its decoder and its alignment, batched over chunks.

Loads an official .pt or, converted on the way, the CTranslate2 folder that the other engine uses. Log-mel is normalised
chunk by chunk: openai-whisper's own batch takes one maximum for all rows, so that calls leak into each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import whisper
from whisper.decoding import DecodingOptions, DecodingResult
from whisper.model import ModelDimensions, Whisper
from whisper.timing import find_alignment
from whisper.tokenizer import get_tokenizer

from models.errors import WeightsError
from models.hearing.audio import SAMPLE_RATE_HZ, Samples
from models.hearing.transcriber import CHUNK_S, TOKENS_PER_S, Attempt, Transcript, spoken_words
from models.hearing.weights import whisper_weights

FRAMES_PER_S = 100
SHORTEST_ALIGNED = 4  # frames; find_alignment's median filter needs a few columns


class WhisperEngine:
    """A loaded openai-whisper model on a torch device; fp16 on CUDA, fp32 on a CPU."""

    def __init__(self, weights: Path, device: torch.device, beam_size: int = 5, prompt: str = "", batch: int = 8, name: str = "whisper") -> None:
        self._model = load_whisper(weights, device)
        self._tokenizer = get_tokenizer(True, num_languages=self._model.num_languages, language="zh", task="transcribe")
        self._beam_size = beam_size
        self._prompt = prompt
        self._fp16 = device.type == "cuda"
        self.batch = batch
        self.name = f"{name}/whisper-{'fp16' if self._fp16 else 'fp32'}"

    def decode(self, chunks: Sequence[Samples], attempt: Attempt) -> list[Transcript]:
        mel = torch.stack([self._mel(c) for c in chunks]).to(self._model.device)
        longest_s = max(len(c) for c in chunks) / SAMPLE_RATE_HZ
        greedy = attempt.temperature > 0 or self._beam_size == 1
        options = DecodingOptions(
            language="zh",
            without_timestamps=True,
            beam_size=None if greedy else self._beam_size,
            temperature=attempt.temperature,
            prompt=self._prompt if attempt.prompt else None,
            sample_len=min(self._model.dims.n_text_ctx // 2, int(longest_s * TOKENS_PER_S) + 10),
            fp16=self._fp16,
        )
        torch.manual_seed(0)
        with torch.inference_mode():
            results = whisper.decode(self._model, mel, options)
        assert isinstance(results, list)
        return [self._transcript(r, m, c) for r, m, c in zip(results, mel, chunks, strict=True)]

    def _mel(self, chunk: Samples) -> torch.Tensor:
        return whisper.log_mel_spectrogram(whisper.pad_or_trim(np.ascontiguousarray(chunk)), n_mels=self._model.dims.n_mels)

    def _transcript(self, result: DecodingResult, mel: torch.Tensor, chunk: Samples) -> Transcript:
        tokens = [t for t in result.tokens if t < self._tokenizer.eot]
        frames = min(int(CHUNK_S * FRAMES_PER_S), max(SHORTEST_ALIGNED, len(chunk) * FRAMES_PER_S // SAMPLE_RATE_HZ))
        timings = find_alignment(self._model, self._tokenizer, tokens, mel.half() if self._fp16 else mel.float(), frames) if tokens else []
        words = [(w.word, float(w.start), float(w.end), float(w.probability)) for w in timings if w.word]
        return Transcript(spoken_words(words, len(chunk) / SAMPLE_RATE_HZ), float(result.avg_logprob), float(result.no_speech_prob))


def load_whisper(weights: Path, device: torch.device) -> Whisper:
    """An openai-whisper model from a .pt or from a CTranslate2 folder, alignment heads set. Raises WeightsError."""
    if weights.is_file():
        try:
            model = whisper.load_model(str(weights), device=device)
        except Exception as error:
            raise WeightsError(f"{weights} is no openai-whisper model ({type(error).__name__})") from error
        if heads := whisper._ALIGNMENT_HEADS.get(weights.stem):
            model.set_alignment_heads(heads)  # a local path leaves them unset, and word times suffer
        return model
    found = whisper_weights(weights)
    model = Whisper(ModelDimensions(**found.dims))
    try:
        model.load_state_dict({k: torch.from_numpy(np.array(v, np.float32)) for k, v in found.state.items()})
    except RuntimeError as error:
        raise WeightsError(f"{weights}: its tensors are not those of a Whisper model; run `futing weights verify`") from error
    if found.alignment_heads:
        mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
        mask[tuple(np.array(found.alignment_heads).T)] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model.to(device).eval()
