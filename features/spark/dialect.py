"""Spark's words where they differ from DuckDB's, with DuckDB's meaning.

Checked against DuckDB value by value: decimals out of floats are rounded as a product with a power of ten, a text may
write 1_000, a repeated local hour is its second pass, a shortest text of a float has no E where DuckDB's has none.
"""

from collections.abc import Iterable

from features.dialect import Dialect, quoted

BLANKS = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""Unicode's space separators."""


class SparkDialect(Dialect):
    """Spark's words, for ANSI mode with naive timestamps and a session in UTC."""

    @staticmethod
    def days_between(earlier: str, later: str) -> str:
        """Whole days from one date to another."""
        return f"DATEDIFF(CAST({later} AS DATE), CAST({earlier} AS DATE))"

    @staticmethod
    def minutes_between(earlier: str, later: str) -> str:
        """Spark counts whole minutes passed; from the minutes' beginnings that is the number of beginnings."""
        return f"TIMESTAMPDIFF(MINUTE, DATE_TRUNC('MINUTE', {earlier}), DATE_TRUNC('MINUTE', {later}))"

    @staticmethod
    def matches(text: str, pattern: str) -> str:
        """Whether any part of a text matches a regular expression."""
        return f"REGEXP_LIKE({text}, '{pattern}')"

    @staticmethod
    def trimmed(text: str) -> str:
        """A text without blanks at its ends; Spark alone would trim the ASCII one only."""
        return f"TRIM(BOTH '{BLANKS}' FROM {text})"

    @staticmethod
    def float_text(number: str) -> str:
        """As DuckDB writes it: 12345678.5 rather than 1.23456785E7, and 1e+16."""
        text = f"CAST({number} AS STRING)"
        plain = f"REGEXP_REPLACE(CAST(CAST({text} AS DECIMAL(38,20)) AS STRING), '0+$', '')"
        short = f"REPLACE({text}, '.0E', 'E')"
        power = f"REGEXP_REPLACE(REGEXP_REPLACE({short}, 'E-([0-9])$', 'e-0$1'), 'E([0-9])', 'e+$1')"
        return (
            f"CASE WHEN {text} NOT LIKE '%E%' THEN {text} "
            f"WHEN ABS({number}) >= 1e-4 AND ABS({number}) < 1e16 THEN REGEXP_REPLACE({plain}, '[.]$', '.0') "
            f"ELSE LOWER({power}) END"
        )

    @staticmethod
    def decimal(value: str, raw_type: str, digits: int, scale: int) -> str:
        """Floats are rounded as DuckDB does, by the nearest whole product with 10 ** scale."""
        to = f"DECIMAL({digits},{scale})"
        if raw_type in ("DOUBLE", "FLOAT"):
            product = f"TRY_CAST(ROUND(CAST({value} AS DOUBLE) * 1e{scale}) AS BIGINT)"
            exact = f"CAST({product} AS DECIMAL(19,0)) * CAST(1e-{scale} AS DECIMAL({scale},{scale}))"
            return f"CASE WHEN ABS({value}) < 1e{digits - scale} THEN TRY_CAST({exact} AS {to}) END"
        if raw_type == "VARCHAR":
            is_number = f"REGEXP_LIKE({value}, '^[ \t\r\n]*[0-9_.eE+-]+[ \t\r\n]*$')"
            value = f"CASE WHEN {is_number} THEN REGEXP_REPLACE({value}, '(?<=[0-9])_(?=[0-9])', '') END"
        return f"TRY_CAST({value} AS {to})"

    @staticmethod
    def time(text: str) -> str:
        """A text that is a date, or a date and a time without a zone; Spark knows no slashes."""
        return f"TRY_CAST({_dashed(text)} AS TIMESTAMP)"

    @staticmethod
    def offset_time(text: str) -> str:
        """Spark wants seconds before an offset."""
        seconds = f"REGEXP_REPLACE({_dashed(text)}, '([ T][0-9]+:[0-9]+)(Z| UTC|[+-][0-9:]+)$', '$1:00$2')"
        return f"CAST(TRY_CAST({seconds} AS TIMESTAMP_LTZ) AS TIMESTAMP)"

    @staticmethod
    def utc(instant: str) -> str:
        """A timestamp with a time zone as a naive UTC one, which is the session's."""
        return f"CAST({instant} AS TIMESTAMP)"

    @staticmethod
    def from_local(naive: str, zone: str) -> str:
        """Spark reads a repeated hour as its first pass; the offset three hours on is the second's."""
        at = quoted(zone)
        first = f"CONVERT_TIMEZONE('{at}', 'UTC', {naive})"
        second = f"CONVERT_TIMEZONE('{at}', 'UTC', {naive} + INTERVAL 3 HOUR) - INTERVAL 3 HOUR"
        is_pass = f"CONVERT_TIMEZONE('UTC', '{at}', {second}) = {naive}"
        return f"CASE WHEN {is_pass} THEN {second} ELSE {first} END"

    @staticmethod
    def row_of(relation: str) -> str:
        """A relation's whole row as one value."""
        return f"STRUCT({relation}.*)"

    @staticmethod
    def json(row: str) -> str:
        """A whole row as JSON text, nulls included."""
        return f"TO_JSON({row}, MAP('ignoreNullFields', 'false'))"

    @staticmethod
    def row_hash(row: str) -> str:
        """Of the JSON text: Spark's hash passes over nulls, so that (null, 1) and (1, null) would be the same."""
        return f"XXHASH64({SparkDialect.json(row)})"

    @staticmethod
    def key_hash(columns: Iterable[str]) -> str:
        """A number that is the same for rows with the same values in some columns, and seldom for others."""
        return f"XXHASH64({', '.join(columns)})"


def _dashed(text: str) -> str:
    return f"REGEXP_REPLACE({text}, '^([0-9]+)/([0-9]+)/', '$1-$2-')"
