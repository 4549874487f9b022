"""What people write about, by who writes it: themes are words of the company's own choosing."""

from features.declare import text_literal
from retention.blocks import Block, Column, rows
from retention.figures import share
from retention.inputs import Inputs
from retention.voice.scores import CLASS

RECENT_DAYS = 364
WHO = ("promoter", "passive", "detractor", "complaint")


def by_class(inputs: Inputs) -> Block:
    """How often each theme occurs in what promoters, passives, detractors and complaints write (systems A2, A5)."""
    counted = {name: _counts(inputs, words) for name, words in _themes(inputs).items()}
    wholes = _counts(inputs, ())
    often = sorted(counted, key=lambda name: -counted[name].get("complaint", 0) - counted[name].get("detractor", 0))
    told = [
        (inputs.house.themes[name].title, *(share(counted[name].get(who, 0), wholes.get(who, 0)) for who in WHO))
        for name in often
    ]
    return Block(
        id="themes",
        title="What they write about",
        systems=("A2", "A5"),
        says=f"Share of texts of the last {RECENT_DAYS} days in which a theme's words occur, by who wrote them. A "
        "text can have several themes or none. The words stand in retention.toml, [themes].",
        columns=(
            Column("theme", "Theme"),
            Column("promoter", "Promoters", "share", has_interval=True),
            Column("passive", "Passives", "share", has_interval=True),
            Column("detractor", "Detractors", "share", has_interval=True),
            Column("complaint", "Complaints", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def recurring(inputs: Inputs) -> Block:
    """Themes of the last 84 days against the 84 before, over accounts that wrote (systems A8: recurring issues)."""
    told = []
    for name, words in _themes(inputs).items():
        now, then = (_accounts(inputs, words, start, start + 84) for start in (0, 84))
        told.append((inputs.house.themes[name].title, now, then, now - then))
    told.sort(key=lambda row: -row[1])
    return Block(
        id="recurring",
        title="Recurring issues",
        systems=("A8",),
        says="Accounts that wrote of a theme in an answer of 0-8, a review up to 3 or a complaint: the last 84 "
        "days and the 84 before. One that stays was not fixed at its source; one that was fixed is worth "
        "telling them.",
        columns=(
            Column("theme", "Theme"),
            Column("accounts", "Accounts, last 84 days", "count"),
            Column("before", "84 days before", "count"),
            Column("change", "Change", "count"),
        ),
        rows=rows(told),
    )


def _themes(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    return {name: theme.words for name, theme in inputs.house.themes.items()}


def _counts(inputs: Inputs, words: tuple[str, ...]) -> dict[str, int]:
    """Texts by who wrote them; with words only those that hold one."""
    found = inputs.rows(
        f"""SELECT CASE WHEN kind = 'complaint' THEN 'complaint' ELSE {CLASS} END AS who, COUNT(*)
            FROM known_feedback r
            WHERE (kind = 'complaint' OR (kind = 'nps' AND score IS NOT NULL)) AND text IS NOT NULL {_holding(words)}
              AND r.at >= {inputs.moment} - INTERVAL {RECENT_DAYS} DAY GROUP BY ALL"""
    )
    return {str(who): int(str(n)) for who, n in found}


def _accounts(inputs: Inputs, words: tuple[str, ...], newest: int, oldest: int) -> int:
    bad = "kind = 'complaint' OR (kind = 'nps' AND score <= 8) OR (kind = 'review' AND score <= 3)"
    at = f"r.at >= {inputs.moment} - INTERVAL {oldest} DAY AND r.at < {inputs.moment} - INTERVAL {newest} DAY"
    query = f"SELECT COUNT(DISTINCT account_id) FROM known_feedback r WHERE ({bad}) AND {at} {_holding(words)}"
    return int(str(inputs.rows(query)[0][0]))


def _holding(words: tuple[str, ...]) -> str:
    tests = " OR ".join(f"CONTAINS(LOWER(text), {text_literal(word.lower())})" for word in words)
    return f"AND ({tests})" if tests else ""
