// What the session says, kept; and what of it is drawn when: only what has changed, and no part
// more often than an eye can follow.
import { Books } from "/holdfast.js";
import { $ } from "/dom.js";
import { Series } from "/series.js";

const TRADES_MAX = 12;
const FILLS_MAX = 50;
const ORDERS_MAX = 60;

/** The session as this page knows it. */
export class Desk {
  constructor() {
    this.connection = null;
    this.books = null;
    this.endpoint = null;
    this.symbol = null;
    this.symbols = new Map();
    this.markets = new Map();
    this.orders = new Map();
    this.fills = [];
    this.positions = new Map();
    this.simulator = null;
    /** Market time in ms, as far as entries have told. */
    this.time = 0;
    this.entered = performance.now();
    this.silence = 0;
    this.parts = new Map();
    this.stale = new Set();
    this.framed = false;
  }

  /** A part of the page, drawn by `draw` when it was touched, every `pace` ms at most. */
  part(name, pace, draw) {
    this.parts.set(name, { pace, draw, drawn: -Infinity });
  }

  /** These parts do not show any more what is known. */
  touch(...names) {
    for (const name of names) this.stale.add(name);
    if (this.framed) return;
    this.framed = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  /** This part is to be drawn with the next frame: what it showed is gone. */
  redraw(name) {
    const part = this.parts.get(name);
    if (part) part.drawn = -Infinity;
    this.touch(name);
  }

  follow(connection) {
    this.connection = connection;
    this.books = new Books(connection);
    this.books.addEventListener("book", ({ detail }) => {
      if (detail === this.symbol) this.touch("book", "depth");
    });
    connection.addEventListener("entry", ({ detail }) => this.#take(detail));
  }

  show(symbol) {
    this.symbol = symbol;
    for (const name of this.parts.keys()) this.redraw(name);
  }

  /** What is traded in the symbol that is looked at. */
  get market() {
    return this.#market(this.symbol);
  }

  get working() {
    return [...this.orders.values()].filter(isWorking);
  }

  /** The longest time without an entry since this was asked last, in milliseconds. */
  takeSilence() {
    const longest = Math.max(this.silence, performance.now() - this.entered);
    this.silence = 0;
    return longest;
  }

  /** Fills from before this page was opened, newest first. */
  remember(fills) {
    const known = new Set(this.fills.map(fillKey));
    const older = fills.filter((fill) => !known.has(fillKey(fill)));
    this.fills = [...this.fills, ...older].slice(0, FILLS_MAX);
    this.touch("fills");
  }

  /** One entry of the session's log, a snapshot or a reset. */
  #take({ type, data }) {
    const now = performance.now();
    this.silence = Math.max(this.silence, now - this.entered);
    this.entered = now;
    if (data.time > this.time) this.time = data.time;
    this.touch("connection", "clock");
    switch (type) {
      case "snapshot": return this.#snapshot(data);
      case "reset":
        this.fills = [];
        return this.touch("fills", "account");
      case "trade": return this.#trade(data);
      case "candle":
        this.#market(data.symbol).series.take(data);
        return this.touch("chart");
      case "order":
        this.orders.set(data.order_id, data);
        this.#forgetFinished();
        return this.touch("orders", "chart", "account");
      case "fill":
        this.fills.unshift(data);
        this.fills.length = Math.min(this.fills.length, FILLS_MAX);
        return this.touch("fills");
      case "position":
        this.positions.set(data.symbol, data);
        return this.touch("positions", "account");
      case "simulator":
        this.simulator = data;
        return this.touch("simulator");
      default: return undefined;
    }
  }

  #market(symbol) {
    if (!this.markets.has(symbol)) this.markets.set(symbol, { trades: [], series: new Series() });
    return this.markets.get(symbol);
  }

  #snapshot(data) {
    this.markets.clear();
    for (const { symbol } of data.books) {
      const of = (items) => items.filter((item) => item.symbol === symbol);
      const market = this.#market(symbol);
      market.trades = of(data.trades).slice(-TRADES_MAX).reverse();
      market.series.reset(of(data.candles));
    }
    this.orders = new Map(data.orders.map((order) => [order.order_id, order]));
    this.positions = new Map(data.positions.map((position) => [position.symbol, position]));
    this.simulator = data.simulator;
    this.time = data.simulator.time;
    this.touch(...this.parts.keys());
  }

  #trade(trade) {
    const market = this.#market(trade.symbol);
    market.trades.unshift(trade);
    market.trades.length = Math.min(market.trades.length, TRADES_MAX);
    market.series.trade(trade);
    if (Number(this.positions.get(trade.symbol)?.quantity)) this.touch("account");
    if (trade.symbol === this.symbol) this.touch("last", "trades", "chart");
  }

  #forgetFinished() {
    for (const [id, order] of this.orders) {
      if (this.orders.size <= ORDERS_MAX) break;
      if (!isWorking(order)) this.orders.delete(id);
    }
  }

  #frame(now) {
    this.framed = false;
    if ($("desk").hidden || !this.connection) return;
    for (const name of this.stale) {
      const part = this.parts.get(name);
      if (part && now - part.drawn < part.pace) continue;
      this.stale.delete(name);
      if (!part) continue;
      part.drawn = now;
      part.draw();
    }
    if (this.stale.size > 0) this.touch();
  }
}

export function isWorking({ status }) {
  return status === "open" || status === "partially_filled" || status === "waiting";
}

function fillKey(fill) {
  return `${fill.trade_id}/${fill.order_id}`;
}
