"""Staging: files become Parquet files that nobody sees yet, one by one or many at a time."""
