"""SQL that turns one raw value into the type its contract asks for, or NULL when it cannot."""

from dataclasses import dataclass

from features.contracts import AMOUNT, CENTS, FLAG, SCORE, TEXT, TIME, WHOLE
from features.dialect import Dialect

WORDS = {TEXT: "text", TIME: "a time", CENTS: "a number", WHOLE: "a whole number", FLAG: "a yes or no"}
DECIMALS = {AMOUNT: (18, 3), SCORE: (9, 3)}
FLOATS = ("DOUBLE", "FLOAT")

_DAY = "[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"
_CLOCK = "[ T]([01]?[0-9]|2[0-3]):[0-9]{1,2}(:[0-9]{1,2}([.][0-9]*)?)?"
_DATE = f"^{_DAY}$"
_NAIVE = f"^{_DAY}{_CLOCK}$"
_OFFSET = f"^{_DAY}{_CLOCK}(Z| UTC|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$"
_WRITTEN_WHOLE = "^-?[0-9]+[.]0$"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A canonical value and what stands for it in the raw row when it is missing, in two steps.

    `clean` is the SQL of the raw value where it says something, else NULL (for NULL, an empty text, NaN). Over a
    column that holds it, `value` is the SQL of the staged value and `given` that of the raw text. `may_fail` tells
    that `given` without `value` is possible.
    """

    clean: str
    value: str
    given: str
    may_fail: bool


def cast(
    raw: str, raw_type: str, column: str, wanted: str, zone: str, words: Dialect, *, tidy: bool, written: bool
) -> Cast:
    """SQL that reads a raw value as the type a contract wants.

    Args:
        raw: the raw value.
        raw_type: its SQL type.
        column: the name, quoted, of the column that will hold `clean`.
        wanted: a type of `features.contracts`.
        zone: the time zone of times that carry none; dates are midnight as they are, in any zone.
        words: of the engine that runs the SQL.
        tidy: the value is text without outer blanks or empty values, known from a look at all of it.
        written: the value is an id as a CSV wrote it, where a column of numbers with gaps became floats.
    """
    is_float = raw_type in FLOATS
    if is_float:
        clean, given = f"NULLIF({raw}, CAST('nan' AS {raw_type}))", words.float_text(column)
    elif raw_type == "VARCHAR" or wanted == TEXT:
        clean, given = raw if tidy else f"NULLIF({words.trimmed(f'CAST({raw} AS STRING)')}, '')", column
    else:
        clean, given = raw, f"CAST({column} AS STRING)"
    if wanted == TEXT:
        value = _written(column, words) if written else _float(column, words) if is_float else column
    elif wanted == TIME:
        value = _time(column, raw_type, zone, words)
    else:
        value = _number(column, raw_type, wanted, words)
    safe = wanted == TEXT or (wanted == TIME and raw_type.startswith(("DATE", "TIMESTAMP")))
    return Cast(clean=clean, value=value, given=given, may_fail=not safe)


def _written(column: str, words: Dialect) -> str:
    is_whole = f"{column} LIKE '%.0' AND {words.matches(column, _WRITTEN_WHOLE)}"
    return f"CASE WHEN {is_whole} THEN LEFT({column}, LENGTH({column}) - 2) ELSE {column} END"


def _float(column: str, words: Dialect) -> str:
    """12.0 in a column of floats is the text '12', as it was before it had gaps."""
    is_whole = f"{column} = ROUND({column}) AND ABS({column}) < 9e18"
    return f"CASE WHEN {is_whole} THEN CAST(CAST({column} AS BIGINT) AS STRING) ELSE {words.float_text(column)} END"


def _number(column: str, raw_type: str, wanted: str, words: Dialect) -> str:
    """Cents, a whole number, a yes or no, or a decimal; halves are rounded away from zero."""
    if wanted == FLAG:
        return f"TRY_CAST({column} AS BOOLEAN)"
    if wanted == CENTS:
        return f"CAST(ROUND({words.decimal(column, raw_type, 16, 4)} * 100) AS BIGINT)"
    if wanted in DECIMALS:
        return words.decimal(column, raw_type, *DECIMALS[wanted])
    if raw_type in FLOATS:
        return f"CASE WHEN ABS({column} - ROUND({column})) < 5e-7 THEN TRY_CAST(ROUND({column}) AS BIGINT) END"
    exact = words.decimal(column, raw_type, 28, 6)
    return f"CASE WHEN {exact} = ROUND({exact}) THEN TRY_CAST({exact} AS BIGINT) END"


def _time(column: str, raw_type: str, zone: str, words: Dialect) -> str:
    """Naive UTC. A date is midnight; a time without a zone is local; one with an offset says it itself."""
    if raw_type == "DATE":
        return f"CAST({column} AS TIMESTAMP)"
    if raw_type == "TIMESTAMP WITH TIME ZONE":
        return words.utc(column)
    if raw_type.startswith("TIMESTAMP"):
        return _local(f"CAST({column} AS TIMESTAMP)", zone, words)
    if raw_type != "VARCHAR":
        return "CAST(NULL AS TIMESTAMP)"
    naive = words.time(column)
    return (
        f"CASE WHEN {words.matches(column, _DATE)} THEN {naive} "
        f"WHEN {words.matches(column, _NAIVE)} THEN {_local(naive, zone, words)} "
        f"WHEN {words.matches(column, _OFFSET)} THEN {words.offset_time(column)} END"
    )


def _local(naive: str, zone: str, words: Dialect) -> str:
    return naive if zone == "UTC" else words.from_local(naive, zone)
