"""Where a lake stands: its zones, its state store, its catalog and its journal, on this machine or on AWS.

The same lake can stand in several places. What is done to it asks the site for its parts, and for nothing else.
"""

from penstock.site.local import STATE_FOLDER, LocalSite
from penstock.site.place import Site

__all__ = ["STATE_FOLDER", "LocalSite", "Site"]
