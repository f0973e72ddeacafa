// A curve of what was realized, added up over time; drawn by uPlot in the colours of the style sheet, described in words for screen readers.

import uPlot from "./vendor/uplot.js";
import { h, headline, units, decimal } from "./format.js";

export class Curve {
  #chart = null;
  #points = [];

  constructor(label) {
    this.label = label;
    this.canvas = h("div", { class: "canvas", "aria-hidden": "true" });
    this.words = h("p", { class: "empty" }, "…");
    this.element = h("div", { class: "plot" }, this.canvas, this.words);
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(this.canvas);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.repaint);
  }

  repaint = () => this.#draw();

  close() {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.repaint);
    this.#chart?.destroy();
  }

  fail(reason) {
    this.words.hidden = false;
    this.words.textContent = reason;
  }

  /** Shows points `{at, realizedPnlUsd}`; nothing happened in between. */
  show(points, stepMs) {
    let sum = 0n;
    this.#points = points.map(({ at, realizedPnlUsd }) => {
      sum += units(realizedPnlUsd);
      return [at / 1000, Number(decimal(sum))];
    });
    if (this.#points.length) this.#points.unshift([this.#points[0][0] - stepMs / 1000, 0]);
    const last = decimal(sum);
    this.words.hidden = this.#points.length > 1;
    this.words.textContent = "Nothing happened in this time.";
    this.canvas.hidden = this.#points.length < 2;
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", `${this.label}: ${headline(last)} at the end of ${points.length} ${stepMs > 3_600_000 ? "days" : "hours"} with trades`);
    this.#draw();
  }

  #draw() {
    this.#chart?.destroy();
    this.#chart = null;
    if (this.#points.length < 2) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    this.#chart = new uPlot({
      width: this.canvas.clientWidth || 600,
      height: 190,
      cursor: { y: false },
      legend: { show: false },
      axes: [axis, { ...axis, size: 74, values: (_, ticks) => ticks.map((tick) => headline(String(tick))) }],
      series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--accent-soft"), paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    }, [this.#points.map(([at]) => at), this.#points.map(([, value]) => value)], this.canvas);
  }

  #fit() {
    if (this.#chart && this.canvas.clientWidth) this.#chart.setSize({ width: this.canvas.clientWidth, height: 190 });
  }
}
