/* The link to the other language leads to the same place of the page: the section that the reader sees on top.
   Sections have the same names in both languages. */
(() => {
  "use strict";
  const link = document.querySelector("a.language-switch");
  if (!link) return;
  const plain = link.href;
  const place = () => {
    const seen = [...document.querySelectorAll("article section[id]")].filter(
      (section) => section.getBoundingClientRect().top < window.innerHeight / 3,
    );
    const last = window.scrollY > 0 && seen.pop();
    return last ? `#${last.id}` : location.hash;
  };
  const lead = () => {
    link.href = plain + place();
  };
  for (const event of ["pointerdown", "focus", "click"]) link.addEventListener(event, lead);
})();
