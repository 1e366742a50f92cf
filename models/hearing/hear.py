"""Recordings to heard calls: the whole of hearing, from encoded bytes to turns with words and roles.

In: `Sound`s. Out: one `HeardCall` or `NotHeard` a sound. Surprising: only chunks of one call share a batch, because a row's
last bits may depend on what lies beside it, and a night that is resumed must end with the same tables as one that was not.
On a CPU the cores hear different calls, one each: small networks gain less from two cores on one call than from two calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import torch

from models.errors import CallError, WeightsError
from models.hearing.acoustics import loudness_db, pitch_hz
from models.hearing.audio import SAMPLE_RATE_HZ, Audio, Samples, decode
from models.hearing.packing import Packed, pack, unpack
from models.hearing.pyannote_pipeline import PyannotePipeline, load_pipeline
from models.hearing.roles import Side, agent_side, company_roles
from models.hearing.segmentation import Segmenter
from models.hearing.settings import HearingSettings
from models.hearing.sides import Spans, intersect_s, join, own_speech
from models.hearing.speakers import Sides, VoiceEncoder, new_voice, separate
from models.hearing.transcriber import SENTENCE_END, Spoken, Transcriber, transcribe
from models.hearing.weights import EarsPaths
from models.hearing.wording import Wording, load_wording, reworded
from models.records import HeardCall, NotHeard, Progress, Recording, Role, Sound, Turn, Word

log = logging.getLogger(__name__)

MOST_STREAMS = 16  # calls heard at the same time on a CPU; more would only cost memory
TURN_GAP_S = 0.8  # a pause shorter than this does not end a turn
COMMA_S = 0.35  # a pause inside a turn that is written as a comma where the recogniser wrote nothing
SHORTEST_TURN_S = 0.15
FEWEST_CHARS_PER_S = 1.5  # calm Mandarin has four or more; a span with fewer was probably not recognised to its end
SILENT_SPAN_S = 0.8  # spans shorter than this may well hold no word
MURMUR_S = 1.0  # speech this long stays a turn, of no words and no confidence, even where nothing was understood
VOICED_TURN_S = 1.0  # turns shorter than this say too little about whose voice it is


@dataclass(frozen=True, slots=True)
class Device:
    """Where the models run and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Voice:
    """One side of a recording before its words: the sound it is heard in, and its spans (start_s, end_s)."""

    sound: Samples
    spans: Spans
    channel: int | None


class HearingEars:
    """Loaded models that hear. Satisfies records.Ears."""

    def __init__(
        self,
        transcriber: Transcriber,
        segmenter: Segmenter,
        encoder: VoiceEncoder,
        device: Device,
        streams: int = 1,
        role_bar: float = 0.0,
        pipeline: PyannotePipeline | None = None,
        wording: Wording | None = None,
    ) -> None:
        self._transcriber, self._segmenter, self._encoder, self._role_bar = transcriber, segmenter, encoder, role_bar
        self._pipeline, self._wording = pipeline, wording
        self.device, self.streams, self._threads = device, streams, torch.get_num_threads()

    @property
    def asr_model(self) -> str:
        return self._transcriber.name + (f"+wording-{self._wording.version}" if self._wording else "")

    @property
    def diarizer(self) -> str:
        return self._pipeline.name if self._pipeline else "segmentation-3.0+campplus"

    def hear(self, sounds: Sequence[Sound], progress: Progress | None = None) -> Iterator[HeardCall | NotHeard]:
        """Answers as they come, `streams` calls at a time."""
        if self.streams == 1 or len(sounds) == 1:
            for sound in sounds:
                yield self._hear_one(sound, progress)
            return
        with ThreadPoolExecutor(self.streams, thread_name_prefix="ears", initializer=torch.set_num_threads, initargs=(self._threads,)) as pool:
            for done in as_completed([pool.submit(self._hear_one, sound, progress) for sound in sounds]):
                yield done.result()

    def _hear_one(self, sound: Sound, progress: Progress | None) -> HeardCall | NotHeard:
        call_id = sound.recording.call_id
        audio: Audio | None = None
        try:
            audio = decode(sound.encoded)
            return self._heard(sound.recording, audio, progress)
        except CallError as error:
            return NotHeard(call_id, error.code, str(error))
        except (MemoryError, torch.OutOfMemoryError):
            return NotHeard(call_id, "out_of_memory", "memory ran out while this call was heard; it is tried again by the next run", *_facts(audio))
        except WeightsError:
            raise
        except Exception as error:  # one call must never end the night; the message carries no content
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            at = f" at {where.tb_frame.f_code.co_name}:{where.tb_lineno}" if where else ""
            log.error("call %s could not be heard: %s%s", call_id, type(error).__name__, at)
            return NotHeard(
                call_id, "undecodable", f"hearing failed ({type(error).__name__}{at}); please report it with the recording's format", *_facts(audio)
            )

    def _heard(self, recording: Recording, audio: Audio, progress: Progress | None) -> HeardCall:
        tell = _teller(progress, audio.duration_s)
        voices, clear = self._voices(audio, tell)
        said = self._words(voices, tell)
        turns, confidence = self._turns(voices, said, recording, clear)
        notes = list(audio.notes)
        if not turns:
            notes.append("no_speech")
        elif len({t.by_customer for t in turns}) < 2:
            notes.append("one_side")
        elif confidence < self._role_bar:
            notes.append("roles_unsure")
        return HeardCall(
            call_id=recording.call_id,
            turns=tuple(turns),
            layout=audio.layout,
            duration_s=round(audio.duration_s, 3),
            channels=audio.channels,
            sample_rate_hz=audio.sample_rate_hz,
            started_at=recording.started_at,
            agent_id=recording.agent_id,
            team=recording.team,
            queue=recording.queue,
            direction=recording.direction,
            customer_ref=recording.customer_ref,
            role_confidence=round(confidence, 3) if turns else None,
            notes=tuple(notes),
            asr_model=self.asr_model,
            diarizer=self.diarizer,
        )

    def _voices(self, audio: Audio, tell: Callable[[str, float], None]) -> tuple[list[Voice], float]:
        """The sides of a recording, and how clearly they are apart (1 on true stereo)."""
        if self._pipeline is not None and audio.layout != "stereo":
            return self._two(audio, self._pipeline.separate(audio.samples[0]))
        activities = self._segmenter(list(audio.samples), tell=lambda s: tell("speech", s / (audio.duration_s * len(audio.samples))))
        if audio.layout == "stereo":
            spans = own_speech(list(audio.samples), activities, TURN_GAP_S)
            return [Voice(x, s, c) for x, s, c in zip(audio.samples, spans, audio.source_channels, strict=True) if s], 1.0
        sides = separate(audio.samples[0], activities[0], self._encoder)
        tell("voices", 1.0)
        return self._two(audio, sides)

    @staticmethod
    def _two(audio: Audio, sides: Sides) -> tuple[list[Voice], float]:
        """The voices of a mixed recording: each side's own stretches, and the overlaps it took part in."""
        out = []
        for k in (0, 1):
            own = [(s.start_s, s.end_s) for s in sides.stretches if s.side == k]
            spans = [s for s in join([*own, *_touching(sides.overlaps_s, own)], TURN_GAP_S) if s[1] - s[0] >= SHORTEST_TURN_S]
            if spans:
                out.append(Voice(audio.samples[0], spans, None))
        return out, sides.confidence if len(out) == 2 else 1.0

    def _words(self, voices: list[Voice], tell: Callable[[str, float], None]) -> list[tuple[int, int, list[Spoken]]]:
        """(voice, span, words) of every span in which somebody speaks; words may be none where nobody could understand them.

        Whisper sometimes ends a chunk early and leaves whole turns of it unsaid; spans with too few words for their length
        are packed and decoded once more, by themselves, and the fuller answer is kept.
        """
        words: dict[tuple[int, int], list[Spoken]] = {(v, i): [] for v, voice in enumerate(voices) for i in range(len(voice.spans))}
        speech_s = max(sum(b - a for voice in voices for a, b in voice.spans), 1e-9)
        for again in (False, True):
            packed: list[tuple[int, list[int], Packed]] = []
            for v, voice in enumerate(voices):
                index = [i for i, span in enumerate(voice.spans) if not again or too_few(words[v, i], span)]
                packed += [(v, index, p) for p in pack(voice.sound, [voice.spans[i] for i in index])]
            texts = transcribe(self._transcriber, [p.chunk for _, _, p in packed], lambda s: tell("words", s / speech_s))
            found: dict[tuple[int, int], list[Spoken]] = {}
            for (v, index, p), t in zip(packed, texts, strict=True):
                for span, spoken in unpack(p, t.spoken).items():
                    found.setdefault((v, index[span]), []).extend(spoken)
            words |= {k: w for k, w in found.items() if chars(w) > chars(words[k])}
        if self._wording is not None:
            words = {k: reworded(sorted(w, key=lambda s: s.start_s), self._wording) for k, w in words.items()}
        understood = {v for (v, _), w in words.items() if w}  # a voice without a single word is music, noise or a tone
        return [
            (v, i, sorted(w, key=lambda s: s.start_s))
            for (v, i), w in words.items()
            if w or (v in understood and voices[v].spans[i][1] - voices[v].spans[i][0] >= MURMUR_S)
        ]

    def _turns(self, voices: list[Voice], said: list[tuple[int, int, list[Spoken]]], recording: Recording, clear: float) -> tuple[list[Turn], float]:
        """Turns with roles, in order of start, and the call's role confidence."""
        said = sorted(said, key=lambda s: (voices[s[0]].spans[s[1]], s[0]))
        present = sorted({v for v, _, _ in said})
        if not present:
            return [], 0.0
        sides = []
        for k in present:
            texts = tuple(written(w) for v, _, w in said if v == k)
            first_s = next(voices[k].spans[s][0] for v, s, _ in said if v == k)
            sides.append(Side(texts, first_s, voices[k].channel, self._wording.like_company(texts) if self._wording else 0.0))
        agent, sure = agent_side(sides, recording.direction, recording.agent_channel)
        confidence = 0.5 + (sure - 0.5) * (0.5 + 0.5 * clear)
        roles: dict[tuple[int, int], Role] = {}
        for n, k in enumerate(present):
            mine = [(span, w) for v, span, w in said if v == k]
            if n == agent or (len(present) > 2 and n != max(range(len(present)), key=lambda i: 0 if i == agent else len(sides[i].texts))):
                roles |= {(k, span): r for (span, _), r in zip(mine, self._company(voices[k], mine), strict=True)}
            else:
                roles |= {(k, span): "customer" for span, _ in mine}
        spans = [join(v.spans, 0.0) for v in voices]
        turns = []
        for i, (v, s, w) in enumerate(said):
            a, b = voices[v].spans[s]
            others = join([x for j, o in enumerate(spans) if j != v for x in o], 0.0)
            turns.append(_turn(i, roles[v, s], confidence, f"{'channel' if voices[v].channel is not None else 'voice'}{v}", a, b, w, voices[v].sound, others))
        return turns, confidence

    def _company(self, voice: Voice, mine: list[tuple[int, list[Spoken]]]) -> list[Role]:
        """Roles on the company's side: one agent, unless another voice is heard there."""
        texts = [written(w) for _, w in mine]
        long = [i for i, (span, _) in enumerate(mine) if voice.spans[span][1] - voice.spans[span][0] >= VOICED_TURN_S]
        if len(long) < 2:
            return company_roles(texts, (0, 0, 0.0))
        first, end, gap = new_voice(self._encoder(voice.sound, [voice.spans[mine[i][0]] for i in long]))
        # back from the long turns to all of them: a short turn goes with the long one before it
        starts = [0 if first == 0 else long[first], len(mine) if end == len(long) else long[end]]
        return company_roles(texts, (starts[0], starts[1], gap))


def load_ears(settings: HearingSettings, paths: EarsPaths) -> HearingEars:
    """Load every model once. Raises WeightsError, in one sentence, when a file is missing or not what it should be."""
    device = choose_device(settings)
    cuda = device.name == "cuda"
    torch_device = torch.device(device.name)
    batch = settings.batch_size or (16 if cuda else 8)
    streams = 1 if cuda else max(1, min(MOST_STREAMS, torch.get_num_threads()))
    threads = max(1, torch.get_num_threads() // streams)
    engine = settings.engine if settings.engine != "auto" else ("whisper" if paths.whisper.suffix == ".pt" else "ctranslate")
    transcriber: Transcriber
    if engine == "whisper":
        from models.hearing.whisper_engine import WhisperEngine

        streams, threads = 1, torch.get_num_threads()  # its alignment hooks into the model, one call at a time
        transcriber = WhisperEngine(paths.whisper, torch_device, settings.beam_size, settings.prompt, batch, paths.name)
    else:
        from models.hearing.ctranslate_engine import CtranslateEngine

        compute_type = "float16" if cuda else "int8"
        transcriber = CtranslateEngine(paths.whisper, device.name, compute_type, settings.beam_size, settings.prompt, batch, threads, streams, paths.name)
    torch.set_num_threads(threads)
    pipeline = load_pipeline(paths.pipeline, torch_device) if paths.pipeline is not None else None
    segmenter = Segmenter(paths.segmentation, torch_device, 64 if cuda else 16)
    wording = load_wording(paths.examples, paths.hotwords)
    return HearingEars(transcriber, segmenter, VoiceEncoder(paths.voices, torch_device), device, streams, settings.role_bar, pipeline, wording)


def choose_device(settings: HearingSettings) -> Device:
    """CUDA where a GPU answers or is asked for, else the CPU. Raises WeightsError when CUDA is asked for and absent."""
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise WeightsError("--device cuda: no CUDA GPU answers here; use --device cpu or check the driver with nvidia-smi")
    if settings.device == "cpu":
        return Device("cpu", "asked for")
    return Device("cuda", torch.cuda.get_device_name(0)) if there else Device("cpu", "no CUDA GPU answers here")


def chars(spoken: Sequence[Spoken]) -> int:
    """How many characters words have, without punctuation."""
    return sum(len(s.text) for s in spoken)


def too_few(spoken: Sequence[Spoken], span: tuple[float, float]) -> bool:
    """Whether a span of speech has so few characters that its recognition probably ended early."""
    seconds = span[1] - span[0]
    return seconds >= SILENT_SPAN_S and chars(spoken) < FEWEST_CHARS_PER_S * seconds


def written(spoken: Sequence[Spoken]) -> str:
    """Words as a sentence: their marks, a comma where a pause had none, and an end."""
    out: list[str] = []
    for i, s in enumerate(spoken):
        mark = s.mark
        if not mark and i + 1 < len(spoken) and spoken[i + 1].start_s - s.end_s >= COMMA_S:
            mark = "，"
        out.append(s.text + mark)
    text = "".join(out)
    if text and text[-1] not in SENTENCE_END:
        text = text.rstrip("，、；：") + ("？" if text.rstrip("，、；：")[-1:] in "吗呢么" else "。")
    return text


def _turn(index: int, role: Role, confidence: float, speaker: str, start_s: float, end_s: float, spoken: list[Spoken], sound: Samples, others: Spans) -> Turn:
    piece = sound[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
    return Turn(
        index=index,
        role=role,
        text=written(spoken),
        start_s=round(start_s, 3),
        end_s=round(end_s, 3),
        words=tuple(Word(s.text, round(s.start_s, 3), round(max(s.start_s, s.end_s), 3), round(s.probability, 4)) for s in spoken),
        role_confidence=round(confidence, 3),
        speaker=speaker,
        confidence=round(float(np.mean([s.probability for s in spoken])), 4) if spoken else 0.0,
        loudness_db=_rounded(loudness_db(piece), 2),
        pitch_hz=_rounded(pitch_hz(piece), 1),
        chars_per_min=round(60.0 * chars(spoken) / max(end_s - start_s, 0.1), 1),
        overlap_s=round(intersect_s([(start_s, end_s)], others), 3),
    )


def _touching(overlaps: Sequence[tuple[float, float]], own: Spans) -> Spans:
    """Overlaps that begin or end within 0.5 s of a side's own speech: that side took part in them."""
    return [(a, b) for a, b in overlaps if any(s - 0.5 <= b and a <= e + 0.5 for s, e in own)]


def _teller(progress: Progress | None, duration_s: float) -> Callable[[str, float], None]:
    done = {"speech": 0.0, "voices": 0.0, "words": 0.0}
    share = {"speech": 0.2, "voices": 0.1, "words": 0.7}

    def tell(stage: str, part: float) -> None:
        done[stage] = min(1.0, done[stage] + part)
        if progress is not None:
            progress(stage, duration_s * sum(share[k] * v for k, v in done.items()), duration_s)

    return tell


def _facts(audio: Audio | None) -> tuple[float | None, int | None, int | None]:
    return (None, None, None) if audio is None else (round(audio.duration_s, 3), audio.channels, audio.sample_rate_hz)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


__all__ = ["HearingEars", "choose_device", "load_ears"]
