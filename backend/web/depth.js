// How much could be traded and how far that would move the price: both sides, summed up.
import { Canvas } from "/canvas.js";
import { trim } from "/dom.js";

const LEVELS = 40;
const TOP_PX = 14;
const AXIS_PX = 18;

export class Depth extends Canvas {
  draw(book) {
    if (!this.clear()) return;
    const [bids, asks] = [book.top("bids", LEVELS), book.top("asks", LEVELS)];
    if (bids.length === 0 || asks.length === 0) return;
    const middle = (Number(bids[0][0]) + Number(asks[0][0])) / 2;
    const reaches = [middle - Number(bids.at(-1)[0]), Number(asks.at(-1)[0]) - middle];
    // one order far away is no reason to show nothing of the others
    const reach = Math.max(Math.min(...reaches), Math.max(...reaches) / 8);
    const most = Math.max(bids.at(-1)[2], asks.at(-1)[2]);
    const floor = this.height - AXIS_PX;
    const x = (price) => ((price - middle) / reach / 2 + 0.5) * this.width;
    const y = (total) => floor - (total / most) * (floor - TOP_PX);
    this.#side(bids, x, y, floor, 0, this.colours.up);
    this.#side(asks, x, y, floor, this.width, this.colours.down);
    this.line(this.width / 2, TOP_PX, this.width / 2, floor, this.colours.line, [3, 3]);
    const under = this.height - AXIS_PX / 2;
    this.text((middle - reach).toFixed(2), 0, under);
    this.text(trim(middle), this.width / 2, under, { align: "center" });
    this.text((middle + reach).toFixed(2), this.width, under, { align: "right" });
    this.text(`${trim(bids.at(-1)[2])} bid`, 0, 7, { colour: this.colours.up });
    this.text(`${trim(asks.at(-1)[2])} asked`, this.width, 7,
      { align: "right", colour: this.colours.down });
  }

  /** Steps outwards from the middle to `edge`: a total holds until the next price. */
  #side(levels, x, y, floor, edge, colour) {
    const { context } = this;
    context.beginPath();
    context.moveTo(x(levels[0][0]), floor);
    let before = floor;
    for (const [price, , total] of levels) {
      context.lineTo(x(price), before);
      before = y(total);
      context.lineTo(x(price), before);
    }
    context.lineTo(edge, before);
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(edge, floor);
    context.globalAlpha = 0.12;
    context.fill();
    context.globalAlpha = 1;
  }
}
