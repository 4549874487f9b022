"""What is in force, whether it is ready, and the document that says all of it."""

from datetime import datetime

import jsonschema
import pytest

from serving.api import ModelHolder
from serving.api.openapi import document
from serving.api.routes import ENDPOINTS
from serving.bundle import save
from serving.store.failures import StoreUnavailable


def test_the_model_tells_version_weights_and_evidence(module_served, bundle):
    told = module_served.ask("GET", "/v1/model").json()
    assert (told["model"]["version"], told["model"]["run_id"], told["is_learned"]) == ("7", "run-7", True)
    weights = {one["component"]: one["weight"] for one in told["weights"] if one["in_health"]}
    assert weights == pytest.approx(bundle.weights)
    assert told["polarity"] == {"health_score": "higher is safer", "churn_probability": "higher is riskier"}


def test_the_catalogue_lists_the_features_in_the_order_of_the_model(module_served, bundle):
    told = module_served.ask("GET", "/v1/catalogue").json()["features"]
    assert [one["name"] for one in told] == [spec.name for spec in bundle.features]
    assert told[-1]["categories"] == ["basic", "pro", "max"]


@pytest.mark.system("H11")
def test_tiers_and_plays_are_those_of_the_policy(module_served, policy):
    tiers = module_served.ask("GET", "/v1/tiers").json()["tiers"]
    assert [(one["name"], one["floor"]) for one in tiers] == [("green", 70), ("yellow", 50), ("red", 0)]
    assert {one["id"] for one in module_served.ask("GET", "/v1/plays").json()["plays"]} == set(policy.plays)


def test_without_a_model_there_is_no_catalogue_and_the_model_is_null(serving):
    served = serving(live=None)
    assert served.ask("GET", "/v1/catalogue").status_code == 503
    assert served.ask("GET", "/v1/model").json()["model"] is None


def ready(served):
    answer = served.client.get("/readyz")
    return answer.status_code, answer.json()["checks"]


def test_it_is_ready_when_probe_and_store_are_right(served, holder):
    assert served.client.get("/livez").status_code == 200
    assert ready(served) == (200, {"model": "ok", "store": "ok"})


def test_it_is_not_ready_when_the_live_model_scores_its_probe_wrong(served, holder, bundle):
    held = holder.current.bundle
    held.probe["probability"][0] += 1e-6
    try:
        assert ready(served) == (503, {"model": "failed", "store": "ok"})
    finally:
        held.probe["probability"][0] -= 1e-6


def test_it_is_not_ready_before_the_registry_answered_and_ready_when_it_has_no_model(serving, policy):
    holder = ModelHolder(policy.bands)
    served = serving(live=holder)
    assert ready(served)[0] == 503
    holder.answered = True
    assert ready(served)[0] == 200


def test_it_is_not_ready_when_the_store_is_away(serving, store):
    class Away:
        def read(self):
            raise StoreUnavailable("away")

        def write(self):
            return store.write()

    assert ready(serving(store=Away())) == (503, {"model": "ok", "store": "failed"})


def test_metrics_need_a_key_and_count_what_happened(served):
    assert served.client.get("/metrics").status_code == 401
    served.ask("POST", "/v1/predict", json={"account_ids": ["acme-01", "nobody"]})
    headers = {"Authorization": f"Bearer {served.tokens['read']}"}
    text = served.client.get("/metrics", headers=headers).text
    assert 'keepwell_predictions_total{status="ok"} 1.0' in text
    assert 'keepwell_predictions_total{status="not_found"} 1.0' in text
    assert 'keepwell_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'keepwell_model_live{version="7"} 1.0' in text
    assert "acme" not in text


def test_the_document_is_openapi_and_names_every_endpoint_once(served):
    told = served.client.get("/v1/openapi.json").json()
    assert told == document(ENDPOINTS)
    assert told["openapi"] == "3.1.0"
    operations = [(path, method) for path, at in told["paths"].items() for method in at]
    assert len(operations) == len(ENDPOINTS)
    assert len({at[m]["operationId"] for at in told["paths"].values() for m in at}) == len(ENDPOINTS)
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_request_body_that_the_document_allows_is_read(module_served):
    """The examples of the three ways to ask, checked by the schema and by the endpoint."""
    schema = {"$ref": "#/components/schemas/Predict", "components": document(ENDPOINTS)["components"]}
    for ask in (
        {"rows": [{"external_id": "x", "features": {"mrr": 1, "plan": "pro", "nps_last": None}}]},
        {"account_ids": ["acme-01"]},
        {"accounts": [{"external_id": "acme-01", "overrides": {}}], "max_top_factors": 1.0, "explain": False},
    ):
        jsonschema.Draft202012Validator(schema).validate(ask)
        assert module_served.ask("POST", "/v1/predict", json=ask).status_code == 200


def test_a_bundle_that_fails_its_probe_is_refused_and_the_last_good_one_stays(tmp_path, bundle, policy, holder):
    at = datetime(2026, 3, 3)
    save(bundle, tmp_path / "good")
    save(bundle, tmp_path / "cut")
    (tmp_path / "cut" / "model.txt").write_text((tmp_path / "good" / "model.txt").read_text()[:-100])
    last = holder.current
    for folder in ("cut", "none"):
        assert not holder.offer(tmp_path / folder, "8", at=at)
        assert holder.current is last
        assert holder.refused.startswith("version 8: ")
    assert holder.offer(tmp_path / "good", "9", at=at)
    assert (holder.current.version, holder.refused) == ("9", None)
