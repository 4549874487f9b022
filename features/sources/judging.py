"""SQL that casts a source's raw rows to its contract, and the rules that say what is wrong with a row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from features.contracts import TEXT, TIME, Source
from features.dialect import Dialect
from features.sources.casting import WORDS, Cast, cast
from features.sources.mapping import KNOWN_AT, Resolved
from features.sources.raw import Raw

AGREED_AHEAD = ("accounts", "subscriptions")
"""Sources whose rows may be known before they begin: a contract is signed before its first day."""

UNKNOWN = "unknown account, not in accounts"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a row may do wrong: the SQL condition that it does, the words for it, the offending value.

    `passes` tells that the same row may be a good one later.
    """

    broken: str
    reason: str
    value: str | None = None
    passes: bool = False

    @property
    def told(self) -> str:
        """SQL text of the reason with the beginning of the value that caused it."""
        value = f" || ': ' || LEFT({self.value}, 80)" if self.value else ""
        return f"'{self.reason}'{value}"


@dataclass(frozen=True, kw_only=True)
class Judging:
    """One source's SQL: `typed` selects canonical values from the raw rows, `rules` hold over those.

    `staged` are the columns of the staged table, in order, quoted, without `superseded_at`.
    """

    typed: str
    rules: tuple[Rule, ...]
    staged: tuple[str, ...]

    @property
    def checks_accounts(self) -> bool:
        """Whether a row may be broken because its account is not there."""
        return any(rule.reason == UNKNOWN for rule in self.rules)

    def judged(self, relation: str) -> str:
        """Rows of the typed relation with `_reason`: the first rule they break, NULL for good rows."""
        cases = " ".join(f"WHEN {rule.broken} THEN {rule.told}" for rule in self.rules)
        return f'SELECT *, CASE {cases} END AS _reason FROM "{relation}"'

    def may_pass(self, reasons: set[str]) -> bool:
        """Whether rows that break rules with these reasons may be good ones later."""
        return any(rule.passes for rule in self.rules if rule.reason in reasons)

    def keeps(self, reasons: set[str]) -> str:
        """SQL condition of the rows that break none of the rules with these reasons."""
        kept = [f"({rule.broken}) IS NOT TRUE" for rule in self.rules if rule.reason in reasons]
        return " AND ".join(kept) or "TRUE"


def judging(
    source: Source,
    resolved: Resolved,
    raw: Raw,
    *,
    zone: str,
    now: datetime,
    check_accounts: bool,
    tidy: frozenset[str],
    words: Dialect | None = None,
) -> Judging:
    """Compose the SQL that judges one source.

    Args:
        source: its contract.
        resolved: the mapping as SQL over the raw rows.
        raw: its raw rows.
        zone: time zone of times that carry none.
        now: naive UTC; rows that happened after it are in the future.
        check_accounts: whether account ids must be in the staged accounts.
        tidy: mapped text columns that need no trimming.
        words: of the engine that runs the SQL; DuckDB's by default.
    """
    words = words or Dialect()
    wanted = source.columns | {KNOWN_AT: TIME} | dict.fromkeys(resolved.attributes, TEXT)
    picked = resolved.expressions | resolved.attributes
    written = {c for c in picked if c.endswith("_id") and raw.rejected is not None}
    casts = {
        c: cast(sql, resolved.types[c], f'"_{c}"', wanted[c], zone, words, tidy=c in tidy, written=c in written)
        for c, sql in picked.items()
    }
    typed = _typed(source, resolved, casts, f'{words.row_of("raw")} AS _raw FROM "{raw.relation}" AS raw')
    rules = [*_cast_rules(source, casts), *_time_rules(source, casts, now), *_contract_rules(source, casts)]
    if check_accounts:
        absent = "account_id NOT IN (SELECT account_id FROM accounts)"
        rules.append(Rule(broken=absent, reason=UNKNOWN, value="account_id", passes=True))
    staged = (*(_name(source, c) for c in source.columns), *(f'"{a}"' for a in resolved.attributes), KNOWN_AT)
    return Judging(typed=typed, rules=tuple(rules), staged=staged)


def _typed(source: Source, resolved: Resolved, casts: dict[str, Cast], row: str) -> str:
    """Canonical values, attributes, the second clock, and beside each value that did not cast what it was.

    In three steps, so that no long expression is written twice: raw values cleaned, values cast, what failed.
    """
    cleaned = ", ".join(f'{how.clean} AS "_{column}"' for column, how in casts.items())
    names = {column: _name(source, column) for column in source.columns}
    names |= {attribute: f'"{attribute}"' for attribute in resolved.attributes}
    values = [f"{_value(source, column, casts)} AS {name}" for column, name in names.items()]
    if KNOWN_AT in casts:
        values.append(f'{casts[KNOWN_AT].value} AS "_told_at"')
    failing = {c: names.get(c, '"_told_at"') for c, how in casts.items() if how.may_fail}
    given = [f'{casts[column].given} AS "_given_{column}"' for column in failing]
    own = names[source.at] if source.at in casts else "TIMESTAMP '1970-01-01'"
    known = f'COALESCE("_told_at", {own})' if KNOWN_AT in casts else own
    bad = [f'CASE WHEN {name} IS NULL THEN "_given_{c}" END AS "_bad_{c}"' for c, name in failing.items()]
    return (
        f"SELECT {', '.join([*names.values(), f'{known} AS {KNOWN_AT}', *bad, '_raw'])} FROM ("
        f"SELECT {', '.join([*values, *given, '_raw'])} FROM (SELECT {cleaned}, {row}))"
    )


def _name(source: Source, column: str) -> str:
    return f'"{source.staged_name(column)}"'


def _value(source: Source, column: str, casts: dict[str, Cast]) -> str:
    if column not in casts:
        return f"CAST(NULL AS {source.staged_type(column)})"
    value = casts[column].value
    return f"LOWER({value})" if column in source.allowed else value


def _cast_rules(source: Source, casts: dict[str, Cast]) -> Iterator[Rule]:
    """What must be there and be what it should: the account, then every value, then what is required."""
    yield Rule(broken="account_id IS NULL", reason="account_id is missing")
    kinds = source.columns | {KNOWN_AT: TIME}
    for column in (column for column, how in casts.items() if how.may_fail):
        bad = f'"_bad_{column}"'
        reason = f"{column} is not {WORDS.get(kinds[column], 'a number')}"
        yield Rule(broken=f"{bad} IS NOT NULL", reason=reason, value=bad)
    told = [column for column in (source.at, "row_id", "ticket_id") if column in casts]
    for column in dict.fromkeys((*source.required, *told)):
        if column != "account_id":
            yield Rule(broken=f'"{column}" IS NULL', reason=f"{column} is missing")


def _time_rules(source: Source, casts: dict[str, Cast], now: datetime) -> Iterator[Rule]:
    """Nothing may be known or have happened after now, nor be known before it happened."""
    at, later = f'"{source.at}"', Dialect.moment(now)
    clocks = {"known_at": KNOWN_AT} if KNOWN_AT in casts else {}
    if source.name not in AGREED_AHEAD or not clocks:
        clocks[source.at] = at
    for clock, column in clocks.items():
        text = f"CAST({column} AS STRING)"
        yield Rule(broken=f"{column} > {later}", reason=f"{clock} is in the future", value=text, passes=True)
    if KNOWN_AT in casts and source.name not in AGREED_AHEAD:
        both = f"CAST({KNOWN_AT} AS STRING) || ' before ' || CAST({at} AS STRING)"
        yield Rule(broken=f"{KNOWN_AT} < {at}", reason="known before it happened", value=both)


def _contract_rules(source: Source, casts: dict[str, Cast]) -> Iterator[Rule]:
    """Allowed values and identities."""
    for column, allowed in source.allowed.items():
        if column in casts:
            listed = ", ".join(f"'{value}'" for value in allowed)
            reason = f"{column} is none of {', '.join(allowed)}"
            yield Rule(broken=f'"{column}" NOT IN ({listed})', reason=reason, value=f'"{column}"')
    for holds, reason in source.holds.items():
        yield Rule(broken=f"({holds}) IS FALSE", reason=reason)
