// Talks to the server; the session is a cookie that no script can read.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const csrf = () => {
  const name = `stepsize_csrf_${location.port}=`;
  return document.cookie.split("; ").find((one) => one.startsWith(name))?.slice(name.length) ?? "";
};

async function call(method, path, body) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = csrf();
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin", cache: "no-store",
  });
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({ detail: `status ${answer.status}` }));
  if (!answer.ok) throw new Refused(answer.status, said.detail);
  return said;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

export const query = (pairs) => {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(pairs)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") made.append(name, one);
  }
  return made.size ? `?${made}` : "";
};

// A name that tells a command from all others, also where the page is not served by TLS.
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
