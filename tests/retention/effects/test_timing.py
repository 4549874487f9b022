"""Whether plays come in time, who gets offers, who was chosen: hand-counted rows."""

import pytest

from retention.effects.chapter import chapter
from retention.figures import share


def told(inputs, block, key="what", value="share"):
    return {row[key]: row[value] for row in chapter(inputs).block(block).as_dicts()}


@pytest.mark.system("P1")
def test_contacts_after_a_cry_or_by_the_customer_are_reactive(programme, build):
    def touch(account, at, direction="outbound"):
        return {"account_id": account, "at": at, "kind": "call", "direction": direction}

    touches = [touch(f"p{i}", "2024-06-05") for i in range(6)]
    touches += [touch("in", "2024-06-05", "inbound"), touch("in", "2024-06-07"), touch("in", "2024-06-09")]
    touches += [touch("ticket", "2024-06-12"), touch("ticket", "2024-06-14T01:00")]
    touches += [touch("notice", "2024-06-11"), touch("upset", "2024-06-13")]
    inputs = programme(
        [build.play("p0", "2024-06-20"), build.play("p1", "2024-06-21", arm="holdout")],
        [
            build.term("notice", "2024-12-20", cancelled_at="2024-06-10"),
            *map(build.term, ("p2", "p3", "p4", "p5", "in", "ticket", "upset")),
        ],
        touchpoints=touches,
        support=[
            {"account_id": "ticket", "opened_at": "2024-06-11"},
            {"account_id": "stays", "opened_at": "2024-12-31"},
        ],
        feedback=[{"account_id": "upset", "at": "2024-06-12", "kind": "complaint"}],
    )
    block = chapter(inputs).block("effort_split")
    month = block.as_dicts()[0]
    assert (month["activities"], month["proactive"]) == (14, share(9, 14))
    assert block.notes == ("Over all 14 it is 64 % proactive; wanted are 70 to 30: not kept.",)


@pytest.mark.system("R13")
def test_days_from_the_first_warning_of_a_spell_to_the_first_play(programme, build):
    def sign(account, at):
        return {"account_id": account, "rule": "W1", "at": at, "severity": "high"}

    accounts = [
        {"account_id": who, "owner": owner, "started_at": "2023-01-01"}
        for who, owner in (("a", "ann"), ("b", "ann"), ("c", "bob"), ("held", "bob"))
    ]
    signs = [
        sign("a", "2024-03-01"),
        sign("a", "2024-03-08"),
        sign("b", "2024-03-01"),
        sign("c", "2024-11-22"),
        sign("held", "2024-03-01"),
    ]
    kept = {"sign_history": signs, "holdout_history": [{"account_id": "held", "arm": "holdout", "at": "2024-02-01"}]}
    plays = [build.play("a", "2024-03-11"), build.play("b", "2024-03-05"), build.play("c", "2024-11-20")]
    found = chapter(programme(plays, kept=kept, accounts=accounts)).block("first_action").as_dicts()
    rows = {row["owner"]: (row["days"].value, row["days"].n, row["waiting"], row["waited"].value) for row in found}
    assert rows == {"all": (7.0, 2, 1, 40.0), "ann": (7.0, 2, 0, None), "bob": (None, 0, 1, 40.0)}


@pytest.mark.system("G12")
def test_the_first_action_is_too_late_when_the_customer_has_decided(programme, build):
    def lost(account, notice="2024-09-20"):
        return build.term(account, "2024-10-01", cancelled_at=notice)

    plays = [build.play("in time", "2024-09-01"), build.play("late", "2024-09-25")]
    plays += [build.play("both", "2024-09-01"), build.play("both", "2024-09-25"), build.play("old", "2024-05-01")]
    plays += [build.play("held", "2024-09-01", arm="holdout")]
    terms = [lost(who) for who in ("in time", "late", "both", "old", "never", "held")]
    inputs = programme(plays, terms, rules="[programme]\nfewest = 1")
    found = told(inputs, "too_late")
    lost_n = 6  # the five above that were not held out, and "ends late"
    assert found["lost accounts whose first play came after they had given notice"] == share(1, lost_n)
    assert found["lost accounts that got no play at all"] == share(3, lost_n)


@pytest.mark.system("G12")
def test_a_play_after_the_last_deadline_of_its_warnings_is_late(programme, build):
    def sign(account, due, closed=None):
        return {"account_id": account, "rule": "W1", "at": build.day(-9), "due_at": due, "closed_at": closed}

    signs = [sign("a", build.day(-2)), sign("b", build.day(2)), sign("c", build.day(-8)), sign("c", build.day(1))]
    signs += [sign("d", build.day(-8), build.day(-3))]
    signs[3]["rule"] = "W2"
    plays = [build.play(who) for who in "abcd"]
    found = told(programme(plays, kept={"sign_history": signs}, rules="[programme]\nfewest = 1"), "too_late")
    assert found["plays begun after the last deadline of the warnings before them"] == share(1, 3)


@pytest.mark.system("X13")
def test_offers_to_low_risk_and_to_those_who_threaten_beside_the_loyal(programme, build):
    accounts = [f"o{i}" for i in range(6)]
    plays = [build.play(who, "2024-06-01", "Renewal Offer") for who in accounts]
    plays += [build.play("o0", "2023-06-01", "discount"), build.play("o5", "2024-07-01", "call")]
    touches = [
        {"account_id": "o1", "at": at, "kind": "contract_inquiry", "direction": "inbound"}
        for at in ("2024-02-01", "2024-05-01")
    ]
    level = {who: "low" if i < 2 else "high" for i, who in enumerate(accounts)}
    scores = [{"account_id": who, "as_of": "2024-05-01", "risk_level": level[who]} for who in accounts]
    old = {"started_at": "2021-01-01"}
    terms = [build.term(f"loyal{i}", "2024-10-01" if i < 3 else None) | old for i in range(12)]
    terms += [build.term(who) | old for who in accounts]
    inputs = programme(plays, terms, touchpoints=touches, kept={"score_history": scores})
    assert told(inputs, "guardrail") == {
        "offers to accounts of low risk": share(2, 6),
        "offers to accounts that threatened repeatedly": share(1, 6),
        "offers to accounts that had one before": share(1, 6),
        "accounts with an offer kept": share(6, 6),
        "loyal accounts without any offer kept": share(10, 14),  # with the two accounts beside
    }


@pytest.mark.system("R9")
def test_plays_on_held_out_accounts_are_reported_and_stay_in_the_arm_that_was_drawn(programme, build):
    drawn = [
        {"account_id": f"a{i:02d}", "arm": "holdout" if i < 10 else "treated", "at": build.day(-3)} for i in range(40)
    ]
    plays = [build.play(f"a{i:02d}", owner="ann") for i in range(8, 40)]
    found = chapter(programme(plays, kept={"holdout_history": drawn}))
    rows = found.block("contamination").as_dicts()
    assert [(row["account_id"], row["owner"]) for row in rows] == [("a08", "ann"), ("a09", "ann")]
    assert found.block("save_rate").as_dicts()[0]["cases"] == 32


@pytest.mark.system("R9", "X12")
def test_groups_that_were_chosen_differ_and_drawn_ones_do_not(programme, build):
    def use(chosen):
        return [
            {"account_id": f"a{i:02d}", "at": build.day(-1 - n)}
            for i in range(60)
            for n in range(i // 2 + 1)
            if chosen(i)
        ]

    drawn = [build.play(f"a{i:02d}", arm="holdout" if i % 2 else "treated") for i in range(60)]
    chosen = [build.play(f"a{i:02d}") for i in range(60) if i >= 30]
    terms = [build.term(f"a{i:02d}") for i in range(60)]
    for plays, alike in ((drawn, True), (chosen, False)):
        found = chapter(programme(plays, terms, usage=use(lambda i: True))).block("balance").as_dicts()
        rows = {row["what"]: row for row in found}
        assert rows["uses in 84 days"]["is_alike"] is alike
        assert rows["uses in 84 days"]["treated"].n == 30
        assert rows["days as a customer"]["apart"] == pytest.approx(0, abs=0.5)


def test_without_plays_the_chapter_says_what_is_missing(measured, build):
    found = chapter(measured(subscriptions=[build.term("a")]))
    assert found.not_measured[0].startswith("Plays and their effect: no [sources.interventions] is mapped")
    assert found.blocks == ()
