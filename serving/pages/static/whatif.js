// What if: the live model's answer to changed inputs, from POST /v1/predict.

const form = document.querySelector("form.whatif");
const labels = JSON.parse(form.dataset.labels);
const inputs = [...form.querySelectorAll("input[type=range]")];
const reset = form.querySelector("button[type=reset]");
const result = form.querySelector(".result");
const spoken = result.querySelector("[data-said]");
const fault = result.querySelector("[data-fault]");
const cell = (kind, name) => result.querySelector(`[data-${kind}=${name}]`);
const moved = new Set();
const stored = new Map(["probability", "health", "tier"].map((name) => [name, cell("now", name).textContent]));
form.parentElement.querySelector("[data-needs-script]").hidden = true;
let asking = null;
let timer = null;

const UNKNOWN = "–";
const said = (number, digits = 1) => (number === null ? UNKNOWN : number.toFixed(digits).replace("-", "−"));
const percent = (share) => (share === null ? UNKNOWN : `${said(100 * share)} %`);
const signed = (number, unit = "") => {
  if (number === null) return "";
  const text = said(number);
  return `${number > 0 && text !== "0.0" ? "+" : ""}${text === "−0.0" ? "0.0" : text}${unit}`;
};
/** The difference of two numbers as they are read, so that what is shown adds up. */
const apart = (was, is, scale = 1) => (was === null || is === null ? null : Number((scale * is).toFixed(1)) - Number((scale * was).toFixed(1)));
const tier = (name) => labels[name] ?? name ?? UNKNOWN;

function amount(input) {
  const number = Number(input.value);
  if (input.dataset.unit === "share") return `${Math.round(100 * number)} %`;
  const text = Number.isInteger(number) ? number.toLocaleString("en-GB") : number.toFixed(2);
  return `${text} ${input.dataset.unit}`;
}

function show(input) {
  const output = form.querySelector(`output[for="${CSS.escape(input.id)}"]`);
  const isMoved = moved.has(input.name);
  const text = isMoved ? `${amount(input)} (now ${output.dataset.original})` : output.dataset.original;
  output.textContent = text;
  output.classList.toggle("changed", isMoved);
  input.setAttribute("aria-valuetext", text);
}

function clear() {
  for (const name of stored.keys()) {
    cell("now", name).textContent = stored.get(name);
    cell("then", name).textContent = UNKNOWN;
    cell("diff", name).textContent = "";
  }
  result.classList.remove("told");
}

function tell(found) {
  const before = found.what_if;
  const pairs = {
    probability: [before.churn_probability_before, found.churn_probability, percent],
    health: [before.health_score_before, found.health_score, said],
    tier: [before.tier_before, found.tier, tier],
  };
  for (const [name, [was, is, words]] of Object.entries(pairs)) {
    cell("now", name).textContent = words(was);
    cell("then", name).textContent = words(is);
  }
  cell("diff", "probability").textContent = signed(apart(before.churn_probability_before, found.churn_probability, 100), " points");
  cell("diff", "health").textContent = signed(apart(before.health_score_before, found.health_score));
  cell("diff", "tier").textContent = before.tier_before === found.tier ? "same" : "changed";
  result.classList.add("told");
  spoken.textContent = `What if: churn probability ${percent(found.churn_probability)}, health ${said(found.health_score)}, ${tier(found.tier)}.`;
}

function fail(words) {
  fault.textContent = words;
  fault.hidden = !words;
  if (words) clear();
}

async function ask() {
  asking?.abort();
  if (!moved.size) return clear();
  asking = new AbortController();
  const overrides = Object.fromEntries(inputs.filter((input) => moved.has(input.name)).map((input) => [input.name, Number(input.value)]));
  const body = JSON.stringify({ accounts: [{ external_id: form.dataset.account, overrides }], max_top_factors: 3 });
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": form.dataset.csrf };
  try {
    const response = await fetch("/v1/predict", { method: "POST", headers, body, signal: asking.signal });
    const answer = await response.json();
    if (!response.ok) return fail(response.status === 401 ? "Your session has ended; load the page again." : (answer.detail ?? answer.title));
    const found = answer.results[0];
    if (found.status !== "ok") return fail(found.error);
    fail("");
    tell(found);
  } catch (error) {
    if (error.name !== "AbortError") fail("The service cannot be reached.");
  }
}

for (const input of inputs) {
  input.disabled = false;
  input.addEventListener("input", () => {
    moved.add(input.name);
    reset.disabled = false;
    show(input);
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
}
form.addEventListener("reset", () => {
  clearTimeout(timer);
  asking?.abort();
  moved.clear();
  fail("");
  clear();
  spoken.textContent = "Back to the inputs as they are now.";
  setTimeout(() => inputs.forEach(show));
});
form.addEventListener("submit", (event) => event.preventDefault());
