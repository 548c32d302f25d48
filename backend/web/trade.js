// The page of the exchange: who you are, your session, your orders.
import { Connection } from "/holdfast.js";
import { $, Desk, element, makeButton, note, say } from "/desk.js";

const ENDPOINT_POLL_MS = 1_500;

const desk = new Desk({ onCancel: cancel, onPrice: takePrice });

async function api(path, init = {}) {
  const headers = { "Content-Type": "application/json", ...init.headers };
  const response = await fetch(path, { ...init, headers });
  const value = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    throw Object.assign(new Error(value?.detail ?? value?.title ?? `answered ${response.status}`),
      { status: response.status, code: value?.code });
  }
  return value;
}

// --- identity -------------------------------------------------------------------------------

async function signIn() {
  // the answer also sets an HttpOnly cookie, which is what WebSocket and SSE are let in by
  const subject = localStorage.getItem("holdfast-subject") ?? `trader-${crypto.randomUUID().slice(0, 8)}`;
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
  $("new-session").hidden = $("new-session").disabled = false;
  say($("welcome-hint"), "A market of your own, with its own seed.");
  $("sessions-box").hidden = sessions.length === 0;
  $("sessions").replaceChildren(...sessions.map((session) => {
    const item = document.createElement("li");
    const button = makeButton(`Go on with ${session.id.slice(0, 8)}`);
    button.onclick = () => enter(session.id);
    item.append(button, element("span", `${session.scenario}, ${session.state}, on ${session.endpoint}`, "muted"));
    return item;
  }));
  return true;
}

// --- session --------------------------------------------------------------------------------

async function create() {
  $("new-session").disabled = true;
  try {
    const value = await api("/api/v1/sessions", { method: "POST", body: "{}" });
    await enter(value.id);
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
  $("session-name").textContent = `${session.scenario}, seed ${session.seed}`;
  const transport = document.querySelector("input[name=transport]:checked").value;
  const connection = new Connection(id, { transport });
  desk.follow(connection);
  setSymbols(session.symbols);
  connection.addEventListener("entry", ({ detail }) => {
    if (detail.type === "reset") note(`reset: ${detail.data.reason}`);
    if (detail.type === "snapshot") recallFills();
    desk.take(detail);
  });
  connection.addEventListener("state", ({ detail }) => onState(detail));
  connection.addEventListener("quality", () => desk.touch("connection"));
  connection.addEventListener("notice", ({ detail }) => note(detail.message));
  connection.addEventListener("transport", () => showTransport(connection.transport));
  desk.books.addEventListener("repair", ({ detail }) => note(`book of ${detail} read anew`));
  note(`session ${id.slice(0, 8)} on ${session.endpoint}`);
  connection.open();
  watchEndpoint(connection);
  watchLab();
}

function setSymbols(symbols) {
  $("order-symbol").replaceChildren(...symbols.map(({ symbol }) => element("option", symbol)));
  desk.show(symbols[0]?.symbol ?? null);
}

function showTransport(transport) {
  document.querySelector(`input[name=transport][value=${transport}]`).checked = true;
  note(`transport ${transport === "sse" ? "SSE" : "WebSocket"}`);
}

async function recallFills() {
  try {
    desk.remember((await desk.connection.read("/fills")).fills);
  } catch (error) {
    note(`earlier fills: ${error.message}`);
  }
}

function onState({ state, reason }) {
  if (state === "waiting" || state === "offline") note("connection lost, coming back");
  if (state === "open" && desk.connection.stats.reconnects > 0) note("connected again");
  if (state === "ended") note(`over: ${reason}`);
  desk.touch("connection");
}

/** Asks which endpoint answers, so that a move is seen by a person and not only survived. */
async function watchEndpoint(connection) {
  let silenceBefore = 0;
  while (desk.connection === connection && connection.wanted) {
    if (!document.hidden) {
      try {
        const { endpoint: now } = await connection.read();
        const silence = Math.max(silenceBefore, desk.takeSilence());
        if (desk.endpoint && now !== desk.endpoint) {
          const { reconnects, gaps } = connection.stats;
          note(`moved from ${desk.endpoint} to ${now} in ${Math.round(silence)} ms, `
            + `reconnects ${reconnects}, gaps ${gaps}`);
          silenceBefore = 0;
        } else {
          // a move may be seen one look later than its silence
          silenceBefore = silence;
        }
        desk.endpoint = now;
        desk.touch("connection");
      } catch (error) {
        if (error.status === 404 || error.status === 410) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, ENDPOINT_POLL_MS));
  }
}

async function end() {
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

// --- orders ---------------------------------------------------------------------------------

async function place(event) {
  event.preventDefault();
  const side = event.submitter?.value ?? "buy";
  const type = $("order-type").value;
  const order = { symbol: $("order-symbol").value, side, type, quantity: $("order-quantity").value.trim() };
  if (type === "limit") order.price = $("order-price").value.trim();
  if (type === "limit" && !order.price) {
    say($("order-answer"), "A limit order needs a price.", true);
    return;
  }
  const answer = await desk.connection.command("order.new", order);
  if (answer.ok) {
    const { order_id: id, status } = answer.data;
    say($("order-answer"), `Order ${id} (${side}) is ${status.replaceAll("_", " ")}, ${Math.round(answer.ms)} ms.`);
  } else {
    say($("order-answer"), `${answer.error.message} (${answer.error.code})`, true);
  }
}

async function cancel(orderId) {
  const answer = await desk.connection.command("order.cancel", { order_id: orderId });
  if (!answer.ok) say($("order-answer"), `${answer.error.message} (${answer.error.code})`, true);
}

async function simulate(command, data) {
  const answer = await desk.connection.command(command, data);
  if (!answer.ok) note(`${command}: ${answer.error.message}`);
}

function takePrice(price) {
  $("order-price").value = price;
  $("order-price").dataset.touched = "yes";
}

// --- the lab --------------------------------------------------------------------------------

async function watchLab() {
  try {
    const value = await api("/lab/state");
    $("lab").hidden = !value?.backends;
  } catch {
    $("lab").hidden = true; // not the lab: no button to kill with
  }
}

async function disturb(what, words) {
  const { endpoint } = desk;
  if (!endpoint) return;
  note(`${words} ${endpoint}`);
  try {
    await api(`/lab/backends/${endpoint}/${what}`, { method: "POST" });
  } catch (error) {
    note(`${what} ${endpoint}: ${error.message}`);
  }
}

$("sign-in").onclick = () => signIn().catch((error) => say($("welcome-hint"), error.message, true));
$("new-session").onclick = create;
$("order").onsubmit = place;
$("order-type").onchange = (event) => ($("price-field").hidden = event.target.value === "market");
$("order-price").onfocus = (event) => (event.target.dataset.touched = "yes");
$("order-symbol").onchange = (event) => {
  $("order-price").value = "";
  delete $("order-price").dataset.touched;
  desk.show(event.target.value);
};
$("pause").onclick = () => simulate(desk.simulator?.state === "running" ? "simulator.pause" : "simulator.resume");
$("speed").onchange = (event) => simulate("simulator.speed", { speed: Number(event.target.value) });
$("kill").onclick = () => disturb("kill", "you killed");
$("drain").onclick = () => disturb("drain", "you drain");
$("end-session").onclick = end;
for (const radio of document.querySelectorAll("input[name=transport]")) {
  radio.onchange = () => {
    desk.connection?.use(radio.value);
  };
}

// somebody who never signed in here needs not be refused first
if (localStorage.getItem("holdfast-subject")) {
  showSessions().then((signedIn) => signedIn && location.hash.length > 1 && enter(location.hash.slice(1)));
}
