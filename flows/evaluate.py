"""`futing evaluate TRUTH --out DIR`: how well a run heard and read calls whose truth is known.

In: a truth file (JSON Lines: call_id, duration, channels, optional flag, turns of role, start, end, text and optional moments of
kind, type, quote) and the Parquet of a run. Out: named figures, in the order they are printed.
The surprising choice: a call that failed is not left out. Its truth counts as missed, so a run cannot score better by hearing less.
Hearing figures come again with `.mono` and `.stereo`. Evaluate a run made with `--keep-original`: masked digits are wrong digits.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer

from flows.figures import (
    COLLAR_FRAMES,
    FRAMES_PER_S,
    SHARES,
    TAIL_FRAMES,
    Found,
    Label,
    Matched,
    Queued,
    SaidTurn,
    found_by_share,
    match,
    one_claim,
    role_frames,
    speech_errors,
    speech_frames,
    text_errors,
)
from models.errors import ConfigError
from models.records import ASSERTED


@dataclass(frozen=True, slots=True)
class TrueMoment:
    """One labelled moment of the truth."""

    kind: str
    type: str
    turn_index: int
    quote: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrueCall:
    """One call of the truth file. turns in the file's order; moments is None where nobody labelled any."""

    call_id: str
    duration_s: float
    channels: str
    turns: tuple[SaidTurn, ...] = field(repr=False)
    moments: tuple[TrueMoment, ...] | None = field(repr=False)
    flag: str | None


@dataclass(frozen=True, slots=True)
class RunCall:
    """One call as the run stored it; kind and type of each finding stand beside it."""

    status: str = "missing"
    flag: str | None = None
    priority: float | None = None
    turns: tuple[SaidTurn, ...] = field(default=(), repr=False)
    moments: tuple[tuple[str, str, Found], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Miss:
    """One label missed or one false finding, for whoever tunes a rule."""

    call_id: str
    what: str
    name: str
    turn: int | None
    quote: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one evaluation, in order, and the misses behind the moment figures."""

    values: Mapping[str, float]
    misses: tuple[Miss, ...] = field(default=(), repr=False)

    def __getitem__(self, name: str) -> float:
        return self.values[name]


# --- reading ----------------------------------------------------------------------------------------------------------


def read_truth(path: Path) -> tuple[TrueCall, ...]:
    """All calls of a truth file; raises ConfigError with the line where it is not one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: the truth file cannot be read ({error.strerror}); give a JSON Lines file") from error
    calls = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            calls.append(_true_call(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}:{number}: not a truth line ({type(error).__name__}: {error}); it needs call_id, duration and turns") from error
    if not calls:
        raise ConfigError(f"{path}: holds no calls; give a JSON Lines file of labelled calls")
    return tuple(calls)


def _true_call(raw: Mapping[str, Any]) -> TrueCall:
    turns = tuple(SaidTurn(t["role"], t.get("start"), t.get("end"), t.get("text") or "", k) for k, t in enumerate(raw["turns"]))
    labelled = any("moments" in t for t in raw["turns"])
    moments = tuple(TrueMoment(m["kind"], m["type"], k, m["quote"]) for k, t in enumerate(raw["turns"]) for m in t.get("moments", ()))
    return TrueCall(raw["call_id"], float(raw["duration"]), raw.get("channels", "mono"), turns, moments if labelled else None, raw.get("flag"))


def _rows(out_dir: Path, table: str, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for part in sorted((out_dir / table).rglob("part-0.parquet")):
        yield from pq.ParquetFile(part).read(columns=list(columns)).to_pylist()


def read_run(out_dir: Path) -> dict[str, RunCall]:
    """Every stored call by call_id. Raises ConfigError where the folder holds no run, or one call twice."""
    calls: dict[str, RunCall] = {}
    for row in _rows(out_dir, "calls", ("call_id", "status", "flag", "priority")):
        if row["call_id"] in calls:
            raise ConfigError(f"{out_dir}: call {row['call_id']} stands twice in calls/; two runs were mixed in one folder")
        calls[row["call_id"]] = RunCall(row["status"], row["flag"], row["priority"])
    if not calls and not (out_dir / "calls").is_dir():
        raise ConfigError(f"{out_dir}: no calls/ table in here; give the --out folder of a finished run")
    turns: dict[str, list[SaidTurn]] = defaultdict(list)
    for row in _rows(out_dir, "turns", ("call_id", "turn", "role", "start_s", "end_s", "text")):
        turns[row["call_id"]].append(SaidTurn(row["role"], row["start_s"], row["end_s"], row["text"] or "", row["turn"]))
    moments: dict[str, list[tuple[str, str, Found]]] = defaultdict(list)
    for row in _rows(out_dir, "moments", ("call_id", "kind", "type", "role", "turn", "start_s", "end_s", "quote", "score")):
        if row["score"] is None or row["score"] >= ASSERTED:
            found = Found("", row["role"] == "customer", row["turn"], row["start_s"], row["end_s"], row["quote"] or "")
            moments[row["call_id"]].append((row["kind"], row["type"], found))
    return {
        call_id: replace(
            calls.get(call_id, RunCall()),
            turns=tuple(sorted(turns[call_id], key=lambda t: (t.start_s or 0.0, t.number))),
            moments=tuple(moments[call_id]),
        )
        for call_id in calls.keys() | turns.keys() | moments.keys()
    }


# --- adding up --------------------------------------------------------------------------------------------------------


def hearing_counts(truth: TrueCall, heard: RunCall) -> Counter[str]:
    """Characters, 10 ms frames of speech, of overlap and of single voice: wrong, right and in all, of one call."""
    ref = sorted(truth.turns, key=lambda t: t.start_s or 0.0)
    text = text_errors(ref, heard.turns)
    frames = int(truth.duration_s * FRAMES_PER_S) + TAIL_FRAMES
    spoken, said = speech_frames(ref, frames), speech_frames(heard.turns, frames)
    lenient, strict = speech_errors(spoken, said, COLLAR_FRAMES), speech_errors(spoken, said, 0)
    role, role_said = role_frames(ref, frames), role_frames(heard.turns, frames)
    single = (role >= 0) & (role_said >= 0)
    both, both_said = spoken.all(axis=1), said.all(axis=1)
    return Counter(
        chars=text.spoken,
        chars_wrong=text.best,
        chars_wrong_by_side=text.by_side,
        speech=lenient.spoken,
        speech_wrong=lenient.best,
        speech_wrong_by_side=lenient.wrong,
        strict=strict.spoken,
        strict_wrong=strict.best,
        overlap_right=int((both & both_said).sum()),
        overlap_either=int(both.sum()) + int(both_said.sum()),
        single=int(single.sum()),
        role_right=int((role[single] == role_said[single]).sum()),
    )


def hearing_figures(counts: Counter[str], suffix: str = "") -> dict[str, float]:
    """The seven figures of hearing from summed counts; none where nothing was said."""
    if not counts["chars"]:
        return {}
    chars, speech = counts["chars"], max(1, counts["speech"])
    figures = {
        "cer": counts["chars_wrong"] / chars,
        "role_cer": counts["chars_wrong_by_side"] / chars,
        "der": counts["speech_wrong"] / speech,
        "role_der": counts["speech_wrong_by_side"] / speech,
        "der0": counts["strict_wrong"] / max(1, counts["strict"]),
        "overlap_f1": 2 * counts["overlap_right"] / max(1, counts["overlap_either"]),
        "role4": counts["role_right"] / max(1, counts["single"]),
    }
    return {name + suffix: value for name, value in figures.items()}


def match_call(truth: TrueCall, heard: RunCall, by_type: bool) -> Matched:
    """The run's findings of one call against its labels, named by kind/type or by kind alone."""

    def name(kind: str, type_: str) -> str:
        return f"{kind}/{type_}" if by_type else kind

    labels = [Label(name(m.kind, m.type), m.turn_index, truth.turns[m.turn_index], m.quote) for m in truth.moments or ()]
    return match(labels, one_claim(replace(found, name=name(kind, type_)) for kind, type_, found in heard.moments))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _prf(right: int, false: int, missed: int) -> tuple[float, float, float]:
    precision, recall = _ratio(right, right + false), _ratio(right, right + missed)
    return precision, recall, _ratio(2 * precision * recall, precision + recall)


def moment_figures(truth: Sequence[TrueCall], run: Mapping[str, RunCall], hours: float) -> tuple[dict[str, float], tuple[Miss, ...]]:
    """Precision, recall and F1 over all types and of each kind and type; false findings an hour; seconds off; and every miss."""
    figures: dict[str, float] = {}
    misses: list[Miss] = []
    seeks_s: list[float] = []
    labelled = [(call, run.get(call.call_id, RunCall())) for call in truth if call.moments is not None]
    for by_type in (True, False):
        tally: dict[str, Counter[str]] = defaultdict(Counter)
        for call, heard in labelled:
            matched = match_call(call, heard, by_type)
            for label, found in matched.right:
                tally[label.name]["right"] += 1
                if by_type and found.start_s is not None:
                    seeks_s.append(abs(found.start_s - label.quote_start_s))
            for label in matched.missed:
                tally[label.name]["missed"] += 1
                if by_type:
                    misses.append(Miss(call.call_id, "missed", label.name, label.turn_index, label.quote))
            for found in matched.false:
                tally[found.name]["false"] += 1
                if by_type:
                    misses.append(Miss(call.call_id, "false", found.name, found.turn, found.quote))
        every = sum(tally.values(), Counter())
        precision, recall, f1 = _prf(every["right"], every["false"], every["missed"])
        if tally and by_type:
            figures |= {"moment_p": precision, "moment_r": recall, "moment_f1": f1, "false_per_hour": _ratio(every["false"], hours)}
        elif tally:
            figures["kind_f1"] = f1
        for name in sorted(tally):
            n = tally[name]
            key = f"{'type' if by_type else 'kind'}.{name}"
            figures |= dict(zip((f"{key}.p", f"{key}.r", f"{key}.f1"), _prf(n["right"], n["false"], n["missed"]), strict=True))
            figures[f"{key}.n"] = n["right"] + n["missed"]
    if seeks_s:
        figures |= {"seek_p50": float(np.percentile(seeks_s, 50)), "seek_p90": float(np.percentile(seeks_s, 90))}
    return figures, tuple(misses)


def queue_figures(truth: Sequence[TrueCall], run: Mapping[str, RunCall]) -> dict[str, float]:
    """How right the flags are, and how early in the queue the urgent calls come. Only calls whose truth has a flag."""
    calls = [(call, run.get(call.call_id, RunCall())) for call in truth if call.flag is not None]
    if not calls:
        return {}
    agree = Counter(call.flag for call, heard in calls if call.flag == heard.flag)
    true, said = Counter(call.flag for call, _ in calls), Counter(heard.flag for _, heard in calls)
    found = found_by_share([Queued(heard.priority or 0.0, call.flag == "urgent", call.duration_s / 60) for call, heard in calls])
    return {
        "flag_accuracy": agree.total() / len(calls),
        "urgent_recall": _ratio(agree["urgent"], true["urgent"]),
        "urgent_precision": _ratio(agree["urgent"], said["urgent"]),
        "none_precision": _ratio(agree["none"], said["none"]),
        **{f"found_at_{round(100 * share)}": value for share, value in zip(SHARES, found, strict=True)},
        "listening_gain": found[-1] / SHARES[-1],  # 1 in random order
    }


def evaluate(truth_path: Path, out_dir: Path) -> Figures:
    """Every figure of the run in `out_dir` against the truth; raises ConfigError where either cannot be used."""
    truth, run = read_truth(truth_path), read_run(out_dir)
    hours = sum(call.duration_s for call in truth) / 3600
    ok = sum(run.get(call.call_id, RunCall()).status == "ok" for call in truth)
    figures: dict[str, float] = {"calls": len(truth), "calls_ok": ok, "hours": hours}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for call in truth:
        one = hearing_counts(call, run.get(call.call_id, RunCall()))
        counts[""].update(one)
        counts[f".{call.channels}"].update(one)
    for suffix in ("", ".mono", ".stereo"):
        figures |= hearing_figures(counts[suffix], suffix)
    moments, misses = moment_figures(truth, run, hours)
    return Figures(figures | moments | queue_figures(truth, run), misses)


def command(
    truth: Annotated[Path, typer.Argument(help="Truth file, JSON Lines.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Output folder of the run to judge.")] = Path("nights"),
    json_to: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.", show_default=False)] = None,
    misses: Annotated[bool, typer.Option("--misses", help="Also print every missed label and every false finding, with its quote.")] = False,
) -> None:
    """Score a finished run against labelled truth: hearing, moments, flags and the order of the queue.

    Run the night with --keep-original first; masked digits count as wrong ones.

    Example: futing evaluate truth.jsonl --out nights --json figures.json
    """
    result = evaluate(truth, out)
    for miss in result.misses if misses else ():
        typer.echo(f"# {miss.call_id} {miss.what} {miss.name} turn {miss.turn}: {miss.quote}")
    for name, value in result.values.items():
        typer.echo(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}")
    if json_to is not None:
        json_to.write_text(json.dumps(dict(result.values), indent=1) + "\n", encoding="utf-8")
