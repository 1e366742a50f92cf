"""Nothing leaves: every library's telemetry is switched off by importing this file.

In: the process environment. Out: the same environment with the switches below set, for this process and all it starts.
The surprising choice: the switches are forced, not defaulted. Recordings of callers are private, and no setting of Futing
turns somebody else's statistics back on. `flows.cli` imports this file before anything else, because pyannote.audio and
Prefect read their switches while they are imported.

DuckDB knows no environment switch: whoever opens a connection passes `DUCKDB` to `duckdb.connect(config=DUCKDB)`.
"""

from __future__ import annotations

import os
import resource

SWITCHES: dict[str, str] = {
    "DO_NOT_TRACK": "1",  # https://donottrack.sh: Prefect's client, huggingface_hub and others
    "PYANNOTE_METRICS_ENABLED": "0",  # pyannote.audio 4 reports model loads and file lengths over OTLP unless told not to
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # the heartbeat of a Prefect server started here
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SCARF_NO_ANALYTICS": "true",
}
DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}  # a query never fetches code


def hush() -> None:
    """Switch telemetry off, and core dumps too: a dump of this process would hold callers' words in plain memory."""
    os.environ.update(SWITCHES)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


hush()
