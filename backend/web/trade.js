// The page of the exchange: who you are, your sessions, and the parts of the desk put together.
import { Account } from "/account.js";
import { Desk } from "/desk.js";
import { $, element, makeButton, note, option, say, words } from "/dom.js";
import { Connection } from "/holdfast.js";
import { Link } from "/link.js";
import { Market } from "/market.js";
import { Orders } from "/orders.js";
import { Simulation } from "/simulation.js";
import { Ticket } from "/ticket.js";

const desk = new Desk();
const ticket = new Ticket(desk, (type, data) => desk.connection.command(type, data));
const market = new Market(desk, (price) => ticket.price(price));
const link = new Link(desk, api);
new Orders(desk, run);
new Account(desk);
new Simulation(desk, run, end);

async function api(path, init = {}) {
  const headers = { "Content-Type": "application/json", ...init.headers };
  const response = await fetch(path, { ...init, headers });
  const value = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return value;
  throw Object.assign(new Error(value?.detail ?? value?.title ?? `answered ${response.status}`),
    { status: response.status, code: value?.code });
}

/** Sends a command; says what went wrong, and whether all went right. */
async function run(type, data) {
  const answer = await desk.connection.command(type, data);
  if (!answer.ok) note(`${words(type.split(".").at(-1))}: ${answer.error.message}`);
  return answer.ok;
}

// --- identity -------------------------------------------------------------------------------

async function signIn() {
  // the answer also sets an HttpOnly cookie, which is what WebSocket and SSE are let in by
  const known = localStorage.getItem("holdfast-subject");
  const subject = known ?? `trader-${crypto.randomUUID().slice(0, 8)}`;
  await api("/api/v1/demo/token", { method: "POST", body: JSON.stringify({ subject }) });
  localStorage.setItem("holdfast-subject", subject);
  await showSessions();
}

async function showSessions() {
  let sessions;
  try {
    ({ sessions } = await api("/api/v1/sessions"));
  } catch (error) {
    if (error.status !== 401) say($("welcome-hint"), error.message, true);
    return false;
  }
  $("who").textContent = localStorage.getItem("holdfast-subject") ?? "signed in";
  $("sign-in").hidden = true;
  $("start").hidden = $("new-session").disabled = false;
  say($("welcome-hint"), "");
  $("sessions-box").hidden = sessions.length === 0;
  $("sessions").replaceChildren(...sessions.map((session) => {
    const item = document.createElement("li");
    const button = makeButton(`Go on with ${session.id.slice(0, 8)}`);
    button.onclick = () => enter(session.id);
    const about = `${words(session.scenario)}, ${session.state}, on ${session.endpoint}`;
    item.append(button, element("span", about, "muted"));
    return item;
  }));
  return true;
}

/** The markets there are to choose from. */
async function showScenarios() {
  const { scenarios } = await api("/api/v1/scenarios");
  for (const id of ["scenario", "restart-scenario"]) {
    $(id).replaceChildren(...scenarios.map(({ name }) => option(name, words(name))));
  }
  const describe = () => {
    const chosen = scenarios.find(({ name }) => name === $("scenario").value);
    $("scenario-hint").textContent = chosen?.description ?? "";
  };
  $("scenario").onchange = describe;
  describe();
}

// --- session --------------------------------------------------------------------------------

async function create(event) {
  event.preventDefault();
  $("new-session").disabled = true;
  try {
    const request = { scenario: $("scenario").value || undefined };
    if ($("seed").value.trim()) request.seed = Number($("seed").value);
    const { id } = await api("/api/v1/sessions", { method: "POST", body: JSON.stringify(request) });
    await enter(id);
  } catch (error) {
    say($("welcome-hint"), error.message, true);
  } finally {
    $("new-session").disabled = false;
  }
}

async function enter(id) {
  let session;
  try {
    session = await api(`/api/v1/sessions/${id}`);
  } catch (error) {
    history.replaceState(null, "", location.pathname);
    say($("welcome-hint"), `session ${id.slice(0, 8)}: ${error.message}`, true);
    return;
  }
  history.replaceState(null, "", `#${id}`);
  $("welcome").hidden = true;
  $("desk").hidden = false;
  const { value: transport } = document.querySelector("input[name=transport]:checked");
  const connection = new Connection(id, { transport });
  desk.follow(connection);
  offer(session);
  connection.addEventListener("entry", ({ detail: { type, data } }) => {
    if (type === "reset") note(`reset: ${words(data.reason)}`);
    if (type === "snapshot") begin(connection, data);
  });
  note(`session ${id.slice(0, 8)} on ${session.endpoint}`);
  connection.open();
  link.follow(connection);
}

/** What can be traded; another market may have other symbols. */
function offer({ scenario, seed, symbols }) {
  $("seed-shown").textContent = seed;
  $("restart-scenario").value = scenario;
  if (JSON.stringify(symbols) === JSON.stringify([...desk.symbols.values()])) return;
  desk.symbols = new Map(symbols.map((symbol) => [symbol.symbol, symbol]));
  market.offer(symbols, look);
  look(symbols[0].symbol);
}

/** What a snapshot does not show. */
async function begin(connection, { session }) {
  offer(session);
  await connection.read("/fills").then(({ fills }) => desk.remember(fills),
    (error) => note(`earlier fills: ${error.message}`));
}

function look(symbol) {
  $("symbol").textContent = symbol;
  ticket.symbol(symbol);
  desk.show(symbol);
}

async function end() {
  if (!confirm("End this session for good? Its market and your orders are gone then.")) return;
  desk.connection.close();
  try {
    await api(`/api/v1/sessions/${desk.connection.id}`, { method: "DELETE" });
  } catch (error) {
    note(error.message);
    return;
  }
  history.replaceState(null, "", location.pathname);
  location.reload();
}

$("sign-in").onclick = () => signIn().catch((error) => say($("welcome-hint"), error.message, true));
$("start").onsubmit = create;
showScenarios().catch((error) => say($("scenario-hint"), error.message, true));

// somebody who never signed in here needs not be refused first
if (localStorage.getItem("holdfast-subject")) {
  const id = location.hash.slice(1);
  showSessions().then((signedIn) => signedIn && id && enter(id));
}
