"""Model files on disk: which is which, whether they are what they should be, and Whisper from one format to the other.

In: local paths. Out: checked paths, or Whisper's weights as openai-whisper names them. Nothing here reaches a network, and
nothing is unpickled. Surprising: there is one file of Whisper for both engines. CTranslate2's model.bin is a plain list of
tensors, and each of them is a tensor of openai-whisper under another name (query, key and value fused into one).
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from models.errors import WeightsError

Array = npt.NDArray[np.generic]
CTRANSLATE_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file a model needs: its name in the model's folder, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EarsPaths:
    """Where the ears' weights lie. whisper: a CTranslate2 folder or an openai-whisper .pt; name: what rows call it.
    pipeline: folder of an official pyannote pipeline, where the settings ask for one. examples, hotwords: what the wording is learned from."""

    whisper: Path
    segmentation: Path
    voices: Path
    name: str = "whisper-base"
    pipeline: Path | None = None
    examples: Path | None = None
    hotwords: Path | None = None


@dataclass(frozen=True, slots=True)
class WhisperWeights:
    """Whisper as openai-whisper builds it. dims: ModelDimensions' fields. state: name → array. heads: (layer, head) pairs."""

    dims: dict[str, int]
    state: dict[str, Array]
    alignment_heads: tuple[tuple[int, int], ...]


def fault(path: Path, expected: WeightFile) -> str | None:
    """What is wrong with a file (missing, wrong size, wrong checksum), or None."""
    if not path.is_file():
        return "missing"
    if path.stat().st_size != expected.size:
        return f"{path.stat().st_size} bytes instead of {expected.size}"
    return None if sha256(path) == expected.sha256 else "wrong SHA-256"


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_ctranslate(path: Path) -> dict[str, Array]:
    """All tensors of a CTranslate2 model.bin by name. Raises WeightsError when the file is no such list."""
    try:
        with path.open("rb") as file:
            version = _number(file, "I")
            if version < 3:
                raise WeightsError(f"{path}: CTranslate2 binary version {version} is older than Futing reads (3); convert the model again")
            _text(file)
            _number(file, "I")  # revision of the specification
            out: dict[str, Array] = {}
            for _ in range(_number(file, "I")):
                name = _text(file)
                shape = [_number(file, "I") for _ in range(_number(file, "B"))]
                dtype = CTRANSLATE_TYPES.get(_number(file, "B"))
                data = file.read(_number(file, "I"))
                if dtype is None:
                    raise WeightsError(f"{path}: {name} is of a type that only CTranslate2 reads; use the ctranslate engine")
                out[name] = np.frombuffer(data, dtype).reshape(shape)
            return out
    except (OSError, struct.error, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no CTranslate2 model ({type(error).__name__}); run `futing weights verify`") from error


def whisper_weights(folder: Path) -> WhisperWeights:
    """A CTranslate2 Whisper folder as openai-whisper's state dict, with the alignment heads its config names."""
    tensors = read_ctranslate(folder / "model.bin")
    state: dict[str, Array] = {}
    for side in ("encoder", "decoder"):
        state[f"{side}.positional_embedding"] = tensors[f"{side}/position_encodings/encodings"]
        _norm(state, "encoder.ln_post" if side == "encoder" else "decoder.ln", tensors, f"{side}/layer_norm")
        for i in range(layers(tensors, side)):
            ours, theirs = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            _norm(state, f"{ours}.attn_ln", tensors, f"{theirs}/self_attention/layer_norm")
            _split(state, f"{ours}.attn", ("query", "key", "value"), tensors, f"{theirs}/self_attention/linear_0")
            _linear(state, f"{ours}.attn.out", tensors, f"{theirs}/self_attention/linear_1")
            if side == "decoder":
                _norm(state, f"{ours}.cross_attn_ln", tensors, f"{theirs}/attention/layer_norm")
                _linear(state, f"{ours}.cross_attn.query", tensors, f"{theirs}/attention/linear_0")
                _split(state, f"{ours}.cross_attn", ("key", "value"), tensors, f"{theirs}/attention/linear_1")
                _linear(state, f"{ours}.cross_attn.out", tensors, f"{theirs}/attention/linear_2")
            _norm(state, f"{ours}.mlp_ln", tensors, f"{theirs}/ffn/layer_norm")
            _linear(state, f"{ours}.mlp.0", tensors, f"{theirs}/ffn/linear_0")
            _linear(state, f"{ours}.mlp.2", tensors, f"{theirs}/ffn/linear_1")
    for conv in ("conv1", "conv2"):
        _linear(state, f"encoder.{conv}", tensors, f"encoder/{conv}")
    state["decoder.token_embedding.weight"] = tensors["decoder/embeddings/weight"]
    width = tensors["encoder/conv1/weight"].shape
    dims = {
        "n_mels": width[1],
        "n_audio_ctx": len(state["encoder.positional_embedding"]),
        "n_audio_state": width[0],
        "n_audio_head": int(tensors["encoder/num_heads"]),
        "n_audio_layer": layers(tensors, "encoder"),
        "n_vocab": len(state["decoder.token_embedding.weight"]),
        "n_text_ctx": len(state["decoder.positional_embedding"]),
        "n_text_state": state["decoder.positional_embedding"].shape[1],
        "n_text_head": int(tensors["decoder/num_heads"]),
        "n_text_layer": layers(tensors, "decoder"),
    }
    return WhisperWeights(dims, state, alignment_heads(folder))


def alignment_heads(folder: Path) -> tuple[tuple[int, int], ...]:
    """The (layer, head) pairs of cross-attention that follow time, from config.json; () when it names none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / 'config.json'} cannot be read ({type(error).__name__}); run `futing weights verify`") from error
    return tuple((int(layer), int(head)) for layer, head in config.get("alignment_heads", []))


def layers(tensors: dict[str, Array], side: str) -> int:
    """How many layers a side (`encoder`, `decoder`) has."""
    return len({name.split("/")[1] for name in tensors if name.startswith(f"{side}/layer_") and name.split("/")[1] != "layer_norm"})


def _linear(state: dict[str, Array], ours: str, tensors: dict[str, Array], theirs: str) -> None:
    state[f"{ours}.weight"], state[f"{ours}.bias"] = tensors[f"{theirs}/weight"], tensors[f"{theirs}/bias"]


def _norm(state: dict[str, Array], ours: str, tensors: dict[str, Array], theirs: str) -> None:
    state[f"{ours}.weight"], state[f"{ours}.bias"] = tensors[f"{theirs}/gamma"], tensors[f"{theirs}/beta"]


def _split(state: dict[str, Array], ours: str, parts: tuple[str, ...], tensors: dict[str, Array], theirs: str) -> None:
    weights, biases = np.split(tensors[f"{theirs}/weight"], len(parts)), np.split(tensors[f"{theirs}/bias"], len(parts))
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        state[f"{ours}.{part}.weight"] = weight
        if part != "key":  # Whisper's keys have no bias; the fused tensor holds zeros there
            state[f"{ours}.{part}.bias"] = bias


def _number(file: BinaryIO, form: str) -> int:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
