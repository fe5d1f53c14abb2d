"""Upkeep: a lake is looked through, mended and kept small."""
