// Several downloads at the same time, each drawn as it moves.
//
// The bytes are counted and thrown away, so a file of any size can be fetched.

import { Chart } from "./chart.js";
import { duration, fairness, size } from "./units.js";

const TICK = 100; // milliseconds between two looks at the lanes
const LOOKS = 11; // how many of them a speed is the mean of
const PICTURE = "../gallery/pictures/attractor.png";
const ROUNDS = 500;
const SAYS = { ready: "", waiting: "waiting", stopped: "stopped", failed: "broken off" };

const form = document.querySelector("#form");
const list = document.querySelector("#lanes");
const message = document.querySelector("#message");
const template = document.querySelector("#lane");
const start = document.querySelector("#start");
const stop = document.querySelector("#stop");
const canvas = document.querySelector("#chart");
const chart = new Chart(canvas);

let running = null; // the AbortController of the run in hand

/** What cannot be downloaded, said to a person. */
class Trouble extends Error {
  constructor(text, command) {
    super(text);
    this.command = command;
  }
}

/** What the form asks for: an address, and how many times each lane fetches it. */
function wish() {
  const { source, address, count } = form.elements;
  const own = source.value === "file";
  let url;
  try {
    url = new URL(own ? address.value : PICTURE, location.href);
  } catch {
    throw new Trouble(`“${address.value}” is not an address.`);
  }
  if (url.origin !== location.origin) {
    throw new Trouble(`Only files of this server can be fetched here, such as ${address.defaultValue}.`);
  }
  return { url, rounds: own ? 1 : ROUNDS, lanes: Number(count.value) };
}

/** Ask how large the file is before anything is started. */
async function measure(url, signal) {
  let response;
  try {
    response = await fetch(url, { method: "HEAD", cache: "no-store", signal });
  } catch (error) {
    if (signal.aborted) {
      throw error;
    }
    throw new Trouble("No answer. Is the server still running?");
  }
  const path = url.pathname;
  if (response.status === 404) {
    throw new Trouble(
      `There is no file at ${path} yet. Make one on the server, then start again:`,
      `truncate -s 1G www${path}`,
    );
  }
  if (!response.ok) {
    throw new Trouble(`The server answered ${response.status} ${response.statusText} for ${path}.`);
  }
  return Number(response.headers.get("Content-Length"));
}

class Lane {
  received = 0;
  state = "ready";
  seconds = 0;
  #looks = [{ now: performance.now(), received: 0 }];

  constructor(number, total) {
    this.number = number;
    this.total = total;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.querySelector(".name").textContent = number;
    this.progress = this.element.querySelector("progress");
    this.progress.max = total || 1;
    this.progress.setAttribute("aria-label", `Download ${number}`);
    this.draw();
  }

  /** Fetch `url` `rounds` times in a row. Ends in one of the states done, stopped, failed. */
  async run(url, rounds, signal) {
    const begun = performance.now();
    this.state = "waiting";
    const address = new URL(url);
    address.searchParams.set("download", this.number); // tells the lanes apart in the access log
    try {
      for (let round = 0; round < rounds; round += 1) {
        const response = await fetch(address, { cache: "no-store", signal });
        if (!response.ok) {
          throw new Error(`answered ${response.status}`);
        }
        this.state = "running";
        await this.#drain(response.body.getReader());
      }
      this.state = this.received === this.total ? "done" : "failed";
    } catch {
      this.state = signal.aborted ? "stopped" : "failed";
    }
    this.seconds = (performance.now() - begun) / 1000;
  }

  async #drain(reader) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      this.received += value.byteLength;
    }
  }

  /** Note where the lane is now. */
  look(now) {
    this.#looks.push({ now, received: this.received });
    if (this.#looks.length > LOOKS) {
      this.#looks.shift();
    }
  }

  /** Bytes per second over the last second. */
  get recent() {
    const [from, to] = [this.#looks[0], this.#looks.at(-1)];
    return to.now > from.now ? ((to.received - from.received) * 1000) / (to.now - from.now) : 0;
  }

  /** Bytes per second: now while it runs, on the whole once it is done. */
  get speed() {
    return this.state === "done" ? this.received / this.seconds : this.recent;
  }

  draw() {
    const { element, state } = this;
    element.dataset.state = state;
    element.dataset.received = this.received;
    element.dataset.total = this.total;
    this.progress.value = this.received;
    element.querySelector(".bytes").textContent =
      this.total ? `${size(this.received)} of ${size(this.total)}` : "";
    element.querySelector(".speed").textContent = SAYS[state] ?? `${size(this.speed)}/s`;
  }
}

/** Look at all lanes once per tick and draw them, until `finished` settles. */
async function watch(lanes, finished) {
  const begun = performance.now();
  let fair = 1;
  const look = () => {
    const now = performance.now();
    const seconds = (now - begun) / 1000;
    const bytes = lanes.map((lane) => lane.received);
    const sum = bytes.reduce((a, b) => a + b, 0);
    // Those that are still behind catch up once one is done, so the race is judged until then.
    if (lanes.every((lane) => lane.state === "waiting" || lane.state === "running")) {
      fair = fairness(bytes);
    }
    for (const lane of lanes) {
      lane.look(now);
      lane.draw();
    }
    chart.add(lanes.map((lane) => lane.recent));
    put("speed", `${size(sum / (seconds || 1))}/s`);
    put("received", size(sum));
    put("time", duration(seconds));
    put("fair", fair.toFixed(3));
  };
  const timer = setInterval(look, TICK);
  await finished;
  clearInterval(timer);
  look();
}

function put(id, text) {
  document.getElementById(id).textContent = text;
}

function tell({ message: text, command }) {
  const line = document.createElement("p");
  line.textContent = text;
  message.replaceChildren(line);
  if (command) {
    const code = document.createElement("pre");
    code.textContent = command;
    message.append(code);
  }
  message.hidden = false;
}

/** Show `count` lanes that have nothing yet. */
function lay(count, total) {
  const lanes = Array.from({ length: count }, (_, i) => new Lane(i + 1, total));
  list.replaceChildren(...lanes.map((lane) => lane.element));
  return lanes;
}

function busy(controller) {
  running = controller;
  start.disabled = controller !== null;
  stop.disabled = controller === null;
}

async function race() {
  const controller = new AbortController();
  const { signal } = controller;
  busy(controller);
  message.hidden = true;
  try {
    const { url, rounds, lanes: count } = wish();
    const total = rounds * (await measure(url, signal));
    const lanes = lay(count, total);
    canvas.closest("figure").hidden = false;
    chart.reset(count);
    await watch(lanes, Promise.all(lanes.map((lane) => lane.run(url, rounds, signal))));
    if (lanes.some((lane) => lane.state === "failed")) {
      throw new Trouble("A transfer was broken off: the server stopped, or the file changed meanwhile.");
    }
  } catch (error) {
    if (error instanceof Trouble) {
      tell(error);
    } else if (!signal.aborted) {
      throw error;
    }
  } finally {
    busy(null);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) {
    race();
  }
});
form.elements.count.addEventListener("change", () => {
  if (!running) {
    lay(Number(form.elements.count.value), 0);
  }
});
form.elements.address.addEventListener("focus", () => {
  form.elements.source.value = "file";
});
stop.addEventListener("click", () => running?.abort());
// The next page needs a connection, and six downloads hold all that the browser opens to a server.
addEventListener("beforeunload", () => running?.abort());
lay(Number(form.elements.count.value), 0);
