"""Readmission: corrected rows of the quarantine come back into their table, each once."""
