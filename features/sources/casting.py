"""SQL that turns one raw value into the type its contract asks for, or NULL when it cannot."""

from dataclasses import dataclass

from features.contracts import CENTS, FLAG, TEXT, TIME, WHOLE
from features.engine import quoted

WORDS = {TEXT: "text", TIME: "a time", CENTS: "a number", WHOLE: "a whole number", FLAG: "a yes or no"}

_DATE = r"^\d{4}-\d{1,2}-\d{1,2}$"
_OFFSET = r":\d{2}.*(Z|UTC|[+-]\d{2}(:?\d{2})?)$"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A canonical value and what stands for it in the raw row when it is missing.

    `value` is the SQL of the staged value. `given` is the SQL of the raw text, NULL where the raw row says
    nothing (NULL, an empty text, NaN). `may_fail` tells that `given` without `value` is possible.
    """

    value: str
    given: str
    may_fail: bool


def cast(column: str, raw_type: str, wanted: str, zone: str, *, tidy: bool = False, written: bool = False) -> Cast:
    """SQL that reads a raw column as the type a contract wants.

    Args:
        column: the raw value, a quoted name.
        raw_type: its SQL type.
        wanted: a type of `features.contracts`.
        zone: the time zone of times that carry none; dates are midnight as they are, in any zone.
        tidy: the column is text without outer blanks or empty values, known from a look at all of it.
        written: the column is an id as a CSV wrote it, where a column of numbers with gaps became floats.
    """
    text = f"NULLIF(TRIM(CAST({column} AS VARCHAR)), '')"
    if wanted == TEXT and tidy:
        return Cast(value=column, given=column, may_fail=False)
    if wanted == TEXT and written:
        whole = rf"REGEXP_REPLACE({text}, '^(-?\d+)\.0$', '\1')"
        return Cast(value=f"CASE WHEN ENDS_WITH({text}, '.0') THEN {whole} ELSE {text} END", given=text, may_fail=False)
    if wanted == TEXT:
        return Cast(value=_text(column, raw_type), given=text, may_fail=False)
    if raw_type == "VARCHAR":
        column = text
    elif raw_type in ("DOUBLE", "FLOAT"):
        column = f"NULLIF({column}, 'nan'::{raw_type})"
        text = f"CAST({column} AS VARCHAR)"
    if wanted == TIME:
        safe = raw_type == "DATE" or raw_type.startswith("TIMESTAMP")
        return Cast(value=_time(column, raw_type, zone), given=text, may_fail=not safe)
    if wanted == CENTS:
        value = f"CAST(ROUND(TRY_CAST({column} AS DECIMAL(18,4)) * 100) AS BIGINT)"
    elif wanted == WHOLE:
        exact = f"TRY_CAST({column} AS DECIMAL(28,6))"
        value = f"CASE WHEN {exact} = ROUND({exact}) THEN TRY_CAST({exact} AS BIGINT) END"
    else:
        value = f"TRY_CAST({column} AS {wanted})"
    return Cast(value=value, given=text, may_fail=True)


def _text(column: str, raw_type: str) -> str:
    """Trimmed text, nothing for an empty one; 12.0 in a column of floats is '12', as it was before."""
    if raw_type == "VARCHAR":
        return f"NULLIF(TRIM({column}), '')"
    if raw_type in ("DOUBLE", "FLOAT"):
        whole = f"CAST(TRY_CAST({column} AS HUGEINT) AS VARCHAR)"
        given = f"NULLIF({column}, 'nan'::{raw_type})"
        return f"CASE WHEN {given} = TRUNC({given}) THEN {whole} ELSE CAST({given} AS VARCHAR) END"
    return f"NULLIF(TRIM(CAST({column} AS VARCHAR)), '')"


def _time(column: str, raw_type: str, zone: str) -> str:
    """Naive UTC. A date is midnight; a time without a zone is local; one with an offset says it itself."""
    if raw_type == "DATE":
        return f"CAST({column} AS TIMESTAMP)"
    if raw_type == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {column})"
    if raw_type.startswith("TIMESTAMP"):
        return _local(f"CAST({column} AS TIMESTAMP)", zone)
    if raw_type != "VARCHAR":
        return "CAST(NULL AS TIMESTAMP)"
    naive = f"TRY_CAST({column} AS TIMESTAMP)"
    return (
        f"CASE WHEN regexp_matches({column}, '{_DATE}') THEN {naive} "
        f"WHEN regexp_matches({column}, '{_OFFSET}') "
        f"THEN timezone('UTC', TRY_CAST({column} AS TIMESTAMPTZ)) "
        f"ELSE {_local(naive, zone)} END"
    )


def _local(naive: str, zone: str) -> str:
    if zone == "UTC":
        return naive
    return f"timezone('UTC', timezone('{quoted(zone)}', {naive}))"
