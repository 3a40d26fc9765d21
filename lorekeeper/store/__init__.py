"""The database: one file a noun, functions that take a connection and return domain values.

Whoever starts the work opens the transaction, so that "add the pair and record who did" is one unit.
"""

from __future__ import annotations

from lorekeeper.store.database import connect, open_database, reading

__all__ = ["connect", "open_database", "reading"]
