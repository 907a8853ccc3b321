"""What each page of the monitor has: beginning, style, script and end, and the policy for them."""

from __future__ import annotations

import base64
import hashlib

_REFRESH_SECONDS = 5

_STYLE = """
:root { background: light-dark(#fff, #17191e); color: light-dark(#111827, #e6e8ec); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 76rem; }
body { margin: 2rem auto; padding: 0 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; }
h1 { font-size: 1.4rem; font-weight: 600; margin: 0; }
h1 span { font-weight: 400; }
h2 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .25rem; }
header p { margin: 0; }
[data-state] { color: light-dark(#92400e, #f5b76b); }
[data-state=ready] { color: light-dark(#166534, #7fd39b); }
.bad { color: light-dark(#b91c1c, #f8a3a3); overflow-wrap: anywhere; }
.bad:empty { display: none; }
button { font: inherit; color: inherit; background: none; border: 1px solid #8888; }
button { border-radius: .3rem; padding: .1rem .8rem; cursor: pointer; margin-inline-start: auto; }
:focus-visible { outline: 2px solid light-dark(#0f5c6e, #76c1d0); outline-offset: 2px; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
dt, figcaption, th, footer { color: light-dark(#4b5563, #b3bac4); font-size: .875rem; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
svg { width: 100%; height: 4rem; display: block; }
polyline { fill: none; stroke: light-dark(#0f5c6e, #76c1d0); stroke-width: 2; }
polyline { vector-effect: non-scaling-stroke; }
[role=region] { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .35rem 1rem .35rem 0; text-align: start; vertical-align: top; }
th { font-weight: 400; white-space: nowrap; }
tr { border-block-end: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; }
td:first-child { overflow-wrap: anywhere; min-width: 8rem; }
progress { width: 8rem; max-width: 100%; accent-color: light-dark(#0f5c6e, #76c1d0); }
tbody:empty::after { content: "none"; opacity: .7; }
footer { margin-top: 2.5rem; display: flex; gap: 1.5rem; }
a { color: light-dark(#0f5c6e, #76c1d0); }
@media (max-width: 40rem) {
  body { margin-block: 1rem; padding: 0 1rem; }
  thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding-block: .4rem; }
  td { padding: 0; font-size: .875rem; }
  td:first-child { flex: 1 0 100%; font-size: 1rem; }
}
"""

_SCRIPT = r"""
"use strict";
const find = (id) => document.getElementById(id);
let model, paused = false;
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const bytes = (number) => {
  let unit = 0;
  while (number >= 1000 && unit < UNITS.length - 1) { number /= 1000; unit += 1; }
  return `${number.toFixed(unit && number < 100 ? 1 : 0)} ${UNITS[unit]}`;
};
const time = (seconds) => {
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
};
const file = (row) => row.site + row.path;
const client = (row) => `${row.client} ${row.user}`.trim();
const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};
const set = (id, text) => { if (find(id).textContent !== text) find(id).textContent = text; };
const fill = (id, rows) => find(id).tBodies[0].replaceChildren(
  ...rows.map((cells) => element("tr", ...cells.map((cell) => element("td", ...[cell].flat())))));
const bar = (row) => {
  const percent = row.size ? Math.floor(100 * row.done / row.size) : 100;
  const made = element("progress");
  made.max = 100;
  made.value = percent;
  made.setAttribute("aria-label", `${row.path} to ${row.client}`);
  return [made, ` ${percent} % of ${bytes(row.size)}`];
};
const figures = (all) => ({
  "Connections": `${all.connections}, ${all.active} busy`,
  "Requests": `${all.requests_per_second}/s`,
  "Throughput": `${bytes(all.bytes_per_second)}/s`,
  "Still to send": bytes(all.remaining),
  "Requests so far": String(all.requests),
  "Sent so far": bytes(all.sent),
  "Generations": String(all.generations),
  "Stuck loops": String(all.stuck),
});
const show = () => {
  const [word, reason] = model.state;
  set("state", reason ? `${word}: ${reason}` : word);
  find("state").dataset.state = word;
  set("version", model.server.version);
  set("reload", model.server.reload && `The last reload has failed: ${model.server.reload}`);
  find("figures").replaceChildren(...Object.entries(figures(model.figures)).map(
    ([name, value]) => element("div", element("dt", name), element("dd", value))));
  const most = Math.max(...model.history, 0), first = 60 - model.history.length;
  find("spark").firstElementChild.setAttribute("points", model.history.map(
    (value, place) => `${first + place},${(38 - 36 * value / (most || 1)).toFixed(1)}`).join(" "));
  set("most", `Throughput of the last minute, ${bytes(most)}/s at the most`);
  fill("downloads", [...model.downloads.values()].map((row) => [file(row), client(row), bar(row),
    `${bytes(row.rate)}/s`, row.left === null ? "–" : time(row.left), String(row.parts)]));
  fill("ended", model.ended.map((row) => [file(row), client(row), row.outcome, bytes(row.size),
    `${bytes(row.rate)}/s`, String(row.resumes)]));
  fill("workers", model.workers.map((row) => [String(row.worker), String(row.pid), row.phase,
    row.loops.map(([all, busy]) => `${all} (${busy} busy)`).join(" · ")]));
};
const change = (data) => {
  const {downloads = {}, history, ...rest} = data;
  Object.assign(model, rest);
  model.history = [...model.history, ...history].slice(-60);
  for (const [id, row] of Object.entries(downloads)) {
    if (row) model.downloads.set(+id, row); else model.downloads.delete(+id);
  }
};
const events = new EventSource("/events");
events.addEventListener("snapshot", ({data}) => {
  model = JSON.parse(data);
  model.downloads = new Map(model.downloads.map((row) => [row.id, row]));
  if (!paused) show();
});
events.addEventListener("delta", ({data}) => {
  change(JSON.parse(data));
  if (!paused) show();
});
events.addEventListener("error", () => set("state", "no connection to the monitor"));
const button = find("pause");
button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", paused);
  if (!paused && model) show();
});
"""


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


START = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="{_REFRESH_SECONDS}"></noscript>
<title>phttpd</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>"""
SCRIPT = f"<script>{_SCRIPT}</script>"
END = """\
<footer><a href="/status.json">JSON</a> <a href="/metrics">Metrics</a></footer>
</body>
</html>
"""
POLICY_LINE = (
    "Content-Security-Policy: default-src 'none'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src {_hash_of(_STYLE)}; script-src {_hash_of(_SCRIPT)}\r\n"
)
"""The header line that allows this style and this script, and nothing of other hosts."""
