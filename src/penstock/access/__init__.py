"""Roles: what each may ask, decided before a statement runs."""

from penstock.access.grant import Grant, grant_of

__all__ = ["Grant", "grant_of"]
