// One run: its curves as they come, its events, its records, and the way to change it.

import { get, query } from "./api.js";
import { band, draw, legend, line, marks, wantsLog } from "./charts.js";
import { ago, count, el, number, say, show, table } from "./dom.js";
import { steerPanel } from "./steer.js";

const POINTS = 1000;
const MOST_CURVES = 8;
const FORECAST_EVERY = 60000;
const PAUSE = 1000; // between two looks at what came

export async function runPage(main, id, session) {
  const base = `/api/runs/${id}`;
  const state = { run: await get(base), series: {}, curve: null, forecast: null, range: null, path: "lr", records: 50 };
  const places = layout(main, state, redraw);
  if (state.run.steerable && ["operator", "admin"].includes(session.role)) {
    steerPanel(places.steer, base, () => state.run, dirty);
  } else whyNot(places.steer, state.run, session);

  async function load(whole) {
    const run = state.run;
    const every = run.series.filter((one) => one.startsWith(`${state.path}/`));
    const rates = every.slice(0, MOST_CURVES);
    state.hidden = every.length - rates.length + run.left_out;
    const known = run.spec ? run.spec.hyperparameters : [];
    const others = run.series.filter((one) => !known.some((path) => one.startsWith(`${path}/`))).slice(0, 19 - rates.length);
    const [first, last] = state.range ?? [null, null];
    const wanted = { name: [...rates, ...others], points: POINTS, first, last };
    state.rates = rates;
    state.others = others;
    state.series = wanted.name.length ? (await get(`${base}/series${query(wanted)}`)).series : {};
    if (whole) {
      state.curve = await get(`${base}/curve${query({ name: state.path })}`).catch((error) => ({ why: error.message }));
      const found = await get(`${base}/records${query({ limit: state.records })}`);
      state.list = found;
    }
  }

  async function redraw(whole = true) {
    await load(whole);
    facts(places.facts, state.run);
    rateChart(places, state);
    lossChart(places, state);
    otherCharts(places, state);
    if (whole) lists(places, state, redraw);
  }

  async function forecast() {
    state.forecast = await get(`${base}/forecast`).catch((error) => ({ available: false, why: error.message }));
    lossChart(places, state);
  }

  // --- live ----------------------------------------------------------------------
  let waiting = false, whole = false, gone = false;
  function dirty(everything = true) {
    whole ||= everything;
    if (waiting || gone) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      if (gone) return;
      const all = whole;
      whole = false;
      try {
        const found = await get(base);
        // it began only now: another page is due
        if (!state.run.spec && found.spec) return location.reload();
        state.run = found;
        await redraw(all);
        if (all) forecast();
      } catch (error) { say(error.message); }
    }, PAUSE);
  }
  const stream = new EventSource(`/api/stream?since=${id}:${state.run.n}`);
  stream.onmessage = (event) => {
    const { entries } = JSON.parse(event.data);
    dirty(entries.some((one) => one.record.kind !== "metric"));
  };
  stream.addEventListener("problem", (event) => { say(JSON.parse(event.data).problem); stream.close(); });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => dirty();
  dark.addEventListener("change", repaint);
  const timer = setInterval(() => { if (!document.hidden) forecast(); }, FORECAST_EVERY);

  await redraw();
  forecast();
  return () => {
    gone = true;
    stream.close();
    clearInterval(timer);
    dark.removeEventListener("change", repaint);
    for (const one of main.querySelectorAll(".js-plotly-plot")) window.Plotly.purge(one);
  };
}

function layout(main, state, redraw) {
  const run = state.run;
  document.title = `${run.name} · stepsize`;
  const places = {};
  const chart = (name, label) => {
    places[name] = el("div", { class: "chart", role: "img", "aria-label": label });
    places[`${name}Text`] = el("figcaption", {});
    places[`${name}Key`] = el("ul", { class: "key" });
    return el("figure", {}, places[`${name}Key`], places[name], places[`${name}Text`]);
  };
  for (const name of ["facts", "steer", "events", "records", "others"]) places[name] = el("div");
  const paths = run.spec ? run.spec.hyperparameters : [];
  const path = el("select", { id: "path", onchange: () => { state.path = path.value; redraw(); } },
    paths.map((one) => el("option", { value: one }, one)));
  if (!paths.includes("lr") && paths.length) state.path = paths[0];
  const from = el("input", { id: "from", type: "number", min: 0 });
  const to = el("input", { id: "to", type: "number", min: 0 });
  const zoom = () => {
    const low = from.value === "" ? 0 : Number(from.value);
    const high = to.value === "" ? state.run.update : Number(to.value);
    state.range = from.value === "" && to.value === "" ? null : [low, Math.max(high, low + 1)].map(Math.round);
    redraw(false).catch((error) => say(error.message));
  };
  from.addEventListener("change", zoom);
  to.addEventListener("change", zoom);
  places.zoomTo = (range) => {
    [from.value, to.value] = range === null ? ["", ""] : range.map((one) => Math.max(0, Math.round(one)));
    zoom();
  };
  show(main,
    el("p", {}, el("a", { href: "#/" }, "All runs")),
    el("h1", {}, run.name || "unnamed"), places.facts,
    el("div", { class: "row" },
      paths.length > 1 ? el("div", {}, el("label", { for: "path" }, "Hyperparameter"), path) : null,
      el("div", {}, el("label", { for: "from" }, "From update"), from),
      el("div", {}, el("label", { for: "to" }, "to update"), to),
      el("button", { type: "button", onclick: () => places.zoomTo(null) }, "Whole run")),
    el("h2", {}, "Rate"), chart("rate", "Rate over the updates, used and planned, with events"),
    el("h2", {}, "Loss"), chart("loss", "Loss over the updates, with its forecast"),
    places.others,
    el("h2", {}, "Steer"), places.steer,
    el("h2", {}, "Changes"), places.events,
    el("h2", {}, "Records"), places.records,
    run.spec ? [el("h2", {}, "What the rates follow from"),
      el("pre", { tabindex: "0", role: "region", "aria-label": "Schedules" }, run.spec.parts.map((one) => `${one.schedule}   ${JSON.stringify(one.horizon)}`).join("\n")),
      el("p", { class: "soft" }, `param groups: ${run.spec.groups.slice(0, 50).join(", ")}${run.spec.groups.length > 50 ? ", …" : ""}`)] : []);
  return places;
}

function facts(place, run) {
  const rows = [
    ["state", el("span", { class: `state ${run.state}` }, run.state)],
    ["update", run.total === null ? count(run.update) : `${count(run.update)} of ${count(run.total)}`],
    ["rate", number(run.rate)], ["loss", number(run.loss)],
    ["clock", run.held ? "held" : ""], ["last record", ago(run.time)], ["host", run.host],
    ...Object.entries(run.tags),
  ];
  show(place, el("dl", { class: "facts" }, rows.filter(([, value]) => value !== "").map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

function zoomable(places, place) {
  if (place.dataset.zoomable) return;
  place.dataset.zoomable = "1";
  place.on("plotly_relayout", (change) => {
    const low = change["xaxis.range[0]"], high = change["xaxis.range[1]"];
    if (low !== undefined) places.zoomTo([low, high]);
    else if (change["xaxis.autorange"]) places.zoomTo(null);
  });
}

function rateChart(places, state) {
  const events = state.run.events.filter((one) => one.hyperparameter === state.path && one.kind !== "note");
  const traces = [];
  const one = (state.run.spec?.groups ?? []).length <= 1;
  const colours = new Map();
  const drawn = new Map(); // groups whose rates are alike are one curve
  for (const name of state.rates) {
    const group = name.slice(state.path.length + 1);
    const { updates, values } = state.series[name];
    const key = JSON.stringify([updates, values]);
    const like = drawn.get(key);
    colours.set(group, like ? like.colour : drawn.size);
    if (like) like.names.push(group);
    else drawn.set(key, { names: [group], updates, values, colour: drawn.size });
  }
  for (const { names, updates, values, colour } of drawn.values()) {
    traces.push(line(one ? "used" : names.join(", "), updates, values, colour));
  }
  const planned = state.curve?.groups ?? {};
  for (const [group, values] of Object.entries(planned)) {
    const i = colours.get(group) ?? drawn.size;
    const made = line(one ? "planned" : `${group}, planned`, state.curve.updates, values, i, { dash: "dot", width: 1.5 });
    traces.push(colours.has(group) && !one ? { ...made, inKey: "" } : made);
  }
  const first = Object.values(planned)[0];
  if (first && events.length) traces.push(marks(events, state.curve.updates, first));
  places.rate.hidden = traces.length === 0;
  draw(places.rate, traces, { title: state.path, events, range: state.range, now: state.run.update });
  legend(places.rateKey, traces);
  zoomable(places, places.rate);
  const ends = state.curve?.ends;
  const hidden = state.hidden ? ` The first ${state.rates.length} param groups are drawn.` : "";
  places.rateText.textContent = state.run.unplanned || state.curve?.why
    || `Solid: as used. Dotted: as planned${ends === null ? "" : `; the run ends at update ${count(ends)}`}. Grey line: now.${hidden}`;
}

function lossChart(places, state) {
  const found = state.series.loss;
  if (!found) {
    places.lossText.textContent = "No loss is recorded: scheduler.step(loss=loss) does it.";
    places.loss.hidden = true;
    show(places.lossKey);
    return;
  }
  places.loss.hidden = false;
  const events = state.run.events.filter((one) => one.kind !== "note");
  const traces = [line("loss", found.updates, found.values, 0, { width: 1.2 })];
  const told = state.forecast;
  const log = wantsLog(found.values);
  if (told?.available && state.range === null) {
    // a log axis has no place for what is not above 0
    const least = log ? Math.min(...told.mean.filter((one) => one > 0)) / 10 : -Infinity;
    traces.push(band(told.updates, told.low.map((one) => Math.max(one, least)), told.high, 1), line("forecast", told.updates, told.mean, 1, { dash: "dash" }));
  }
  if (events.length) traces.push(marks(events, found.updates, found.values));
  legend(places.lossKey, traces);
  draw(places.loss, traces, { title: log ? "loss (log axis)" : "loss", log, events, range: state.range });
  zoomable(places, places.loss);
  const bad = found.values.filter((one) => one === null).length;
  const below = log ? found.values.filter((one) => one !== null && one <= 0).length : 0;
  const parts = [`${count(found.recorded)} recorded.`];
  if (bad) parts.push(`${bad} of those shown are not finite (gaps).`);
  if (below) parts.push(`Not above 0, for which a log axis has no place: ${below}.`);
  if (!told) parts.push("The forecast is being made …");
  else if (told.available) {
    const end = told.mean.length - 1;
    parts.push(`Forecast for the end: ${number(told.mean[end])} (90 %: ${number(told.low[end])} to ${number(told.high[end])}), from ${count(told.fitted)} updates.`, ...told.notes.map((one) => `${one[0].toUpperCase()}${one.slice(1)}.`));
  } else parts.push(`No forecast: ${told.why}`);
  places.lossText.textContent = parts.join(" ");
}

function otherCharts(places, state) {
  const names = state.others.filter((one) => one !== "loss");
  const key = JSON.stringify(names);
  if (places.others.dataset.names !== key) {
    places.others.dataset.names = key;
    show(places.others, names.map((name) => [el("h2", {}, name),
      el("div", { class: "chart small", role: "img", "aria-label": `${name} over the updates`, "data-name": name })]));
  }
  for (const place of places.others.querySelectorAll(".chart")) {
    const { updates, values } = state.series[place.dataset.name];
    draw(place, [line(place.dataset.name, updates, values, 2)], { title: place.dataset.name, events: state.run.events, range: state.range });
  }
}

function lists(places, state, redraw) {
  const events = state.run.events.filter((one) => one.kind !== "note").reverse();
  show(places.events, events.length ? table("The changes that hold, the latest first",
    [["update", "number"], ["what", "name"], ["who", "name"], ["why", "text"], ["of"]],
    events.map((one) => [count(one.update), one.what, one.source, one.reason,
      one.groups === "*" ? one.hyperparameter : `${one.hyperparameter}, groups ${one.groups}`]))
    : el("p", { class: "soft" }, "None: the rate is as it was planned."));
  const { records, found } = state.list;
  const more = found > records.length
    ? el("button", { type: "button", onclick: () => { state.records += 200; redraw(); } }, "Show more") : null;
  show(places.records, table(`${count(found)} records besides metrics, the latest first`,
    [["time", "time"], ["update", "number"], ["who", "name"], ["what", "name"], ["rate", "number"], ["why", "text"]],
    records.map((one) => [one.time.replace("T", " ").replace("Z", ""), count(one.update), one.who, one.what,
      one.before === null ? "" : `${number(one.before)} → ${number(one.after)}`, one.why])), more);
}

function whyNot(place, run, session) {
  const why = !session.steering ? "This server only reads. stepsize steer RUN, or stepsize serve --steer --tokens FILE, changes runs."
    : run.unplanned ? `This run cannot be steered from here: ${run.unplanned}` : `This needs the role operator; yours is ${session.role}.`;
  show(place, el("p", { class: "soft" }, why));
}
