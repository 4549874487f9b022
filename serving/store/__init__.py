"""The store: scores, warning signs, decisions, deliveries, keys and audit in one SQLite or PostgreSQL database.

Open it once (`open_store`), then pass a connection to the functions of the module that owns a table, so that what
belongs together commits together:

    store = open_store("sqlite:////var/lib/keepwell/store.db")
    with store.write() as db:
        decided = decisions.decide(db, choice)
        audit.record(db, [entry])
"""

from serving.store.opening import Store, open_store

__all__ = ["Store", "open_store"]
