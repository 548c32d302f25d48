// The user's orders, with changes made in their own row; fills; positions.
import { isWorking } from "/desk.js";
import { $, cells, colour, direction, makeButton, marketTime, money, paint, rows, set,
  trim, words } from "/dom.js";

/** What of an order can be changed: the field, and the cell it stands in. */
const AMENDABLE = { price: 2, stop_price: 3, quantity: 4 };

export class Orders {
  /** `run` sends a command and says what went wrong. */
  constructor(desk, run) {
    this.desk = desk;
    this.run = run;
    /** The order that is being changed, and its inputs by field. */
    this.amended = null;
    $("cancel-all").onclick = () => this.run("order.cancel_all", {});
    $("orders-all").onchange = () => desk.touch("orders");
    desk.part("orders", 100, () => this.#draw());
    desk.part("fills", 150, () => this.#fills());
    desk.part("positions", 150, () => this.#positions());
  }

  #draw() {
    const { orders, working } = this.desk;
    const newest = (a, b) => b.order_id - a.order_id;
    const finished = [...orders.values()].filter((order) => !isWorking(order)).sort(newest);
    const shown = [...working.sort(newest), ...($("orders-all").checked ? finished : [])];
    if (this.amended && !shown.some((order) => this.#isAmended(order))) this.amended = null;
    set($("working-count"), working.length);
    $("cancel-all").disabled = working.length === 0;
    $("orders-empty").hidden = shown.length > 0;
    const focused = document.activeElement;
    rows($("orders"), shown, (row, order) => this.#row(row, order));
    // rows move when orders come; what is being typed moves along
    if (focused !== document.activeElement && focused?.isConnected) focused.focus();
  }

  #isAmended({ order_id: id, ...order }) {
    return this.amended?.id === id && isWorking(order);
  }

  #row(row, order) {
    const held = this.#isAmended(order);
    const behind = order.trail ? `${order.stop_price ?? "–"} (${order.trail})` : order.stop_price;
    const texts = [`${order.side} ${order.symbol}`, kindOf(order), priceOf(order), behind ?? "",
      `${order.filled} / ${order.quantity}`, statusOf(order), null];
    for (const [field, at] of Object.entries(AMENDABLE)) {
      if (held && this.amended.inputs[field]) texts[at] = null;
    }
    cells(row, texts);
    if (held) this.#place(row);
    row.classList.toggle("amended", held);
    row.classList.toggle("finished", !isWorking(order));
    paint(row.firstElementChild, direction(order.side));
    this.#actions(row, order, held);
  }

  #actions(row, order, held) {
    const place = row.lastElementChild;
    if (place.children.length === 0) {
      place.append(makeButton("Amend", "quiet amend"), makeButton("Cancel", "quiet cancel"));
    }
    const [amend, cancel] = place.children;
    amend.hidden = cancel.hidden = !isWorking(order);
    set(amend, held ? "Save" : "Amend");
    set(cancel, held ? "Leave" : "Cancel");
    const about = `order ${order.order_id}`;
    amend.setAttribute("aria-label", held ? `Save changes of ${about}` : `Amend ${about}`);
    cancel.setAttribute("aria-label", held ? `Leave ${about} as it is` : `Cancel ${about}`);
    amend.onclick = () => (held ? this.#save(order) : this.#amend(row, order));
    const away = () => this.run("order.cancel", { order_id: order.order_id });
    cancel.onclick = () => (held ? this.#leave() : away());
  }

  /** Puts inputs where the order's price, trigger and quantity stand. */
  #amend(row, order) {
    const inputs = {};
    for (const field of Object.keys(AMENDABLE)) {
      if (order[field] === undefined || (field === "stop_price" && order.trail)) continue;
      const input = document.createElement("input");
      input.value = order[field];
      input.inputMode = "decimal";
      input.setAttribute("aria-label", `New ${words(field)} of order ${order.order_id}`);
      input.onkeydown = ({ key }) => {
        if (key === "Enter") this.#save(order);
        if (key === "Escape") this.#leave();
      };
      inputs[field] = input;
    }
    this.amended = { id: order.order_id, inputs };
    this.#place(row);
    (inputs.price ?? inputs.stop_price ?? inputs.quantity).focus();
    this.desk.redraw("orders");
  }

  #place(row) {
    for (const [field, input] of Object.entries(this.amended.inputs)) {
      const cell = row.children[AMENDABLE[field]];
      if (input.parentElement !== cell) cell.replaceChildren(input);
    }
  }

  async #save(order) {
    const { inputs } = this.amended;
    const changes = {};
    for (const [field, input] of Object.entries(inputs)) {
      const value = input.value.trim();
      if (value !== order[field]) changes[field] = value;
    }
    const changed = Object.keys(changes).length > 0;
    const amended = { order_id: order.order_id, ...changes };
    if (!changed || await this.run("order.amend", amended)) this.#leave();
  }

  #leave() {
    this.amended = null;
    this.desk.redraw("orders");
  }

  #fills() {
    const { fills } = this.desk;
    $("fills-empty").hidden = fills.length > 0;
    rows($("fills"), fills, (row, fill) => {
      cells(row, [fill.side, fill.symbol, marketTime(fill.time), fill.price, fill.quantity,
        trim(fill.fee), fill.liquidity]);
      paint(row.firstElementChild, direction(fill.side));
    });
  }

  #positions() {
    const positions = [...this.desk.positions.values()];
    rows($("positions"), positions, (row, position) => {
      const open = Number(position.unrealised_pnl);
      const { symbol, quantity, average_price: average = "–" } = position;
      cells(row, [symbol, quantity, average, money(open)]);
      paint(row.children[3], colour(open));
    });
    const sum = (field) => positions.reduce((sum, position) => sum + Number(position[field]), 0);
    if (positions.length === 0) return;
    const profit = sum("unrealised_pnl") + sum("realised_pnl") - sum("fees");
    set($("realised"), money(sum("realised_pnl")));
    set($("fees"), money(sum("fees")));
    set($("profit"), money(profit));
    paint($("profit"), colour(profit));
  }
}

function kindOf({ type, display, time_in_force: force }) {
  const kind = display ? `iceberg ${trim(display)}` : words(type);
  return force === "gtc" || type === "market" ? kind : `${kind}, ${force}`;
}

/** The limit while it can trade, what it traded at when it is done. */
function priceOf(order) {
  const { price = "", average_price: average } = order;
  return average && !isWorking(order) ? `at ${trim(average)}` : price;
}

function statusOf({ status, code }) {
  return code ? `${words(status)}: ${words(code)}` : words(status);
}
