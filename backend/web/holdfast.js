// A session over WebSocket or SSE: resumes where it stopped, numbers its commands, sees every gap.
//
//   const session = new Connection(id, { transport: "websocket" });
//   session.addEventListener("entry", (e) => e.detail);   // {id, prev, type, data}
//   const answer = await session.command("order.new", {symbol, side, type, quantity, price});
//
// Events: "entry" (log entries, snapshot, reset), "state" (open, waiting, closed), "quality".

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
const STABLE_MS = 30_000;
const SILENCE_MS = 75_000; // three heartbeats of 25 s: then the connection is given up
const UNANSWERED_MAX = 64;
const REQUEST_TRIES = 5;

export class Connection extends EventTarget {
  constructor(id, { transport = "websocket", channels = null } = {}) {
    super();
    this.id = id;
    this.transport = transport;
    this.channels = channels;
    this.client = tabClient(id);
    this.stats = { reconnects: 0, gaps: 0, entries: 0, resets: 0, lastId: null, rtt: null,
      quality: null, advice: null, state: "closed" };
    this.nextNumber = null;
    this.unanswered = new Map();
    this.attempt = 0;
    this.generation = 0;
    this.wanted = false;
  }

  open() {
    this.wanted = true;
    this.#dial();
  }

  close() {
    this.wanted = false;
    this.generation += 1;
    clearTimeout(this.timer);
    clearInterval(this.watchdog);
    this.#hangUp();
    this.#state("closed");
  }

  /** Changes the transport of a live session; it goes on after the last id it has seen. */
  use(transport) {
    if (transport === this.transport) return;
    this.transport = transport;
    for (const pending of this.unanswered.values()) {
      pending.resolve(failure("unknown", "the transport changed before the answer came", false));
    }
    this.unanswered.clear();
    if (!this.wanted) return;
    this.generation += 1;
    this.#hangUp();
    this.#dial();
  }

  /** Sends a command and resolves with its answer. The same number is sent again after a
   *  reconnect until it is answered, so it is executed once. */
  command(type, data = {}) {
    if (this.transport === "sse") return this.#request(type, data);
    if (this.unanswered.size >= UNANSWERED_MAX) {
      return Promise.resolve(failure("busy", "too many commands wait for an answer", true));
    }
    if (this.nextNumber === null) {
      return Promise.resolve(failure("not_connected", "the session has not answered yet", true));
    }
    const n = this.nextNumber++;
    return new Promise((resolve) => {
      const pending = { message: { type, n, data }, resolve, sent: performance.now() };
      this.unanswered.set(n, pending);
      this.#send(pending.message);
    });
  }

  #url(kind) {
    const query = new URLSearchParams({ client: this.client });
    if (this.channels) query.set("channels", this.channels.join(","));
    if (this.stats.lastId) query.set("last_event_id", this.stats.lastId);
    return `/api/v1/sessions/${this.id}/${kind}?${query}`;
  }

  #dial() {
    clearTimeout(this.timer);
    const generation = ++this.generation;
    this.resumeFrom = this.stats.lastId;
    this.heard = performance.now();
    this.#state("connecting");
    if (this.transport === "websocket") this.#dialWebSocket(generation);
    else this.#dialEvents(generation);
    clearInterval(this.watchdog);
    this.watchdog = setInterval(() => {
      if (performance.now() - this.heard > SILENCE_MS) this.#lost(generation);
    }, 5_000);
  }

  #dialWebSocket(generation) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.#url("ws")}`);
    this.socket = socket;
    socket.onopen = () => this.#opened(generation);
    socket.onmessage = (event) => {
      if (generation === this.generation) this.#hear(JSON.parse(event.data));
    };
    socket.onclose = (event) => this.#lost(generation, event.code, event.reason);
  }

  #dialEvents(generation) {
    // EventSource would retry by itself, with the old address: retrying is ours
    const source = new EventSource(this.#url("events"));
    this.source = source;
    source.onopen = () => this.#opened(generation);
    source.onerror = () => {
      source.close();
      this.#lost(generation);
    };
    const types = ["snapshot", "reset", "book", "trade", "candle", "order", "fill", "position",
      "simulator", "ping", "quality", "notice"];
    for (const type of types) {
      source.addEventListener(type, (event) => {
        if (generation !== this.generation) return;
        const { prev, ...data } = JSON.parse(event.data);
        // a transient event has no id of its own: lastEventId is then the one before
        const own = event.lastEventId !== this.stats.lastId || type === "snapshot";
        this.#hear({ type, prev, data, id: own ? event.lastEventId : undefined });
      });
    }
  }

  #opened(generation) {
    if (generation !== this.generation) return;
    this.openedAt = performance.now();
    this.#state("open");
    for (const pending of this.unanswered.values()) this.#send(pending.message);
  }

  #hear(message) {
    this.heard = performance.now();
    switch (message.type) {
      case "ping":
        if (this.transport === "websocket") this.#send({ type: "pong", data: { t: message.data.t } });
        return;
      case "quality":
        Object.assign(this.stats, { rtt: message.data.rtt, quality: message.data.q,
          advice: message.data.advice });
        this.dispatchEvent(new CustomEvent("quality", { detail: message.data }));
        return;
      case "notice":
        this.dispatchEvent(new CustomEvent("notice", { detail: message.data }));
        return;
      default:
        this.#enter(message);
    }
  }

  #enter(message) {
    if (message.id) {
      const before = this.stats.lastId;
      if (message.type !== "snapshot" && message.type !== "reset" && before !== null
          && message.prev !== undefined && message.prev !== before) {
        this.stats.gaps += 1;
      }
      this.stats.lastId = message.id;
    }
    this.stats.entries += 1;
    if (message.type === "reset") this.stats.resets += 1;
    if (message.type === "snapshot") this.#number(message.data.n);
    if (message.type === "answer") {
      this.#answered(message);
      return;
    }
    this.dispatchEvent(new CustomEvent("entry", { detail: message }));
  }

  /** The session says which command of ours it answered last. */
  #number(n) {
    if (typeof n !== "number") return;
    this.nextNumber = Math.max(this.nextNumber ?? 1, n + 1);
  }

  #answered(message) {
    const { n, ok, data, error } = message.n === undefined ? message.data : message;
    const pending = this.unanswered.get(n);
    if (!pending) return;
    this.unanswered.delete(n);
    pending.resolve({ ok, data, error, ms: performance.now() - pending.sent });
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Commands of an SSE session go by REST. One key for all tries: it is executed once. */
  async #request(type, data) {
    const [method, path, body] = restOf(type, data);
    const headers = { "Idempotency-Key": crypto.randomUUID(), "Content-Type": "application/json" };
    const init = { method, headers, body: body === null ? undefined : JSON.stringify(body) };
    const sent = performance.now();
    let error = null;
    for (let attempt = 0; attempt < REQUEST_TRIES; attempt += 1) {
      if (attempt > 0) await pause(Math.random() * BACKOFF_BASE_MS * 2 ** attempt);
      try {
        const url = `/api/v1/sessions/${this.id}${path}?client=${this.client}`;
        const response = await fetch(url, init);
        const value = await response.json().catch(() => ({}));
        const ms = performance.now() - sent;
        if (response.ok) return { ok: true, data: value, ms };
        error = { code: value.code ?? String(response.status), retryable: Boolean(value.retryable),
          message: value.detail ?? value.title ?? `answered ${response.status}` };
        if (!error.retryable) return { ok: false, error, ms };
      } catch {
        error = { code: "unreachable", message: "the edge does not answer", retryable: true };
      }
    }
    return { ok: false, error, ms: performance.now() - sent };
  }

  #lost(generation, code, reason) {
    if (generation !== this.generation || !this.wanted) return;
    this.#hangUp();
    if (this.openedAt && performance.now() - this.openedAt > STABLE_MS) this.attempt = 0;
    const final = code >= 4000 && code < 4100;
    if (final) {
      this.wanted = false;
      this.#state("ended", reason || `closed with ${code}`);
      return;
    }
    this.stats.reconnects += 1;
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.attempt++);
    this.#state("waiting");
    this.generation += 1;
    this.timer = setTimeout(() => this.#dial(), Math.random() * ceiling);
  }

  #hangUp() {
    if (this.socket) this.socket.onclose = this.socket.onmessage = null;
    this.socket?.close(1000);
    this.source?.close();
    this.socket = this.source = null;
  }

  #state(state, reason) {
    this.stats.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, reason } }));
  }
}

/** An order book kept from a snapshot and the changes after it. */
export class Book {
  constructor() {
    this.bids = new Map();
    this.asks = new Map();
  }

  reset({ bids, asks }) {
    this.bids.clear();
    this.asks.clear();
    this.apply({ bids, asks });
  }

  apply({ bids, asks }) {
    for (const [side, levels] of [[this.bids, bids], [this.asks, asks]]) {
      for (const [price, quantity] of levels) {
        if (Number(quantity) === 0) side.delete(price);
        else side.set(price, quantity);
      }
    }
  }

  /** The best `depth` levels of a side, best first: [price, quantity, total up to here]. */
  top(side, depth) {
    const sign = side === "bids" ? -1 : 1;
    const levels = [...this[side]].sort((a, b) => sign * (a[0] - b[0])).slice(0, depth);
    let total = 0;
    return levels.map(([price, quantity]) => [price, quantity, (total += Number(quantity))]);
  }
}

function restOf(type, data) {
  switch (type) {
    case "order.new": return ["POST", "/orders", data];
    case "order.cancel": return ["DELETE", `/orders/${data.order_id}`, null];
    case "order.amend": return ["PATCH", `/orders/${data.order_id}`,
      { quantity: data.quantity, price: data.price }];
    case "simulator.speed": return ["POST", "/simulator/speed", data];
    default: return ["POST", `/simulator/${type.split(".")[1]}`, {}];
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function failure(code, message, retryable) {
  return { ok: false, error: { code, message, retryable } };
}

/** The name of this tab towards a session: it outlives reconnects and reloads, not the tab. */
function tabClient(id) {
  const key = `holdfast-client-${id}`;
  let client = sessionStorage.getItem(key);
  if (!client) {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    client = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(key, client);
  }
  return client;
}
