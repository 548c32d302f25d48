// Texts that stand out too little: below 4.5 to 1 (WCAG 2.2, success criterion 1.4.3).
const parts = (text) => {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return [red, green, blue, alpha];
};
const over = (top, under) =>
  top.slice(0, 3).map((part, at) => part * top[3] + under[at] * (1 - top[3]));
const luminance = (colour) => {
  const linear = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};

/** What is behind an element: the grounds of all around it, laid over white. */
function ground(element) {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    layers.unshift(parts(getComputedStyle(one).backgroundColor));
  }
  return layers.reduce((under, top) => over(top, under), [255, 255, 255]);
}

function contrast(element) {
  const under = ground(element);
  const text = over(parts(getComputedStyle(element).color), under);
  const [dark, bright] = [luminance(under), luminance(text)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}

const hasText = ({ childNodes }) => [...childNodes].some(({ nodeType, textContent }) =>
  nodeType === Node.TEXT_NODE && textContent.trim());
return [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest(":disabled") && hasText(one))
  .filter((one) => contrast(one) < 4.5)
  .map((one) => `${contrast(one).toFixed(1)}: ${one.outerHTML.slice(0, 120)}`);
