"""What may be claimed of plays, who was treated although held out, and what was noted of plays."""

from retention.blocks import Block, Column, rows
from retention.figures import share
from retention.inputs import Inputs

CLAIMS = (
    ("who got which play, when, and what it cost", True, "it is recorded"),
    ("how many of them stayed", True, "it is counted"),
    ("that they stayed because of the play", False, "those chosen differ from the others, as the next table shows"),
    ("how many would have stayed anyway (natural saves)", False, "nobody comparable was left alone by a draw"),
    ("prevented value and return of the programme", False, "both need the natural saves"),
    ("that one play works better than another", False, "who got which play was a choice"),
    ("whom a play would change most (uplift)", False, "it is learned from accounts treated and not treated by lot"),
)


def targeted() -> Block:
    """What cannot be claimed of plays that were targeted (systems R9, X12)."""
    return Block(
        id="targeted",
        title="Targeted, not randomised",
        systems=("R9", "X12"),
        says="The plays were targeted, not randomised: none was recorded as held out (arm = holdout), and no account "
        "that Keepwell drew to be left alone has its outcome yet. What therefore can and cannot be claimed:",
        columns=(Column("claim", "Claim"), Column("is_allowed", "Can be made", "flag"), Column("why", "Because")),
        rows=CLAIMS,
    )


def contamination(inputs: Inputs) -> Block:
    """Plays carried out on accounts that were held out: reported, and counted where they were drawn."""
    found = inputs.engine.query(
        """SELECT p.account_id, h.at AS drawn_at, p.at, p.play, p.owner FROM known_interventions p
           JOIN (SELECT a.account_id, MIN(a.at) AS at FROM (
                     SELECT r.account_id, r.at FROM holdout_history r WHERE r.arm = 'holdout'
                     UNION ALL SELECT r.account_id, r.at FROM known_interventions r WHERE r.arm = 'holdout') a
                 GROUP BY a.account_id) h ON h.account_id = p.account_id AND h.at <= p.at
           WHERE p.arm = 'treated' ORDER BY p.at, p.account_id"""
    ).to_pylist()
    return Block(
        id="contamination",
        title="Held out and treated all the same",
        systems=("R9",),
        says="Plays carried out on accounts after they were held out. They stay in the arm that was drawn and count as "
        "treated there: the effect is corrected for what was done, and grows less certain with each of them.",
        columns=(
            Column("account_id", "Account"),
            Column("drawn_at", "Held out", "day"),
            Column("at", "Play", "day"),
            Column("play", "Which"),
            Column("owner", "CSM"),
        ),
        rows=rows([tuple(row.values()) for row in found]),
        account="account_id",
    )


def outcomes(inputs: Inputs) -> Block:
    """What was noted of plays carried out, such as an offer taken."""
    found = inputs.engine.query(
        """SELECT * FROM (
               SELECT play, outcome, COUNT(*) AS n, SUM(COUNT(*)) OVER (PARTITION BY play) AS whole
               FROM known_interventions WHERE arm = 'treated' GROUP BY play, outcome)
           WHERE outcome IS NOT NULL ORDER BY play, n DESC, outcome"""
    ).to_pylist()
    fewest = inputs.house.programme.fewest
    return Block(
        id="outcomes",
        title="What was noted of plays",
        systems=("R8",),
        says="Share of the plays carried out with an outcome noted: what customers answered, not whether they stay.",
        columns=(
            Column("play", "Play"),
            Column("outcome", "Outcome"),
            Column("share", "Share", "share", has_interval=True),
        ),
        rows=rows((row["play"], row["outcome"], share(row["n"], int(row["whole"]), fewest=fewest)) for row in found),
    )
