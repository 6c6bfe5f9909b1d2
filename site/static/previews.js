/* What a link leads to, shown beside it: equations, theorems, exercises, figures, words of the glossary, sources.
   A pointer that rests on the link opens it, and so does the keyboard's focus; Escape closes it. */
(() => {
  "use strict";
  const KINDS = "div.math, div.proof, div.exercise, figure, div.citation, dt";
  const WAIT = 250; // ms that a pointer rests before something opens, and may take on its way into it
  const ID = "preview";
  let shown = null; // {link, box}
  let timer = 0;
  const loaded = new Map(); // page -> promise of what it has to show, asked for once
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href).href;
  window.bookPreviews = {}; // page -> {fragment: markup}; the scripts of previews/ fill it

  /* The element of this page that a fragment names; for a permanent link, what it stands in. */
  const target = (hash) => {
    const found = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
    return found ? found.closest(KINDS) || (found.matches("span") && found.querySelector(KINDS)) : null;
  };

  /* Let the page load a script or a style; a page without a server may do that, too. */
  const load = (tag, settings) =>
    new Promise((done, fail) => {
      const element = Object.assign(document.createElement(tag), settings, { onload: done, onerror: fail });
      document.head.append(element);
    });

  /* A page with formulas has their style in its own sheet; any other page asks for it once. */
  let style = document.querySelector(".math .katex") && Promise.resolve();
  const styled = () => (style ||= load("link", { rel: "stylesheet", href: `${root}vendor/katex/katex.min.css` }));

  /* What a fragment of another page names. */
  const elsewhere = async (page, hash) => {
    if (!loaded.has(page)) loaded.set(page, load("script", { src: `${root}previews/${page}.js` }));
    await loaded.get(page);
    const found = document.createElement("template");
    found.innerHTML = window.bookPreviews[page][decodeURIComponent(hash.slice(1))];
    if (found.content.querySelector(".katex")) await styled();
    return found.content.firstElementChild;
  };

  /* A copy that holds no second id, nothing to press and nothing that was hidden. */
  const copy = (element) => {
    const parts = [element];
    if (element.matches("dt")) {
      for (let next = element.nextElementSibling; next; next = next.nextElementSibling) {
        parts.push(next);
        if (next.matches("dd")) break;
      }
    }
    const box = document.createElement("div");
    for (const part of parts) {
      const inner = document.createElement("div");
      inner.className = part.matches("dt") ? "preview-term" : part.className;
      inner.innerHTML = part.innerHTML;
      box.append(inner);
    }
    box.querySelectorAll(".headerlink, button, script, input").forEach((found) => found.remove());
    box.querySelectorAll("[id]").forEach((found) => found.removeAttribute("id"));
    box.querySelectorAll("a").forEach((found) => found.replaceWith(...found.childNodes));
    box.querySelectorAll("[tabindex]").forEach((found) => found.removeAttribute("tabindex"));
    return box;
  };

  const words = (text) => {
    const box = document.createElement("div");
    box.textContent = text;
    return box;
  };

  /* What to show for a link, or null. */
  const content = async (link) => {
    const address = new URL(link.href);
    const here = address.href.split("#")[0] === location.href.split("#")[0];
    const found = here && target(address.hash);
    if (found && !found.contains(link)) return copy(found);
    const told = link.dataset.preview || link.title;
    if (told) {
      link.dataset.preview = told;
      link.removeAttribute("title"); // else the browser would show it a second time
      return words(told);
    }
    return link.dataset.beside ? copy(await elsewhere(link.dataset.beside, address.hash)) : null;
  };

  const close = () => {
    clearTimeout(timer);
    if (!shown) return;
    shown.link.removeAttribute("aria-describedby");
    shown.box.remove();
    shown = null;
  };

  const later = (action) => {
    clearTimeout(timer);
    timer = setTimeout(action, WAIT);
  };

  const open = async (link) => {
    if (shown && shown.link === link) return;
    const inner = await content(link).catch(() => null);
    if (!inner || !(link.matches(":hover") || link === document.activeElement)) return;
    close();
    const box = document.createElement("div");
    box.id = ID;
    box.className = "preview";
    box.setAttribute("role", "tooltip");
    box.append(inner);
    (link.closest("main") || document.body).append(box); // within a landmark, as all that is read
    const place = link.getClientRects()[0] || link.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(place.left, width - box.offsetWidth - 8));
    const above = place.bottom + box.offsetHeight + 8 > window.innerHeight && place.top > box.offsetHeight + 8;
    const origin = box.getBoundingClientRect(); // wherever its containing block begins
    box.style.left = `${left - origin.left}px`;
    box.style.top = `${(above ? place.top - box.offsetHeight - 4 : place.bottom + 4) - origin.top}px`;
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(close));
    link.setAttribute("aria-describedby", ID);
    shown = { link, box };
  };

  const linkOf = (event) =>
    event.target instanceof Element && event.target.closest("article a.internal[href*='#'], article .bibtex-citation a");

  document.addEventListener("pointerover", (event) => {
    const link = event.pointerType !== "touch" && linkOf(event);
    if (link) later(() => open(link));
  });
  document.addEventListener("pointerout", (event) => {
    if (linkOf(event)) later(close);
  });
  document.addEventListener("focusin", (event) => {
    const link = linkOf(event);
    if (link && link.matches(":focus-visible")) open(link);
    else close();
  });
  document.addEventListener("focusout", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
})();
