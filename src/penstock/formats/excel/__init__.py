"""Excel: the rows of a sheet, their types, and the typed cells that they become."""
