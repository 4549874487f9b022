// Charts drawn by Chart.js from the table that stands beside each of them: one source for eyes and screen readers.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rows = (figure) => [...figure.querySelectorAll("tbody tr")].map((row) => [...row.children]);
const value = (cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value));
const when = (row) => Date.parse(`${row[0].dataset.value}Z`);
const day = (moment) =>
  new Date(moment).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function axis(extra) {
  return { grid: { color: colour("--line") }, border: { display: false }, ...extra, ticks: { color: colour("--quiet"), ...extra.ticks } };
}

/** Some of the moments of the data as ticks, the first and the last among them, as many as there is room for. */
function timeAxis(figure) {
  const moments = rows(figure).map(when);
  const every = Math.max(1, Math.ceil((moments.length - 1) / (figure.clientWidth < 480 ? 3 : 6)));
  const afterBuildTicks = (scale) => {
    scale.ticks = moments.filter((_, i) => (moments.length - 1 - i) % every === 0).map((value) => ({ value }));
  };
  const month = (moment) => new Date(moment).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  return axis({ type: "linear", min: moments[0], max: moments.at(-1), grid: { display: false }, afterBuildTicks, ticks: { maxRotation: 0, callback: month } });
}

const common = () => ({
  responsive: true,
  maintainAspectRatio: false,
  animation: false,
  layout: { padding: { right: 10 } },
  interaction: { mode: "index", intersect: false },
});

const legend = () => ({ position: "bottom", labels: { color: colour("--ink"), boxWidth: 12, boxHeight: 12 } });

/** The book by tier: shares of the accounts, stacked. */
function shares(figure) {
  const heads = [...figure.querySelectorAll("thead th[data-colour]")];
  const read = rows(figure);
  const totals = read.map((row) => heads.reduce((sum, _, k) => sum + value(row[k + 1]), 0));
  const datasets = heads.map((head, k) => ({
    label: head.textContent,
    data: read.map((row, i) => ({ x: when(row), y: totals[i] ? (100 * value(row[k + 1])) / totals[i] : 0, accounts: value(row[k + 1]) })),
    backgroundColor: head.dataset.colour + "cc",
    borderColor: head.dataset.colour,
    borderWidth: 1,
    fill: true,
    pointRadius: 0,
    pointHitRadius: 8,
  }));
  const said = (item) => `${item.dataset.label}: ${item.raw.accounts.toLocaleString("en-GB")} (${item.raw.y.toFixed(1)} %)`;
  return {
    type: "line",
    data: { datasets },
    options: {
      ...common(),
      scales: { x: timeAxis(figure), y: axis({ stacked: true, min: 0, max: 100, ticks: { callback: (share) => `${share} %`, maxTicksLimit: 5 } }) },
      plugins: { legend: legend(), tooltip: { callbacks: { title: (items) => day(items[0].parsed.x), label: said } } },
    },
  };
}

const MARKS = { tier: ["Tier change", "rectRot"], warning: ["Warning", "triangle"], decision: ["Decision", "rect"] };

/** An account's health with the tiers behind it and events on it. */
function health(figure) {
  const bands = JSON.parse(figure.dataset.bands);
  const read = rows(figure);
  const line = read.map((row) => ({ x: when(row), y: value(row[1]) }));
  const datasets = [
    { label: "Health", data: line, borderColor: colour("--accent"), backgroundColor: colour("--accent"), borderWidth: 2, pointRadius: 2, clip: 4, order: 2 },
  ];
  for (const [kind, [label, pointStyle]] of Object.entries(MARKS)) {
    const data = read.flatMap((row, i) => {
      const texts = [...row[4].querySelectorAll(`[data-kind=${kind}]`)].map((event) => event.textContent);
      return texts.length && line[i].y !== null ? [{ ...line[i], texts }] : [];
    });
    const own = { borderColor: colour("--ink"), backgroundColor: colour("--card"), borderWidth: 2 };
    if (data.length) datasets.push({ label, data, type: "scatter", pointStyle, clip: 12, pointRadius: 7, pointHoverRadius: 9, order: 1, ...own });
  }
  const behind = {
    id: "bands",
    beforeDatasetsDraw({ ctx, chartArea: { left, right }, scales: { y } }) {
      ctx.save();
      for (const band of bands) {
        ctx.fillStyle = band.colour + "22";
        ctx.fillRect(left, y.getPixelForValue(band.high), right - left, y.getPixelForValue(band.low) - y.getPixelForValue(band.high));
      }
      ctx.restore();
    },
  };
  const said = (item) => {
    if (!item.raw.texts) return `Health ${item.raw.y.toFixed(1)}`;
    return item.raw.texts.map((text) => `${item.dataset.label}: ${text.length > 60 ? text.slice(0, 59) + "…" : text}`);
  };
  return {
    type: "line",
    data: { datasets },
    plugins: [behind],
    options: {
      ...common(),
      scales: { x: timeAxis(figure), y: axis({ min: 0, max: 100, ticks: { stepSize: 25 } }) },
      plugins: {
        legend: { ...legend(), labels: { ...legend().labels, usePointStyle: true } },
        tooltip: { callbacks: { title: (items) => (items.length ? day(items[0].parsed.x) : ""), label: said } },
      },
    },
  };
}

/** Predicted against observed churn by bin, with intervals; on the diagonal the probabilities are right. */
function reliability(figure) {
  const read = rows(figure).map((row) => row.map(value));
  const most = Math.max(...read.flatMap((row) => [row[0], row[3] ?? row[1]])) * 1.05;
  const points = read.map(([predicted, observed]) => ({ x: predicted, y: observed }));
  const whiskers = {
    id: "whiskers",
    beforeDatasetsDraw({ ctx, scales: { x, y } }) {
      ctx.save();
      ctx.strokeStyle = colour("--accent");
      ctx.lineWidth = 1.5;
      for (const [predicted, , low, high] of read) {
        if (low === null || high === null) continue;
        const at = x.getPixelForValue(predicted);
        ctx.beginPath();
        ctx.moveTo(at, y.getPixelForValue(low));
        ctx.lineTo(at, y.getPixelForValue(high));
        for (const end of [low, high]) {
          ctx.moveTo(at - 4, y.getPixelForValue(end));
          ctx.lineTo(at + 4, y.getPixelForValue(end));
        }
        ctx.stroke();
      }
      ctx.restore();
    },
  };
  const percent = (share) => `${(100 * share).toFixed(most < 0.1 ? 1 : 0)} %`;
  const titled = (text, extra) => axis({ min: 0, max: most, title: { display: true, text, color: colour("--quiet") }, ticks: { callback: percent, maxTicksLimit: 6, includeBounds: false }, ...extra });
  return {
    type: "scatter",
    data: {
      datasets: [
        { label: "Observed, with 95 % interval", data: points, backgroundColor: colour("--accent"), borderColor: colour("--accent"), pointRadius: 4, showLine: true, borderWidth: 1 },
        { label: "Predicted = observed", type: "line", data: [{ x: 0, y: 0 }, { x: most, y: most }], borderColor: colour("--quiet"), borderDash: [5, 5], borderWidth: 1, pointRadius: 0 },
      ],
    },
    plugins: [whiskers],
    options: {
      ...common(),
      interaction: { mode: "nearest", intersect: true },
      scales: { x: titled("Predicted"), y: titled("Observed") },
      plugins: { legend: legend(), tooltip: { callbacks: { label: (item) => `predicted ${percent(item.raw.x)}, observed ${percent(item.raw.y)}` } } },
    },
  };
}

const SERIES = ["--accent", "--worse", "--better", "--flag", "--base", "--quiet"];
const TIERS = { green: "#2e7d32", yellow: "#f9a825", red: "#c62828" };

/** Any measured block: lines with their intervals as bands, bars, or stacked areas; `by` splits rows into series. */
function measured(figure) {
  const { kind, unit, x, ys, by } = figure.dataset;
  const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent);
  const read = rows(figure);
  const label = (row) => row[x].firstChild.textContent.trim();
  const labels = [...new Set(read.map(label))];
  const series = by === undefined ? ys.split(",").map((y) => [heads[y], read, y]) : [...Map.groupBy(read, (row) => row[by].firstChild.textContent.trim())].map(([name, own]) => [name, own, ys.split(",")[0]]);
  const scale = unit === "share" ? 100 : 1;
  const at = (own, y, part) => labels.map((name) => {
    const cell = own.find((row) => label(row) === name)?.[y];
    const held = cell?.dataset[part];
    return held === undefined || held === "" ? null : scale * Number(held);
  });
  const datasets = series.flatMap(([name, own, y], k) => {
    const ink = TIERS[name] ?? colour(SERIES[k % SERIES.length]);
    const style = { label: name, borderColor: ink, backgroundColor: kind === "line" ? ink : ink + "cc", borderWidth: kind === "bar" ? 0 : 2, pointRadius: kind === "line" ? 2 : 0, fill: kind === "stacked" };
    const main = { ...style, data: at(own, y, "value") };
    const low = at(own, y, "low");
    if (kind !== "line" || series.length > 3 || low.every((held) => held === null)) return [main];
    const edge = { borderWidth: 0, pointRadius: 0, backgroundColor: ink + "22", isEdge: true };
    return [main, { ...edge, data: low, fill: false }, { ...edge, data: at(own, y, "high"), fill: "-1" }];
  });
  const shown = (held) => `${held.toLocaleString("en-GB", { maximumFractionDigits: 1 })}${unit === "share" ? " %" : ""}`;
  const isMain = (item) => !datasets[item.datasetIndex].isEdge;
  const holds = series.length > 1;
  return {
    type: kind === "bar" ? "bar" : "line",
    data: { labels, datasets },
    options: {
      ...common(),
      scales: { x: axis({ grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } }), y: axis({ stacked: kind === "stacked", max: kind === "stacked" && unit === "share" ? 100 : undefined, beginAtZero: kind !== "line", ticks: { callback: shown, maxTicksLimit: 6 } }) },
      plugins: { legend: { ...legend(), display: holds, labels: { ...legend().labels, filter: isMain } }, tooltip: { filter: isMain, callbacks: { label: (item) => `${item.dataset.label}: ${shown(item.parsed.y)}` } } },
    },
  };
}

const KINDS = { shares, health, reliability, measured };

function draw(figure) {
  figure.chart?.destroy();
  figure.chart = new Chart(figure.querySelector("canvas"), KINDS[figure.dataset.chart](figure));
}

const figures = [...document.querySelectorAll("figure[data-chart]")];
for (const figure of figures) {
  const holder = document.createElement("div");
  holder.className = "canvas";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${document.getElementById(figure.getAttribute("aria-labelledby")).textContent}: a chart of the table that follows`);
  holder.append(canvas);
  figure.prepend(holder);
  figure.classList.add("drawn");
  draw(figure);
}
document.addEventListener("themechange", () => figures.forEach(draw));
