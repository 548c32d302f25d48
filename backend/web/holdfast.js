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
const PING_MS = 5_000;
const UNANSWERED_MAX = 64;
const REQUEST_TRIES = 5;

export class Connection extends EventTarget {
  constructor(id, { transport = "websocket", channels = null } = {}) {
    super();
    this.id = id;
    this.transport = transport;
    this.channels = channels;
    this.stats = { reconnects: 0, gaps: 0, entries: 0, resets: 0, lastId: null, rtt: null,
      jitter: null, quality: null, advice: null, state: "closed" };
    this.unanswered = new Map();
    this.#rename();
    this.attempt = 0;
    this.generation = 0;
    this.wanted = false;
    this.silence = 0;
    this.entered = performance.now();
  }

  open() {
    this.wanted = true;
    this.entered = performance.now();
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
    if (this.unanswered.size > 0) {
      for (const pending of this.unanswered.values()) {
        pending.resolve(failure("unknown", "the transport changed before the answer came", false));
      }
      this.unanswered.clear();
      this.#rename(); // numbers that were given up may not be used again
    }
    Object.assign(this.stats, { rtt: null, jitter: null, quality: null, advice: null });
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
    const n = this.nextNumber++;
    return new Promise((resolve) => {
      const pending = { message: { type, n, data }, resolve, sent: performance.now() };
      this.unanswered.set(n, pending);
      this.#send(pending.message);
    });
  }

  /** A name towards the session that outlives reconnects; its commands count from 1. */
  #rename() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    this.client = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.nextNumber = 1;
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
    this.openedAt = null;
    this.heard = performance.now();
    this.#state("connecting");
    if (this.transport === "websocket") this.#dialWebSocket(generation);
    else this.#dialEvents(generation);
    clearInterval(this.watchdog);
    this.watchdog = setInterval(() => {
      if (performance.now() - this.heard > SILENCE_MS) this.#lost(generation);
      else this.#ping();
    }, PING_MS);
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
        this.#hear({ type, prev, data, id: event.lastEventId });
      });
    }
  }

  #opened(generation) {
    if (generation !== this.generation) return;
    this.openedAt = performance.now();
    this.#state("open");
    for (const pending of this.unanswered.values()) this.#send(pending.message);
    this.#ping();
  }

  #ping() {
    this.#send({ type: "ping", data: { t: performance.now() } });
  }

  /** A round trip took so long; counts while `transport` is in use. Smoothed as RFC 6298 has it. */
  measured(ms, transport) {
    if (transport !== this.transport) return;
    const { rtt, jitter } = this.stats;
    this.stats.jitter = rtt === null ? ms / 2 : 0.75 * jitter + 0.25 * Math.abs(rtt - ms);
    this.stats.rtt = rtt === null ? ms : 0.875 * rtt + 0.125 * ms;
    const bounds = [[150, "good"], [400, "fair"], [1_500, "poor"]];
    this.stats.quality = bounds.find(([below]) => this.stats.rtt < below)?.[1] ?? "lost";
    this.dispatchEvent(new Event("quality"));
  }

  #hear(message) {
    this.heard = performance.now();
    switch (message.type) {
      case "ping":
        if (this.transport === "websocket") this.#send({ type: "pong", data: { t: message.data.t } });
        return;
      case "pong":
        this.measured(performance.now() - message.data.t, "websocket");
        return;
      case "quality":
        Object.assign(this.stats, { quality: message.data.quality, advice: message.data.advice });
        this.dispatchEvent(new Event("quality"));
        return;
      case "notice":
        return;
      default:
        this.#enter(message);
    }
  }

  /** The longest time without an entry since this was asked last, in milliseconds. */
  takeSilence() {
    const longest = Math.max(this.silence, performance.now() - this.entered);
    this.silence = 0;
    return longest;
  }

  #enter(message) {
    const now = performance.now();
    this.silence = Math.max(this.silence, now - this.entered);
    this.entered = now;
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
    if (message.type === "answer") {
      this.#answered(message);
      return;
    }
    this.dispatchEvent(new CustomEvent("entry", { detail: message }));
  }

  #answered({ n, ok, data, error }) {
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
        const url = `/api/v1/sessions/${this.id}${path}`;
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

  async #lost(generation, code, reason) {
    if (generation !== this.generation || !this.wanted) return;
    const now = ++this.generation; // nothing of the old dial is heard any more
    this.#hangUp();
    clearInterval(this.watchdog);
    let final = code >= 4000 && code < 4100 ? reason || `closed with ${code}` : null;
    if (this.openedAt === null) {
      final ??= await this.#refusal(); // browsers hide from scripts why a dial was refused
      if (now !== this.generation) return;
    } else if (performance.now() - this.openedAt > STABLE_MS) {
      this.attempt = 0;
    }
    if (final) {
      this.wanted = false;
      this.#state("ended", final);
      return;
    }
    this.stats.reconnects += 1;
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.attempt++);
    this.#state("waiting");
    this.timer = setTimeout(() => this.#dial(), Math.random() * ceiling);
  }

  /** Why dialling again is of no use, if it is of none. */
  async #refusal() {
    try {
      const { status } = await fetch(`/api/v1/sessions/${this.id}`);
      const words = { 401: "signed out", 403: "not yours", 404: "unknown", 410: "ended" };
      return words[status] ?? null;
    } catch {
      return null;
    }
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
