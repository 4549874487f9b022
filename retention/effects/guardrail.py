"""The guardrail: are those paid who threaten to leave, while the loyal are neglected (systems X13)."""

from retention.blocks import Block, Column, Value, rows
from retention.figures import share
from retention.inputs import Inputs

YEAR = 364
INQUIRY = "contract_inquiry"
NOTICE_RULE = "W12"
THREATS = 2
"""An account that asked about leaving, or gave notice, so often within a year threatens repeatedly."""


def guardrail(inputs: Inputs) -> Block:
    """Who gets save offers, and how many of the loyal are kept beside; without rows where there was no offer."""
    fewest = inputs.house.programme.fewest
    inputs.engine.create("save_offers", _offers(inputs))
    offers = inputs.engine.query("SELECT * FROM save_offers").to_pylist()
    known = [row["risk_level"] for row in offers if row["risk_level"] is not None]
    threats = sum(row["threats"] >= THREATS for row in offers)
    again = sum(row["nth"] > 1 for row in offers)
    told: list[tuple[Value, ...]] = [
        ("offers to accounts of low risk", share(known.count("low"), len(known), fewest=fewest)),
        ("offers to accounts that threatened repeatedly", share(threats, len(offers), fewest=fewest)),
        ("offers to accounts that had one before", share(again, len(offers), fewest=fewest)),
    ]
    for row in inputs.engine.query(_kept(inputs)).to_pylist():
        who = "accounts with an offer kept" if row["has_offer"] else "loyal accounts without any offer kept"
        told.append((who, share(row["kept"], row["n"], fewest=fewest)))
    words = ", ".join(inputs.house.programme.offers)
    return Block(
        id="guardrail",
        title="Save offers and the loyal",
        systems=("X13",),
        says=f"A save offer is a play with one of the words {words} in its name, in the last {YEAR} days. Threatened "
        f"repeatedly: {THREATS} or more inquiries about the contract or notices in the {YEAR} days before. Loyal: a "
        f"customer for a year, {YEAR} days ago; kept: is one still. If offers go to low risk or to threats, and fewer "
        "of the loyal stay, the programme pays for threatening.",
        columns=(Column("what", "What"), Column("share", "Share", "share", has_interval=True)),
        rows=rows(told if offers else ()),
        notes=("An account must have stayed to get an offer, so those with one are kept more often by that alone.",),
    )


def _offers(inputs: Inputs) -> str:
    """Save offers of the last year: the risk level before, threats before, and which of the account's offers it was."""
    words = " OR ".join(f"contains(lower(p.play), '{_quoted(w)}')" for w in inputs.house.programme.offers) or "FALSE"
    threats = [f"SELECT r.account_id, r.at FROM known_touchpoints r WHERE r.kind = '{INQUIRY}'"]
    threats.append(f"SELECT r.account_id, r.at FROM sign_history r WHERE r.rule = '{NOTICE_RULE}'")
    if inputs.has("subscriptions", "cancelled_at"):
        threats.append("SELECT account_id, cancelled_at FROM known_subscriptions WHERE cancelled_at IS NOT NULL")
    return f"""
        SELECT o.account_id, o.at, o.nth, s.risk_level,
               (SELECT COUNT(*) FROM ({" UNION ALL ".join(threats)}) t WHERE t.account_id = o.account_id
                AND t.at <= o.at AND t.at > o.at - INTERVAL {YEAR} DAY) AS threats
        FROM (SELECT p.account_id, p.at, ROW_NUMBER() OVER (PARTITION BY p.account_id ORDER BY p.at) AS nth
              FROM known_interventions p WHERE p.arm = 'treated' AND ({words})) o
        ASOF LEFT JOIN score_history s ON o.account_id = s.account_id AND o.at >= s.as_of
        WHERE o.at > {inputs.moment} - INTERVAL {YEAR} DAY"""


def _kept(inputs: Inputs) -> str:
    """Accounts that had been customers for a year, a year ago: with and without offers since, and how many are kept."""
    then = f"{inputs.moment} - INTERVAL {YEAR} DAY"
    return f"""
        SELECT account_id IN (SELECT account_id FROM save_offers) AS has_offer, COUNT(*) AS n,
               COUNT(*) FILTER (ended_at IS NULL) AS kept
        FROM customer_spans WHERE began_at <= {then} - INTERVAL {YEAR} DAY AND (ended_at IS NULL OR ended_at > {then})
        GROUP BY has_offer ORDER BY has_offer DESC"""


def _quoted(text: str) -> str:
    return text.lower().replace("'", "''")
