"""Old scores: every answer says so of exactly those that are older than the cadence of their tier asks for."""

from dataclasses import replace
from datetime import timedelta

import pytest

MADE = timedelta(hours=3)
"""After their moment the scores of these tests were made."""


@pytest.fixture
def asked_after(serving, keep):
    """An application that is asked so many days after the scores were made, of a company of some business model."""
    run = keep()

    def start(days, model="saas"):
        served = serving(clock=lambda: run.scored_at + days * timedelta(days=1))
        context = replace(served.context, facts=replace(served.context.facts, business_model=model))
        served.client.app.state.context = context
        return served

    return start


def stale(served):
    """(tier, is_stale) of every account in the list; one by one and by prediction they say the same."""
    listed = served.ask("GET", "/v1/accounts?limit=200").json()["accounts"]
    ids = [one["external_id"] for one in listed]
    predicted = served.ask("POST", "/v1/predict", json={"account_ids": ids}).json()["results"]
    for line, found in zip(listed[:5], predicted[:5], strict=True):
        one = served.ask("GET", f"/v1/accounts/{line['external_id']}").json()["account"]
        assert one["is_stale"] == found["is_stale"] == line["is_stale"]
        assert one["data_quality"] == found["data_quality"]
    return {(line["tier"], line["is_stale"]) for line in listed}


ALL = ("green", "yellow", "red")


@pytest.mark.system("C4")
@pytest.mark.parametrize(
    ("days", "model", "old"),
    [
        pytest.param(1, "saas", (), id="daily, on the day"),
        pytest.param(1.01, "saas", ALL, id="daily, a quarter of an hour late"),
        pytest.param(1, "b2b", (), id="weekly, on the first day"),
        pytest.param(1.01, "b2b", ("red",), id="weekly, but red accounts daily"),
        pytest.param(7.01, "b2b", ALL, id="weekly, late"),
    ],
)
def test_a_score_older_than_the_cadence_of_its_tier_is_stale(asked_after, days, model, old):
    assert stale(asked_after(days, model)) == {(tier, tier in old) for tier in ALL}


def test_it_is_told_in_words_and_a_what_if_of_today_is_not_old(asked_after):
    served = asked_after(3)
    ask = {"accounts": [{"external_id": "acme-05"}, {"external_id": "acme-05", "overrides": {"tickets_open": 9}}]}
    kept, tried = served.ask("POST", "/v1/predict", json=ask).json()["results"]
    assert "the score is older than the cadence of 1 day" in kept["data_quality"]["warnings"]
    assert (kept["is_stale"], tried["is_stale"], tried["source"]) == (True, False, "what_if")
