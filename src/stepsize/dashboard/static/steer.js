// Gives commands to a run: first a preview, then a confirmation; the training answers.

import { get, newId, post } from "./api.js";
import { draw, legend, line } from "./charts.js";
import { count, el, number, say, show } from "./dom.js";

const SHAPES = ["1-sqrt", "linear", "cosine", "1-square"];
const duration = (text) => (/^\d+$/.test(text) ? Number(text) : text);
const whole = Number;

// Of each verb: what it does, and its values as [name, label, kind, how it is read, default].
const VERBS = {
  cooldown: ["Decay from now on, then be done", [
    ["steps", "Over (updates, or a share of what is left)", "text", duration, "10%"],
    ["to", "To this fraction of the present rate", "number", Number, "0"],
    ["shape", "Shape", SHAPES, String, "1-sqrt"]]],
  scale: ["Multiply every rate to come", [
    ["factor", "Factor", "number", Number, "0.5"], ["over", "Eased over (updates)", "number", whole, "0"]]],
  hold: ["Stay at this point of the curve", []],
  release: ["Go on after a hold", [["resume", "Go on", ["clock", "catch-up"], String, "clock"]]],
  extend: ["A longer horizon", [
    ["total_steps", "Updates in all", "number", whole, ""], ["mode", "How", ["stretch", "bridge", "adopt", "keep"], String, "stretch"]]],
  shorten: ["A shorter horizon", [
    ["total_steps", "Updates in all", "number", whole, ""], ["mode", "How", ["stretch", "bridge", "adopt", "keep"], String, "stretch"]]],
  rewarm: ["Rise again, then decay", [
    ["steps", "Over (updates, or a share of what is left)", "text", duration, "5%"], ["to", "New peak as a fraction of the old", "number", Number, "1"]]],
  replace: ["Follow another schedule", [
    ["schedule", "Schedule, as text", "text", String, ""], ["over", "Eased over (updates)", "text", duration, ""]]],
  deadline: ["Start the cooldown so that the run ends in time", [
    ["at", "End by; empty: no deadline any more", "datetime-local", (text) => new Date(text).getTime() / 1000, ""]]],
  checkpoint: ["Tell the training loop to save", []],
  stop: ["Tell the training loop to stop", []],
};

export function steerPanel(place, base, run, changed) {
  const values = el("div", { class: "row" });
  const help = el("p", { class: "soft", id: "verb-help" });
  const result = el("div");
  const verb = el("select", { id: "verb", "aria-describedby": "verb-help", onchange: choose },
    Object.keys(VERBS).map((one) => el("option", { value: one }, one)));
  const spec = run().spec;
  const of = el("select", { id: "of" }, spec.hyperparameters.map((one) => el("option", { value: one }, one)));
  const groups = el("input", { id: "groups", value: "*", list: "group-names" });
  const within = el("input", { id: "within", type: "number", min: 0, placeholder: "any" });
  const expires = el("select", { id: "expires" }, [["10 minutes", 600], ["an hour", 3600], ["a day", 86400]].map(
    ([text, seconds]) => el("option", { value: seconds, selected: seconds === 3600 }, text)));
  const reason = el("textarea", { id: "reason", rows: 2, required: true, maxlength: 2000 });
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); preview(); }, oninput: () => show(result) },
    el("div", { class: "row" }, el("div", {}, el("label", { for: "verb" }, "Change"), verb), help), values,
    el("label", { for: "reason" }, "Reason; it is recorded"), reason,
    el("details", {}, el("summary", {}, "What it is about, and when"), el("div", { class: "row" },
      el("div", {}, el("label", { for: "of" }, "Hyperparameter"), of),
      el("div", {}, el("label", { for: "groups" }, "Param groups (pattern)"), groups,
        el("datalist", { id: "group-names" }, spec.groups.slice(0, 200).map((one) => el("option", { value: one })))),
      el("div", {}, el("label", { for: "within" }, "Refuse it unless within so many steps of now"), within),
      el("div", {}, el("label", { for: "expires" }, "Refuse it after"), expires))),
    el("p", {}, el("button", { class: "main" }, "Preview")));

  function choose() {
    const [text, fields] = VERBS[verb.value];
    help.textContent = text;
    show(result);
    show(values, fields.map(([name, label, kind, , first]) => {
      const id = `value-${name}`;
      const start = name === "total_steps" && run().total ? String(Math.round(run().total * (verb.value === "extend" ? 1.2 : 0.8))) : first;
      const field = Array.isArray(kind)
        ? el("select", { id }, kind.map((one) => el("option", { value: one, selected: one === start }, one)))
        : el("input", { id, type: kind, step: kind === "number" ? "any" : null, value: start });
      return el("div", {}, el("label", { for: id }, label), field);
    }));
  }

  function command() {
    const given = {};
    for (const [name, , , read] of VERBS[verb.value][1]) {
      const text = values.querySelector(`#value-${name}`).value.trim();
      if (text !== "") given[name] = read(text);
      else if (verb.value === "deadline") given[name] = null;
    }
    return { verb: verb.value, values: given, reason: reason.value, id: newId(), hyperparameter: of.value, groups: groups.value || "*", expires_seconds: Number(expires.value) };
  }

  async function preview() {
    const asked = command();
    try {
      const told = await post(`${base}/preview`, asked);
      asked.seen = told.seen;
      if (within.value !== "") Object.assign(asked, { expected_step: told.step, tolerance: Number(within.value) });
      drawPreview(told, asked);
    } catch (error) { problem(error); }
  }

  function drawPreview(told, asked) {
    const chart = told.then ? el("div", { class: "chart small", id: "preview", role: "img", "aria-label": "The curve now, and then" }) : null;
    const key = el("ul", { class: "key" });
    const ends = (one) => (one.ends === null ? "never" : count(one.ends));
    const text = [`${told.what}, as ${told.author}. The run is at update ${count(told.update)}.`];
    if (told.then) text.push(`It ends at ${ends(told.now)} now, then ${ends(told.then)}.`);
    else text.push("No curve to show before it happens.");
    if (told.loss_now && told.loss_then) text.push(`Forecast for the end: ${number(told.loss_now[0])} now, then ${number(told.loss_then[0])} (90 %: ${number(told.loss_then[1])} to ${number(told.loss_then[2])}).`);
    if (!["running", "silent"].includes(run().state)) text.push(`The run is ${run().state}: nobody answers, unless it is resumed in time.`);
    if (told.refused) text.push(`The training will refuse it: ${told.refused}.`);
    const confirm = el("button", { type: "button", class: "main", id: "confirm" }, `Confirm: ${asked.verb}`);
    confirm.addEventListener("click", () => { confirm.disabled = true; ask(asked, told); });
    show(result, el("div", { class: told.refused ? "panel bad" : "panel", role: "region", "aria-label": "Preview", tabindex: "-1" },
      el("p", {}, text.join(" ")), key, chart, el("div", { class: "row" }, confirm,
        el("button", { type: "button", onclick: () => { show(result); verb.focus(); } }, "Cancel"))));
    if (chart) {
      const traces = [];
      for (const [i, [group, values]] of Object.entries(told.now.groups).entries()) {
        traces.push({ ...line(`${group}, now`, told.now.updates, values, i, { dash: "dot", width: 1.5 }), inKey: i === 0 ? "dotted: as it is now" : "" });
      }
      for (const [i, [group, values]] of Object.entries(told.then.groups).entries()) {
        traces.push({ ...line(`${group}, then`, told.then.updates, values, i), inKey: group });
      }
      legend(key, traces);
      draw(chart, traces, { title: asked.hyperparameter, now: told.update });
    }
    confirm.focus();
  }

  async function ask(asked, told) {
    try {
      let answer = await post(`${base}/commands`, asked);
      say(`asked: ${told.what}`);
      show(result, el("p", { class: "soft" }, "Asked; the training has not answered yet."));
      changed();
      while (answer.status === "open") {
        await new Promise((done) => setTimeout(done, 400));
        if (!place.isConnected) return;
        answer = await get(`${base}/commands/${asked.id}`);
      }
      const text = answer.status === "applied" ? `applied from update ${count(answer.update)} on: ${told.what}`
        : `${answer.status}: ${answer.why || "the training did not answer in time"}`;
      say(text);
      show(result, el("p", { id: "answer", class: answer.status === "applied" ? "" : "error" }, text));
      if (answer.status === "applied") reason.value = "";
      changed();
    } catch (error) { problem(error); }
  }

  function problem(error) {
    show(result, el("p", { class: "error", role: "alert" }, error.message));
  }

  show(place, form, result);
  choose();
}
