/* Which pages the reader has read: marks in the list of pages, kept in this browser and nowhere else.
   A page counts as read when the reader says so, or has reached its end after a while. */
(() => {
  "use strict";
  const KEY = "resnet-from-zero:read";
  const LEAST = 60; // seconds on a page before its end counts: nobody reads one faster
  const COUNTED = /^book\/(?!lists\/|reference\/|index|glossary|bibliography)(.+)\.html$/;
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);

  /* "book/01_background" of an address in this book, or null. */
  const nameOf = (address) => {
    const url = new URL(address, location.href);
    const path = url.href.split(/[?#]/)[0];
    return path.startsWith(root.href) && COUNTED.test(path.slice(root.href.length))
      ? path.slice(root.href.length).replace(/\.html$/, "")
      : null;
  };

  let kept = true; // whether this browser keeps what it is given
  let read = new Set();
  const load = () => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) || "[]");
      read = new Set(Array.isArray(found) ? found.filter((name) => typeof name === "string") : []);
    } catch (error) {
      kept = !(error instanceof DOMException);
    }
  };
  const save = () => {
    try {
      if (read.size) localStorage.setItem(KEY, JSON.stringify([...read].sort()));
      else localStorage.removeItem(KEY);
    } catch {
      kept = false;
    }
  };

  const name = nameOf(location.href);
  const places = "#pst-primary-sidebar nav a, .chapter-map h3 a.internal, .chapter-map li a:first-child";
  const links = [...document.querySelectorAll(places)].filter((link) => nameOf(link.href));
  const all = new Set(links.map((link) => nameOf(link.href)));

  const marked = () => {
    for (const link of links) {
      const mark = link.querySelector(".read-mark");
      if (!read.has(nameOf(link.href))) mark?.remove();
      else if (!mark) {
        const sign = document.createElement("span");
        sign.className = "read-mark";
        sign.innerHTML = '<span aria-hidden="true">\u00a0\u2713</span><span class="visually-hidden"></span>';
        sign.lastChild.textContent = " " + say("(read)");
        link.append(sign);
      }
    }
  };

  const box = document.createElement("div");
  box.className = "reading-progress";
  box.innerHTML =
    '<p><button type="button" class="mark"></button> <button type="button" class="clear"></button></p>' +
    '<p><span role="status"></span> <span class="where"></span></p>';
  const [mark, clear] = box.querySelectorAll("button");
  clear.textContent = say("Clear all marks");

  const show = () => {
    marked();
    const is = read.has(name);
    mark.hidden = !name;
    mark.setAttribute("aria-pressed", String(is));
    mark.textContent = is ? say("\u2713 Read") : say("Mark as read");
    clear.hidden = !read.size;
    const count = [...read].filter((one) => all.has(one)).length;
    const said = say("You have read {count} of {all} pages.", { count, all: all.size });
    box.querySelector("[role=status]").textContent = said;
    box.querySelector(".where").textContent = kept
      ? say("The marks stay in this browser; nothing is sent anywhere.")
      : say("This browser keeps no marks, so they last until you leave the page.");
  };

  const set = (is) => {
    load(); // another window may have marked a page
    if (is) read.add(name);
    else read.delete(name);
    save();
    show();
  };

  load();
  const article = document.querySelector("article.bd-article");
  if (!article || !all.size || !(name || document.querySelector(".chapter-map"))) return;
  article.append(box);
  show();
  mark.addEventListener("click", () => set(!read.has(name)));
  clear.addEventListener("click", () => {
    read.clear();
    save();
    show();
    (name ? mark : article.querySelector("h1 a, a")).focus();
  });
  window.addEventListener("storage", (event) => {
    if (event.key !== KEY && event.key !== null) return;
    load();
    show();
  });
  if (!name || read.has(name)) return;
  const opened = Date.now();
  let waiting = 0;
  const end = new IntersectionObserver(([entry]) => {
    clearTimeout(waiting);
    if (!entry.isIntersecting) return;
    const left = LEAST * 1000 - (Date.now() - opened);
    waiting = setTimeout(() => {
      end.disconnect();
      set(true);
    }, Math.max(0, left));
  });
  end.observe(box);
})();
