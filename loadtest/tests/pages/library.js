// What the tests of /holdfast.js do in the page: each plays one scene and says what was seen.
const RealSocket = WebSocket;
const realFetch = window.fetch;
const realNow = performance.now.bind(performance);
const realTimeout = window.setTimeout;
const realRandom = Math.random;

/** Puts everything back that a scene has bent. */
function straighten() {
  window.WebSocket = RealSocket;
  window.fetch = realFetch;
  performance.now = realNow;
  window.setTimeout = realTimeout;
  Math.random = realRandom;
}

/** Every message to and from a WebSocket passes `hear` and `say`: what they return goes on. */
function bend({ hear = (message) => message, say = () => {} }) {
  window.WebSocket = class extends RealSocket {
    set onmessage(handler) {
      super.onmessage = handler && ((event) => {
        const heard = hear(JSON.parse(event.data), this);
        if (heard) handler({ data: JSON.stringify(heard) });
      });
    }
    send(text) {
      super.send(text);
      say(JSON.parse(text), this);
    }
  };
}

async function ask(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await realFetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

async function signIn(subject) {
  return (await ask("POST", "/api/v1/demo/token", { subject })).token;
}

/** A session of its own, and a connection to it that remembers what it heard. */
async function begin(options = {}) {
  const { Connection, Books } = await import("/holdfast.js");
  const { id } = await ask("POST", "/api/v1/sessions", {});
  return watch(new Connection(id, options), Books);
}

function watch(connection, Books) {
  const seen = { connection, books: new Books(connection), ids: [], types: [], states: [],
    gaps: [] };
  connection.addEventListener("entry", ({ detail }) => {
    seen.types.push(detail.type);
    if (detail.type !== "snapshot" && detail.type !== "reset") seen.ids.push(detail.id);
  });
  connection.addEventListener("state", ({ detail }) => seen.states.push(detail));
  connection.addEventListener("gap", ({ detail }) => seen.gaps.push(detail));
  connection.open();
  return seen;
}

/** Looks again and again; the test's own deadline ends it. */
async function until(what, condition) {
  for (let looks = 0; looks < 1_200; looks += 1) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => realTimeout(resolve, 20));
  }
  throw new Error(`never: ${what}`);
}

const entries = (seen, more = 20) => {
  const wanted = seen.ids.length + more;
  return until("entries come", () => seen.ids.length >= wanted);
};
const open = ({ connection }) => until("it is open", () => connection.stats.state === "open");
const order = (side = "buy", price = "80.00") =>
  ({ symbol: "ACME", side, type: "limit", quantity: "1", price });

/** What the session says it emitted since the first entry heard, as far as its log reaches back,
 *  and was not heard. Answers are heard elsewhere. */
async function missed({ connection, ids }) {
  const number = (id) => Number(id.split(".")[1]);
  const [heard, first, last] = [new Set(ids), number(ids[0]), ids.at(-1)];
  const missing = [];
  for (let query = ""; query !== null;) {
    const page = await ask("GET", `/api/v1/sessions/${connection.id}/log${query}`);
    for (const { id, type } of page.entries) {
      if (id === last) return missing;
      if (type !== "answer" && number(id) > first && !heard.has(id)) missing.push(id);
    }
    query = page.next && `?after=${page.next}`;
  }
  return [`the log ends before ${last}`];
}

async function ordersOf({ connection }) {
  return (await ask("GET", `/api/v1/sessions/${connection.id}/orders?limit=500`)).orders;
}

/** The book by REST equals the one kept, at a moment when both have the same number. */
async function agrees({ connection, books }) {
  return until("the books agree", async () => {
    const whole = await ask("GET", `/api/v1/sessions/${connection.id}/book/ACME`);
    const kept = books.get("ACME");
    if (whole.last !== kept.last) return false;
    const top = (side) => kept.top(side, 10).map(([price, quantity]) => [price, quantity]);
    const same = (side) => JSON.stringify(top(side)) === JSON.stringify(whole[side].slice(0, 10));
    if (!same("bids") || !same("asks")) throw new Error(`books differ at ${whole.last}`);
    return true;
  });
}

function close(...seen) {
  for (const { connection } of seen) connection.close();
  straighten();
}

window.scenes = { signIn };
let live;

// --- what dies around it ------------------------------------------------------------------------

scenes.goLive = async () => {
  live = await Promise.all(["websocket", "sse"].map((transport) => begin({ transport })));
  await Promise.all(live.map((seen) => entries(seen)));
  const sessions = await Promise.all(live.map(({ connection }) => connection.read()));
  return sessions.map(({ endpoint }) => endpoint);
};

/** Asks for orders without waiting for the answers. */
scenes.order = (count) => {
  for (const seen of live) {
    const { connection } = seen;
    seen.answers = Array.from({ length: count }, () => connection.command("order.new", order()));
  }
};

scenes.goOn = async () => {
  await Promise.all(live.map(open));
  await Promise.all(live.map((seen) => entries(seen)));
  return Promise.all(live.map(async (seen) => {
    const answers = await Promise.all(seen.answers ?? []);
    const { transport, stats: { reconnects, gaps, resets } } = seen.connection;
    const answered = new Set(answers.map(({ data }) => data?.order_id)).size;
    return { transport, reconnects, gaps, resets, missed: await missed(seen),
      repairs: seen.books.repairs, agrees: await agrees(seen), answered,
      refused: answers.filter(({ ok }) => !ok), orders: (await ordersOf(seen)).length };
  }));
};

// --- commands -----------------------------------------------------------------------------------

/** The line breaks right behind each of the first commands: their answers are lost. */
scenes.lostAnswers = async () => {
  let breaks = 3;
  bend({ say: ({ type }, socket) => {
    if (type !== "order.new" || breaks === 0) return;
    breaks -= 1;
    realTimeout(() => socket.onclose?.({ code: 1006, reason: "" }), 0);
    socket.close();
  } });
  const seen = await begin();
  await entries(seen);
  const answers = [];
  for (let count = 0; count < 5; count += 1) {
    answers.push(await seen.connection.command("order.new", order()));
  }
  const { commands } = await ask("GET",
    `/api/v1/sessions/${seen.connection.id}/commands?client=${seen.connection.client}`);
  const said = { ok: answers.every(({ ok }) => ok), orders: (await ordersOf(seen)).length,
    numbers: commands.map(({ n }) => n), reconnects: seen.connection.stats.reconnects,
    gaps: seen.connection.stats.gaps };
  close(seen);
  return said;
};

/** Requests are carried out and their answers lost, twice in a row. */
scenes.lostResponses = async () => {
  const seen = await begin({ transport: "sse" });
  await entries(seen);
  let losses = 2;
  const keys = [];
  window.fetch = async (url, init) => {
    const answer = await realFetch(url, init);
    if (init.method !== "POST") return answer;
    keys.push(init.headers["Idempotency-Key"]);
    if (losses === 0) return answer;
    losses -= 1;
    throw new TypeError("network error");
  };
  const { connection } = seen;
  const placed = await connection.command("order.new", order());
  const { order_id } = placed.data;
  const amended = await connection.command("order.amend", { order_id, quantity: "0.5" });
  const cancelled = await connection.command("order.cancel", { order_id });
  const tries = keys.length;
  const taking = { ...order("buy", "120.00"), type: "post_only" };
  const refused = await connection.command("order.new", taking);
  const said = { placed: placed.data.status, amended: amended.data.quantity,
    cancelled: cancelled.data.status, orders: (await ordersOf(seen)).length,
    tries, keys: new Set(keys.slice(0, tries)).size, refused: refused.error.code,
    refusedTries: keys.length - tries };
  close(seen);
  return said;
};

/** A command on its way while the transport changes. */
scenes.changeTransport = async () => {
  const seen = await begin();
  await entries(seen);
  const answers = [];
  for (const transport of ["sse", "websocket", "sse"]) {
    answers.push(seen.connection.command("order.new", order()));
    await seen.connection.use(transport);
    await open(seen);
    await entries(seen);
  }
  const refused = (await Promise.all(answers)).filter(({ ok }) => !ok);
  const { gaps, reconnects } = seen.connection.stats;
  const orders = (await ordersOf(seen)).length;
  const said = { refused, gaps, reconnects, orders, missed: await missed(seen) };
  close(seen);
  return said;
};

/** Every command there is, on both transports; what was refused. */
scenes.everyCommand = async () => {
  const refused = [];
  for (const transport of ["websocket", "sse"]) {
    const seen = await begin({ transport });
    await entries(seen);
    const say = async (type, data) => {
      const answer = await seen.connection.command(type, data);
      if (!answer.ok) refused.push([transport, type, answer.error]);
      return answer.data;
    };
    const { order_id } = await say("order.new", order());
    await say("order.amend", { order_id, price: "81.00" });
    await say("order.cancel", { order_id });
    const operations = [{ type: "order.new", data: order() }, { type: "order.new", data: order() }];
    await say("order.batch", { operations });
    await say("order.cancel_after", { after: "10m" });
    await say("order.cancel_all", { symbol: "ACME", side: "buy" });
    await say("simulator.pause");
    await say("simulator.step", { ticks: 10 });
    await say("simulator.jump", { by: "1s" });
    await say("simulator.resume");
    await say("simulator.speed", { speed: 2 });
    await say("simulator.shock", { type: "news", symbol: "ACME", basis_points: 50 });
    await say("session.update", { labels: { "a-label": "\u2028 two lines" } });
    await say("session.restart", { seed: 7 });
    await until("it begins anew", () => seen.types.includes("reset"));
    await entries(seen);
    if (seen.connection.stats.gaps > 0) refused.push([transport, "gaps"]);
    await agrees(seen);
    close(seen);
  }
  return refused;
};

/** What is sent changes on one transport and stays so on the other. */
scenes.channels = async () => {
  const seen = await begin();
  const { connection } = seen;
  const heard = async () => {
    await open(seen);
    seen.types.length = 0;
    await entries(seen, 5);
    return [...new Set(seen.types)];
  };
  await entries(seen);
  await connection.command("simulator.speed", { speed: 10 });
  const others = ["book", "candle", "order", "fill", "position", "simulator"];
  await connection.command("unsubscribe", { channels: others });
  const said = [await heard()];
  await connection.use("sse");
  said.push(await heard());
  await connection.command("subscribe", { channels: ["order"] });
  await open(seen);
  await connection.command("order.new", order());
  await until("the order is told of", () => seen.types.includes("order"));
  said.push(connection.stats.gaps);
  close(seen);
  return said;
};

// --- what is missing or wrong -------------------------------------------------------------------

/** One message never arrives. */
scenes.gap = async () => {
  let drop = 0;
  bend({ hear: (message) => (message.type === "book" && (drop += 1) === 30 ? null : message) });
  const seen = await begin();
  await until("the gap is seen", () => seen.gaps.length > 0);
  await open(seen);
  await entries(seen, 60);
  const { gaps, reconnects, resets } = seen.connection.stats;
  const said = { gaps, reconnects, resets, missed: await missed(seen), agrees: await agrees(seen),
    repairs: seen.books.repairs };
  close(seen);
  return said;
};

/** One quantity of a change is altered: the books differ, and nobody says so but the checksum. */
scenes.checksum = async () => {
  let [seen, altered] = [null, false];
  bend({ hear: (message) => {
    const { symbol, checksum, bids, asks } = message.data ?? {};
    if (altered || !seen || message.type !== "book" || checksum === undefined) return message;
    const kept = seen.books.get(symbol);
    const best = new Set([...kept.top("bids", 5), ...kept.top("asks", 5)].map(([price]) => price));
    const stays = ([price, quantity]) => best.has(price) && quantity !== "0";
    const level = [...bids, ...asks].find(stays);
    if (level) [altered, level[1]] = [symbol, `${level[1]}5`];
    return message;
  } });
  seen = await begin();
  await until("the book is read anew", () => seen.books.repairs > 0);
  const { checked } = seen.books.get(altered);
  await until("checksums are right again", () => seen.books.get(altered).checked >= checked + 2);
  const said = { repairs: seen.books.repairs, gaps: seen.connection.stats.gaps,
    reconnects: seen.connection.stats.reconnects, agrees: await agrees(seen) };
  close(seen);
  return said;
};

/** Gathered market data is as good. */
scenes.coalesced = async () => {
  const seen = await begin({ coalesce: "100ms" });
  await entries(seen, 40);
  const said = { repairs: seen.books.repairs, gaps: seen.connection.stats.gaps,
    agrees: await agrees(seen) };
  close(seen);
  return said;
};

/** Back from a log that is not there any more; the line breaks between reset and snapshot. */
scenes.reset = async () => {
  let broken = false;
  bend({ hear: (message, socket) => {
    if (broken || message.type === "ping" || message.type === "pong") return message;
    if (message.type === "reset") return message;
    broken = true;
    realTimeout(() => socket.onclose?.({ code: 1006, reason: "" }), 0);
    socket.close();
    return null;
  } });
  const said = [];
  for (const transport of ["websocket", "sse"]) {
    const seen = await begin({ transport, lastId: "0000000000000001.77" });
    await until("a snapshot comes", () => seen.types.includes("snapshot"));
    await entries(seen);
    const first = seen.types.filter((type) => type === "reset" || type === "snapshot");
    said.push({ first, gaps: seen.connection.stats.gaps });
    seen.connection.close();
  }
  straighten();
  return said;
};

// --- coming back --------------------------------------------------------------------------------

/** The server's advice, put into its mouth. */
scenes.advice = async () => {
  const sockets = [];
  bend({ say: (_, socket) => sockets.includes(socket) || sockets.push(socket) });
  const seen = await begin();
  await entries(seen);
  const say = (data) => {
    const message = { type: "quality", data: { quality: "poor", rtt_ms: 9, ...data } };
    const event = new MessageEvent("message", { data: JSON.stringify(message) });
    sockets.at(-1).dispatchEvent(event);
  };
  say({ advice: "reconnect", in_ms: 100_000 });
  say({ advice: "stay" });
  await entries(seen);
  const stayed = sockets.length;
  say({ advice: "reconnect", in_ms: 10 });
  await until("it dials again", () => sockets.length > stayed);
  await open(seen);
  await entries(seen);
  seen.connection.obey = false;
  say({ advice: "switch_transport", in_ms: 0 });
  await entries(seen);
  const disobeyed = seen.connection.transport;
  seen.connection.obey = true;
  say({ advice: "switch_transport", in_ms: 0 });
  await until("the transport changes", () => seen.connection.transport === "sse");
  await open(seen);
  await entries(seen);
  const { gaps, reconnects } = seen.connection.stats;
  const said = { stayed, disobeyed, gaps, reconnects, missed: await missed(seen) };
  close(seen);
  return said;
};

/** Nobody answers: how long it waits each time, with a coin that always falls on the middle. */
scenes.backoff = async () => {
  Math.random = () => 0.5;
  const waits = [];
  window.fetch = () => Promise.reject(new TypeError("nobody there"));
  window.setTimeout = (call, ms, ...more) => {
    waits.push(ms);
    return realTimeout(call, 0, ...more);
  };
  const { Connection } = await import("/holdfast.js");
  const connection = new Connection("0".repeat(32), { transport: "sse" });
  connection.open();
  await until("ten waits", () => waits.length >= 10);
  close({ connection });
  return waits.slice(0, 10);
};

/** A dead line, and a network that comes back while the next dial is far away. */
scenes.wake = async () => {
  let deaf = false;
  bend({ hear: (message) => (deaf ? null : message) });
  const seen = await begin();
  await entries(seen);
  deaf = true;
  performance.now = () => realNow() + 25_000;
  document.dispatchEvent(new Event("visibilitychange")); // somebody looks: it sends a ping
  performance.now = () => realNow() + 50_000;
  window.setTimeout = (call, ms) => (ms > 500 ? 0 : realTimeout(call, ms)); // far dials never come
  Math.random = () => 0.999;
  window.WebSocket = class {
    constructor() { realTimeout(() => this.onclose?.({ code: 1006, reason: "" }), 0); }
    close() {}
  };
  document.dispatchEvent(new Event("visibilitychange")); // no answer for 25 s: it is dead
  await until("it waits for long", () => seen.states.some(({ wait }) => wait > 500));
  deaf = false;
  window.WebSocket = RealSocket;
  dispatchEvent(new Event("online"));
  await open(seen);
  await entries(seen);
  const { gaps } = seen.connection.stats;
  const said = { gaps, missed: await missed(seen) };
  close(seen);
  return said;
};

// --- the end ------------------------------------------------------------------------------------

/** Why a session cannot be had, on either transport. */
scenes.refusals = async () => {
  const { Connection, Books } = await import("/holdfast.js");
  const [unknown, ended, mine] = ["0".repeat(32), await ask("POST", "/api/v1/sessions", {}),
    await ask("POST", "/api/v1/sessions", {})];
  await ask("DELETE", `/api/v1/sessions/${ended.id}`);
  const said = [];
  for (const transport of ["websocket", "sse"]) {
    const why = async (id, options = {}) => {
      const seen = watch(new Connection(id, { transport, ...options }), Books);
      await until("it is over", () => seen.connection.stats.state === "ended");
      return seen.states.at(-1).reason;
    };
    said.push([await why(unknown), await why(ended.id),
      await why(mine.id, { token: () => "nonsense" })]);
  }
  await signIn("somebody-else");
  const other = watch(new Connection(mine.id), Books);
  await until("it is over", () => other.connection.stats.state === "ended");
  said.push(other.states.at(-1).reason);
  return said;
};

/** A session that ends takes its connections with it, and the commands on their way. */
scenes.ending = async () => {
  const said = [];
  for (const transport of ["websocket", "sse"]) {
    const seen = await begin({ transport });
    await entries(seen);
    await ask("DELETE", `/api/v1/sessions/${seen.connection.id}`);
    await until("it is over", () => seen.connection.stats.state === "ended");
    const late = await seen.connection.command("order.new", order());
    said.push([seen.states.at(-1).reason, late.error.code]);
  }
  return said;
};

/** No cookie: a ticket for a WebSocket, a header for everything else; an old token is renewed. */
scenes.tokens = async (good) => {
  const { Connection, Books } = await import("/holdfast.js");
  const headers = { Authorization: `Bearer ${good}`, "Content-Type": "application/json" };
  const made = await realFetch("/api/v1/sessions", { method: "POST", headers, body: "{}" });
  const { id } = await made.json();
  const said = [];
  for (const transport of ["websocket", "sse"]) {
    let token = "old";
    const renewals = [];
    const seen = watch(new Connection(id, { transport, token: (refused) => {
      if (refused) renewals.push(token = good);
      return token;
    } }), Books);
    await entries(seen);
    const placed = await seen.connection.command("order.new", order());
    said.push([transport, renewals.length, placed.ok]);
    seen.connection.close();
  }
  return said;
};
