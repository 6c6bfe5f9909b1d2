// What has to be scrolled can be reached by keyboard; what fits is no stop on the way. Each box is looked at when
// it is laid out, and not before: what lies far below the screen may wait.
(() => {
  "use strict";
  const FORMULA = ".katex-display";
  const BOXES = "pre, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container";
  const NAMED = { role: "group", "aria-label": say("Formula, wider than the page") };
  const scrolls = (box) =>
    box.scrollWidth > box.clientWidth || (!box.matches(FORMULA) && box.scrollHeight > box.clientHeight);
  const observer = new ResizeObserver((entries) => {
    const boxes = entries.map(({ target }) => [target, scrolls(target)]); // first all is measured, then changed
    for (const [box, isStop] of boxes) {
      const said = { tabindex: "0", ...(box.matches(FORMULA) ? NAMED : {}) };
      for (const [name, value] of Object.entries(said)) {
        if (isStop) box.setAttribute(name, value);
        else box.removeAttribute(name);
      }
    }
  });
  document.querySelectorAll(`${FORMULA}, ${BOXES}`).forEach((box) => observer.observe(box));
})();
