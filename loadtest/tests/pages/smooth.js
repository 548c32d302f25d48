// How smoothly a page goes on: frames and long tasks of some seconds, and whether it is only
// touched in frames.

/** Intervals between frames in ms, and tasks of 50 ms and more (W3C Long Tasks), over `seconds`. */
window.watchFrames = (seconds) => new Promise((resolve) => {
  const [intervals, tasks] = [[], []];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  });
  observer.observe({ type: "longtask" });
  const entries = () => Number(document.querySelector("#c-entries").textContent);
  const [began, before] = [performance.now(), entries()];
  let last = began;
  const frame = (now) => {
    intervals.push(now - last);
    last = now;
    if (now - began < seconds * 1_000) {
      requestAnimationFrame(frame);
      return;
    }
    observer.disconnect();
    intervals.shift();
    intervals.sort((a, b) => a - b);
    const at = (share) => intervals[Math.floor((intervals.length - 1) * share)];
    resolve({ seconds: (now - began) / 1_000, entries: entries() - before, frames: intervals.length,
      p50: at(0.5), p95: at(0.95), p99: at(0.99), worst: intervals.at(-1),
      tasks: tasks.length, longest: Math.max(0, ...tasks) });
  };
  requestAnimationFrame(frame);
});

/** Counts until `entries` more came: how often the page was drawn at all, how often in how many
 *  frames, and what of it was made anew. */
window.countDrawings = (entries) => new Promise((resolve) => {
  const shown = () => Number(document.querySelector("#c-entries").textContent);
  const [before, said] = [shown(), { frames: 0, drawings: 0, made: 0 }];
  const observer = new MutationObserver((records) => {
    said.drawings += 1;
    for (const { addedNodes } of records) {
      for (const { nodeType } of addedNodes) said.made += nodeType === Node.ELEMENT_NODE ? 1 : 0;
    }
  });
  const market = { childList: true, characterData: true, attributes: true, subtree: true };
  for (const part of ["#asks", "#bids", "#trades"]) {
    observer.observe(document.querySelector(part), market);
  }
  const frame = () => {
    said.frames += 1;
    said.entries = shown() - before;
    if (said.entries < entries) requestAnimationFrame(frame);
    else resolve(said);
  };
  requestAnimationFrame(frame);
});
