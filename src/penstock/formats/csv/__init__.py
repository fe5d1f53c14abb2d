"""CSV: deciding how a file is written, proving that the engine reads it exactly, and reading it record by record."""
