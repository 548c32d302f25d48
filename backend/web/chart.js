// Candles over market time, with what was traded below, the last price, and the user's own orders.
import { Canvas } from "/canvas.js";
import { marketTime } from "/dom.js";

const SCALE_PX = 60;
const STEP_PX = 8;
const TOP_PX = 12;
const AXIS_PX = 18;
const VOLUME_SHARE = 0.18;

export class Chart extends Canvas {
  /** `series` is kept by the desk, `span` the length of a candle in ms, `orders` are working ones,
   *  `tick` is the smallest step of the price. */
  draw(series, span, orders, tick) {
    if (!this.clear()) return;
    const right = this.width - SCALE_PX;
    const shown = series.shown(span, Math.floor(right / STEP_PX));
    const last = shown.at(-1);
    if (!last) return;
    const scale = this.#scale(shown, tick);
    this.#grid(scale, right);
    this.#times(last.time, span, right);
    const x = (time) => right - STEP_PX / 2 - ((last.time - time) / span) * STEP_PX;
    const most = shown.reduce((most, { volume }) => Math.max(most, volume), 0) || 1;
    for (const candle of shown) this.#candle(candle, x(candle.time), scale, most);
    for (const order of orders) this.#order(order, scale, right);
    const at = Math.round(scale.y(last.close));
    this.tag(last.close.toFixed(2), right + 4, at, SCALE_PX - 4, this.colours.accent);
  }

  #scale(shown, tick) {
    let [low, high] = [Infinity, -Infinity];
    for (const candle of shown) {
      low = Math.min(low, candle.low);
      high = Math.max(high, candle.high);
    }
    const missing = Math.max(0, 4 * tick - (high - low)); // the grid has four steps
    [low, high] = [low - missing / 2, high + missing / 2];
    const floor = (this.height - AXIS_PX) * (1 - VOLUME_SHARE);
    const y = (price) => TOP_PX + (1 - (price - low) / (high - low)) * (floor - TOP_PX);
    return { low, high, y, last: shown.at(-1).close };
  }

  #grid({ low, high, y, last }, right) {
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const price = low + (high - low) * part;
      const at = Math.round(y(price)) + 0.5;
      this.line(0, at, right, at, this.colours.line);
      if (Math.abs(at - y(last)) > 14) this.text(price.toFixed(2), right + 10, at);
    }
  }

  #times(end, span, right) {
    const y = this.height - AXIS_PX / 2;
    for (let x = right - STEP_PX / 2; x > 30; x -= 120) {
      const time = end - Math.round((right - x) / STEP_PX) * span;
      if (time < 0) break;
      this.text(marketTime(time), x, y, { align: x > right - 40 ? "right" : "center" });
    }
  }

  #candle({ open, high, low, close, volume }, x, { y }, most) {
    const { context, colours } = this;
    const floor = this.height - AXIS_PX;
    const body = Math.max(1, STEP_PX - 3);
    const left = Math.round(x - body / 2);
    context.fillStyle = close < open ? colours.down : colours.up;
    context.fillRect(Math.round(x) - 1, y(high), 1, Math.max(1, y(low) - y(high)));
    const [top, bottom] = [y(Math.max(open, close)), y(Math.min(open, close))];
    context.fillRect(left, top, body, Math.max(1, bottom - top));
    context.globalAlpha = 0.3;
    const tall = (volume / most) * floor * VOLUME_SHARE * 0.85;
    context.fillRect(left, floor - tall, body, tall);
    context.globalAlpha = 1;
  }

  #order({ side, price, stop_price: trigger }, { low, high, y }, right) {
    const level = Number(price ?? trigger);
    if (!(level >= low && level <= high)) return;
    const at = Math.round(y(level)) + 0.5;
    const colour = side === "buy" ? this.colours.up : this.colours.down;
    this.line(0, at, right, at, colour, [5, 4]);
  }
}
