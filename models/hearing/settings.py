"""What can be chosen about hearing. Values only: importing this loads no model library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Engine = Literal["auto", "whisper", "ctranslate", "scripted"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """engine: which transcriber; `auto` takes ctranslate on a CPU. device: `auto` takes CUDA where a GPU answers."""

    engine: Engine = "auto"
    device: Device = "auto"
