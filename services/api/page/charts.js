// Charts by uPlot in the colours of the style sheet, each described in words for those who do not see it.

import { count, exactly, h, headline, price } from "./format.js";
import uPlot from "./vendor/uplot.js";

/** A chart that fits its panel and follows light and dark. */
class Chart {
  #chart = null;

  constructor(height) {
    this.height = height;
    this.canvas = h("div", { class: "canvas", "aria-hidden": "true" });
    this.canvas.style.minHeight = `${height}px`;
    this.words = h("p", { class: "empty" }, "…");
    this.legend = h("p", { class: "legend dim", "aria-hidden": "true" });
    this.element = h("div", { class: "plot", role: "img", "aria-label": "No data yet" }, this.legend, this.canvas, this.words);
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

  /** Says why there is nothing to show. */
  fail(reason) {
    this.data = null;
    this.words.hidden = false;
    this.words.textContent = reason;
    this.canvas.hidden = true;
    this.element.setAttribute("aria-label", reason);
    this.#draw();
  }

  /** Shows data; `words` describe them. */
  present(data, words) {
    this.data = data;
    this.words.hidden = true;
    this.canvas.hidden = false;
    this.element.setAttribute("aria-label", words);
    this.#draw();
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  #draw() {
    this.#chart?.destroy();
    this.#chart = null;
    if (!this.data) return;
    const axis = { stroke: this.colour("--dim"), grid: { stroke: this.colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const options = this.options(axis);
    this.#chart = new uPlot({ width: this.canvas.clientWidth || 600, height: this.height, legend: { show: false }, ...options }, this.data, this.canvas);
  }

  #fit() {
    if (this.#chart && this.canvas.clientWidth) this.#chart.setSize({ width: this.canvas.clientWidth, height: this.height });
  }
}

/** A figure over time, as steps. */
export class Curve extends Chart {
  constructor(label) {
    super(190);
    this.label = label;
  }

  /** Shows points `{at, value}`, oldest first; `made` says what they are made of. */
  show(points, made) {
    if (points.length < 2) return this.fail("Nothing was realized in this time.");
    this.legend.textContent = made;
    const last = points.at(-1);
    this.present([points.map(({ at }) => at / 1000), points.map(({ value }) => Number(value))],
      `${this.label}: ${headline(last.value)} at the end, ${made}, from ${exactly(points[0].at)} to ${exactly(last.at)}`);
  }

  options(axis) {
    return {
      cursor: { y: false },
      axes: [axis, { ...axis, size: 74, values: (_, ticks) => ticks.map((tick) => headline(String(tick))) }],
      series: [{}, { stroke: this.colour("--accent"), width: 2, fill: this.colour("--accent-soft"), paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    };
  }
}

/** Candles with the volume below them. */
export class Candles extends Chart {
  constructor() {
    super(300);
  }

  /** Shows candles of an interval, oldest first. */
  show(candles, intervalMs, symbol) {
    const priced = candles.filter(({ closeUsd }) => typeof closeUsd === "string");
    this.intervalMs = intervalMs;
    if (!priced.length) {
      this.legend.textContent = "";
      return this.fail(candles.length ? "None of these trades says a price." : "No trades in this time.");
    }
    this.candles = priced;
    this.#say(priced.at(-1));
    const column = (name) => priced.map((candle) => Number(candle[name]));
    const last = priced.at(-1);
    const low = priced.reduce((least, { lowUsd }) => (Number(lowUsd) < Number(least) ? lowUsd : least), last.lowUsd);
    const high = priced.reduce((most, { highUsd }) => (Number(highUsd) > Number(most) ? highUsd : most), last.highUsd);
    this.present([priced.map(({ at }) => at / 1000), column("openUsd"), column("highUsd"), column("lowUsd"), column("closeUsd"), column("volumeUsd")],
      `${count(priced.length)} candles of ${symbol}: ${price(last.closeUsd)} last, between ${price(low)} and ${price(high)}, from ${exactly(priced[0].at)} to ${exactly(last.at)}`);
  }

  #say({ at, openUsd, highUsd, lowUsd, closeUsd, volumeUsd, trades }) {
    this.legend.textContent = `${exactly(at)} · open ${price(openUsd)} · high ${price(highUsd)} · low ${price(lowUsd)} · close ${price(closeUsd)} · ${headline(volumeUsd)} in ${count(trades)} trades`;
  }

  options(axis) {
    const half = this.intervalMs / 2000;
    const hidden = (scale) => ({ scale, paths: () => null, points: { show: false } });
    const around = (least, most) => {
      const room = (most - least) * 0.06 || Math.abs(most) * 0.01 || 1;
      return [least - room, most + room];
    };
    return {
      cursor: { y: false, points: { show: false } },
      scales: {
        x: { range: (_, from, to) => [from - half * 1.4, to + half * 1.4] },
        y: { range: (_, least, most) => around(least, most) },
        // The volume takes the lower quarter.
        volume: { range: (_, __, most) => [0, (most || 1) * 4] },
      },
      axes: [axis, { ...axis, scale: "y", size: 84, values: (_, ticks) => ticks.map((tick) => (tick > 0 ? price(String(tick)) : "")) }],
      series: [{}, hidden("y"), hidden("y"), hidden("y"), hidden("y"), hidden("volume")],
      hooks: { draw: [(chart) => this.#paint(chart)], setCursor: [({ cursor }) => this.#say(this.candles[cursor.idx] ?? this.candles.at(-1))] },
    };
  }

  #paint(chart) {
    const { ctx, data: [times, opens, highs, lows, closes, volumes] } = chart;
    const at = (value, scale) => chart.valToPos(value, scale, true);
    const wide = Math.max(1, Math.abs(at(times[0] + this.intervalMs / 1000, "x") - at(times[0], "x")) * 0.66);
    const [up, down, faint] = ["--good", "--bad", "--line"].map((name) => this.colour(name));
    ctx.save();
    ctx.beginPath();
    ctx.rect(chart.bbox.left, chart.bbox.top, chart.bbox.width, chart.bbox.height);
    ctx.clip();
    times.forEach((time, index) => {
      const middle = at(time, "x");
      const floor = at(0, "volume");
      ctx.fillStyle = faint;
      ctx.fillRect(middle - wide / 2, at(volumes[index], "volume"), wide, floor - at(volumes[index], "volume"));
      const [open, high, low, close] = [opens, highs, lows, closes].map((values) => at(values[index], "y"));
      ctx.fillStyle = closes[index] >= opens[index] ? up : down;
      ctx.fillRect(middle - devicePixelRatio / 2, high, devicePixelRatio, Math.max(1, low - high));
      ctx.fillRect(middle - wide / 2, Math.min(open, close), wide, Math.max(devicePixelRatio, Math.abs(close - open)));
    });
    ctx.restore();
  }
}

/** A figure per day, as bars. */
export class Bars extends Chart {
  constructor(label) {
    super(170);
    this.label = label;
  }

  /** Shows days `{at, value}`, oldest first. */
  show(days) {
    if (!days.length) return this.fail("No trades yet.");
    const last = days.at(-1);
    this.present([days.map(({ at }) => at / 1000), days.map(({ value }) => Number(value))],
      `${this.label} of ${count(days.length)} days: ${headline(last.value)} on the last, ${exactly(last.at)}`);
  }

  options(axis) {
    const halfDay = 43_200;
    return {
      cursor: { y: false },
      scales: { x: { range: (_, from, to) => [from - halfDay, to + halfDay] }, y: { range: (_, __, most) => [0, (most || 1) * 1.08] } },
      axes: [axis, { ...axis, size: 74, values: (_, ticks) => ticks.map((tick) => headline(String(tick))) }],
      series: [{}, { stroke: this.colour("--accent"), fill: this.colour("--accent-soft"), width: 1, paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } }],
    };
  }
}
