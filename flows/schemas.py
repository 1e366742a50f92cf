"""Arrow schemas of the tables: the contract with everybody who reads the Parquet.

New columns may be added, nullable; none changes its meaning. Times are seconds from the start of the recording (float64,
three decimals), timestamps carry a zone. A version stands in each schema's metadata (`futing.schema`).
"""

import pyarrow as pa

VERSION = "1"


def _list(item: pa.DataType) -> pa.ListType:
    """A list whose items are named as Parquet names them, so that a file read back has the very type it was written with."""
    return pa.list_(pa.field("element", item))


TIMESTAMP = pa.timestamp("ms", tz="UTC")
PARAMS = _list(pa.struct([("key", pa.string()), ("value", pa.string())]))
REASONS = _list(pa.struct([("code", pa.string()), ("moment", pa.int32()), ("params", PARAMS)]))
WORDS = _list(pa.struct([("text", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64()), ("probability", pa.float64())]))
REDACTIONS = _list(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("kind", pa.string())]))
COMPONENTS = _list(pa.struct([("name", pa.string()), ("quote", pa.string())]))


def _schema(table: str, fields: list[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([pa.field(n, t) for n, t in fields], metadata={"futing.schema": f"{table}/{VERSION}"})


S, F, I, B = pa.string(), pa.float64(), pa.int32(), pa.bool_()

CALLS = _schema(
    "calls",
    [
        ("call_id", S), ("recording", S), ("audio_sha256", S), ("started_at", TIMESTAMP), ("duration_s", F), ("channels", I), ("sample_rate_hz", I), ("layout", S),
        ("agent_id", S), ("team", S), ("queue", S), ("direction", S), ("customer_ref", S), ("status", S), ("error_code", S), ("error", S),
        ("agent_talk_s", F), ("customer_talk_s", F), ("silence_s", F), ("longest_silence_s", F), ("overlap_s", F), ("interruptions_agent", I), ("interruptions_customer", I),
        ("agent_chars_per_min", F), ("customer_chars_per_min", F), ("turns", I), ("role_confidence", F),
        ("apology_formula", I), ("apology_warm", I), ("first_apology_s", F), ("apology_effect", F), ("heat_start", F), ("heat_peak", F), ("heat_peak_s", F), ("heat_end", F),
        ("level", S), ("unresolved", B), ("flag", S), ("priority", F), ("reasons", REASONS),
        ("asr_model", S), ("diarizer", S), ("rules_version", S), ("config_hash", S), ("pipeline_version", S), ("run_id", S),
        ("agent_channel", I),
    ],
)  # fmt: skip
TURNS = _schema(
    "turns",
    [
        ("call_id", S), ("turn", I), ("role", S), ("role_confidence", F), ("speaker", S), ("start_s", F), ("end_s", F), ("text", S), ("words", WORDS), ("confidence", F),
        ("loudness_db", F), ("pitch_hz", F), ("chars_per_min", F), ("overlap_s", F), ("heat", F), ("redactions", REDACTIONS), ("run_id", S),
        ("heard_role", S),
    ],
)  # fmt: skip
MOMENTS = _schema(
    "moments",
    [
        ("call_id", S), ("moment", I), ("kind", S), ("type", S), ("role", S), ("turn", I), ("start_s", F), ("end_s", F), ("quote", S), ("char_start", I), ("char_end", I),
        ("rule_id", S), ("score", F), ("match", S), ("meant", S), ("components", COMPONENTS), ("due_at", TIMESTAMP), ("severity", I), ("run_id", S),
    ],
)  # fmt: skip
CASES = _schema(
    "cases",
    [
        ("case_id", S), ("customer_ref", S), ("first_call", S), ("last_call", S), ("contacts", I), ("tier", S), ("open", B), ("promises_kept", I), ("promises_broken", I),
        ("reasons", REASONS), ("run_id", S),
    ],
)  # fmt: skip
RUNS = _schema(
    "runs",
    [
        ("run_id", S), ("started_at", TIMESTAMP), ("finished_at", TIMESTAMP), ("calls", I), ("ok", I), ("failed", I), ("skipped", I), ("duplicates", I), ("audio_s", F),
        ("failures", _list(pa.struct([("call_id", S), ("error_code", S)]))), ("duplicate_recordings", _list(pa.struct([("call_id", S), ("recording", S)]))),
        ("versions", PARAMS), ("machine", PARAMS), ("seconds", _list(pa.struct([("stage", S), ("seconds", F)]))),
    ],
)  # fmt: skip

TABLES: dict[str, pa.Schema] = {"calls": CALLS, "turns": TURNS, "moments": MOMENTS, "cases": CASES, "runs": RUNS}
