"""JSON and NDJSON: records one by one, their types, and the typed cells that they become."""
