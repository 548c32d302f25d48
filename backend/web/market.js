// The market that is looked at: its book, its last price, its trades, its candles and its depth.
import { Chart } from "/chart.js";
import { Depth } from "/depth.js";
import { $, cells, direction, element, marketTime, paint, rows, set, trim } from "/dom.js";

const DEPTH = 11;
const TRADES = 12;

export class Market {
  /** `onPrice` is told a price that was clicked. */
  constructor(desk, onPrice) {
    this.desk = desk;
    this.onPrice = onPrice;
    this.chart = new Chart($("chart"), () => desk.redraw("chart"));
    this.depth = new Depth($("depth"), () => desk.redraw("depth"));
    $("interval").onchange = () => desk.redraw("chart");
    desk.part("book", 66, () => this.#book());
    desk.part("last", 100, () => this.#last());
    desk.part("trades", 100, () => this.#trades());
    desk.part("chart", 200, () => this.#chart());
    desk.part("depth", 150, () => this.depth.draw(desk.books.get(desk.symbol)));
  }

  /** One choice for each symbol; `onSymbol` is told which was made. */
  offer(symbols, onSymbol) {
    $("symbols").replaceChildren(...symbols.map(({ symbol }, index) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"),
        { type: "radio", name: "symbol", value: symbol, checked: index === 0 });
      radio.onchange = () => onSymbol(symbol);
      label.append(radio, element("span", symbol));
      return label;
    }));
  }

  #book() {
    const book = this.desk.books.get(this.desk.symbol);
    const [asks, bids] = [book.top("asks", DEPTH), book.top("bids", DEPTH)];
    const most = Math.max(asks.at(-1)?.[2] ?? 0, bids.at(-1)?.[2] ?? 0) || 1;
    // always as many rows: a thin book makes nothing jump
    const pad = (levels) => [...levels, ...Array(DEPTH - levels.length).fill(null)];
    const fill = (row, level) => this.#level(row, level, most);
    rows($("asks"), pad(asks).reverse(), fill);
    rows($("bids"), pad(bids), fill);
    const [bid, ask] = [bids[0]?.[0], asks[0]?.[0]];
    set($("spread"), bid && ask ? `spread ${trim(ask - bid)}` : "one side is empty");
  }

  #level(row, level, most) {
    const [price, quantity, total] = level ?? ["", "", 0];
    cells(row, [price, quantity, level ? trim(total) : ""]);
    const depth = `${Math.round((100 * total) / most)}%`;
    if (row.dataset.depth !== depth) {
      row.dataset.depth = depth;
      row.style.setProperty("--depth", depth);
    }
    row.onclick ??= () => row.firstElementChild.textContent
      && this.onPrice(row.firstElementChild.textContent);
  }

  #last() {
    const [last, before] = this.desk.market.trades;
    set($("last-price"), last?.price ?? "–");
    const fell = last && before && Number(last.price) < Number(before.price);
    paint($("last-price"), fell ? "down" : "up");
  }

  #trades() {
    const { trades } = this.desk.market;
    rows($("trades"), [...trades, ...Array(TRADES - trades.length).fill(null)], (row, trade) => {
      cells(row, trade ? [marketTime(trade.time), trade.price, trade.quantity] : ["", "", ""]);
      paint(row, trade ? direction(trade.side) : "");
    });
  }

  #chart() {
    const { desk } = this;
    const own = desk.working.filter(({ symbol }) => symbol === desk.symbol);
    const { tick } = desk.symbols.get(desk.symbol);
    this.chart.draw(desk.market.series, Number($("interval").value), own, Number(tick));
  }
}
