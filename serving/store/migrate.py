"""Bring a database's tables up to date, in the caller's transaction."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from serving.errors import ServingError

FOLDER = Path(__file__).parent / "migrations"
VERSION_TABLE = "keepwell_version"
LOCK = 7_205_759_403
"""PostgreSQL's advisory lock that says "someone is migrating this store" (an arbitrary number)."""


def upgrade(db: Connection) -> None:
    """Apply the migrations that are missing. Two processes at once: the second waits, and finds nothing to do.

    Raises:
        ServingError: the store was written by a newer version.
    """
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    scripts = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])
    options = {"fn": lambda at, _: scripts._upgrade_revs("head", at), "script": scripts, "version_table": VERSION_TABLE}
    context = MigrationContext.configure(db, opts=options)
    try:
        with Operations.context(context):
            context.run_migrations()
    except CommandError as error:
        raise ServingError(f"store: its tables are of another version ({error}); upgrade keepwell") from error
