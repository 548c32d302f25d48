// The page of the exchange: what the session says, drawn at most once a frame.
import { Connection, Book } from "/holdfast.js";

const DEPTH = 11;
const TRADES_MAX = 18;
const FILLS_MAX = 50;
const ORDERS_MAX = 60;
const PRICES_MAX = 600;
const ENDPOINT_POLL_MS = 1_500;

const $ = (id) => document.getElementById(id);
const page = { session: null, connection: null, books: new Map(), trades: [], orders: new Map(),
  fills: [], positions: new Map(), prices: [], simulator: null, symbol: null, endpoint: null,
  dirty: true };

// --- identity -------------------------------------------------------------------------------

async function api(path, init = {}) {
  const headers = { "Content-Type": "application/json", ...init.headers };
  const response = await fetch(path, { ...init, headers });
  const endpoint = response.headers.get("Holdfast-Endpoint");
  const value = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    throw Object.assign(new Error(value?.detail ?? value?.title ?? `answered ${response.status}`),
      { status: response.status, code: value?.code });
  }
  return { value, endpoint };
}

async function signIn() {
  // the answer also sets an HttpOnly cookie, which is what WebSocket and SSE are let in by
  const subject = localStorage.getItem("holdfast-subject") ?? `trader-${crypto.randomUUID().slice(0, 8)}`;
  localStorage.setItem("holdfast-subject", subject);
  await api("/api/v1/demo/token", { method: "POST", body: JSON.stringify({ subject }) });
  await showSessions();
}

async function showSessions() {
  let sessions;
  try {
    const { value } = await api("/api/v1/sessions");
    sessions = value.sessions ?? value;
  } catch (error) {
    if (error.status === 401) return false;
    say($("welcome-hint"), error.message, true);
    return false;
  }
  $("who").textContent = localStorage.getItem("holdfast-subject") ?? "signed in";
  $("sign-in").hidden = true;
  $("new-session").disabled = false;
  $("welcome-hint").textContent = "";
  $("sessions-box").hidden = sessions.length === 0;
  $("sessions").replaceChildren(...sessions.map((session) => {
    const item = document.createElement("li");
    const button = element("button", `${session.id.slice(0, 8)} on ${session.endpoint}`);
    button.type = "button";
    button.onclick = () => enter(session.id);
    item.append(button, element("span", ` ${session.scenario}, ${session.state}`, "muted"));
    return item;
  }));
  return true;
}

// --- session --------------------------------------------------------------------------------

async function create() {
  $("new-session").disabled = true;
  try {
    const { value } = await api("/api/v1/sessions", { method: "POST", body: "{}" });
    await enter(value.id);
  } catch (error) {
    say($("welcome-hint"), error.message, true);
  } finally {
    $("new-session").disabled = false;
  }
}

async function enter(id) {
  location.hash = id;
  let value;
  try {
    ({ value } = await api(`/api/v1/sessions/${id}`));
  } catch (error) {
    location.hash = "";
    say($("welcome-hint"), `session ${id.slice(0, 8)}: ${error.message}`, true);
    return;
  }
  page.session = value;
  $("welcome").hidden = true;
  $("desk").hidden = false;
  $("session-name").textContent = `${value.scenario}, seed ${value.seed}`;
  setSymbols(value.symbols);
  const transport = document.querySelector("input[name=transport]:checked").value;
  const connection = new Connection(id, { transport });
  page.connection = connection;
  connection.addEventListener("entry", (event) => take(event.detail));
  connection.addEventListener("state", (event) => onState(event.detail));
  connection.addEventListener("quality", () => (page.dirty = true));
  connection.addEventListener("notice", (event) => note(event.detail.message ?? "notice"));
  connection.open();
  watchEndpoint(connection);
  watchLab();
}

function setSymbols(symbols) {
  $("order-symbol").replaceChildren(...symbols.map(({ symbol }) => element("option", symbol)));
  page.symbol = symbols[0]?.symbol ?? null;
  $("symbol").textContent = page.symbol ?? "";
  const selected = symbols[0];
  if (selected) {
    $("order-price").step = selected.tick;
    $("order-quantity").step = selected.lot;
  }
}

function onState({ state, reason }) {
  if (state === "waiting") note("connection lost, coming back");
  if (state === "ended") note(`ended: ${reason}`);
  page.dirty = true;
}

/** One entry of the session's log. */
function take({ type, data }) {
  page.dirty = true;
  switch (type) {
    case "snapshot": return takeSnapshot(data);
    case "reset": return note(`reset: ${data.reason}`);
    case "book": return bookOf(data.symbol).apply(data);
    case "trade": return takeTrade(data);
    case "order": return void page.orders.set(data.order_id, data);
    case "fill":
      page.fills.unshift(data);
      page.fills.length = Math.min(page.fills.length, FILLS_MAX);
      return undefined;
    case "position": return void page.positions.set(data.symbol, data);
    case "simulator": page.simulator = data; return undefined;
    default: return undefined;
  }
}

function takeSnapshot(data) {
  for (const book of data.books) bookOf(book.symbol).reset(book);
  page.trades = [];
  page.prices = [];
  for (const trade of data.trades) takeTrade(trade);
  page.orders = new Map(data.orders.map((order) => [order.order_id, order]));
  page.positions = new Map(data.positions.map((position) => [position.symbol, position]));
  page.simulator = data.simulator;
}

function takeTrade(trade) {
  if (trade.symbol !== page.symbol) return;
  page.trades.unshift(trade);
  page.trades.length = Math.min(page.trades.length, TRADES_MAX);
  page.prices.push([trade.time_ms, Number(trade.price)]);
  if (page.prices.length > PRICES_MAX) page.prices.splice(0, page.prices.length - PRICES_MAX);
}

function bookOf(symbol) {
  if (!page.books.has(symbol)) page.books.set(symbol, new Book());
  return page.books.get(symbol);
}

/** Asks which endpoint answers, so that a move is seen by a person and not only survived. */
async function watchEndpoint(connection) {
  while (page.connection === connection && connection.wanted) {
    if (!document.hidden) {
      try {
        const { value, endpoint } = await api(`/api/v1/sessions/${connection.id}`);
        const now = value.endpoint ?? endpoint;
        if (page.endpoint && now !== page.endpoint) note(`session moved from ${page.endpoint} to ${now}`);
        page.endpoint = now;
        page.dirty = true;
      } catch (error) {
        if (error.status === 404 || error.status === 410) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, ENDPOINT_POLL_MS));
  }
}

// --- orders ---------------------------------------------------------------------------------

async function place(event) {
  event.preventDefault();
  const side = event.submitter?.value ?? "buy";
  const type = $("order-type").value;
  const order = { symbol: $("order-symbol").value, side, type, quantity: $("order-quantity").value.trim() };
  if (type === "limit") order.price = $("order-price").value.trim();
  if (type === "limit" && !order.price) return say($("order-answer"), "A limit order needs a price.", true);
  const answer = await page.connection.command("order.new", order);
  if (answer.ok) {
    say($("order-answer"), `${side} order ${answer.data?.order_id ?? ""}: ${answer.data?.status ?? "accepted"} (${Math.round(answer.ms)} ms)`);
  } else {
    say($("order-answer"), `${answer.error.message} (${answer.error.code})`, true);
  }
  return undefined;
}

async function cancel(orderId) {
  const answer = await page.connection.command("order.cancel", { order_id: orderId });
  if (!answer.ok) say($("order-answer"), `${answer.error.message} (${answer.error.code})`, true);
}

async function simulate(command, data) {
  const answer = await page.connection.command(command, data);
  if (!answer.ok) note(`${command}: ${answer.error.message}`);
}

// --- the lab --------------------------------------------------------------------------------

async function watchLab() {
  try {
    const { value } = await api("/lab/state");
    $("lab").hidden = !value?.backends;
  } catch {
    $("lab").hidden = true; // not the lab: no button to kill with
  }
}

async function disturb(what) {
  const endpoint = page.endpoint;
  if (!endpoint) return;
  note(`${what} ${endpoint}`);
  try {
    await api(`/lab/backends/${endpoint}/${what}`, { method: "POST" });
  } catch (error) {
    note(`${what} ${endpoint}: ${error.message}`);
  }
}

// --- drawing --------------------------------------------------------------------------------

function draw() {
  requestAnimationFrame(draw);
  if (!page.dirty || $("desk").hidden) return;
  page.dirty = false;
  drawBook();
  drawTrades();
  drawOrders();
  drawConnection();
  drawChart();
}

function drawBook() {
  const book = page.books.get(page.symbol);
  if (!book) return;
  const asks = book.top("asks", DEPTH);
  const bids = book.top("bids", DEPTH);
  const most = Math.max(asks.at(-1)?.[2] ?? 0, bids.at(-1)?.[2] ?? 0) || 1;
  rows($("asks"), asks.reverse(), (row, level) => fillLevel(row, level, most));
  rows($("bids"), bids, (row, level) => fillLevel(row, level, most));
  const [bid, ask] = [bids[0]?.[0], asks.at(-1)?.[0]];
  $("spread").textContent = bid && ask ? `spread ${trim(ask - bid)}` : "one side is empty";
  const [last, before] = [page.trades[0], page.trades[1]];
  $("last-price").textContent = last?.price ?? "–";
  $("last-price").className = `num ${last && before && Number(last.price) < Number(before.price) ? "down" : "up"}`;
  if (!$("order-price").value && !$("order-price").dataset.touched && ask) $("order-price").value = ask;
}

function fillLevel(row, [price, quantity, total], most) {
  cells(row, [price, quantity, trim(total)]);
  row.style.setProperty("--depth", `${(100 * total) / most}%`);
  row.onclick = () => {
    $("order-price").value = price;
    $("order-price").dataset.touched = "yes";
  };
}

function drawTrades() {
  rows($("trades"), page.trades, (row, trade) => {
    cells(row, [clock(trade.time_ms), trade.price, trade.quantity]);
    row.className = trade.side === "buy" ? "up" : "down";
  });
  rows($("fills"), page.fills.slice(0, 12), (row, fill) => {
    cells(row, [clock(fill.time_ms), fill.side, fill.price, fill.quantity]);
    row.className = fill.side === "buy" ? "up" : "down";
  });
}

function drawOrders() {
  if (page.orders.size > ORDERS_MAX) forgetFinished();
  const orders = [...page.orders.values()].reverse().slice(0, 14);
  rows($("orders"), orders, (row, order) => {
    const open = order.status === "open" || order.status === "partially_filled";
    cells(row, [order.side, order.type, order.price ?? "–", `${order.filled} / ${order.quantity}`,
      order.status.replace("_", " "), ""]);
    row.firstElementChild.className = order.side === "buy" ? "up" : "down";
    const button = row.lastElementChild.firstElementChild ?? row.lastElementChild.appendChild(cancelButton());
    button.hidden = !open;
    button.onclick = () => cancel(order.order_id);
    button.setAttribute("aria-label", `Cancel order ${order.order_id}`);
  });
  rows($("positions"), [...page.positions.values()], (row, position) =>
    cells(row, [position.symbol, position.quantity, position.average_price ?? "–", position.realized]));
  if (page.simulator) {
    $("simulator-state").textContent = `${page.simulator.state} × ${page.simulator.speed}`;
    $("pause").textContent = page.simulator.state === "running" ? "Pause" : "Resume";
  }
}

function forgetFinished() {
  for (const [id, order] of page.orders) {
    if (page.orders.size <= ORDERS_MAX) break;
    if (order.status !== "open" && order.status !== "partially_filled") page.orders.delete(id);
  }
}

function cancelButton() {
  const button = element("button", "Cancel", "quiet");
  button.type = "button";
  return button;
}

function drawConnection() {
  const { stats, transport } = page.connection;
  $("c-state").textContent = `${transport === "sse" ? "SSE" : "WebSocket"}, ${stats.state}`;
  $("c-state").className = stats.state === "open" ? "up" : "down";
  $("c-endpoint").textContent = page.endpoint ?? "–";
  $("c-rtt").textContent = stats.rtt === null ? "–" : `${Number(stats.rtt).toFixed(1)} ms`;
  $("c-quality").textContent = [stats.quality, stats.advice].filter(Boolean).join(", ") || "–";
  $("c-entries").textContent = stats.entries;
  $("c-reconnects").textContent = stats.reconnects;
  $("c-gaps").textContent = stats.gaps;
  $("c-last").textContent = stats.lastId ?? "–";
}

function drawChart() {
  const canvas = $("chart");
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * scale || canvas.height !== height * scale) {
    canvas.width = width * scale;
    canvas.height = height * scale;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  if (page.prices.length < 2) return;
  const style = getComputedStyle(document.documentElement);
  const values = page.prices.map(([, price]) => price);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = high - low || 1;
  const x = (index) => (index / (values.length - 1)) * (width - 56);
  const y = (price) => 10 + (1 - (price - low) / range) * (height - 20);
  context.fillStyle = style.getPropertyValue("--muted");
  context.font = "11px system-ui";
  for (const price of [low, (low + high) / 2, high]) context.fillText(trim(price), width - 50, y(price) + 4);
  context.beginPath();
  values.forEach((price, index) => context.lineTo(x(index), y(price)));
  context.strokeStyle = style.getPropertyValue("--accent");
  context.lineWidth = 1.6;
  context.stroke();
}

// --- small things ---------------------------------------------------------------------------

/** Keeps as many rows as there are items and fills each: no row is made anew for new numbers. */
function rows(body, items, fill) {
  while (body.children.length > items.length) body.lastElementChild.remove();
  while (body.children.length < items.length) body.append(document.createElement("tr"));
  items.forEach((item, index) => fill(body.children[index], item));
}

function cells(row, texts) {
  while (row.children.length < texts.length) row.append(document.createElement("td"));
  texts.forEach((text, index) => {
    const cell = row.children[index];
    if (text !== "" && cell.textContent !== String(text)) cell.textContent = text;
  });
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function note(text) {
  const item = element("li", text);
  item.prepend(element("time", clock(Date.now())));
  $("journal").prepend(item);
  while ($("journal").children.length > 12) $("journal").lastElementChild.remove();
}

function say(target, text, bad = false) {
  target.textContent = text;
  target.classList.toggle("down", bad);
}

function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

function trim(value) {
  return Number(value).toFixed(4).replace(/\.?0+$/, "");
}

$("sign-in").onclick = () => signIn().catch((error) => say($("welcome-hint"), error.message, true));
$("new-session").onclick = create;
$("order").onsubmit = place;
$("order-type").onchange = (event) => ($("price-field").hidden = event.target.value === "market");
$("order-price").oninput = (event) => (event.target.dataset.touched = "yes");
$("order-symbol").onchange = (event) => {
  page.symbol = event.target.value;
  $("symbol").textContent = page.symbol;
  [page.trades, page.prices] = [[], []];
  $("order-price").value = "";
  delete $("order-price").dataset.touched;
  page.dirty = true;
};
$("pause").onclick = () => simulate(page.simulator?.state === "running" ? "simulator.pause" : "simulator.resume");
$("speed").onchange = (event) => simulate("simulator.speed", { speed: event.target.value });
$("kill").onclick = () => disturb("kill");
$("drain").onclick = () => disturb("drain");
$("end-session").onclick = async () => {
  page.connection.close();
  await api(`/api/v1/sessions/${page.session.id}`, { method: "DELETE" }).catch((error) => note(error.message));
  location.hash = "";
  location.reload();
};
for (const radio of document.querySelectorAll("input[name=transport]")) {
  radio.onchange = () => {
    page.connection?.use(radio.value);
    note(`transport ${radio.value === "sse" ? "SSE" : "WebSocket"}`);
  };
}

showSessions().then((signedIn) => signedIn && location.hash.length > 1 && enter(location.hash.slice(1)));
requestAnimationFrame(draw);
