"""What looks wrong in sources whose rows all keep their contracts: contradictions, lateness, empty columns."""

from dataclasses import dataclass
from datetime import timedelta

from features.contracts import SOURCES
from features.engine import Engine
from features.sources import QUARANTINE, Staged, StagedSource

FRESH_WITHIN = timedelta(days=28)
"""A source of events that ends earlier than this before the newest one is called late."""

AFTERWARDS = 30
"""Days after the end of its last term from which an account that is still used contradicts its contract."""

CONTRADICTS_ROWS, CONTRADICTS_ACCOUNTS = 0.10, 0.25
SAMPLED_ACCOUNTS = 20_000


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """How usage and contracts disagree, each a share from 0 to 1, of accounts that have both sources' terms.

    `rows_outside_terms`: usage rows of accounts with terms that fall outside all of them.
    `terms_never_used`: accounts with terms that have no usage inside any of them.
    `used_after_end`: of accounts whose last term ended long enough ago, those used more than 30 days later.
    """

    rows_outside_terms: float
    terms_never_used: float
    used_after_end: float


def accounts_without_usage(engine: Engine, staged: Staged) -> float | None:
    """Share of accounts that no usage row names; None without a usage source."""
    if "usage" not in staged.sources:
        return None
    [(share,)] = engine.rows(
        """SELECT AVG(CASE WHEN u.account_id IS NULL THEN 1 ELSE 0 END)
           FROM accounts a LEFT JOIN (SELECT DISTINCT account_id FROM usage) u ON u.account_id = a.account_id
           WHERE a.superseded_at IS NULL"""
    )
    return None if share is None else float(str(share))


def contradiction(engine: Engine, staged: Staged) -> Contradiction | None:
    """Compare usage with contract terms, by day and on a sample of accounts where there are many."""
    if not {"usage", "subscriptions"} <= staged.sources.keys():
        return None
    step = max(1, staged.sources["accounts"].rows_good // SAMPLED_ACCOUNTS)
    some = f"superseded_at IS NULL AND {engine.key_hash(['account_id'])} % {step} = 0"
    [shares] = engine.rows(f"""
    WITH terms AS (
        SELECT account_id, CAST(started_at AS DATE) AS begins,
               COALESCE(CAST(ended_at AS DATE), DATE '9999-12-31') AS ends
        FROM subscriptions WHERE {some}
    ), days AS (
        SELECT account_id, CAST("at" AS DATE) AS day, COUNT(*) AS n FROM usage
        WHERE {some} AND account_id IN (SELECT account_id FROM terms) GROUP BY ALL
    ), judged AS (
        SELECT *, EXISTS (
            SELECT 1 FROM terms AS t WHERE t.account_id = d.account_id AND t.begins <= d.day AND d.day <= t.ends
        ) AS inside FROM days AS d
    ), by_account AS (
        SELECT account_id, BOOL_OR(inside) AS used, MAX(day) AS last_day FROM judged GROUP BY account_id
    ), by_contract AS (SELECT account_id, MAX(ends) AS ends FROM terms GROUP BY account_id)
    SELECT
        COALESCE((SELECT SUM(n) FILTER (WHERE NOT inside) / SUM(n) FROM judged), 0),
        AVG(CAST(NOT COALESCE(used, false) AS INTEGER)),
        COALESCE(AVG(CAST(COALESCE(last_day > ends + {AFTERWARDS}, false) AS INTEGER))
            FILTER (WHERE ends + {AFTERWARDS} < (SELECT MAX(day) FROM days)), 0)
    FROM by_contract LEFT JOIN by_account USING (account_id)
    """)
    if shares[1] is None:
        return None
    outside, unused, after = (float(str(share)) for share in shares)
    return Contradiction(rows_outside_terms=outside, terms_never_used=unused, used_after_end=after)


def contradiction_told(found: Contradiction | None) -> list[str]:
    """The contradictions large enough to say, in words."""
    if found is None:
        return []
    told = []
    if found.rows_outside_terms > CONTRADICTS_ROWS:
        told.append(f"{found.rows_outside_terms:.0%} of usage rows fall outside every contract term of their account")
    if found.terms_never_used > CONTRADICTS_ACCOUNTS:
        told.append(f"{found.terms_never_used:.0%} of accounts with contracts show no usage during any of them")
    if found.used_after_end > CONTRADICTS_ACCOUNTS:
        told.append(f"{found.used_after_end:.0%} of ended accounts are used more than {AFTERWARDS} days after")
    advice = "check that both tables mean the same account and the same clock"
    return [f"usage contradicts contracts: {what}; {advice}" for what in told]


def late(staged: Staged) -> list[str]:
    """Sources of events that end long before the newest: what they say of the last weeks is not 'nothing'."""
    quiet = ("accounts", "interventions", "churns")
    ends = {s.name: s.last_at for s in staged.sources.values() if s.last_at and s.name not in quiet}
    newest = max(ends.values(), default=None)
    return [
        f"{name} ends on {last:%Y-%m-%d}, {(newest - last).days} days before the newest source: is it loaded late?"
        for name, last in ends.items()
        if newest and newest - last > FRESH_WITHIN
    ]


def constant(engine: Engine, told: StagedSource) -> list[str]:
    """Mapped columns without a value, or with one and the same in every row."""
    source = SOURCES[told.name]
    names = {c: source.staged_name(c) for c in source.columns if c in told.columns and c != "account_id"}
    if not names or not told.rows_good:
        return []
    wanted = ", ".join(
        f'CAST(MIN("{n}") AS STRING), MIN("{n}") IS NOT DISTINCT FROM MAX("{n}") AND COUNT("{n}") IN (0, COUNT(*))'
        for n in names.values()
    )
    row = engine.rows(f'SELECT {wanted} FROM "{told.name}"')[0]
    values = zip(names, row[::2], row[1::2], strict=True)
    return [
        f"{told.name}.{column} is {'empty' if value is None else f'always {value}'} and says nothing"
        for column, value, is_constant in values
        if is_constant and told.rows_good > 1
    ]


def leading_zeros(engine: Engine) -> list[str]:
    """Sources whose unknown accounts would be known if ids had their leading zeros, or had lost them, on both sides."""
    unknown = "reason LIKE 'unknown account%'"
    counted = engine.rows(f"""
    SELECT source, COUNT(*) FROM {QUARANTINE}
    SEMI JOIN (SELECT TRIM(LEADING '0' FROM account_id) AS id FROM accounts) AS known
        ON TRIM(LEADING '0' FROM SPLIT_PART(reason, ': ', 2)) = known.id
    WHERE {unknown} GROUP BY source ORDER BY source
    """)
    return [
        f"{source}: {count:,} rows of unknown accounts differ from a known one by leading zeros alone; map "
        f"account_id in both with LTRIM(CAST(id AS VARCHAR), '0'), or pad one with LPAD(CAST(id AS VARCHAR), 6, '0')"
        for source, count in counted
    ]


def known_ahead(engine: Engine, staged: Staged) -> list[str]:
    """Accounts and contracts whose second clock is before their first."""
    told = []
    for name in ("accounts", "subscriptions"):
        if staged.versioned(name):
            share = engine.rows(f"SELECT AVG(CAST(known_at < started_at AS INTEGER)) FROM {name}")[0][0]
            if share:
                told.append(f"{name}: {share:.0%} of rows were known before they began; fine if agreed ahead")
    return told


def hindsight(staged: Staged) -> list[str]:
    """Columns whose value may come from after a snapshot."""
    if staged.has("subscriptions", "auto_renew") and not staged.versioned("subscriptions"):
        return [
            "subscriptions.auto_renew is mapped without known_at: it is not used as a feature, "
            "its value may be from after the snapshot; map known_at to use it"
        ]
    return []
