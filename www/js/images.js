// Counts the forty images as they arrive, and draws when each was asked for and answered.

import { duration, size } from "./units.js";

const images = [...document.querySelectorAll(".map img")];
const addresses = images.map((image) => image.getAttribute("src"));
const again = document.querySelector("#again");
const falls = document.querySelector("#falls");

let round = 0;
let timings = new Map();

function put(id, text) {
  document.getElementById(id).textContent = text;
}

/** The largest number of [start, end] spans that overlap at one moment. */
function mostAtOnce(spans) {
  const edges = spans.flatMap(([start, end]) => [[start, 1], [end, -1]]);
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  return Math.max(...edges.map(([, step]) => (now += step)));
}

function row(name, entry, start, length) {
  const item = document.createElement("li");
  const track = document.createElement("span");
  const span = document.createElement("span");
  const time = document.createElement("span");
  track.className = "track";
  span.className = "span";
  time.className = "time";
  time.textContent = duration(entry.duration / 1000);
  const answering = entry.responseEnd - entry.requestStart;
  span.style.left = `${((entry.startTime - start) / length) * 100}%`;
  span.style.width = `${(entry.duration / length) * 100}%`;
  span.style.setProperty("--answer", `${(answering / (entry.duration || 1)) * 100}%`);
  track.append(span);
  item.append(name, track, time);
  return item;
}

/** Draw the timings, once there is one for every image. */
function draw() {
  const entries = images.map((image) => timings.get(image.src));
  if (entries.includes(undefined)) {
    return;
  }
  const cached = entries.every((entry) => entry.transferSize === 0);
  document.querySelector("#when").hidden = cached;
  put("bytes", size(entries.reduce((sum, entry) => sum + entry.decodedBodySize, 0)));
  put("source", cached ? "These came from the browser’s own cache. Load again to ask the server." : "");
  if (cached) {
    return;
  }
  const start = Math.min(...entries.map((entry) => entry.startTime));
  const end = Math.max(...entries.map((entry) => entry.responseEnd));
  put("took", duration((end - start) / 1000));
  put("atonce", mostAtOnce(entries.map((entry) => [entry.requestStart, entry.responseEnd])));
  falls.replaceChildren(
    ...entries.map((entry, i) => row(addresses[i].split("/").pop(), entry, start, end - start)),
  );
}

function count() {
  const arrived = images.filter((image) => image.complete && image.naturalWidth > 0).length;
  put("arrived", arrived);
  again.disabled = !images.every((image) => image.complete);
}

function loadAgain() {
  round += 1;
  timings = new Map();
  performance.clearResourceTimings();
  images.forEach((image, i) => {
    image.classList.add("waiting");
    image.src = `${addresses[i]}?round=${round}`;
  });
  put("source", "");
  count();
}

for (const image of images) {
  image.addEventListener("load", () => {
    image.classList.remove("waiting");
    count();
  });
  image.addEventListener("error", count);
}
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    timings.set(entry.name, entry);
  }
  draw();
}).observe({ type: "resource", buffered: true });
again.addEventListener("click", loadAgain);
count();
