"""checklist show, checklist tick and value: what a CSM sees and types."""

import pytest


@pytest.fixture
def config(tmp_path):
    (tmp_path / "subscriptions.csv").write_text("account_id,started_at,renews_at,mrr\na,2024-03-01,2025-03-01,100\n")
    (tmp_path / "usage.csv").write_text("account_id,at,event\na,2024-03-05,login\na,2024-04-10,search\n")
    sources = '[sources]\nsubscriptions = { path = "subscriptions.csv" }\nusage = { path = "usage.csv" }\n'
    (tmp_path / "keepwell.toml").write_text(sources)
    return ["--config", str(tmp_path / "keepwell.toml")]


def _item(told, item):
    return next(one for phase in told["phases"] for one in phase["items"] if one["item"] == item)


@pytest.mark.system("R23", "D8")
def test_a_tick_is_shown_at_once_and_taken_back_by_undo(cli, config):
    def shown():
        told = cli("checklist", "show", "a", *config, "--json").json
        return _item(told, "onboarding.setup")["is_done"], told["phases"][0]["complete"]

    def tick(*more):
        return cli("checklist", "tick", "a", "onboarding.setup", *config, "--json", *more).json["is_new"]

    assert shown() == (False, 0)
    assert tick("--note", "by phone") is True
    assert shown() == (True, pytest.approx(1 / 3)), "who was trained and how many use it is not told"
    assert tick("--undo") is True
    assert shown() == (False, 0)
    assert tick("--undo") is False, "what is not ticked cannot be taken back"


@pytest.mark.system("R23")
def test_a_report_of_an_earlier_day_does_not_know_a_later_tick(cli, config):
    cli("checklist", "tick", "a", "onboarding.setup", *config, "--at", "2024-04-01")
    for day, is_done in (("2024-03-31", False), ("2024-04-01", True)):
        told = cli("checklist", "show", "a", *config, "--as-of", day, "--json").json
        assert _item(told, "onboarding.setup")["is_done"] is is_done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["tick", "a", "onboarding.nothing"], "is no item of a phase", id="no such item"),
        pytest.param(["tick", "a", "onboarding.check_in"], "is read from the data", id="told by the data"),
        pytest.param(["show", "b"], "b is no customer as of 2024-04-10", id="no such account"),
    ],
)
def test_what_cannot_be_is_refused_in_words(cli, config, words, said):
    ran = cli("checklist", *words, *config)
    assert ran.code == 1
    assert said in ran.err


@pytest.mark.system("S12", "D11")
def test_value_prints_markdown_to_send_and_json_for_machines(cli, config):
    text = cli("value", "a", *config, "--markdown").out
    assert text.startswith("# a: value 2024-01-10 to 2024-04-10")
    assert "| First use | 2024-03-05 |" in text
    told = cli("value", "a", *config, "--json").json
    assert told["milestones"][0]["title"] == "First use"
    assert told["gained"][0] == {"title": "Times used", "now": None, "before": None}


def test_the_terminal_shows_the_checklist(cli, config):
    out = cli("checklist", "show", "a", *config).out
    for word in ("a: onboarding, day 40", "Onboarding: 0 %", "onboarding.setup", "Next step of the path: first_value"):
        assert word in out
