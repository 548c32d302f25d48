// The controls of the simulated market: its speed, single steps, disturbances, and a new beginning.
import { $, marketTime, note, option, set, words } from "/dom.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** What each button does to the symbol that is looked at. */
const SHOCKS = {
  "news-good": { type: "news", basis_points: 200 },
  "news-bad": { type: "news", basis_points: -200 },
  sweep: { type: "sweep", side: "sell", quantity: "60", over: "2s" },
  halt: { type: "halt", lasts: "10s" },
  thin: { type: "thin", basis_points: 2_000 },
};

export class Simulation {
  /** `run` sends a command and says what went wrong; `end` ends the session. */
  constructor(desk, run, end) {
    this.desk = desk;
    this.run = run;
    this.happened = null;
    $("speed").replaceChildren(...SPEEDS.map((speed) => option(speed, `× ${speed}`)));
    $("speed").onchange = ({ target }) => run("simulator.speed", { speed: Number(target.value) });
    $("pause").onclick = () => run(this.#runs() ? "simulator.pause" : "simulator.resume", {});
    $("step").onclick = () => run("simulator.step", { ticks: 100 });
    $("end-session").onclick = end;
    for (const [id, shock] of Object.entries(SHOCKS)) {
      $(`shock-${id}`).onclick = () => run("simulator.shock", { ...shock, symbol: desk.symbol });
    }
    $("restart").onsubmit = (event) => this.#restart(event);
    desk.part("simulator", 0, () => this.#draw());
    desk.part("clock", 250, () => set($("market-time"), marketTime(desk.time)));
  }

  #runs() {
    return this.desk.simulator?.state === "running";
  }

  async #restart(event) {
    event.preventDefault();
    const scenario = $("restart-scenario").value;
    const begun = await this.run("session.restart", { scenario });
    if (begun) note(`market begun anew: ${words(scenario)}`);
  }

  #draw() {
    const { simulator } = this.desk;
    if (!simulator) return;
    const { state, speed, scenario, condition, symbol, time } = simulator;
    set($("simulator-state"), state === "running" ? `running × ${speed}` : state);
    set($("pause"), state === "running" ? "Pause" : "Resume");
    set($("scenario-name"), words(scenario));
    const known = [...$("speed").options].some(({ value }) => value === String(speed));
    if (!known) $("speed").append(option(speed, `× ${speed}`));
    $("speed").value = String(speed);
    const happened = condition ? `${condition} ${time}` : this.happened;
    if (happened !== this.happened) note(`${symbol}: ${words(condition)}`);
    this.happened = happened;
  }
}
