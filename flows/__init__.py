"""Everything that touches the world: files, networks, Prefect, Parquet, terminals."""
