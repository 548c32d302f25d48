// What affinity does, shown on three clusters' worth of requests side by side.

const NAMES = ["this browser", "ann", "bob", "cyd", "dan", "eve"];
const SESSIONS = 3;
const PERIOD_MS = 500;
const TRAIL = 14;

const $ = (id) => document.getElementById(id);
const random = () => crypto.randomUUID().slice(0, 6);
const PREFIXES = {
  on: { prefix: "/sticky/", named: "/sticky-query/" }, // affinity by cookie, and by `client`
  off: { prefix: "/sticky-off/", named: "/sticky-off/" },
};
const lanes = { on: lane("on"), off: lane("off") };
const contract = { clients: [], total: 0, broken: 0, hops: 0, token: null };
let running = false;

/** Several clients that fill baskets under one prefix, each under a name of its own. The edge knows
 *  the first, which is this browser, by its cookie; the others send none and are known by name. */
function lane(id) {
  const clients = NAMES.map((name, index) => ({ name, key: `${name.replace(" ", "-")}-${id}-${random()}`,
    cookies: index === 0, expected: 0, trail: [] }));
  return { id, ...PREFIXES[id], clients, total: 0, broken: 0 };
}

async function fill(lane, client) {
  let chip;
  try {
    const prefix = client.cookies ? lane.prefix : lane.named;
    const response = await fetch(`${prefix}api/increment?client=${client.key}`,
      { method: "POST", credentials: client.cookies ? "same-origin" : "omit" });
    if (!response.ok) throw new Error(String(response.status));
    const sight = await response.json();
    const broken = sight.count !== client.expected + 1;
    client.expected = sight.count;
    chip = { text: sight.endpoint, kind: broken ? "broken" : "ok" };
  } catch {
    chip = { text: "!", kind: "failed" };
  }
  lane.total += 1;
  if (chip.kind !== "ok") lane.broken += 1;
  remember(client, chip);
}

async function ask(client) {
  let chip;
  try {
    const headers = { Authorization: `Bearer ${contract.token}` };
    const response = await fetch(`/api/v1/sessions/${client.key}`, { headers, credentials: "omit" });
    if (!response.ok) throw new Error(String(response.status));
    const session = await response.json();
    const hops = Number(response.headers.get("Holdfast-Hops") ?? 0);
    contract.hops += hops;
    const intact = session.seq >= client.expected;
    client.expected = session.seq;
    chip = { text: session.endpoint, kind: intact ? (hops > 0 ? "ok hop" : "ok") : "broken" };
  } catch {
    chip = { text: "!", kind: "failed" };
  }
  contract.total += 1;
  if (!chip.kind.startsWith("ok")) contract.broken += 1;
  remember(client, chip);
}

function remember(client, chip) {
  client.trail.unshift(chip);
  if (client.trail.length > TRAIL) client.trail.pop();
}

async function openContract() {
  const answer = await fetch("/api/v1/demo/token", { method: "POST", credentials: "omit",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ subject: `affinity-${random()}` }) });
  if (!answer.ok) throw new Error(`no demo token (${answer.status})`);
  contract.token = (await answer.json()).token;
  for (let index = 0; index < SESSIONS; index += 1) {
    const response = await fetch("/api/v1/sessions", { method: "POST", body: "{}", credentials: "omit",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${contract.token}` } });
    if (!response.ok) throw new Error(`no session (${response.status})`);
    const session = await response.json();
    contract.clients.push({ name: `session ${session.id.slice(0, 4)}`, key: session.id, expected: 0, trail: [] });
  }
}

async function run() {
  running = !running;
  $("run").textContent = running ? "Stop" : "Start";
  $("run").setAttribute("aria-pressed", String(running));
  if (running && contract.clients.length === 0) {
    try {
      await openContract();
    } catch (error) {
      $("contract-hint").textContent = `The session service cannot be shown: ${error.message}.`;
    }
  }
  const everyone = [
    ...Object.values(lanes).flatMap((lane) => lane.clients.map((client) => () => fill(lane, client))),
    ...contract.clients.map((client) => () => ask(client)),
  ];
  for (const [index, step] of everyone.entries()) loop(step, (index / everyone.length) * PERIOD_MS);
}

/** Not in step with the others: a balancer that takes turns would give each the same endpoint. */
async function loop(step, offset) {
  await pause(offset);
  while (running) {
    const next = pause(PERIOD_MS * (0.75 + Math.random() / 2));
    await step();
    draw();
    await next;
  }
}

function draw() {
  for (const lane of Object.values(lanes)) {
    $(`${lane.id}-broken`).textContent = lane.broken;
    $(`${lane.id}-broken`).classList.toggle("bad", lane.broken > 0);
    $(`${lane.id}-total`).textContent = lane.total;
    drawClients($(`${lane.id}-clients`), lane.clients);
  }
  $("contract-broken").textContent = contract.broken;
  $("contract-broken").classList.toggle("bad", contract.broken > 0);
  $("contract-hops").textContent = contract.hops;
  $("contract-total").textContent = contract.total;
  drawClients($("contract-clients"), contract.clients);
}

function drawClients(box, clients) {
  while (box.children.length < clients.length) {
    const row = document.createElement("div");
    row.className = "client";
    for (const name of ["name", "count", "trail"]) {
      row.append(Object.assign(document.createElement("span"), { className: name }));
    }
    box.append(row);
  }
  while (box.children.length > clients.length) box.lastElementChild.remove();
  clients.forEach((client, index) => {
    const [name, count, trail] = box.children[index].children;
    name.textContent = client.name;
    count.textContent = client.expected ? `at ${client.expected}` : "";
    trail.replaceChildren(...client.trail.map(({ text, kind }) =>
      Object.assign(document.createElement("span"), { className: `chip ${kind}`, textContent: text })));
  });
}

async function watchLab() {
  try {
    const response = await fetch("/lab/state");
    const lab = await response.json();
    const apps = lab.sticky_apps ?? [];
    $("kill-app").hidden = apps.length === 0;
    $("kill-app").onclick = async () => {
      const victim = apps[Math.floor(Math.random() * apps.length)].id;
      const answer = await fetch(`/lab/backends/${victim}/kill`, { method: "POST" });
      $("hint").textContent = answer.ok ? `${victim} killed: its baskets are gone, the others go on` : `${victim} was not killed`;
    };
  } catch {
    $("kill-app").hidden = true;
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

$("run").onclick = run;
$("reset").onclick = () => {
  for (const id of Object.keys(lanes)) lanes[id] = lane(id);
  Object.assign(contract, { total: 0, broken: 0, hops: 0 });
  for (const client of contract.clients) client.trail = [];
  if (running) run();
  draw();
};
draw();
watchLab();
