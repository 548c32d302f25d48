// @ts-check
/** A session of Holdfast in a browser: one module without dependencies; see docs/browser.md.
 *
 *    const connection = new Connection(id);
 *    const books = new Books(connection);
 *    connection.addEventListener("entry", (event) => event.detail);  // {id, prev, type, data}
 *    connection.open();
 *    const answer = await connection.command("order.new", { symbol, side, type, quantity, price });
 *
 *  @typedef {"websocket" | "sse"} Transport
 *  @typedef {"connecting" | "open" | "waiting" | "offline" | "closed" | "ended"} State
 *  @typedef {"good" | "fair" | "poor" | "lost"} Quality
 *  @typedef {{ id: string, prev?: string, type: string, data: any }} Entry  of the session's log
 *  @typedef {{ code: string, message: string, retryable: boolean }} Problem
 *  @typedef {{ ok: boolean, data?: any, error?: Problem, ms?: number }} Answer
 *  @typedef {[price: string, quantity: string]} Level
 *  @typedef {{ symbol: string, first?: number, last: number, bids: Level[], asks: Level[],
 *    checksum?: number }} BookData  a whole book, or the prices that changed
 *  @typedef {object} Options
 *  @property {Transport} [transport]  "websocket" by default
 *  @property {string[] | null} [channels]  all by default; an empty list: none
 *  @property {"none" | "100ms" | "1s"} [coalesce]  how long market data is gathered
 *  @property {string | null} [lastId]  goes on behind this entry: for a page that kept its state
 *  @property {(refused: boolean) => Promise<string | null> | string | null} [token]  asked before
 *    each dial and request, and with `true` after a 401: null leaves it to the cookie
 *  @property {boolean} [obey]  whether the server's advice is followed; true by default */

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
const STABLE_MS = 30_000; // what lived so long begins to count its failures anew
const PING_MS = 5_000;
const ANSWER_MS = 20_000; // a ping not answered by then, or a dial: longer than a move may take
const STREAM_SILENCE_MS = 45_000; // event streams say something every 15 s
const SETTLE_MS = 3_000;
const UNANSWERED_MAX = 64;
const REQUEST_TRIES = 8;
const MESSAGE_MAX = 60_000;
const CHANNELS = ["book", "trade", "candle", "order", "fill", "position", "simulator"];
const BOUNDS = /** @type {[number, Quality][]} */ ([[150, "good"], [400, "fair"], [1_500, "poor"]]);
/** Close codes and states after which coming back is of no use. */
const OVER = new Map([[1000, "closed by the other side"], [1002, "not by RFC 6455"],
  [1007, "not UTF-8"], [1009, "a message was too large"], [204, "ended"], [401, "signed out"],
  [403, "not yours"], [404, "unknown"], [410, "ended"]]);
/** Other refusals below 500 that pass. */
const PASSING = [408, 409, 421, 425, 429];
/** Answers that do not count: the number may have been done before, or never will be. */
const UNCOUNTED = ["gap", "answer_forgotten", "too_many_clients"];

/** One connection, with whatever socket it has at the moment. Events: "entry" (detail: Entry),
 *  "state" ({state, reason, wait}), "gap" ({after, prev, id}), "quality", "transport", and "notice"
 *  (Problem). */
export class Connection extends EventTarget {
  #leg = newLeg();
  #timer = 0; #advised = 0; #attempt = 0; #nextNumber = 1; #measured = 0;
  #wish = /** @type {Transport} */ ("websocket");
  #gapAfter = /** @type {string | null} */ (null);
  #refused = false;
  /** Whether the numbers of the session and of this client have parted. */
  #renumber = false;
  #watched = new AbortController();
  /** @type {Map<number, {message: {type: string, n: number, data: object},
   *    resolve: (answer: Answer) => void, sent: number, legs: number}>} */
  #unanswered = new Map();

  /** @param {string} id of the session
   *  @param {Options} [options] */
  constructor(id, options = {}) {
    super();
    this.id = id;
    this.transport = options.transport ?? "websocket";
    this.channels = options.channels ?? null;
    this.coalesce = options.coalesce ?? "none";
    this.token = options.token ?? (() => null);
    this.obey = options.obey ?? true;
    /** Whether it is to be open. */
    this.wanted = false;
    /** Its name towards the session, over reconnects; its commands count from 1. */
    this.client = randomName();
    this.stats = {
      state: /** @type {State} */ ("closed"), lastId: options.lastId ?? null, entries: 0,
      reconnects: 0, gaps: 0, resets: 0, rtt: /** @type {number | null} */ (null),
      jitter: /** @type {number | null} */ (null), quality: /** @type {Quality | null} */ (null),
      advice: /** @type {string | null} */ (null),
    };
  }

  open() {
    if (this.wanted) return;
    this.wanted = true;
    this.#watched = new AbortController();
    const { signal } = this.#watched;
    addEventListener("online", () => this.#wake(), { signal });
    document.addEventListener("visibilitychange", () => this.#wake(), { signal });
    this.#dial();
  }

  /** Ends it. What was not answered is answered with the code `unknown`. */
  close() {
    this.#end("closed");
  }

  /** Changes the transport; the session goes on after the last entry. Commands that wait for their
   *  answers get a moment for it. @param {Transport} transport */
  async use(transport) {
    this.#wish = transport;
    if (transport === this.transport) return;
    const settled = performance.now() + SETTLE_MS;
    while (this.#unanswered.size > 0 && performance.now() < settled) await pause(20);
    if (transport === this.transport || transport !== this.#wish) return;
    this.transport = transport;
    this.#hangUp();
    if (this.#unanswered.size > 0) await this.#recall();
    Object.assign(this.stats, { rtt: null, jitter: null, quality: null, advice: null });
    this.dispatchEvent(new Event("transport"));
    if (this.wanted) this.#dial();
  }

  /** Sends a command and resolves with its answer, which may be a refusal; it never rejects. It is
   *  sent again after a reconnect until it is answered, and executed once.
   *  @param {string} type @param {object} [data] @returns {Promise<Answer>} */
  async command(type, data = {}) {
    if (!this.wanted) return failure("closed", "the connection is not open", true);
    const large = JSON.stringify(data).length > MESSAGE_MAX;
    if (large) return failure("too_large", `more than ${MESSAGE_MAX} characters`, false);
    if (type === "subscribe" || type === "unsubscribe") return this.#subscribe(type, data);
    return this.transport === "sse" ? this.#request(type, data) : this.#number(type, data);
  }

  /** @param {string} type @param {object} data @returns {Promise<Answer>} */
  async #number(type, data) {
    const many = this.#unanswered.size >= UNANSWERED_MAX;
    if (many) return failure("busy", "too many commands wait for an answer", true);
    const n = this.#nextNumber++;
    return new Promise((resolve) => {
      const pending = { message: { type, n, data }, resolve, sent: performance.now(), legs: 0 };
      this.#unanswered.set(n, pending);
      this.#put(pending);
    });
  }

  /** Reads something of the session: `read("/orders?status=open")`; without a path the session
   *  itself, which measures an event stream. Throws an Error with `code` and `status`.
   *  @param {string} path @returns {Promise<any>} */
  async read(path = "") {
    const asked = performance.now();
    const response = await this.#fetch("GET", this.#path + path);
    // the stream has no way back; a WebSocket measures itself
    if (path === "" && this.transport === "sse") this.#measure(performance.now() - asked);
    const value = await response.json().catch(() => ({}));
    if (response.ok) return value;
    throw Object.assign(new Error(value.detail ?? `answered ${response.status}`),
      { code: value.code, status: response.status });
  }

  // --- dialling -------------------------------------------------------------------------------

  #dial() {
    this.#hangUp();
    const leg = this.#leg;
    this.#state("connecting");
    const dialled = this.transport === "websocket" ? this.#dialSocket(leg) : this.#dialEvents(leg);
    dialled.catch(() => this.#lost(leg, {}));
    leg.watch = setInterval(() => this.#watch(leg), PING_MS);
  }

  /** @param {Leg} leg */
  async #dialSocket(leg) {
    const query = this.#query();
    if (await this.token(false)) {
      const answer = await this.#fetch("POST", "/holdfast/ticket", {}, leg);
      if (!answer.ok) return this.#lost(leg, { status: answer.status, wait: retryAfter(answer) });
      query.set("ticket", (await answer.json()).ticket);
    }
    if (leg !== this.#leg) return undefined;
    const url = new URL(`${this.#path}/ws?${query}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = leg.socket = new WebSocket(url);
    socket.onopen = () => this.#opened(leg);
    socket.onmessage = ({ data }) => this.#hear(leg, JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#lost(leg, { code, reason });
    return undefined;
  }

  /** Read by fetch and not by EventSource, which hides why it was refused, keeps silent about
   *  heartbeats, and would come back with the old address. @param {Leg} leg */
  async #dialEvents(leg) {
    const url = `${this.#path}/events?${this.#query()}`;
    const answer = await this.#fetch("GET", url, { Accept: "text/event-stream" }, leg);
    if (leg !== this.#leg) return undefined;
    const { status, body } = answer;
    if (status !== 200 || !body) return this.#lost(leg, { status, wait: retryAfter(answer) });
    this.#opened(leg);
    const stream = new EventStream();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      leg.heard = performance.now();
      for (const { type, id, data } of stream.take(part.value)) {
        const { prev, ...rest } = JSON.parse(data);
        this.#hear(leg, { type, id, prev, data: rest });
        if (leg !== this.#leg) return undefined;
      }
    }
    return this.#lost(leg, { wait: stream.retry ?? 0 });
  }

  #query() {
    const query = new URLSearchParams({ client: this.client });
    if (this.channels) query.set("channels", this.channels.join(",") || "none");
    if (this.coalesce !== "none") query.set("coalesce", this.coalesce);
    if (this.stats.lastId) query.set("last_event_id", this.stats.lastId);
    return query;
  }

  get #path() {
    return `/api/v1/sessions/${encodeURIComponent(this.id)}`;
  }

  /** @param {string} method @param {string} url @param {Record<string, string>} [given] headers
   *  @param {Leg} [leg] @param {string} [body] */
  async #fetch(method, url, given = {}, leg, body) {
    const token = await this.token(false);
    const headers = token ? { ...given, Authorization: `Bearer ${token}` } : given;
    const signal = leg?.abort.signal ?? AbortSignal.timeout(ANSWER_MS);
    return fetch(url, { method, headers, body, cache: "no-store", signal });
  }

  /** @param {Leg} leg */
  #opened(leg) {
    if (leg !== this.#leg) return;
    leg.opened = leg.heard = performance.now();
    this.#refused = false;
    this.#state("open");
    for (const pending of this.#unanswered.values()) this.#put(pending);
    this.#ping(leg);
  }

  /** Ends the socket there is; whatever else comes on it is not heard. */
  #hangUp() {
    const { socket, abort, watch } = this.#leg;
    clearTimeout(this.#timer);
    clearTimeout(this.#advised);
    clearInterval(watch);
    this.#leg = newLeg();
    if (socket) socket.onclose = socket.onmessage = socket.onopen = null;
    socket?.close(1000);
    abort.abort();
  }

  /** @param {Leg} leg
   *  @param {{code?: number, reason?: string, status?: number, wait?: number}} why */
  async #lost(leg, { code = 0, reason = "", status = 0, wait = 0 }) {
    if (leg !== this.#leg || !this.wanted) return undefined;
    this.#hangUp();
    const now = this.#leg;
    let over = OVER.get(code) ?? (code >= 4000 && code < 4100 ? reason || `code ${code}` : null);
    if (leg.opened === null) {
      if (!status && !over) { // a WebSocket does not say why it was refused: a request does
        status = await this.#fetch("GET", this.#path).then((answer) => answer.status, () => 0);
      }
      if (status === 401 && !this.#refused) {
        this.#refused = true;
        await Promise.resolve(true).then(this.token).catch(() => null);
      } else if (status === 204 || (status >= 400 && status < 500 && !PASSING.includes(status))) {
        over = OVER.get(status) ?? `refused with ${status}`;
      }
      if (now !== this.#leg) return undefined;
    } else if (performance.now() - leg.opened > STABLE_MS) {
      this.#attempt = 0;
    }
    if (over) return this.#end("ended", over);
    this.stats.reconnects += 1;
    return this.#again(Math.max(jittered(this.#attempt++), Math.min(wait, BACKOFF_CAP_MS)));
  }

  /** @param {number} wait milliseconds until the next dial */
  #again(wait) {
    clearTimeout(this.#timer);
    // a machine without a network still reaches itself, so that it is tried all the same
    this.#state(navigator.onLine ? "waiting" : "offline", undefined, wait);
    this.#timer = setTimeout(() => this.#dial(), wait);
  }

  /** @param {State} state @param {string} [reason] */
  #end(state, reason) {
    this.wanted = false;
    this.#watched.abort();
    this.#hangUp();
    this.#giveUp("the connection ended before the answer came");
    this.#state(state, reason);
  }

  // --- staying alive --------------------------------------------------------------------------

  /** @param {Leg} leg */
  #watch(leg) {
    const now = performance.now();
    const since = leg.opened === null ? leg.began : leg.pinged > leg.heard ? leg.pinged : now;
    const silent = this.transport === "sse" && now - leg.heard > STREAM_SILENCE_MS;
    if (now - since > ANSWER_MS || silent) this.#lost(leg, {});
    else this.#ping(leg);
  }

  /** @param {Leg} leg */
  #ping(leg) {
    const now = performance.now();
    if (leg.opened === null) return;
    if (this.transport === "sse") {
      if (now - this.#measured >= PING_MS) this.read().catch(() => null);
      return;
    }
    if (leg.pinged <= leg.heard) leg.pinged = now; // the oldest without an answer counts
    this.#send({ type: "ping", data: { t: now } });
  }

  /** The network is there again, or somebody looks: timers may have slept. */
  #wake() {
    if (document.hidden) return;
    const waits = this.stats.state === "waiting" || this.stats.state === "offline";
    if (waits) this.#again(Math.random() * BACKOFF_BASE_MS);
    else this.#watch(this.#leg);
  }

  /** @param {number} ms smoothed as RFC 6298 has it */
  #measure(ms) {
    const { rtt, jitter } = this.stats;
    this.#measured = performance.now();
    this.stats.jitter = rtt === null ? ms / 2 : 0.75 * (jitter ?? 0) + 0.25 * Math.abs(rtt - ms);
    const smoothed = rtt === null ? ms : 0.875 * rtt + 0.125 * ms;
    this.stats.rtt = smoothed;
    this.stats.quality = BOUNDS.find(([below]) => smoothed < below)?.[1] ?? "lost";
    this.dispatchEvent(new Event("quality"));
  }

  /** @param {{quality: Quality, advice: string, in_ms?: number}} report */
  #advise({ quality, advice, in_ms: wait = 0 }) {
    Object.assign(this.stats, { quality, advice });
    this.dispatchEvent(new Event("quality"));
    clearTimeout(this.#advised);
    if (!this.obey || advice === "stay") return;
    this.#advised = setTimeout(() => {
      if (advice === "switch_transport") this.use("sse");
      else this.#lost(this.#leg, {});
    }, wait);
  }

  // --- entries --------------------------------------------------------------------------------

  /** @param {Leg} leg @param {any} message */
  #hear(leg, message) {
    if (leg !== this.#leg) return;
    const now = performance.now();
    leg.heard = now;
    switch (message.type) {
      case "ping": this.#send({ type: "pong", data: message.data }); break;
      case "pong": this.#measure(now - message.data.t); break;
      case "quality": this.#advise(message.data); break;
      case "notice": tell(this, "notice", message.data); break;
      default: this.#enter(leg, message);
    }
  }

  /** @param {Leg} leg @param {any} message */
  #enter(leg, message) {
    const { id, prev, type } = message;
    const after = this.stats.lastId;
    const follows = prev === after || after === null || type === "snapshot" || type === "reset";
    if (!follows) {
      this.stats.gaps += 1;
      tell(this, "gap", { after, prev, id });
      // what was missed is in the log; if it is missed again, everything is asked for
      if (this.#gapAfter === after) this.stats.lastId = null;
      this.#gapAfter = after;
      this.#lost(leg, {});
      return;
    }
    this.stats.entries += 1;
    // behind a reset nobody may go on: the snapshot that belongs to it is still to come
    if (type === "reset") this.stats.resets += 1;
    else if (id) this.stats.lastId = id;
    if (type === "answer") this.#answered(message);
    else tell(this, "entry", message);
  }

  /** @param {State} state @param {string} [reason] @param {number} [wait] */
  #state(state, reason, wait) {
    this.stats.state = state;
    tell(this, "state", { state, reason, wait });
  }

  // --- commands -------------------------------------------------------------------------------

  /** Changes what is sent from here on, over reconnects, too; a stream is dialled anew for it.
   *  @param {string} type @param {any} data @returns {Promise<Answer>} */
  async #subscribe(type, data) {
    const stream = this.transport === "sse";
    const answer = stream ? { ok: true, data: {} } : await this.#number(type, data);
    if (!answer.ok) return answer;
    const rest = (this.channels ?? CHANNELS).filter((name) => !data.channels.includes(name));
    this.channels = type === "subscribe" ? [...rest, ...data.channels] : rest;
    if (stream) this.#dial();
    return answer;
  }

  /** @param {object} message */
  #send(message) {
    const { socket } = this.#leg;
    const open = socket?.readyState === WebSocket.OPEN;
    if (open) socket.send(JSON.stringify(message));
    return open;
  }

  /** @param {{message: object, legs: number}} pending */
  #put(pending) {
    if (this.#send(pending.message)) pending.legs += 1;
  }

  /** @param {{n: number} & Answer} answer */
  #answered({ n, ok, data, error }) {
    const pending = this.#unanswered.get(n);
    if (!pending) return;
    this.#unanswered.delete(n);
    const uncounted = error !== undefined && UNCOUNTED.includes(error.code);
    if (uncounted && pending.legs > 1) pending.resolve(failure("unknown", error.message, false));
    else pending.resolve({ ok, data, error, ms: performance.now() - pending.sent });
    this.#renumber ||= uncounted;
    if (this.#renumber && this.#unanswered.size === 0) {
      this.#rename();
      this.#dial();
    }
  }

  /** Numbers that were given up may not be used again. */
  #rename() {
    this.client = randomName();
    this.#nextNumber = 1;
    this.#renumber = false;
  }

  /** Asks what became of commands whose answers did not come. */
  async #recall() {
    const { commands } = await this.read(`/commands?client=${this.client}`)
      .catch(() => ({ commands: [] }));
    for (const { n, answer } of commands) this.#answered({ n, ...answer });
    this.#giveUp("the transport changed before the answer came");
  }

  /** @param {string} why */
  #giveUp(why) {
    for (const { resolve } of this.#unanswered.values()) resolve(failure("unknown", why, false));
    if (this.#unanswered.size > 0) this.#rename();
    this.#unanswered.clear();
  }

  /** Commands of an event stream go by REST. One key for all tries: it is executed once.
   *  @param {string} type @param {any} data @returns {Promise<Answer>} */
  async #request(type, data) {
    const [method, path, value] = restOf(type, data);
    const body = JSON.stringify(value);
    const headers = { "Idempotency-Key": randomName(), "Content-Type": "application/json" };
    const sent = performance.now();
    let error = { code: "unreachable", message: "the edge does not answer", retryable: true };
    let unsure = false;
    for (let tries = 0; tries < REQUEST_TRIES && this.wanted; tries += 1) {
      let wait = 0;
      try {
        const answer = await this.#fetch(method, this.#path + path, headers, undefined, body);
        const value = await answer.json();
        const ms = performance.now() - sent;
        if (answer.ok) return { ok: true, data: { status: value.state, ...value }, ms };
        error = { code: value.code ?? String(answer.status), retryable: Boolean(value.retryable),
          message: value.detail ?? value.title ?? `answered ${answer.status}` };
        // what the exchange refused is refused, whether it may be asked anew or not
        const passes = answer.status >= 500 || PASSING.includes(answer.status);
        if (answer.status === 401 && tries === 0) await this.token(true);
        else if (!passes) return { ok: false, error, ms };
        unsure ||= answer.status >= 500 && answer.status !== 503;
        wait = retryAfter(answer);
      } catch {
        unsure = true;
      }
      await pause(Math.max(wait, jittered(tries)));
    }
    // a new try would have another key, and could execute it once more
    if (unsure) return failure("unknown", "the answer did not come", false);
    return { ok: false, error, ms: performance.now() - sent };
  }
}

// --- order books ------------------------------------------------------------------------------

/** An order book kept from a whole one and the changes after it. */
export class Book {
  constructor() {
    /** Number of the last change in it; null until there is a whole book. */
    this.last = /** @type {number | null} */ (null);
    /** How many checksums were right. */
    this.checked = 0;
    /** Best first: [price, price as text, quantity as text]. @type {[number, string, string][]} */
    this.bids = [];
    /** @type {[number, string, string][]} */
    this.asks = [];
  }

  /** Takes a whole book. @param {BookData} whole @returns {boolean} is its checksum right? */
  reset({ bids, asks, last, checksum }) {
    const side = (/** @type {Level[]} */ levels) => levels.map(([price, quantity]) =>
      /** @type {[number, string, string]} */ ([Number(price), price, quantity]));
    [this.bids, this.asks, this.last] = [side(bids), side(asks), last];
    return this.#holds(checksum);
  }

  /** Takes a change. @param {BookData} change @returns {boolean} false: something is missing, or
   *  the checksum is wrong, and the book has to be read anew */
  apply({ bids, asks, first, last, checksum }) {
    if (this.last === null || first === undefined) return false;
    if (last <= this.last) return true; // it is in there
    if (first > this.last + 1) return false;
    for (const [price, quantity] of bids) put(this.bids, -1, price, quantity);
    for (const [price, quantity] of asks) put(this.asks, 1, price, quantity);
    this.last = last;
    return this.#holds(checksum);
  }

  /** The best `depth` prices of a side, best first, with the total up to there.
   *  @param {"bids" | "asks"} side @param {number} [depth]
   *  @returns {[price: string, quantity: string, total: number][]} */
  top(side, depth = 10) {
    let total = 0;
    return this[side].slice(0, depth).map(([, price, quantity]) =>
      [price, quantity, (total += Number(quantity))]);
  }

  /** CRC-32 of the ten best asks, then bids: digits alone, without leading zeros. */
  checksum() {
    let crc = -1;
    for (const [, ...texts] of [...this.asks.slice(0, 10), ...this.bids.slice(0, 10)]) {
      for (const text of texts) {
        const digits = text.replace(".", "").replace(/^0+/, "");
        for (let at = 0; at < digits.length; at += 1) {
          crc = CRC[(crc ^ digits.charCodeAt(at)) & 255] ^ (crc >>> 8);
        }
      }
    }
    return ~crc >>> 0;
  }

  /** @param {number | undefined} checksum */
  #holds(checksum) {
    if (checksum === undefined) return true;
    const right = this.checksum() === checksum;
    if (right) this.checked += 1;
    else this.last = null;
    return right;
  }
}

/** The books of a connection, each read anew when a change is missing or a checksum is wrong.
 *  Events: "book" (detail: symbol) after each change, "repair" (symbol) when one is read anew. */
export class Books extends EventTarget {
  /** How many books were read anew. */
  repairs = 0;
  /** @type {Map<string, Book>} */
  all = new Map();
  /** Changes that came while a book was read. @type {Map<string, BookData[]>} */
  #waiting = new Map();

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    connection.addEventListener("entry", (event) => {
      const { type, data } = /** @type {CustomEvent<Entry>} */ (event).detail;
      if (type === "book") this.#change(data);
      if (type !== "snapshot") return;
      this.#waiting.clear(); // it holds them, or they are of a market that is no more
      for (const book of data.books) this.#whole(book);
    });
  }

  /** @param {string} symbol @returns {Book} empty if nothing is known of it yet */
  get(symbol) {
    const book = this.all.get(symbol) ?? new Book();
    this.all.set(symbol, book);
    return book;
  }

  /** @param {BookData} whole */
  #whole(whole) {
    const waiting = this.#waiting.get(whole.symbol) ?? [];
    this.#waiting.delete(whole.symbol);
    const book = this.get(whole.symbol);
    const right = book.reset(whole) && waiting.every((change) => book.apply(change));
    if (right) tell(this, "book", whole.symbol);
    else this.#repair(whole.symbol, []);
  }

  /** @param {BookData} change */
  #change(change) {
    const waiting = this.#waiting.get(change.symbol);
    if (waiting) waiting.push(change);
    else if (this.get(change.symbol).apply(change)) tell(this, "book", change.symbol);
    else this.#repair(change.symbol, [change]);
  }

  /** @param {string} symbol @param {BookData[]} waiting */
  async #repair(symbol, waiting) {
    this.#waiting.set(symbol, waiting);
    this.repairs += 1;
    tell(this, "repair", symbol);
    // a snapshot may be faster; then nobody waits any more
    const open = () => this.#waiting.get(symbol) === waiting && this.connection.wanted;
    for (let tries = 0; open(); tries += 1) {
      const whole = await this.connection.read(`/book/${symbol}`).catch(() => null);
      if (whole && open()) this.#whole(whole);
      else await pause(jittered(tries));
    }
  }
}

/** Sets one price of a side; quantity 0 takes it out. @param {[number, string, string][]} side
 *  @param {number} sign 1 where low is best @param {string} text @param {string} quantity */
function put(side, sign, text, quantity) {
  const price = Number(text);
  let [low, high] = [0, side.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sign * side[middle][0] < sign * price) low = middle + 1;
    else high = middle;
  }
  const there = side[low]?.[0] === price ? 1 : 0;
  if (Number(quantity) === 0) side.splice(low, there);
  else side.splice(low, there, [price, text, quantity]);
}

const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

// --- small things -----------------------------------------------------------------------------

/** Reads an event stream as the HTML standard has it, section 9.2.6. */
export class EventStream {
  #rest = ""; #id = ""; #type = ""; #blocks = 0;
  /** @type {string[]} */
  #data = [];
  /** What `retry:` said last, after the beginning, where it is said to everybody. */
  retry = /** @type {number | null} */ (null);

  /** @param {string} text @returns {{type: string, id: string, data: string}[]} */
  take(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const events = [];
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (line === "") {
        this.#blocks += 1;
        if (this.#data.length > 0) {
          events.push({ type: this.#type || "message", id: this.#id, data: this.#data.join("\n") });
        }
        [this.#type, this.#data] = ["", []];
      } else if (field === "data") this.#data.push(value);
      else if (field === "event") this.#type = value;
      else if (field === "id") this.#id = value;
      else if (field === "retry" && this.#blocks > 0) this.retry = Number(value) || null;
    }
    return events;
  }
}

/** One dial of a connection. @typedef {ReturnType<typeof newLeg>} Leg */
function newLeg() {
  const now = performance.now();
  return { socket: /** @type {WebSocket | null} */ (null), abort: new AbortController(), watch: 0,
    began: now, opened: /** @type {number | null} */ (null), heard: now, pinged: 0 };
}

/** @param {string} type @param {any} data @returns {[method: string, path: string, body: any]} */
function restOf(type, data) {
  const { order_id: order, ...rest } = data;
  switch (type) {
    case "order.new": return ["POST", "/orders", data];
    case "order.cancel": return ["DELETE", `/orders/${order}`, undefined];
    case "order.amend": return ["PATCH", `/orders/${order}`, rest];
    case "order.cancel_all": return ["DELETE", `/orders?${new URLSearchParams(data)}`, undefined];
    case "order.batch": case "order.cancel_after":
      return ["POST", type.replace("order.", "/orders/"), data];
    case "session.restart": return ["POST", "/restart", data];
    case "session.update": return ["PATCH", "", data];
    default: return ["POST", `/${type.replace(".", "/")}`, data];
  }
}

/** @param {Response} answer @returns {number} milliseconds */
const retryAfter = (answer) =>
  Math.min(1_000 * (Number(answer.headers.get("Retry-After")) || 0), BACKOFF_CAP_MS);

/** Exponential backoff with full jitter. @param {number} tries @returns {number} milliseconds */
const jittered = (tries) => Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** tries);

const randomName = () => Array.from(crypto.getRandomValues(new Uint8Array(12)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {EventTarget} target @param {string} type @param {any} detail */
const tell = (target, type, detail) => target.dispatchEvent(new CustomEvent(type, { detail }));

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {string} code @param {string} message @param {boolean} retryable @returns {Answer} */
const failure = (code, message, retryable) => ({ ok: false, error: { code, message, retryable } });
