"""Which version of the product this is; everything else reads it here."""

__version__ = "0.1.0"
