"""Sound to findings: values in, values out. No network, no Prefect, no Parquet (see docs/architecture.md)."""
