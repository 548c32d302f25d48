// The connection: what it is at, where it leads, and the buttons that trouble it.
import { $, UNKNOWN, note, paint, set, words } from "/dom.js";

const ENDPOINT_POLL_MS = 1_500;

export class Link {
  constructor(desk, api) {
    this.desk = desk;
    this.api = api;
    desk.part("connection", 250, () => this.#draw());
    $("kill").onclick = () => this.#disturb("kill", "you killed");
    $("drain").onclick = () => this.#disturb("drain", "you drain");
    for (const radio of document.querySelectorAll("input[name=transport]")) {
      radio.onchange = () => desk.connection?.use(radio.value);
    }
  }

  follow(connection) {
    const touch = () => this.desk.touch("connection");
    connection.addEventListener("state", ({ detail }) => this.#state(detail));
    connection.addEventListener("quality", touch);
    connection.addEventListener("gap", () => note("a message was missing: fetching it"));
    connection.addEventListener("notice", ({ detail }) => note(detail.message));
    connection.addEventListener("transport", () => {
      const { transport } = connection;
      document.querySelector(`input[name=transport][value=${transport}]`).checked = true;
      note(`transport ${nameOf(transport)}`);
    });
    this.desk.books.addEventListener("repair", ({ detail }) => note(`book of ${detail} read anew`));
    this.#watch(connection);
    this.#lab();
  }

  #state({ state, reason }) {
    if (state === "waiting" || state === "offline") note("connection lost, coming back");
    if (state === "open" && this.desk.connection.stats.reconnects > 0) note("connected again");
    if (state === "ended") note(`over: ${reason}`);
    this.desk.touch("connection", "account");
  }

  /** Asks which endpoint answers, so that a move is seen by a person and not only survived. */
  async #watch(connection) {
    const { desk } = this;
    let silenceBefore = 0;
    while (desk.connection === connection && connection.wanted) {
      const session = document.hidden ? null : await connection.read().catch(() => null);
      if (session) {
        const now = session.endpoint;
        const taken = desk.takeSilence();
        const silence = Math.max(silenceBefore, taken);
        const moved = desk.endpoint !== null && now !== desk.endpoint;
        if (moved) {
          const { reconnects, gaps } = connection.stats;
          note(`moved from ${desk.endpoint} to ${now}: reconnects ${reconnects}, gaps ${gaps}, `
            + `never more than ${Math.round(silence)} ms without an entry`);
        }
        silenceBefore = moved ? 0 : taken; // a move may be seen one look later than its silence
        desk.endpoint = now;
        desk.touch("connection");
      }
      await new Promise((resolve) => setTimeout(resolve, ENDPOINT_POLL_MS));
    }
  }

  /** Not the lab: no button to kill with. */
  async #lab() {
    const lab = await this.api("/lab/state").catch(() => null);
    $("lab").hidden = !lab?.backends;
  }

  async #disturb(what, phrase) {
    const { endpoint } = this.desk;
    if (!endpoint) return;
    note(`${phrase} ${endpoint}`);
    await this.api(`/lab/backends/${endpoint}/${what}`, { method: "POST" })
      .catch((error) => note(`${what} ${endpoint}: ${error.message}`));
  }

  #draw() {
    const { connection: { stats, transport }, books, endpoint } = this.desk;
    set($("c-state"), `${nameOf(transport)}, ${stats.state}`);
    paint($("c-state"), stats.state === "open" ? "up" : "down");
    set($("c-endpoint"), endpoint ?? UNKNOWN);
    const jitter = stats.jitter === null ? "" : ` ± ${stats.jitter.toFixed(1)}`;
    set($("c-rtt"), stats.rtt === null ? UNKNOWN : `${stats.rtt.toFixed(1)}${jitter} ms`);
    const advice = stats.advice === "stay" ? "" : words(stats.advice ?? "");
    set($("c-quality"), [stats.quality, advice].filter(Boolean).join(", ") || UNKNOWN);
    set($("c-entries"), stats.entries);
    set($("c-reconnects"), stats.reconnects);
    set($("c-gaps"), stats.gaps);
    paint($("c-gaps"), stats.gaps > 0 ? "down" : "");
    const checked = [...books.all.values()].reduce((sum, book) => sum + book.checked, 0);
    set($("c-checked"), books.repairs > 0 ? `${checked}, ${books.repairs} read anew` : checked);
    set($("c-last"), stats.lastId ?? UNKNOWN);
  }
}

function nameOf(transport) {
  return transport === "sse" ? "SSE" : "WebSocket";
}
