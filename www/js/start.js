// The start page asks the server a few questions and shows what is said on the wire.

const QUESTIONS = {
  head: { method: "HEAD", path: "index.html" },
  part: { method: "GET", path: "gallery/pictures/attractor.png", fields: { Range: "bytes=0-99" } },
  again: { method: "GET", path: "css/site.css", conditional: true },
  options: { method: "OPTIONS", path: "index.html" },
};

const asked = document.querySelector("#asked");
const answered = document.querySelector("#answered");
const buttons = document.querySelectorAll("[data-question]");

/** The condition that makes the server say 304: "only if it is no longer the one I know". */
async function condition(path) {
  const { headers } = await fetch(path, { method: "HEAD", cache: "no-store" });
  return headers.has("ETag")
    ? { "If-None-Match": headers.get("ETag") }
    : { "If-Modified-Since": headers.get("Last-Modified") };
}

function show(element, first, fields) {
  const line = document.createElement("b");
  line.textContent = first;
  element.replaceChildren(line, ...Array.from(fields, ([name, value]) => `\n${name}: ${value}`));
}

async function ask(name) {
  const { method, path, fields, conditional } = QUESTIONS[name];
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.question === name));
  }
  try {
    const headers = conditional ? await condition(path) : (fields ?? {});
    const address = new URL(path, location.href);
    show(asked, `${method} ${address.pathname} HTTP/1.1`, [
      ["host", location.host],
      ...Object.entries(headers).map(([field, value]) => [field.toLowerCase(), value]),
    ]);
    const response = await fetch(address, { method, headers, cache: "no-store" });
    await response.arrayBuffer();
    show(answered, `HTTP/1.1 ${response.status} ${response.statusText}`, response.headers);
    answered.dataset.status = response.status;
  } catch {
    answered.textContent = "No answer. Is the server still running?";
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => ask(button.dataset.question));
}
ask("head");
