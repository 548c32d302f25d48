// Small things that every part of the page draws with.

export const $ = (id) => document.getElementById(id);

/** What stands where a value is not there yet. */
export const UNKNOWN = "not known yet";

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function makeButton(text, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  return made;
}

export function option(value, text = value) {
  const made = element("option", text);
  made.value = value;
  return made;
}

/** Touches the page only for something new. */
export function set(target, text) {
  const wanted = String(text);
  if (target.textContent !== wanted) target.textContent = wanted;
}

export function paint(target, className) {
  if (target.className !== className) target.className = className;
}

export function say(target, text, bad = false) {
  set(target, text);
  target.classList.toggle("down", bad);
}

/** Puts a line into the list of what happened. */
export function note(text) {
  const item = element("li", text);
  item.prepend(element("time", new Date().toLocaleTimeString("en-GB")));
  $("journal").prepend(item);
  while ($("journal").children.length > 30) $("journal").lastElementChild.remove();
}

/** Keeps as many rows as there are items and fills each: no row is made anew for new numbers. */
export function rows(body, items, fill) {
  while (body.children.length > items.length) body.lastElementChild.remove();
  while (body.children.length < items.length) body.append(document.createElement("tr"));
  items.forEach((item, index) => fill(body.children[index], item));
}

/** The texts of a row; null leaves a cell alone. */
export function cells(row, texts) {
  while (row.children.length < texts.length) row.append(document.createElement("td"));
  texts.forEach((text, index) => text !== null && set(row.children[index], text));
}

export function direction(side) {
  return side === "buy" ? "up" : "down";
}

/** A profit or a loss has its colour. */
export function colour(amount) {
  return amount < 0 ? "down" : amount > 0 ? "up" : "";
}

export function words(code) {
  return code.replaceAll("_", " ");
}

/** Time since the market's opening. */
export function marketTime(ms) {
  return new Date(ms).toISOString().slice(11, 19);
}

export function trim(value) {
  return Number(value).toFixed(4).replace(/\.?0+$/, "");
}

export function money(value) {
  return Number(value).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
