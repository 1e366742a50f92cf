"""What can be chosen about hearing. Values only: importing this loads no model library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Engine = Literal["auto", "whisper", "ctranslate", "scripted"]
Device = Literal["auto", "cpu", "cuda"]
Diarizer = Literal["futing", "pyannote"]


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """engine: which transcriber; `auto` takes ctranslate on a CPU. device: `auto` takes CUDA where a GPU answers.

    model: `base` (embedded), another official Whisper name, or a path. beam_size: 1 is greedy. prompt: what Whisper is told
    the recording is. batch_size: chunks of up to 30 s decoded together; 0 chooses by device. diarizer: `futing`, or an
    official pyannote pipeline given by `pipeline` (a hub name or a local folder). role_bar: a call whose sides are less sure
    than this says so. wording: homophones are put right by examples/ and hotwords.txt of `folder`, the configuration's.
    """

    engine: Engine = "auto"
    device: Device = "auto"
    model: str = "base"
    beam_size: int = 5
    prompt: str = "以下是普通话客服通话。"
    batch_size: int = 0
    diarizer: Diarizer = "futing"
    pipeline: str = "pyannote/speaker-diarization-community-1"
    role_bar: float = 0.6
    wording: bool = True
    folder: Path | None = field(default=None, compare=False, metadata={"operation": True})
