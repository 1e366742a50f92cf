"""CTranslate2's file into openai-whisper's names, and files that are not what they should be."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from models.errors import WeightsError
from models.hearing.weights import WeightFile, alignment_heads, fault, read_ctranslate, whisper_weights


def text(s: str) -> bytes:
    return struct.pack("<H", len(s) + 1) + s.encode() + b"\0"


def model_bin(tensors: dict[str, np.ndarray]) -> bytes:
    kinds = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.int32): 3, np.dtype(np.float16): 4}
    out = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    for name, x in tensors.items():
        out += text(name) + struct.pack("<B", x.ndim) + b"".join(struct.pack("<I", n) for n in x.shape)
        out += struct.pack("<BI", kinds[x.dtype], x.nbytes) + x.tobytes()
    return out


def test_tensors_come_back_as_written(tmp_path: Path) -> None:
    tensors = {"a/b": np.arange(6, dtype=np.float16).reshape(2, 3), "n": np.array(8, np.int16), "q": np.zeros((4,), np.int8)}
    (tmp_path / "model.bin").write_bytes(model_bin(tensors))
    read = read_ctranslate(tmp_path / "model.bin")
    assert list(read) == list(tensors)
    assert all(np.array_equal(read[k], v) and read[k].dtype == v.dtype for k, v in tensors.items())


@pytest.mark.parametrize("content", [b"", b"\x06\0\0\0garbage", model_bin({"a": np.zeros(9, np.float32)})[:-8]], ids=["empty", "garbage", "cut off"])
def test_what_is_no_model_says_so_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightsError, match="futing weights verify"):
        read_ctranslate(tmp_path / "model.bin")


def test_fault_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x"
    right = WeightFile("x", 5, hashlib.sha256(b"hello").hexdigest())
    assert fault(path, right) == "missing"
    path.write_bytes(b"hell")
    assert fault(path, right) == "4 bytes instead of 5"
    path.write_bytes(b"jello")
    assert fault(path, right) == "wrong SHA-256"
    path.write_bytes(b"hello")
    assert fault(path, right) is None


def test_alignment_heads_from_the_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"alignment_heads": [[3, 1], [4, 2]]}))
    assert alignment_heads(tmp_path) == ((3, 1), (4, 2))
    (tmp_path / "config.json").write_text("{}")
    assert alignment_heads(tmp_path) == ()


@pytest.mark.weights
def test_embedded_whisper_is_whisper_base(whisper_folder: Path) -> None:
    found = whisper_weights(whisper_folder)
    assert found.dims == {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 512, "n_audio_head": 8, "n_audio_layer": 6,
        "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": 512, "n_text_head": 8, "n_text_layer": 6,
    }  # fmt: skip
    assert found.alignment_heads == ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6))
