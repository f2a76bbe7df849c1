// Routes between the list of runs and one run; says who is logged in.

import { get, post, query, Refused } from "./api.js";
import { ago, count, el, number, say, show, table } from "./dom.js";
import { runPage } from "./run.js";

const EVERY = 5000;
const main = document.getElementById("main");
let leave = () => {};
let session = null;

async function route() {
  leave();
  leave = () => {};
  say("");
  try {
    session = await get("/api/session");
    who();
    if (session.needs_token && !session.name) return loginPage();
    const run = location.hash.match(/^#\/run\/([0-9a-f]{16})$/);
    leave = run ? await runPage(main, run[1], session) : await listPage();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return loginPage();
    show(main, el("h1", {}, "That did not work"), el("p", { class: "error", role: "alert" }, error.message),
      el("p", {}, el("a", { href: "#/" }, "All runs")));
  }
}

function who() {
  const place = document.getElementById("who");
  if (!session.name) return show(place, session.needs_token ? null : el("span", { class: "soft" }, "read only"));
  const out = el("button", { type: "button", onclick: async () => {
    await post("/api/logout").catch((error) => say(error.message));
    location.hash = "#/";
    route();
  } }, "Log out");
  show(place, el("span", {}, `${session.name} (${session.role}) `), out);
}

function loginPage() {
  document.title = "Log in · stepsize";
  const token = el("input", { id: "token", type: "password", autocomplete: "current-password", required: true });
  const problem = el("p", { class: "error", role: "alert" });
  const form = el("form", { class: "narrow", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await post("/api/login", { token: token.value.trim() });
      token.value = "";
      route();
    } catch (error) {
      problem.textContent = error.message;
    }
  } }, el("label", { for: "token" }, "Token"), token,
    el("p", { class: "soft" }, "stepsize serve token NAME --tokens FILE makes one."),
    el("button", { class: "main" }, "Log in"), problem);
  show(main, el("h1", {}, "Log in"), form);
  token.focus();
}

async function listPage() {
  document.title = "Runs · stepsize";
  const search = el("input", { id: "search", type: "search", placeholder: "name or folder" });
  const state = el("select", { id: "state" }, el("option", { value: "" }, "any"));
  const rows = el("div");
  let shown = 200;

  async function refresh() {
    const wanted = query({ search: search.value.trim(), state: state.value, limit: shown });
    const found = await get(`/api/runs${wanted}`);
    const chosen = state.value;
    const all = Object.entries(found.states).sort();
    show(state, el("option", { value: "" }, "any"), all.map(([name, n]) =>
      el("option", { value: name, selected: name === chosen }, `${name} (${n})`)));
    if (!found.runs.length) return show(rows, el("p", {}, search.value || chosen ? "No run is like that." : "No runs yet."));
    const made = table(`${count(found.found)} runs, the latest first`,
      [["run", "name"], ["state"], ["update", "number"], ["rate", "number"], ["loss", "number"], ["changes", "number"], ["last record", "time"], ["folder", "name"]],
      found.runs.map((one) => [
        el("a", { href: `#/run/${one.id}` }, one.name || one.place || "unnamed"), badge(one.state, one.damaged),
        one.total === null ? count(one.update) : `${count(one.update)} of ${count(one.total)}`,
        number(one.rate), number(one.loss), count(one.changes), ago(one.time), one.place,
      ]));
    const more = found.found > found.runs.length
      ? el("button", { type: "button", onclick: () => { shown += 800; refresh(); } }, "Show more") : null;
    const focused = document.activeElement?.getAttribute("href");
    show(rows, made, more);
    if (focused) rows.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  const again = () => refresh().then(() => say(""), (error) => {
    if (error.status === 401) route(); else say(error.message);
  });
  search.addEventListener("input", again);
  state.addEventListener("change", again);
  show(main, el("h1", {}, "Runs"), el("div", { class: "row" },
    el("div", { class: "wide" }, el("label", { for: "search" }, "Search"), search),
    el("div", {}, el("label", { for: "state" }, "State"), state)), rows);
  await refresh();
  const timer = setInterval(() => { if (!document.hidden) again(); }, EVERY);
  return () => clearInterval(timer);
}

export function badge(state, why) {
  return el("span", { class: `state ${state}`, title: why || null }, state);
}

addEventListener("hashchange", () => route().then(() => main.focus()));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
if (document.readyState === "complete") route(); else addEventListener("load", route);
