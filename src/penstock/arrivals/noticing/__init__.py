"""Noticing: what landed is found, by being told and by looking, waited for until it is whole, and recorded once."""
