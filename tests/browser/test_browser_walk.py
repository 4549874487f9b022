"""A reviewer's way through the pages in Chromium: at a desk and on a phone, with the mouse and with the keyboard."""

import json
import os
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from serving.pages.words import MINUS, UNKNOWN
from serving.store import decisions

SIZES = {"desk": (1280, 900), "phone": (390, 844)}
NARROW = 360
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
MEASURED = ("/retention", "/retention/second")
SHOTS = os.environ.get("KEEPWELL_SCREENSHOTS")
"""A folder to write screenshots to; none are written without it."""
subjects = count(20)
"""Each walk decides on an account of its own."""


@contextmanager
def opened(chromium, address, size, scheme="light"):
    """A page in a fresh session; leaving it checks that nothing went wrong on the way and nobody else was asked."""
    width, height = size
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong, hosts = [], set()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield page
    assert wrong == []
    assert hosts == {urlsplit(address).netloc}
    context.close()


@pytest.fixture(params=SIZES)
def desk(request, chromium, address):
    with opened(chromium, address, SIZES[request.param]) as page:
        page.screen = request.param
        yield page


def log_in(page, address, token, path="/"):
    page.goto(address + path)
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", level=1).wait_for()


def shoot(page, name):
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def fits(page):
    """Nothing sticks out to the right: the page itself never scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_from_login_to_a_decision_and_the_model(desk, address, tokens, store):
    page, account = desk, f"A{next(subjects):04d}"
    name = page.screen
    log_in(page, address, tokens["decide"])
    assert page.get_by_role("heading", level=1).inner_text() == "Portfolio"
    assert page.locator("figure[data-chart=shares] canvas").is_visible()
    assert fits(page)
    shoot(page, f"{name}-portfolio")

    page.get_by_label("Tier", exact=True).select_option("red")
    page.get_by_label("Search").fill(account)
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**q={account}*")
    page.get_by_label("Tier", exact=True).select_option("")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"{address}/?q={account}&sort=value_at_risk#accounts")
    assert page.get_by_role("status").inner_text() == "1 account of 120"
    shoot(page, f"{name}-filtered")

    page.locator("table.list tbody a").click()
    page.wait_for_url(f"{address}/accounts/{account}")
    assert page.locator("figure[data-chart=health] canvas").is_visible()
    assert fits(page)
    shoot(page, f"{name}-account")

    what_if(page, name)

    page.get_by_label("Override: I judge it otherwise").check()
    page.get_by_label("Tier instead").select_option("yellow")
    page.get_by_role("button", name="Record the decision").click()
    assert page.url == f"{address}/accounts/{account}", "the browser asks for the reason first"
    page.get_by_label("Reason").fill(f"We met them on the {name}.")
    page.get_by_role("button", name="Record the decision").click()
    page.wait_for_url("**decided=override#decisions")
    first = page.locator("[data-decision]").first
    assert f"We met them on the {name}." in first.inner_text()
    assert "in force" in first.inner_text()
    shoot(page, f"{name}-decided")
    with store.read() as db:
        (kept,) = decisions.history(db, account)
    assert (kept.choice, kept.values) == ("override", {"tier": "yellow"})

    page.get_by_role("link", name="Model").click()
    page.get_by_role("heading", name="Against simpler rivals").wait_for()
    assert page.locator("figure[data-chart=reliability] canvas").is_visible()
    assert page.get_by_text("would be in another tier").is_visible()
    assert fits(page)
    shoot(page, f"{name}-model")


def what_if(page, name):
    """Move the first input to its end: the probability changes to what the API says, and back to the stored one."""
    slider = page.locator(".whatif input[type=range]").first
    now = page.locator("[data-now=probability]").inner_text()
    with page.expect_response("**/v1/predict") as answered:
        slider.focus()
        page.keyboard.press("End" if slider.input_value() != slider.get_attribute("max") else "Home")
    (found,) = answered.value.json()["results"]
    assert found["source"] == "what_if"
    then = page.locator("[data-then=probability]")
    page.wait_for_function("document.querySelector('.result').classList.contains('told')")
    assert then.inner_text() == f"{100 * found['churn_probability']:.1f} %"
    assert page.locator("[data-now=probability]").inner_text() == now
    assert f"churn probability {then.inner_text()}," in page.locator(".whatif [data-said]").inner_text()
    assert change_adds_up(page)
    assert fits(page)
    shoot(page, f"{name}-what-if")
    page.get_by_role("button", name="Back to now").click()
    assert then.inner_text() == UNKNOWN


def change_adds_up(page):
    """Now + change = what if, as read."""
    health = [
        page.locator(f"[data-{kind}=health]").inner_text().replace(MINUS, "-") for kind in ("now", "diff", "then")
    ]
    now, change, then = map(float, health)
    return round(now + change, 1) == then


def test_the_page_of_who_left_takes_a_cause(desk, address, tokens):
    page, name = desk, desk.screen
    log_in(page, address, tokens["decide"], "/accounts/gone%2Fone")
    page.get_by_label("What it really was").select_option(label="Economic: Cost")
    page.get_by_label("What is learned").fill(f"Their budget was cut, we saw on the {name}.")
    assert fits(page)
    shoot(page, f"{name}-lost")
    page.get_by_role("button", name="Record the cause").click()
    page.wait_for_url(f"{address}/accounts/gone%2Fone?found=economic.cost#postmortem")
    first = page.locator("[data-cause]").first.inner_text()
    assert f"Their budget was cut, we saw on the {name}." in first
    assert "last word" in first
    assert fits(page)
    shoot(page, f"{name}-found")
    page.goto(f"{address}/accounts/A0003")
    assert page.get_by_label("What it really was").is_visible()
    shoot(page, f"{name}-came-back")


def test_the_main_path_by_keyboard_alone(chromium, address, tokens):
    """Login, skip link, first account, a slider, a decision: without a mouse, and always with a visible focus."""
    account = f"A{next(subjects):04d}"
    with opened(chromium, address, SIZES["desk"]) as page:
        page.goto(f"{address}/?q={account}")
        page.locator("#key:focus").wait_for()
        page.keyboard.type(tokens["decide"])
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/?q={account}")
        tab_to(page, ".skip")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        tab_to(page, "table.list tbody a")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/accounts/{account}")
        tab_to(page, ".whatif input[type=range]")
        with page.expect_response("**/v1/predict"):
            page.keyboard.press("PageUp")
            page.keyboard.press("ArrowLeft")
        tab_to(page, "input[name=choice]:checked")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.value") == "dismiss"
        tab_to(page, "form.decide button")
        page.keyboard.press("Enter")
        page.wait_for_url("**decided=dismiss#decisions")


def tab_to(page, selector):
    """Press Tab until the element has the focus, which must be seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """(selector) => {
                const held = document.activeElement, style = getComputedStyle(held);
                return [held.matches(selector), held === document.body || style.outlineStyle !== "none"];
            }""",
            selector,
        )
        assert seen[1], "the focus cannot be seen"
        if seen[0]:
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


@pytest.mark.parametrize(("scheme", "rules"), [("light", RULES), ("dark", CONTRAST)])
def test_no_page_breaks_an_accessibility_rule(chromium, address, tokens, scheme, rules):
    """axe-core, WCAG 2.2 A and AA, with every part of a page opened; in the dark only colours differ."""
    found = {}
    with opened(chromium, address, SIZES["desk"], scheme) as page:
        page.goto(f"{address}/login")
        found["/login"] = violations(page, rules)
        log_in(page, address, tokens["decide"])
        for path in (
            "/",
            "/?q=nobody",
            "/accounts/A0003",
            "/accounts/A0000",
            "/accounts/gone%2Fone",
            "/model",
            "/retention",
            "/retention/second",
        ):
            page.goto(address + path)
            page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
            found[path] = violations(page, rules)
            shoot(page, f"{scheme}{path.replace('/', '-').replace('?', '-')}")
    assert {path: broken for path, broken in found.items() if broken} == {}


def violations(page, rules):
    told = Axe().run(page, options=rules).response["violations"]
    return json.dumps([(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in told]) if told else ""


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/accounts/A0000", "/accounts/A0003", "/accounts/A0004", f"/accounts/{'B' * 300}"),
        *(f"/accounts/{'L' * 300}", "/model", *MEASURED),
    ],
)
def test_long_names_fit_the_narrowest_phone(chromium, address, tokens, path):
    with opened(chromium, address, (NARROW, 740)) as page:
        log_in(page, address, tokens["read"], path)
        assert fits(page)
        shoot(page, f"narrow{path[:20].replace('/', '-')}")


def test_the_theme_is_kept_and_follows_the_system_until_chosen(chromium, address, tokens):
    with opened(chromium, address, SIZES["desk"], "dark") as page:
        log_in(page, address, tokens["read"])
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Switch to the light theme").click()
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.goto(f"{address}/model")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light != dark


def test_pages_work_without_scripts(chromium, address, tokens):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, address, tokens["decide"])
    assert page.locator("table.list").is_visible()
    page.goto(f"{address}/accounts/A0005")
    assert page.get_by_text("This part needs JavaScript").is_visible()
    assert page.get_by_text("Override: I judge it otherwise").is_visible()
    context.close()


def test_a_cause_is_named_without_scripts_on_the_page_of_who_left(chromium, address, tokens):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, address, tokens["decide"], "/accounts/gone%2Fone")
    page.get_by_label("What it really was").select_option(label="Economic: Cost")
    page.get_by_label("What is learned").fill("Their budget was cut.")
    page.get_by_role("button", name="Record the cause").click()
    page.wait_for_url(f"{address}/accounts/gone%2Fone?found=economic.cost#postmortem")
    assert "The cause is recorded" in page.get_by_role("status").inner_text()
    assert "Their budget was cut." in page.locator("[data-cause='economic.cost']").first.inner_text()
    context.close()
