// The form for a new order: which fields a type of order has, and what the exchange said.
import { $, option, say, words } from "/dom.js";

/** For each type: its fields, and how long it may rest, the usual way first. */
const TYPES = {
  limit: { fields: ["price", "post"], force: ["gtc", "ioc", "fok", "gtd", "day"] },
  market: { fields: ["by"], force: ["ioc", "fok"] },
  stop: { fields: ["stop"], force: ["gtc", "gtd", "day"] },
  stop_limit: { fields: ["stop", "price"], force: ["gtc", "gtd", "day"] },
  take_profit: { fields: ["stop"], force: ["gtc", "gtd", "day"] },
  take_profit_limit: { fields: ["stop", "price"], force: ["gtc", "gtd", "day"] },
  trailing_stop: { fields: ["trail"], force: ["gtc", "gtd", "day"] },
  iceberg: { fields: ["price", "display", "post"], force: ["gtc", "gtd", "day"] },
  post_only: { fields: ["price"], force: ["gtc", "gtd", "day"] },
};
const HINTS = {
  stop: "A market order once the price is as bad as the trigger.",
  stop_limit: "A limit order once the price is as bad as the trigger.",
  take_profit: "A market order once the price is as good as the trigger.",
  take_profit_limit: "A limit order once the price is as good as the trigger.",
  trailing_stop: "A stop that follows the market at this distance.",
  iceberg: "Shows only a part of itself at a time.",
  post_only: "Refused rather than trading at once.",
};
const FORCES = {
  gtc: "gtc: until cancelled",
  ioc: "ioc: at once, rest cancelled",
  fok: "fok: all at once or nothing",
  gtd: "gtd: for a while",
  day: "day: until the day ends",
};

export class Ticket {
  /** `send` sends a command and gives back its answer. */
  constructor(desk, send) {
    this.desk = desk;
    this.send = send;
    $("order-type").replaceChildren(...Object.keys(TYPES).map((type) => option(type, words(type))));
    $("order-type").onchange = () => this.#shape();
    $("order-force").onchange = () => this.#rest();
    $("order-by").onchange = () => this.#by();
    $("order").onsubmit = (event) => this.#place(event);
    for (const name of ["price", "stop", "quantity", "display", "trail"]) {
      $(`order-${name}`).onkeydown = (event) => this.#step(event);
    }
    this.#shape();
  }

  /** Another symbol: its prices are others. */
  symbol(symbol) {
    $("entry-symbol").textContent = symbol;
    for (const id of ["order-price", "order-stop"]) $(id).value = "";
  }

  /** Takes a price over into the field that is waiting for one. */
  price(price) {
    const field = $("price-field").hidden ? "order-stop" : "order-price";
    $(field).value = price;
  }

  #shape() {
    const type = $("order-type").value;
    const { fields, force } = TYPES[type];
    for (const name of ["price", "stop", "trail", "display", "by", "post"]) {
      $(`${name}-field`).hidden = !fields.includes(name);
      const input = $(`${name}-field`).querySelector("input");
      if (input?.type === "text") input.required = fields.includes(name);
    }
    $("order-force").replaceChildren(...force.map((name) => option(name, FORCES[name])));
    $("order-hint").textContent = HINTS[type] ?? "";
    if (!fields.includes("by")) $("order-by").value = "quantity";
    this.#by();
    this.#rest();
  }

  #by() {
    const money = $("order-by").value === "notional";
    $("amount-name").textContent = money ? "Money" : "Quantity";
  }

  #rest() {
    $("expires-field").hidden = $("order-force").value !== "gtd";
  }

  /** Arrow keys step by the symbol's tick or lot. */
  #step(event) {
    const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!sign) return;
    event.preventDefault();
    const field = event.target;
    const { tick, lot } = this.desk.symbols.get(this.desk.symbol);
    const amount = field.id === "order-quantity" || field.id === "order-display";
    const step = amount ? lot : tick;
    const best = this.desk.books.get(this.desk.symbol).top("asks", 1)[0]?.[0] ?? 0;
    const from = field.value.trim() || (amount || field.id === "order-trail" ? 0 : best);
    const places = (step.split(".")[1] ?? "").length;
    const next = Math.max(Number(from) + sign * Number(step), Number(step));
    if (Number.isFinite(next)) field.value = next.toFixed(places);
  }

  async #place(event) {
    event.preventDefault();
    const side = event.submitter?.value ?? "buy";
    const order = this.#order(side);
    const answer = await this.send("order.new", order);
    if (!answer.ok) {
      say($("order-answer"), `${answer.error.message} (${answer.error.code})`, true);
      return;
    }
    const { order_id: id, status } = answer.data;
    const took = answer.ms === undefined ? "" : `, ${Math.round(answer.ms)} ms`;
    say($("order-answer"), `Order ${id} (${side}) is ${words(status)}${took}.`);
  }

  #order(side) {
    const type = $("order-type").value;
    const { fields } = TYPES[type];
    const text = (id) => $(id).value.trim();
    const order = { symbol: this.desk.symbol, side, type, time_in_force: text("order-force") };
    order[$("order-by").value] = text("order-quantity");
    if (fields.includes("price")) order.price = text("order-price");
    if (fields.includes("stop")) order.stop_price = text("order-stop");
    if (fields.includes("trail")) order.trail = text("order-trail");
    if (fields.includes("display")) order.display = text("order-display");
    if (fields.includes("post") && $("order-post").checked) order.post_only = true;
    if (order.time_in_force === "gtd") order.expires_in = text("order-expires");
    if (text("order-self") !== "taker") order.self_trade = text("order-self");
    return order;
  }
}
