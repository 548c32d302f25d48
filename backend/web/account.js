// The user's money: what there is, what it is worth, what is left for new orders.
import { $, UNKNOWN, money, paint, set } from "/dom.js";

const FIELDS = ["balance", "equity", "used", "available"];
/** How often the exchange is asked at most; what is held changes its worth with every trade. */
const ASK_MS = 1_000;

export class Account {
  constructor(desk) {
    this.desk = desk;
    /** What was answered last, and by which connection. */
    this.known = null;
    this.of = null;
    this.asking = false;
    desk.part("account", ASK_MS, () => this.#ask());
  }

  async #ask() {
    const { connection } = this.desk;
    if (this.of !== connection) this.known = null;
    this.of = connection;
    if (this.asking || document.hidden) return;
    this.asking = true;
    try {
      const { balances: [cash] } = await connection.read("/balances");
      if (this.of === connection) this.#show(cash);
    } catch (error) {
      this.#say(error.message);
    } finally {
      this.asking = false;
    }
  }

  #show(cash) {
    this.known = cash;
    for (const field of FIELDS) {
      set($(field), money(cash[field]));
      $(field).classList.remove("stale");
    }
    paint($("available"), Number(cash.available) > 0 ? "" : "down");
  }

  /** No answer: what is shown is of before, or nothing is known. */
  #say(why) {
    for (const field of FIELDS) {
      if (!this.known) set($(field), `${UNKNOWN}: ${why}`);
      $(field).classList.add("stale");
    }
  }
}
