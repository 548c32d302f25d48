// The operators' page: what this proxy knows of its endpoints, and what happens to them.
//
//   GET /status       {"number", "version", "uptime_ms", "draining", "commands", "totals", "clusters"}
//   GET /connections  {"connections": [...], "total"}
//   GET /events       event stream: {"time", "cluster", "endpoint", "what", "text"}
//   POST /endpoints/{cluster}/{id}/drain | ready | maint

const STATUS_POLL_MS = 1_000;
const CONNECTIONS_POLL_MS = 2_000;
const ASK_TIMEOUT_MS = 5_000;
const EVENTS_MAX = 100;
const CONNECTIONS_MAX = 200;
const COLUMNS = ["Endpoint", "State", "Sessions", "WebSocket", "SSE", "In flight", "Probes", "Actions"];

const $ = (id) => document.getElementById(id);
const shown = { clusters: new Map(), commands: false };

// --- asking -----------------------------------------------------------------------------------

async function ask(path, init = {}) {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
  const value = await response.json().catch(() => null);
  if (!response.ok) throw new Error(value?.detail ?? value?.title ?? `answered ${response.status}`);
  return value;
}

/** Asks again and again while somebody looks; never twice at once. */
function poll(step, period) {
  let timer = null;
  let busy = false;
  const turn = async () => {
    clearTimeout(timer);
    if (!busy && !document.hidden) {
      busy = true;
      await step();
      busy = false;
    }
    timer = setTimeout(turn, period);
  };
  document.addEventListener("visibilitychange", () => !document.hidden && turn());
  turn();
  return turn;
}

async function status() {
  try {
    drawStatus(await ask("/status"));
    live("live", "good");
  } catch (error) {
    live("no answer", "bad");
    $("live").title = error.message;
  }
}

async function connections() {
  try {
    drawConnections(await ask("/connections"));
  } catch {
    // the status line already says that the proxy does not answer
  }
}

function listen() {
  const source = new EventSource("/events");
  source.onmessage = (event) => {
    drawEvent(JSON.parse(event.data));
    refresh();
  };
}

async function command(cluster, id, verb, failure) {
  failure.hidden = true;
  try {
    await ask(`/endpoints/${encodeURIComponent(cluster)}/${encodeURIComponent(id)}/${verb}`,
      { method: "POST" });
  } catch (error) {
    failure.textContent = `${verb} ${id}: ${error.message}`;
    failure.hidden = false;
  }
  refresh();
}

/** Nobody is served by an endpoint in maintenance: asked twice. */
async function takeOut(cluster, id, failure) {
  $("confirm-title").textContent = `Take ${id} of ${cluster} out at once?`;
  $("confirm-text").textContent = "It serves nobody until it is made ready again. Connections of a"
    + " cluster that keeps the handoff contract move elsewhere, others are closed.";
  $("confirm").returnValue = "cancel";
  $("confirm").showModal();
  await new Promise((resolve) => $("confirm").addEventListener("close", resolve, { once: true }));
  if ($("confirm").returnValue === "go") await command(cluster, id, "maint", failure);
}

// --- drawing ----------------------------------------------------------------------------------

function live(text, kind) {
  set($("live"), text);
  $("live").className = `badge ${kind}`;
}

function drawStatus(value) {
  shown.commands = Boolean(value.commands);
  set($("instance"), `${value.version}, up ${span(value.uptime_ms)}${value.draining ? ", leaving" : ""}`);
  const { totals } = value;
  set($("t-snapshot"), `#${value.number}`);
  set($("t-connections"), count(totals.connections));
  set($("t-in-flight"), count(totals.in_flight));
  set($("t-moves"), count(totals.moves));
  set($("t-lost"), count(totals.lost));
  set($("t-refused"), count(totals.refused));
  $("t-lost").classList.toggle("bad", totals.lost > 0);

  const names = new Set(value.clusters.map((cluster) => cluster.name));
  for (const [name, view] of shown.clusters) {
    if (!names.has(name)) {
      view.section.remove();
      shown.clusters.delete(name);
    }
  }
  for (const cluster of value.clusters) {
    const view = shown.clusters.get(cluster.name) ?? addCluster(cluster.name);
    drawCluster(view, cluster);
  }
}

function addCluster(name) {
  const section = make("section", "panel");
  const head = make("div", "cluster-head");
  const title = make("h2", "", name);
  title.id = `cluster-${name}`;
  section.setAttribute("aria-labelledby", title.id);
  section.dataset.cluster = name;
  const about = make("span", "muted");
  head.append(title, about);
  const notice = make("p", "notice", "Too few endpoints are fit: health is not believed, all of them serve.");
  const failure = make("p", "failure");
  failure.setAttribute("role", "alert");
  notice.hidden = failure.hidden = true;
  const table = make("table", "endpoints");
  const [thead, row] = [make("thead"), make("tr")];
  const widths = ["c-id", "c-state", "c-number", "c-number", "c-number", "c-number", "", "c-actions"];
  COLUMNS.forEach((text, index) => {
    const cell = make("th", `${widths[index]}${widths[index] === "c-number" ? " num" : ""}`);
    cell.scope = "col";
    cell.append(make("span", text === "Actions" ? "hidden" : "", text));
    row.append(cell);
  });
  thead.append(row);
  table.append(thead);
  section.append(head, notice, failure, table);
  $("clusters").append(section);
  const view = { section, about, notice, failure, table, endpoints: new Map() };
  shown.clusters.set(name, view);
  return view;
}

function drawCluster(view, cluster) {
  set(view.about, about(cluster));
  view.table.classList.toggle("no-probes", cluster.endpoints.every((one) => !one.probes?.length));
  view.notice.hidden = !cluster.failing_open;
  const ids = new Set(cluster.endpoints.map((endpoint) => endpoint.id));
  for (const [id, row] of view.endpoints) {
    if (!ids.has(id)) {
      row.body.remove();
      view.endpoints.delete(id);
    }
  }
  for (const endpoint of cluster.endpoints) {
    const row = view.endpoints.get(endpoint.id) ?? addEndpoint(view, cluster.name, endpoint.id);
    drawEndpoint(row, endpoint);
  }
}

function about(cluster) {
  const fit = cluster.endpoints.filter((one) => one.admin === "ready" && serves(one.health)).length;
  const words = [`${fit} of ${cluster.endpoints.length} take new clients`, cluster.balance?.replaceAll("_", " ")];
  if (cluster.contract !== undefined) {
    words.push(cluster.contract === "off" ? "opaque: drained politely" : `handoff contract ${cluster.contract}`);
  }
  return words.filter(Boolean).join(" · ");
}

function addEndpoint(view, cluster, id) {
  const body = make("tbody");
  body.dataset.endpoint = id;
  const row = make("tr");
  const cells = COLUMNS.map((label, index) => {
    const cell = make(index === 0 ? "th" : "td", index >= 2 && index <= 5 ? "num" : "");
    if (index >= 2 && index <= 6) cell.dataset.label = label;
    row.append(cell);
    return cell;
  });
  cells[0].scope = "row";
  cells[0].className = "endpoint";
  cells[1].classList.add("wide");
  cells[6].classList.add("wide");
  cells[7].className = "actions";
  const address = make("span", "sub");
  cells[0].append(make("span", "name", id), address);
  const [admin, health] = [make("span", "badge"), make("span", "badge")];
  cells[1].append(admin, health);
  const buttons = {
    drain: button("Drain", `Drain ${id}`, () => command(cluster, id, "drain", view.failure)),
    ready: button("Ready", `Make ${id} ready`, () => command(cluster, id, "ready", view.failure)),
    maint: button("Maint", `Take ${id} out for maintenance`, () => takeOut(cluster, id, view.failure)),
  };
  for (const [verb, one] of Object.entries(buttons)) one.dataset.verb = verb;
  cells[7].append(...Object.values(buttons));

  const drainRow = make("tr", "drain-row");
  const drainCell = make("td");
  drainCell.colSpan = COLUMNS.length;
  const drain = make("div", "drain");
  const bar = make("progress");
  bar.setAttribute("aria-label", `Drain of ${id}`);
  const drainText = make("span");
  drain.append(bar, drainText);
  drainCell.append(drain);
  drainRow.append(drainCell);
  drainRow.hidden = true;
  body.append(row, drainRow);
  view.table.append(body);
  const entry = { body, cells, address, admin, health, buttons, drainRow, bar, drainText };
  view.endpoints.set(id, entry);
  return entry;
}

function drawEndpoint(row, endpoint) {
  set(row.address, endpoint.address);
  badge(row.admin, endpoint.admin, { ready: "good", drain: "warn", maint: "bad" });
  badge(row.health, endpoint.health, { up: "good", degraded: "warn", untried: "", ejected: "bad", down: "bad" });
  const numbers = [endpoint.sessions ?? "–", endpoint.connections.websocket, endpoint.connections.sse,
    endpoint.in_flight];
  numbers.forEach((number, index) => set(row.cells[index + 2], count(number)));
  drawProbes(row.cells[6], endpoint.probes ?? []);
  for (const [verb, one] of Object.entries(row.buttons)) {
    one.hidden = !shown.commands;
    one.disabled = endpoint.admin === verb;
  }
  drawDrain(row, endpoint);
}

function drawProbes(cell, probes) {
  while (cell.children.length > probes.length) cell.lastElementChild.remove();
  while (cell.children.length < probes.length) {
    const made = make("div", "probe");
    made.append(make("span"), make("span", "sub"));
    cell.append(made);
  }
  probes.forEach((probe, index) => {
    const line = cell.children[index];
    set(line.firstElementChild, streak(probe));
    set(line.lastElementChild, probe.failures > 0 && probe.last ? probe.last : probe.kind);
    line.classList.toggle("probe-bad", probe.failures > 0);
    line.title = `${probe.kind}: ${probe.last ?? "not asked yet"}`;
  });
}

function streak({ passing, successes, failures, rise, fall }) {
  if (failures > 0) return passing ? `${failures} of ${fall} failed` : `${failures} failed`;
  if (passing) return `${count(successes)} passed`;
  return successes > 0 ? `${successes} of ${rise} passed` : "not asked yet";
}

function drawDrain(row, endpoint) {
  const drain = endpoint.drain;
  row.drainRow.hidden = !drain && !endpoint.drained;
  if (drain) {
    row.bar.max = Math.max(drain.total, 1);
    row.bar.value = drain.total - drain.remaining;
    const rate = drain.rate ? `, ${drain.rate} a second` : "";
    set(row.drainText, `${count(drain.remaining)} of ${count(drain.total)} left${rate}, ${span(drain.left_ms)} to go`);
  } else if (endpoint.drained) {
    row.bar.max = row.bar.value = 1;
    set(row.drainText, "drained");
  }
}

function drawConnections({ connections, total }) {
  const rows = connections.slice(0, CONNECTIONS_MAX);
  const body = $("connections");
  while (body.children.length > rows.length) body.lastElementChild.remove();
  while (body.children.length < rows.length) body.append(make("tr"));
  rows.forEach((connection, index) => {
    const row = body.children[index];
    while (row.children.length < 6) row.append(make("td", ["", "", "num", "num", "num", "id"][row.children.length]));
    const texts = [connection.relay === "sse" ? "SSE" : "WebSocket", `${connection.cluster} ${connection.endpoint}`,
      span(connection.age_ms), span(connection.idle_ms), count(connection.moves), connection.id];
    texts.forEach((text, at) => set(row.children[at], text));
  });
  const all = total ?? connections.length;
  set($("connections-count"), all > rows.length ? `${rows.length} of ${count(all)}` : count(all));
  $("connections-empty").hidden = rows.length > 0;
  body.closest(".scroll").hidden = rows.length === 0;
}

const TONES = { lost: "bad", untold: "warn", spared: "warn", failing_open: "warn", rate_raised: "warn", drained: "good" };

function drawEvent(event) {
  $("events-empty").hidden = true;
  const item = make("li");
  const time = make("time", "", clock(event.time));
  time.dateTime = new Date(event.time).toISOString();
  item.append(time);
  const place = [event.cluster, event.endpoint].filter(Boolean).join(" ");
  if (place) item.append(make("span", "place", place));
  item.append(make("span", tone(event), event.text));
  $("events").prepend(item);
  while ($("events").children.length > EVENTS_MAX) $("events").lastElementChild.remove();
}

function tone({ what, text }) {
  if (what === "health") return /is now (down|ejected)/.test(text) ? "bad" : "good";
  return TONES[what] ?? "";
}

// --- small things -----------------------------------------------------------------------------

function serves(health) {
  return health === "up" || health === "degraded";
}

function badge(target, text, tones) {
  set(target, text);
  target.className = `badge ${tones[text] ?? ""}`;
}

function button(text, name, act) {
  const made = make("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", name);
  made.onclick = act;
  return made;
}

function make(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Touches the page only for something new. */
function set(target, text) {
  const wanted = String(text ?? "–");
  if (target.textContent !== wanted) target.textContent = wanted;
}

function count(value) {
  return typeof value === "number" ? value.toLocaleString("en") : (value ?? "–");
}

function span(ms) {
  const seconds = Math.max(0, Math.round((ms ?? 0) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const hours = Math.floor(seconds / 3_600);
  return hours < 48 ? `${hours} h ${Math.floor((seconds % 3_600) / 60)} min` : `${Math.floor(hours / 24)} d`;
}

function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

const refresh = poll(status, STATUS_POLL_MS);
poll(connections, CONNECTIONS_POLL_MS);
listen();
