// Builds elements. Text is only ever text: nothing here reads HTML.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value === "boolean") made[key] = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

export const show = (place, ...children) => place.replaceChildren(...children.flat().filter(Boolean));

export const say = (text) => { document.getElementById("said").textContent = text; };

export function table(caption, columns, rows, { cards = true } = {}) {
  const head = columns.map(([label, kind]) => el("th", { scope: "col", class: kind }, label));
  const body = rows.map((row) => el("tr", {}, row.map((cell, i) =>
    el("td", { class: columns[i][1], "data-label": columns[i][0] }, cell ?? ""))));
  return el("table", { class: cards ? "cards" : null },
    el("caption", { class: "soft" }, caption),
    el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
}

export const number = (value, digits = 4) => {
  if (value === null || value === undefined) return "";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(digits)));
};

export const count = (value) => (value === null || value === undefined ? "" : value.toLocaleString("en").replaceAll(",", "\u202f"));

export const ago = (seconds) => {
  if (seconds === null) return "";
  const past = Math.max(Date.now() / 1000 - seconds, 0);
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (past >= size) return `${Math.floor(past / size)} ${unit} ago`;
  }
  return `${Math.floor(past)} s ago`;
};
