"""How the parts of an opened lake are put together for each of the things that `Lake` does; it has them by name."""
