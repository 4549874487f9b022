"""SQL that turns one raw value into the type its contract asks for, or NULL when it cannot."""

from dataclasses import dataclass

from features.contracts import AMOUNT, CENTS, FLAG, SCORE, TEXT, TIME, WHOLE
from features.dialect import Dialect

WORDS = {TEXT: "text", TIME: "a time", CENTS: "a number", WHOLE: "a whole number", FLAG: "a yes or no"}
DECIMALS = {AMOUNT: (18, 3), SCORE: (9, 3)}
FLOATS = ("DOUBLE", "FLOAT")

_DAY = "[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"
_CLOCK = "[ T][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]*)?)?"
_DATE = f"^{_DAY}$"
_NAIVE = f"^{_DAY}{_CLOCK}$"
_OFFSET = f"^{_DAY}{_CLOCK}(Z| UTC|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$"
_WRITTEN_WHOLE = "^-?[0-9]+[.]0$"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A canonical value and what stands for it in the raw row when it is missing.

    `value` is the SQL of the staged value. `given` is the SQL of the raw text, NULL where the raw row says
    nothing (NULL, an empty text, NaN). `may_fail` tells that `given` without `value` is possible.
    """

    value: str
    given: str
    may_fail: bool


def cast(
    column: str, raw_type: str, wanted: str, zone: str, words: Dialect, *, tidy: bool = False, written: bool = False
) -> Cast:
    """SQL that reads a raw column as the type a contract wants.

    Args:
        column: the raw value, a quoted name.
        raw_type: its SQL type.
        wanted: a type of `features.contracts`.
        zone: the time zone of times that carry none; dates are midnight as they are, in any zone.
        words: of the engine that runs the SQL.
        tidy: the column is text without outer blanks or empty values, known from a look at all of it.
        written: the column is an id as a CSV wrote it, where a column of numbers with gaps became floats.
    """
    text = f"NULLIF({words.trimmed(f'CAST({column} AS STRING)')}, '')"
    if wanted == TEXT and tidy:
        return Cast(value=column, given=column, may_fail=False)
    if wanted == TEXT and written:
        is_whole = f"{text} LIKE '%.0' AND {words.matches(text, _WRITTEN_WHOLE)}"
        value = f"CASE WHEN {is_whole} THEN LEFT({text}, LENGTH({text}) - 2) ELSE {text} END"
        return Cast(value=value, given=text, may_fail=False)
    if wanted == TEXT:
        return Cast(value=_text(column, raw_type, text, words), given=text, may_fail=False)
    if raw_type == "VARCHAR":
        column = text
    elif raw_type in FLOATS:
        column = f"NULLIF({column}, CAST('nan' AS {raw_type}))"
        text = words.float_text(column)
    if wanted == TIME:
        safe = raw_type == "DATE" or raw_type.startswith("TIMESTAMP")
        return Cast(value=_time(column, raw_type, zone, words), given=text, may_fail=not safe)
    return Cast(value=_number(column, raw_type, wanted, words), given=text, may_fail=True)


def _text(column: str, raw_type: str, text: str, words: Dialect) -> str:
    """Trimmed text, nothing for an empty one; 12.0 in a column of floats is '12', as it was before."""
    if raw_type not in FLOATS:
        return text
    given = f"NULLIF({column}, CAST('nan' AS {raw_type}))"
    whole = f"{given} = ROUND({given}) AND ABS({given}) < 9e18"
    return f"CASE WHEN {whole} THEN CAST(TRY_CAST({column} AS BIGINT) AS STRING) ELSE {words.float_text(given)} END"


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
