"""What a database error means to the person who reads it: the one place that says so."""

from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from serving.errors import ServingError

AWAY = "08", "57P", "3D", "28"
"""PostgreSQL's SQLSTATE classes for a server that is away, shutting down, without the database, or refusing us."""

FULL = "53100", "53200", "53300"
"""PostgreSQL's SQLSTATEs for disk full, out of memory and too many connections."""

BUSY = "40001", "40P01", "55P03"
"""PostgreSQL's SQLSTATEs for a serialization failure, a deadlock and a lock that was not free."""

SQLITE = {
    "BUSY": "another process holds its lock; try again, and stop whoever keeps a transaction open",
    "LOCKED": "another process holds its lock; try again, and stop whoever keeps a transaction open",
    "FULL": "its disk is full; free space, nothing of this write was kept",
    "CANTOPEN": "its file cannot be opened; check that the folder exists and may be written",
    "READONLY": "its file may not be written; check owner and permissions",
    "IOERR": "its disk fails or is full; check the disk, nothing of this write was kept",
    "CORRUPT": "its file is damaged; restore the last backup",
    "NOTADB": "its file is not an SQLite database; check the address",
}
"""What to do about SQLite's primary result codes."""


class StoreUnavailable(ServingError):
    """The store is locked, full or away: the same call may succeed later. Nothing of the write was kept."""


def failure(error: SQLAlchemyError, where: str) -> ServingError:
    """The error as this layer tells it: `StoreUnavailable` where waiting can help.

    Args:
        error: what the database or its pool raised.
        where: the store's address without password.
    """
    if isinstance(error, StatementError) and isinstance(error.orig, ServingError):
        return error.orig
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(f"store {where}: all connections are in use; lower the load or try again")
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    remedy = _remedy(cause)
    if remedy:
        return StoreUnavailable(f"store {where}: {remedy} ({_said(cause)})")
    return ServingError(f"store {where} refused: {_said(cause)}; this is a bug or a value it cannot hold, nothing kept")


def _remedy(cause: BaseException) -> str | None:
    state = _sqlstate(cause)
    if state is not None:
        return _of_postgres(state)
    if type(cause).__name__ == "InterfaceError" or isinstance(cause, OSError):
        return "the server cannot be reached; check that it runs and that the address is right"
    code = getattr(cause, "sqlite_errorname", "SQLITE_ERROR").split("_")[1]
    return SQLITE.get(code)


def _of_postgres(state: str) -> str | None:
    if state in FULL:
        return "the server is out of disk, memory or connections; free some, nothing of this write was kept"
    if state in BUSY:
        return "another transaction is in the way; try again"
    return "the server is away or refuses the connection; check that it runs" if state.startswith(AWAY) else None


def _sqlstate(cause: BaseException) -> str | None:
    told = cause.args[0] if cause.args else None
    return str(told["C"]) if isinstance(told, dict) and "C" in told else None


def _said(cause: BaseException) -> str:
    told = cause.args[0] if cause.args else None
    return str(told.get("M", told)) if isinstance(told, dict) else str(cause).splitlines()[0]
