"""The words in which DuckDB's and Spark's SQL differ; all other text is the same on both.

What both read alike, and is therefore written plainly: CASE, GROUP BY, window functions, SEMI and ANTI joins, CAST and
TRY_CAST, `STRING`, double-quoted names, INTERVAL 1 DAY, decimals, BIT_OR. Nulls are ordered by saying so, and a text
literal holds no backslash: DuckDB puts nulls last where Spark puts them first, and only Spark reads escapes.
"""

from collections.abc import Iterable
from datetime import datetime


class Dialect:
    """DuckDB's words. Arguments are SQL expressions unless a name says otherwise; so is what is returned."""

    @staticmethod
    def moment(at: datetime) -> str:
        """Literal of a naive UTC timestamp."""
        return f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'"

    @staticmethod
    def days_between(earlier: str, later: str) -> str:
        """Whole days from one date to another."""
        return f"DATEDIFF('DAY', CAST({earlier} AS DATE), CAST({later} AS DATE))"

    @staticmethod
    def minutes_between(earlier: str, later: str) -> str:
        """Minutes whose beginning lies between one timestamp and another."""
        return f"DATEDIFF('MINUTE', {earlier}, {later})"

    @staticmethod
    def matches(text: str, pattern: str) -> str:
        """Whether any part of a text matches a regular expression that holds neither quotes nor backslashes."""
        return f"REGEXP_MATCHES({text}, '{pattern}')"

    @staticmethod
    def trimmed(text: str) -> str:
        """A text without blanks (Unicode's space separators) at its ends."""
        return f"TRIM({text})"

    @staticmethod
    def float_text(number: str) -> str:
        """A floating point number as text, in the fewest digits that tell it from others."""
        return f"CAST({number} AS STRING)"

    @staticmethod
    def decimal(value: str, raw_type: str, digits: int, scale: int) -> str:
        """A value as a decimal of so many digits, `scale` of them after the point; null where it is none."""
        return f"TRY_CAST({value} AS DECIMAL({digits},{scale}))"

    @staticmethod
    def time(text: str) -> str:
        """A text that is a date, or a date and a time without a zone, as a naive timestamp; null for no real day."""
        return f"TRY_CAST({text} AS TIMESTAMP)"

    @staticmethod
    def offset_time(text: str) -> str:
        """A text that is a date and a time with an offset from UTC, as a naive UTC timestamp."""
        return f"TIMEZONE('UTC', TRY_CAST({text} AS TIMESTAMPTZ))"

    @staticmethod
    def utc(instant: str) -> str:
        """A timestamp with a time zone as a naive UTC one."""
        return f"TIMEZONE('UTC', {instant})"

    @staticmethod
    def from_local(naive: str, zone: str) -> str:
        """A naive timestamp of a zone (its name, not SQL) as a naive UTC one; see `staging` for odd hours."""
        return f"TIMEZONE('UTC', TIMEZONE('{quoted(zone)}', {naive}))"

    @staticmethod
    def row_of(relation: str) -> str:
        """A relation's whole row as one value."""
        return relation

    @staticmethod
    def json(row: str) -> str:
        """A whole row as JSON text."""
        return f"CAST(TO_JSON({row}) AS STRING)"

    @staticmethod
    def row_hash(row: str) -> str:
        """A number that is the same for whole rows that are the same."""
        return f"HASH({row})"

    @staticmethod
    def key_hash(columns: Iterable[str]) -> str:
        """A number that is the same for rows with the same values in some columns, and seldom for others."""
        return f"HASH({', '.join(columns)})"


def quoted(text: str) -> str:
    """Text as the inside of a SQL string literal."""
    return text.replace("'", "''")
