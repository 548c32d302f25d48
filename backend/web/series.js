// Candles of one symbol: those that the session has closed, and the one that trades are making.

const KEPT = 7_200;

/** A candle: {time, open, high, low, close, volume}, numbers; `time` is market time in ms. */
export class Series {
  constructor() {
    this.interval = 1_000;
    this.candles = [];
  }

  /** Begins anew with what a snapshot shows. */
  reset(candles) {
    this.candles = [];
    for (const candle of candles) this.take(candle);
  }

  /** A candle of the session: it stands for what was made of trades here. */
  take({ interval, time, open, high, low, close, volume }) {
    this.interval = interval;
    const numbers = [open, high, low, close, volume].map(Number);
    this.#put({ time, open: numbers[0], high: numbers[1], low: numbers[2], close: numbers[3],
      volume: numbers[4] });
  }

  trade({ time, price, quantity }) {
    const [at, value] = [time - (time % this.interval), Number(price)];
    const last = this.candles.at(-1);
    if (last?.time !== at) {
      this.#put({ time: at, open: value, high: value, low: value, close: value,
        volume: Number(quantity) });
      return;
    }
    last.high = Math.max(last.high, value);
    last.low = Math.min(last.low, value);
    last.close = value;
    last.volume += Number(quantity);
  }

  /** The last `count` stretches of `span` ms in which something was traded, oldest first. */
  shown(span, count) {
    const { candles } = this;
    const end = candles.at(-1)?.time ?? 0;
    const from = end - (end % span) - (count - 1) * span;
    const shown = [];
    for (let at = candles.length - 1; at >= 0 && candles[at].time >= from; at -= 1) {
      const candle = candles[at];
      const time = candle.time - (candle.time % span);
      const later = shown.at(-1);
      if (later?.time !== time) {
        shown.push({ ...candle, time });
        continue;
      }
      later.open = candle.open;
      later.high = Math.max(later.high, candle.high);
      later.low = Math.min(later.low, candle.low);
      later.volume += candle.volume;
    }
    return shown.reverse();
  }

  #put(candle) {
    const last = this.candles.at(-1);
    if (last && last.time > candle.time) return; // older than what is shown: said twice
    if (last?.time === candle.time) this.candles.pop();
    this.candles.push(candle);
    if (this.candles.length > KEPT) this.candles.splice(0, KEPT / 4);
  }
}
