"""Everything that touches the world: files, networks, Prefect, Parquet, terminals."""

import flows.quiet  # noqa: F401 - telemetry off before any part of this package imports a library that reads its switches
