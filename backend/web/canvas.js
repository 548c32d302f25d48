// A canvas that knows its size, the page's colours, and when both have changed.

export class Canvas {
  /** `changed` is called when what was drawn is gone. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.#colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours();
      changed();
    });
    new ResizeObserver(() => {
      this.#resize();
      changed();
    }).observe(canvas);
  }

  /** An empty canvas; false while it cannot be seen. */
  clear() {
    this.context.clearRect(0, 0, this.width ?? 0, this.height ?? 0);
    return Boolean(this.width);
  }

  line(x1, y1, x2, y2, colour, dash = []) {
    const { context } = this;
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
    context.setLineDash([]);
  }

  text(text, x, y, { align = "left", colour = this.colours.muted, weight = "" } = {}) {
    const { context } = this;
    context.font = `${weight} 11px system-ui, sans-serif`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }

  /** Text on a coloured ground. */
  tag(text, x, y, width, colour) {
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x, y - 9, width, 18, 4);
    context.fill();
    this.text(text, x + 6, y + 0.5, { colour: this.colours.ground, weight: "600" });
  }

  #colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = { accent: read("accent"), muted: read("muted"), line: read("line"),
      up: read("up"), down: read("down"), ground: read("panel") };
  }

  #resize() {
    const scale = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = this.width * scale;
    this.canvas.height = this.height * scale;
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
  }
}
