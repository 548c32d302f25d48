// The line of traded prices over market time.

const SPAN_MS = 120_000;
const SPAN_LEAST_MS = 20_000;
const SCALE_PX = 58;
const MARGIN_PX = 14;

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.#colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#colours());
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** Prices: [market time in ms, price], oldest first. */
  draw(prices) {
    const { context, width, height } = this;
    if (!width) return;
    context.clearRect(0, 0, width, height);
    const end = prices.at(-1)?.[0];
    if (end === undefined) return;
    const shown = prices.filter(([time]) => time >= end - SPAN_MS);
    const span = Math.max(SPAN_LEAST_MS, end - shown[0][0]);
    let [low, high] = [Infinity, -Infinity];
    for (const [, price] of shown) {
      low = Math.min(low, price);
      high = Math.max(high, price);
    }
    if (high === low) [low, high] = [low * 0.9995, high * 1.0005];
    const right = width - SCALE_PX;
    const x = (time) => right - ((end - time) / span) * right;
    const y = (price) => MARGIN_PX + (1 - (price - low) / (high - low)) * (height - 2 * MARGIN_PX);
    const last = shown.at(-1)[1];
    this.#grid(low, high, right, y, y(last));
    this.#line(shown, x, y, right);
    this.#last(last, right, y);
  }

  #grid(low, high, right, y, covered) {
    const { context } = this;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineWidth = 1;
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const price = low + (high - low) * part;
      const at = Math.round(y(price)) + 0.5;
      context.strokeStyle = this.colours.line;
      context.beginPath();
      context.moveTo(0, at);
      context.lineTo(right, at);
      context.stroke();
      context.fillStyle = this.colours.muted;
      if (Math.abs(at - covered) > 14) context.fillText(price.toFixed(2), right + 10, at);
    }
  }

  #line(shown, x, y, right) {
    const { context, height, colours } = this;
    context.beginPath();
    context.moveTo(x(shown[0][0]), y(shown[0][1]));
    let before = shown[0][1];
    for (const [time, price] of shown) { // a price holds until the next trade
      context.lineTo(x(time), y(before));
      context.lineTo(x(time), y(price));
      before = price;
    }
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.6;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(right, height);
    context.lineTo(x(shown[0][0]), height);
    context.globalAlpha = 0.09;
    context.fillStyle = colours.accent;
    context.fill();
    context.globalAlpha = 1;
  }

  #last(price, right, y) {
    const { context, colours } = this;
    const at = Math.round(y(price));
    context.fillStyle = colours.accent;
    context.beginPath();
    context.roundRect(right + 4, at - 9, SCALE_PX - 4, 18, 4);
    context.fill();
    context.fillStyle = colours.text;
    context.font = "600 11px system-ui, sans-serif";
    context.fillText(price.toFixed(2), right + 10, at + 0.5);
  }

  #colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.colours = { accent: read("--accent"), muted: read("--muted"), line: read("--line"),
      text: read("--accent-text") };
  }

  #resize() {
    const scale = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = this.width * scale;
    this.canvas.height = this.height * scale;
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.canvas.dispatchEvent(new Event("resized"));
  }
}
