// What the session says, kept and drawn. Only what has changed is drawn, and no part more often
// than an eye can follow.
import { Books } from "/holdfast.js";
import { Chart } from "/chart.js";

const DEPTH = 11;
const TRADES_MAX = 12;
const FILLS_MAX = 50;
const ORDERS_MAX = 60;
const PRICES_MAX = 1_000;
/** Least time between two drawings of a part, in milliseconds. */
const PACE = { book: 66, trades: 100, chart: 200, orders: 0, connection: 250 };

export const $ = (id) => document.getElementById(id);

/** The session as this page knows it. */
export class Desk {
  constructor({ onCancel, onPrice }) {
    this.onCancel = onCancel;
    this.onPrice = onPrice;
    this.connection = null;
    this.books = null;
    this.entered = performance.now();
    this.silence = 0;
    this.endpoint = null;
    this.symbol = null;
    this.markets = new Map();
    this.orders = new Map();
    this.fills = [];
    this.positions = new Map();
    this.simulator = null;
    this.stale = new Set();
    this.drawn = {};
    this.chart = new Chart($("chart"));
    const redraw = () => {
      delete this.drawn.chart; // at once: an empty canvas would flicker
      this.touch("chart");
    };
    $("chart").addEventListener("resized", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    requestAnimationFrame((now) => this.#frame(now));
  }

  follow(connection) {
    this.connection = connection;
    this.books = new Books(connection);
    this.books.addEventListener("book", ({ detail }) => {
      if (detail === this.symbol) this.touch("book");
    });
  }

  /** The longest time without an entry since this was asked last, in milliseconds. */
  takeSilence() {
    const longest = Math.max(this.silence, performance.now() - this.entered);
    this.silence = 0;
    return longest;
  }

  /** These parts do not show any more what is known. */
  touch(...parts) {
    for (const part of parts) this.stale.add(part);
  }

  show(symbol) {
    this.symbol = symbol;
    $("symbol").textContent = symbol ?? "";
    this.touch("book", "trades", "chart");
  }

  /** One entry of the session's log, a snapshot or a reset. */
  take({ type, data }) {
    const now = performance.now();
    this.silence = Math.max(this.silence, now - this.entered);
    this.entered = now;
    this.touch("connection");
    switch (type) {
      case "snapshot": return this.#snapshot(data);
      case "trade": return this.#trade(data);
      case "order":
        this.orders.set(data.order_id, data);
        return this.touch("orders");
      case "fill":
        this.fills.unshift(data);
        this.fills.length = Math.min(this.fills.length, FILLS_MAX);
        return this.touch("orders");
      case "position":
        this.positions.set(data.symbol, data);
        return this.touch("orders");
      case "simulator":
        this.simulator = data;
        return this.touch("orders");
      default: return undefined;
    }
  }

  /** Fills from before this page was opened, oldest first. */
  remember(fills) {
    const known = new Set(this.fills.map(fillKey));
    const older = fills.filter((fill) => !known.has(fillKey(fill))).reverse();
    this.fills = [...this.fills, ...older].slice(0, FILLS_MAX);
    this.touch("orders");
  }

  #market(symbol) {
    if (!this.markets.has(symbol)) {
      this.markets.set(symbol, { trades: [], prices: [] });
    }
    return this.markets.get(symbol);
  }

  #snapshot(data) {
    for (const market of this.markets.values()) market.trades = market.prices = [];
    for (const trade of data.trades) this.#trade(trade);
    this.orders = new Map(data.orders.map((order) => [order.order_id, order]));
    this.positions = new Map(data.positions.map((position) => [position.symbol, position]));
    this.simulator = data.simulator;
    this.touch(...Object.keys(PACE));
  }

  #trade(trade) {
    const market = this.#market(trade.symbol);
    market.trades = [trade, ...market.trades.slice(0, TRADES_MAX - 1)];
    market.prices.push([trade.time, Number(trade.price)]);
    if (market.prices.length > PRICES_MAX) market.prices.splice(0, PRICES_MAX / 4);
    if (trade.symbol === this.symbol) this.touch("book", "trades", "chart");
  }

  // --- drawing --------------------------------------------------------------------------------

  #frame(now) {
    requestAnimationFrame((next) => this.#frame(next));
    if ($("desk").hidden || !this.connection) return;
    for (const part of this.stale) {
      if (now - (this.drawn[part] ?? -Infinity) < PACE[part]) continue;
      this.drawn[part] = now;
      this.stale.delete(part);
      this[`${part}Part`]();
    }
  }

  bookPart() {
    const market = this.markets.get(this.symbol);
    if (!market) return;
    const book = this.books.get(this.symbol);
    const asks = book.top("asks", DEPTH);
    const bids = book.top("bids", DEPTH);
    const most = Math.max(asks.at(-1)?.[2] ?? 0, bids.at(-1)?.[2] ?? 0) || 1;
    // always as many rows: a thin book makes nothing jump
    const pad = (levels) => [...levels, ...Array(DEPTH - levels.length).fill(null)];
    const fill = (row, level) => this.#level(row, level, most);
    rows($("asks"), pad(asks).reverse(), fill);
    rows($("bids"), pad(bids), fill);
    const [bid, ask] = [bids[0]?.[0], asks[0]?.[0]];
    set($("spread"), bid && ask ? `spread ${trim(ask - bid)}` : "one side is empty");
    const [last, before] = market.trades;
    set($("last-price"), last?.price ?? "–");
    $("last-price").className = last && before && Number(last.price) < Number(before.price) ? "down" : "up";
    if (ask && !$("order-price").value && !$("order-price").dataset.touched) $("order-price").value = ask;
  }

  #level(row, level, most) {
    const [price, quantity, total] = level ?? ["", "", 0];
    cells(row, [price, quantity, level ? trim(total) : ""]);
    const depth = `${Math.round((100 * total) / most)}%`;
    if (row.dataset.depth !== depth) {
      row.dataset.depth = depth;
      row.style.setProperty("--depth", depth);
    }
    row.onclick = level && (() => this.onPrice(price));
  }

  tradesPart() {
    const trades = this.markets.get(this.symbol)?.trades ?? [];
    rows($("trades"), [...trades, ...Array(TRADES_MAX - trades.length).fill(null)], (row, trade) => {
      cells(row, trade ? [marketTime(trade.time), trade.price, trade.quantity] : ["", "", ""]);
      row.className = trade ? direction(trade.side) : "";
    });
  }

  chartPart() {
    this.chart.draw(this.markets.get(this.symbol)?.prices ?? []);
  }

  ordersPart() {
    if (this.orders.size > ORDERS_MAX) this.#forgetFinished();
    const orders = [...this.orders.values()].sort((a, b) => b.order_id - a.order_id);
    $("orders-empty").hidden = orders.length > 0;
    rows($("orders"), orders, (row, order) => this.#order(row, order));
    $("fills-empty").hidden = this.fills.length > 0;
    rows($("fills"), this.fills, (row, fill) => {
      cells(row, [fill.side, fill.symbol, marketTime(fill.time), fill.price, fill.quantity, fill.fee]);
      row.firstElementChild.className = direction(fill.side);
    });
    rows($("positions"), [...this.positions.values()], (row, position) => {
      const profit = Number(position.realised_pnl) + Number(position.unrealised_pnl);
      cells(row, [position.symbol, position.quantity, position.average_price ?? "–", profit.toFixed(2)]);
      row.lastElementChild.className = profit < 0 ? "down" : profit > 0 ? "up" : "";
    });
    if (this.simulator) this.#simulator(this.simulator);
  }

  #order(row, order) {
    cells(row, [order.side, order.symbol, order.type.replaceAll("_", " "), order.price ?? "–",
      `${order.filled} / ${order.quantity}`, order.status.replaceAll("_", " "), ""]);
    row.firstElementChild.className = direction(order.side);
    const place = row.lastElementChild;
    const button = place.firstElementChild ?? place.appendChild(makeButton("Cancel", "quiet"));
    button.hidden = !isOpen(order);
    button.onclick = () => this.onCancel(order.order_id);
    button.setAttribute("aria-label", `Cancel order ${order.order_id}`);
  }

  #simulator({ state, speed }) {
    set($("simulator-state"), state === "running" ? `running × ${speed}` : state);
    set($("pause"), state === "running" ? "Pause" : "Resume");
    const choice = String(speed);
    if ([...$("speed").options].some((option) => option.value === choice)) $("speed").value = choice;
  }

  #forgetFinished() {
    for (const [id, order] of this.orders) {
      if (this.orders.size <= ORDERS_MAX) break;
      if (!isOpen(order)) this.orders.delete(id);
    }
  }

  connectionPart() {
    const { stats, transport } = this.connection;
    set($("c-state"), `${transport === "sse" ? "SSE" : "WebSocket"}, ${stats.state}`);
    $("c-state").className = stats.state === "open" ? "up" : "down";
    set($("c-endpoint"), this.endpoint ?? "–");
    const jitter = stats.jitter === null ? "" : ` ± ${stats.jitter.toFixed(1)}`;
    set($("c-rtt"), stats.rtt === null ? "–" : `${stats.rtt.toFixed(1)}${jitter} ms`);
    const advice = stats.advice && stats.advice !== "stay" ? stats.advice.replaceAll("_", " ") : null;
    set($("c-quality"), [stats.quality, advice].filter(Boolean).join(", ") || "–");
    set($("c-entries"), stats.entries);
    set($("c-reconnects"), stats.reconnects);
    set($("c-gaps"), stats.gaps);
    $("c-gaps").className = stats.gaps > 0 ? "down" : "";
    set($("c-last"), stats.lastId ?? "–");
  }
}

// --- small things -----------------------------------------------------------------------------

/** Puts a line into the list of what happened. */
export function note(text) {
  const item = element("li", text);
  item.prepend(element("time", new Date().toLocaleTimeString("en-GB")));
  $("journal").prepend(item);
  while ($("journal").children.length > 30) $("journal").lastElementChild.remove();
}

export function say(target, text, bad = false) {
  target.textContent = text;
  target.classList.toggle("down", bad);
}

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function makeButton(text, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  return made;
}

/** Keeps as many rows as there are items and fills each: no row is made anew for new numbers. */
function rows(body, items, fill) {
  while (body.children.length > items.length) body.lastElementChild.remove();
  while (body.children.length < items.length) body.append(document.createElement("tr"));
  items.forEach((item, index) => fill(body.children[index], item));
}

/** The texts of a row; an empty one leaves a cell with something else in it alone. */
function cells(row, texts) {
  while (row.children.length < texts.length) row.append(document.createElement("td"));
  texts.forEach((text, index) => {
    const cell = row.children[index];
    if (!cell.firstElementChild) set(cell, text);
  });
}

/** Touches the page only for something new. */
function set(target, text) {
  const wanted = String(text);
  if (target.textContent !== wanted) target.textContent = wanted;
}

function isOpen({ status }) {
  return status === "open" || status === "partially_filled" || status === "waiting";
}

function direction(side) {
  return side === "buy" ? "up" : "down";
}

function fillKey(fill) {
  return `${fill.trade_id}/${fill.order_id}`;
}

/** Time since the market's opening. */
function marketTime(ms) {
  return new Date(ms).toISOString().slice(11, 19);
}

function trim(value) {
  return Number(value).toFixed(4).replace(/\.?0+$/, "");
}
