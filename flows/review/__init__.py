"""The page where QA staff hear the minute that matters: Parquet of any number of nights in, verdicts out. No torch."""
