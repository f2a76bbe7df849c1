// Draws curves with plotly, and says what they are. What people wrote is escaped: plotly reads some HTML in texts.

import { el, show } from "./dom.js";

// Okabe & Ito's palette, told apart by colour-blind readers; the first is lighter at night.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07a00", "#56b4e9", "#8c6d31", "#7d68c4"];
const LOG_FROM = 20; // ratio of highest to lowest value from which an axis is a log one
const MOST_LINES = 100;

export const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const night = () => matchMedia("(prefers-color-scheme: dark)").matches;
export const colour = (i) => (night() && i % COLOURS.length === 0 ? "#4ba3dd" : COLOURS[i % COLOURS.length]);
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const line = (name, x, y, i, more = {}) => ({
  type: "scatter", mode: x.length > 1 ? "lines" : "lines+markers", name: plain(name), x, y,
  inKey: name, line: { color: colour(i), width: 2, ...more }, connectgaps: false,
  hovertemplate: "update %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
});

export const band = (x, low, high, i) => ({
  type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()],
  fill: "toself", fillcolor: `${colour(i)}30`, line: { width: 0 }, hoverinfo: "skip",
});

// Marks events on a curve; the reason is what one reads there.
export function marks(events, x, y) {
  const at = (update) => {
    let i = x.findIndex((one) => one >= update);
    if (i < 0) i = x.length - 1;
    return y[i] ?? null;
  };
  return {
    type: "scatter", mode: "markers", name: "events", x: events.map((one) => one.update),
    y: events.map((one) => at(one.update)),
    marker: { symbol: "triangle-down", size: 12, color: variable("--bad"), line: { width: 1, color: variable("--back") } },
    text: events.map((one) => plain(`update ${one.update}: ${one.what}\n${one.source}: ${one.reason}`).replaceAll("\n", "<br>")),
    hovertemplate: "%{text}<extra></extra>", inKey: "events",
  };
}

// Whether values are drawn on a log axis: nearly all are above 0, and far apart.
export const wantsLog = (values) => {
  const known = values.filter((one) => one !== null && Number.isFinite(one));
  const above = known.filter((one) => one > 0);
  if (!above.length || above.length < 0.95 * known.length) return false;
  return above.reduce((a, b) => Math.max(a, b)) / above.reduce((a, b) => Math.min(a, b)) > LOG_FROM;
};

// Says what each curve is that has a name for it, above them: inside, many would leave no place.
export function legend(place, traces) {
  show(place, traces.filter((one) => one.inKey).map((one) => {
    const mark = el("span", { class: one.mode === "markers" ? "mark event" : "mark" });
    if (one.line?.color && one.mode !== "markers") {
      mark.style.borderTop = `${one.line.width + 1}px ${{ dot: "dotted", dash: "dashed" }[one.line.dash] ?? "solid"} ${one.line.color}`;
    }
    return el("li", {}, mark, one.inKey);
  }));
}

export function draw(place, traces, { title, log = false, events = [], range = null, now = null }) {
  const line = variable("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  const shapes = events.slice(-MOST_LINES).map((one) => ({
    type: "line", x0: one.update, x1: one.update, yref: "paper", y0: 0, y1: 1,
    line: { color: variable("--bad"), width: 1, dash: "dot" },
  }));
  if (now !== null) {
    shapes.push({ type: "line", x0: now, x1: now, yref: "paper", y0: 0, y1: 1,
      line: { color: variable("--soft"), width: 1 } });
  }
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: variable("--ink") },
    margin: { l: 60, r: 12, t: 10, b: 45 }, hovermode: "closest", showlegend: false,
    hoverlabel: { align: "left", bgcolor: variable("--back"), font: { color: variable("--ink") } },
    xaxis: { ...axis, title: { text: "update" }, range: range ?? undefined, autorange: range === null },
    yaxis: { ...axis, title: { text: plain(title) }, type: log ? "log" : "linear", exponentformat: "e" },
    shapes, uirevision: "kept",
  };
  const config = { displayModeBar: false, displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "" };
  return window.Plotly.react(place, traces, layout, config);
}
