// A displayed formula that has to be scrolled can be reached by keyboard; one that fits is no stop on the way.
(() => {
  "use strict";
  const formulas = document.querySelectorAll(".katex-display");
  if (!formulas.length) return;
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) {
        target.tabIndex = 0;
        target.setAttribute("role", "group");
        target.setAttribute("aria-label", "Formula, wider than the page");
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
      }
    }
  });
  formulas.forEach((formula) => observer.observe(formula));
})();
