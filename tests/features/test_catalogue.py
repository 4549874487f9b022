"""Which features a company has, how they are called, and whose words they use."""

import dataclasses
import json
import random
from datetime import datetime
from typing import Any

import pytest

from features import commercial, feedback, relationship, support, usage
from features.catalogue import Vocabulary
from features.errors import SourceError

T = datetime(2024, 3, 1)
Row = dict[str, Any]


def events(*named: tuple[str, str]) -> list[Row]:
    return [{"account_id": account, "at": "2024-01-01", "event": event} for account, event in named]


def terms(**columns: Any) -> list[Row]:
    return [{"account_id": "a", "started_at": "2024-01-01"} | columns]


def names(company: Any) -> list[str]:
    found: list[str] = company.catalogue(company.words(T)).names
    return found


@pytest.mark.parametrize(
    ("sources", "has", "has_not"),
    [
        pytest.param({"usage": events(("a", "x"))}, "recency_against_rhythm", "mrr", id="usage alone"),
        pytest.param({"subscriptions": terms(mrr=5.0)}, "mrr", "events_per_active_day_28d", id="contracts alone"),
        pytest.param({"subscriptions": terms()}, "term_age_days", "mrr", id="begin and nothing else"),
        pytest.param({"usage": events(("a", "x"))}, "event_28d_x", "volume_28d", id="an unmapped column"),
        pytest.param(
            {"subscriptions": terms(auto_renew=True)}, "lifecycle_stage", "auto_renew", id="a switch without a clock"
        ),
    ],
)
def test_features_exist_where_their_columns_do(
    company: Any, sources: dict[str, list[Row]], has: str, has_not: str
) -> None:
    company.stage(**sources)
    assert has in names(company)
    assert has_not not in names(company)
    assert company.features([("a", T)]).column_names == ["account_id", "snapshot_at", *names(company)]


@pytest.mark.parametrize("source", ["accounts", "feedback", "support", "touchpoints", "invoices"])
def test_every_source_alone_beside_usage_builds(company: Any, random_rows: Any, source: str) -> None:
    rows = random_rows(random.Random(1), ["a"], [T], each=5)
    company.stage(usage=rows["usage"], **{source: rows[source]})
    assert company.features([("a", T)]).num_rows == 1


def test_names_are_one_of_a_kind_whatever_events_are_called(company: Any) -> None:
    words = [
        "kinds",
        "export",
        "export share",
        "Export!",
        "export_28d",
        "days_since",
        "trend 28d",
        "",
        "日本",
        "中文",
        "x" * 99,
    ]
    company.stage(usage=events(*(("a", word) for word in words)))
    catalogue = company.catalogue(company.words(T))
    assert len(catalogue.vocabulary.event_names) == 10
    assert len({name.lower() for name in catalogue.names}) == len(catalogue.names)
    assert company.features([("a", T)]).num_columns == 2 + len(catalogue.names)


@pytest.mark.parametrize("name", ["mrr", "MRR", "Snapshot_at", "account_age_days", "plan"])
def test_an_attribute_called_like_a_feature_is_refused(company: Any, name: str) -> None:
    accounts = [{"account_id": a, "started_at": "2024-01-01", name: a} for a in "ab"]
    plans = terms(mrr=1.0, plan="x") + terms(mrr=1.0, plan="y")
    company.stage(accounts=accounts, subscriptions=plans)
    with pytest.raises(SourceError, match=f'"my_{name} = {name}"'):
        company.catalogue(company.words(T))


def test_the_most_widespread_words_come_first_and_ties_by_name(company: Any) -> None:
    company.stage(usage=events(("a", "y"), ("a", "y"), ("a", "y"), ("a", "x"), ("a", "z"), ("b", "z")))
    assert company.words(T).event_names == ("z", "x", "y")


def test_words_of_the_future_are_not_in_the_vocabulary(company: Any) -> None:
    late = {"account_id": "a", "at": "2024-02-01", "known_at": "2024-03-02", "event": "late"}
    future = {"account_id": "a", "at": "2024-03-01", "known_at": "2024-03-01", "event": "on the dot"}
    known = {"account_id": "a", "at": "2024-02-01", "known_at": "2024-03-01", "event": "known"}
    company.stage(usage=[late, future, known])
    assert company.words(T).all_events == ("known",)


def test_kinds_of_event_are_counted_beyond_those_with_a_family(company: Any) -> None:
    company.stage(usage=events(*(("a", f"kind {i}") for i in range(70))))
    catalogue = company.catalogue(company.words(T))
    assert sum(name.startswith("event_28d_") for name in catalogue.names) == 10
    company.spine([("a", datetime(2024, 1, 5))])
    assert company.features([("a", datetime(2024, 1, 5))], catalogue.vocabulary)["event_kinds_28d"].to_pylist() == [61]


def test_a_vocabulary_survives_json(company: Any) -> None:
    accounts = [{"account_id": a, "started_at": "2024-01-01", "country": a} for a in "ab"]
    words = company.stage(accounts=accounts, usage=events(("a", "it's"), ("b", "x"))).words(T)
    assert words.categories == {"accounts.country": ("a", "b")}
    assert Vocabulary.from_dict(json.loads(json.dumps(dataclasses.asdict(words)))) == words


def test_a_level_that_came_after_training_is_unknown(company: Any) -> None:
    accounts = [{"account_id": a, "started_at": "2024-01-01", "country": a} for a in ("de", "it's", "new")]
    company.stage(accounts=accounts, usage=events(("de", "x")))
    words = dataclasses.replace(company.words(T), categories={"accounts.country": ("de", "it's")})
    assert company.features([(a, T) for a in ("de", "it's", "new")], words)["country"].to_pylist() == [0, 1, None]


def test_every_declaration_is_whole() -> None:
    declared = [
        *usage.features(("login",)), *feedback.features(), *support.features(), *relationship.features(),
        *commercial.features({"accounts.country": ("de", "fr")}),
    ]  # fmt: skip
    for feature in declared:
        assert feature.definition[0].isupper() or feature.definition[0] == "'", feature.name
        assert feature.needs, feature.name
        assert feature.unit, feature.name
        assert feature.signal, feature.name
        assert feature.empty in (0, None), feature.name
