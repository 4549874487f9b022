"""Delivery's rules as values: who is told, where an address may lead, what an answer means, when it is tried again."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.delivery.guard import checked
from serving.delivery.retry import MOST_ATTEMPTS, Answer, asked_wait, retry_at, verdict
from serving.delivery.targets import check_secrets, read_targets, wanting
from serving.errors import ServingError

NOW = datetime(2026, 3, 1, 12)
HOOK = {"kind": "webhook", "url": "https://example.com/in", "secret_env": "HOOK_SECRET"}
CRM = {"kind": "salesforce", "url": "https://x.my.salesforce.com", "secret_env": "SF", "key": "Keepwell_Id__c"}


def targets(**tables):
    return read_targets({"targets": tables})


def test_each_kind_of_event_goes_to_those_who_take_it():
    found = targets(
        all=HOOK,
        tiers=HOOK | {"events": ["account.tier_changed"]},
        channel={"kind": "slack", "url_env": "SLACK_URL"},
        files={"kind": "csv", "folder": "out", "events": ["account.scored"]},
        crm=CRM,
    )
    assert wanting(found, "tier_down") == ["all", "tiers", "channel"]
    assert wanting(found, "warning") == ["all", "channel"]
    assert wanting(found, "scored") == ["files", "crm"]
    assert wanting(found, "ping") == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        pytest.param(HOOK | {"kind": "fax"}, "kind", id="unknown kind"),
        pytest.param(HOOK | {"secret": "hush-hush"}, "secret", id="the secret itself"),
        pytest.param(HOOK | {"events": ["account.exploded"]}, "is no event", id="unknown event"),
        pytest.param(HOOK | {"url": "http://example.com"}, "allow_http", id="not encrypted"),
        pytest.param(HOOK | {"url": "ftp://example.com"}, "https://", id="other scheme"),
        pytest.param(HOOK | {"url": "https://me:pw@example.com"}, "https://", id="password in the address"),
        pytest.param(HOOK | {"url": "https:///in"}, "https://", id="no host"),
        pytest.param(HOOK | {"url_env": "X"}, "either `url`", id="two addresses"),
        pytest.param({k: v for k, v in HOOK.items() if k != "secret_env"}, "secret_env", id="unsigned webhook"),
        pytest.param(CRM | {"events": ["account.warning"]}, "mirrors scores", id="news to a CRM"),
        pytest.param("https://example.com", "not a table", id="no table"),
    ],
)
def test_a_wrong_target_is_refused_and_its_values_are_not_repeated(table, told):
    with pytest.raises(ServingError, match=told) as error:
        targets(hook=table)
    assert "hush-hush" not in str(error.value)
    assert "pw@" not in str(error.value)


def test_a_secret_that_is_not_set_is_named_and_one_that_is_set_is_not_shown():
    found = targets(hook=HOOK)
    with pytest.raises(ServingError, match="HOOK_SECRET is not set"):
        check_secrets(found.values(), {"HOOK_SECRET": " "})
    with pytest.raises(ServingError, match="shorter than 24 bytes") as error:
        check_secrets(found.values(), {"HOOK_SECRET": "hush-hush"})
    assert "hush-hush" not in str(error.value)
    check_secrets(found.values(), {"HOOK_SECRET": 3 * "hush-hush"})


def test_a_relative_folder_starts_at_the_configuration_file(tmp_path):
    table = {"targets": {"files": {"kind": "csv", "folder": "out"}}}
    assert read_targets(table, tmp_path)["files"].folder == tmp_path / "out"


def reached(url, *addresses, allow_http=False, allow_private=False):
    return checked(url, allow_http=allow_http, allow_private=allow_private, resolve=lambda host, port: list(addresses))


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("10.1.2.3", id="private"),
        pytest.param("192.168.1.1", id="home"),
        pytest.param("172.16.0.1", id="private too"),
        pytest.param("169.254.169.254", id="a cloud's metadata"),
        pytest.param("127.0.0.1", id="loopback under another name"),
        pytest.param("0.0.0.0", id="this machine"),
        pytest.param("100.64.0.1", id="carrier's"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("::1", id="loopback, six"),
        pytest.param("::ffff:10.1.2.3", id="private, mapped"),
        pytest.param("fd00::1", id="private, six"),
        pytest.param("fe80::1", id="link-local, six"),
    ],
)
def test_no_name_leads_into_the_own_network(address):
    with pytest.raises(ServingError, match="private network"):
        reached("https://innocent.example.com/in", "93.184.216.34", address)
    assert reached("https://innocent.example.com/in", address, allow_private=True) == [address]


def test_public_addresses_and_loopback_under_its_own_name_are_reached():
    assert reached("https://example.com", "93.184.216.34") == ["93.184.216.34"]
    assert reached("http://localhost:9/in", "127.0.0.1", "::1") == ["127.0.0.1", "::1"]
    assert reached("http://example.com", "93.184.216.34", allow_http=True) == ["93.184.216.34"]
    with pytest.raises(ServingError, match="https"):
        reached("http://example.com", "93.184.216.34")
    with pytest.raises(ServingError, match="no address"):
        reached("https://example.com")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *[(status, "ok") for status in (200, 201, 202, 204, 207)],
        *[(status, "retry") for status in (None, 301, 302, 307, 408, 425, 429, 500, 502, 503, 504)],
        *[(status, "dead") for status in (400, 401, 403, 404, 410, 413, 422)],
    ],
)
def test_an_answer_means_taken_later_or_never(status, meaning):
    assert verdict(Answer(status)) == meaning


def test_eight_attempts_take_about_a_day():
    at, made = NOW, 1
    while (again := retry_at(at, attempts=made, key="k")) is not None:
        assert again > at
        at, made = again, made + 1
    assert made == MOST_ATTEMPTS == 8
    assert timedelta(hours=18) < at - NOW < timedelta(hours=28)


@given(st.integers(1, 7), st.text(max_size=8))
def test_waits_grow_fourfold_within_a_fifth_and_are_the_same_for_the_same_key(attempts, key):
    wait = retry_at(NOW, attempts=attempts, key=key) - NOW
    assert 0.8 <= wait / (timedelta(seconds=15) * 4 ** (attempts - 1)) <= 1.2
    assert retry_at(NOW, attempts=attempts, key=key) - NOW == wait


def test_waits_of_different_deliveries_differ():
    assert len({retry_at(NOW, attempts=3, key=f"{i}") for i in range(50)}) == 50


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sun, 01 Mar 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("999999999999999999", timedelta(days=1)),
        ("Sun, 01 Mar 2036 12:10:00 GMT", timedelta(days=1)),
        ("Sun, 01 Mar 2020 12:10:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(header, wait):
    assert asked_wait(Answer(429, "", header), NOW) == wait


def test_the_longer_of_asked_and_own_wait_holds():
    assert retry_at(NOW, attempts=1, key="k", asked=timedelta(hours=2)) == NOW + timedelta(hours=2)
    assert retry_at(NOW, attempts=7, key="k", asked=timedelta(seconds=1)) > NOW + timedelta(hours=10)
    assert retry_at(NOW, attempts=1, key="k", asked=timedelta(days=9)) == NOW + timedelta(days=1)
