// A stacked chart of speeds over time: one band per download, the newest sample at the right.

const MOST = 300;

/** The mean of some samples, lane by lane. */
function mean(samples) {
  return samples[0].map((_, lane) =>
    samples.reduce((sum, sample) => sum + sample[lane], 0) / samples.length);
}

export class Chart {
  #canvas;
  #lanes = 0;
  #samples = [];
  #merge = 1;
  #pending = [];

  constructor(canvas) {
    this.#canvas = canvas;
    const redraw = () => this.draw();
    new ResizeObserver(redraw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  reset(lanes) {
    this.#lanes = lanes;
    this.#samples = [];
    this.#merge = 1;
    this.#pending = [];
    this.draw();
  }

  /** Take the speed of each lane now. A long run is kept coarser. */
  add(speeds) {
    this.#pending.push(speeds);
    if (this.#pending.length < this.#merge) {
      return;
    }
    this.#samples.push(mean(this.#pending));
    this.#pending = [];
    if (this.#samples.length >= MOST) {
      this.#samples = this.#samples.flatMap((sample, i, all) =>
        i % 2 ? [mean([all[i - 1], sample])] : []);
      this.#merge *= 2;
    }
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const pen = this.#canvas.getContext("2d");
    pen.scale(ratio, ratio);

    const style = getComputedStyle(this.#canvas);
    pen.fillStyle = style.getPropertyValue("--line");
    pen.fillRect(0, height - 1, width, 1);

    const sums = this.#samples.map((sample) => sample.reduce((a, b) => a + b, 0));
    const scale = (height - 8) / Math.max(1, ...sums);
    const step = width / Math.max(40, this.#samples.length - 1);
    const colours = ["--accent", "--accent-soft"].map((name) => style.getPropertyValue(name));
    let floor = this.#samples.map(() => height - 1);
    // Each band lies on the one before: along its top from left to right, and back along the floor.
    for (let lane = 0; lane < this.#lanes; lane += 1) {
      const top = this.#samples.map((sample, i) => floor[i] - sample[lane] * scale);
      pen.fillStyle = colours[lane % 2];
      pen.beginPath();
      top.forEach((y, i) => pen.lineTo(i * step, y));
      floor.forEach((_, i) => pen.lineTo((floor.length - 1 - i) * step, floor.at(-1 - i)));
      pen.fill();
      floor = top;
    }
  }
}
