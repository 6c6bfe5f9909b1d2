// The search page: every section of the book is a document, and a result leads to its section.
// The sections come from search-data.js, made when the site was built; MiniSearch ranks them. No request is made.
(() => {
  "use strict";
  const MOST = 50; // results that are shown
  const BEFORE = 80; // letters of an excerpt before the first word found
  const LENGTH = 240;

  const input = document.getElementById("book-search-words");
  const said = document.getElementById("book-search-said");
  const list = document.getElementById("book-search-results");
  const words = (new URLSearchParams(location.search).get("q") || "").trim();
  input.value = words;
  if (!words) {
    input.focus();
    return;
  }

  const sections = window.BOOK_SECTIONS.map(([address, page, title, text], id) => ({ id, address, page, title, text }));
  const index = new MiniSearch({
    fields: ["title", "page", "text"],
    searchOptions: {
      boost: { title: 4, page: 2 },
      combineWith: "AND",
      prefix: (term) => term.length > 2,
      fuzzy: (term) => (term.length > 7 ? 2 : term.length > 4 ? 1 : false), // two letters exchanged are two slips
    },
  });
  index.addAll(sections);

  const plain = (text) => text.toLowerCase().replace(/[\u2018\u2019]/g, "'"); // the book's apostrophes are curly
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const lower = plain(words);
  // What stands there letter by letter comes before what only has the same words.
  const found = index
    .search(words)
    .map((result) => {
      const section = sections[result.id];
      const exact = plain(`${section.title} ${section.text}`).includes(lower);
      return { section, terms: result.terms, score: result.score * (exact ? 2 : 1) };
    })
    .sort((one, other) => other.score - one.score);

  function excerpt(text, terms) {
    const pattern = new RegExp(`(${[words, ...terms].map(escaped).join("|")})`, "giu");
    const first = text.search(pattern);
    const start = Math.max(0, first - BEFORE);
    const cut = text.slice(start, start + LENGTH);
    const paragraph = document.createElement("p");
    if (start) paragraph.append("… ");
    cut.split(pattern).forEach((part, number) => {
      if (number % 2) {
        const mark = document.createElement("mark");
        mark.textContent = part;
        paragraph.append(mark);
      } else {
        paragraph.append(part);
      }
    });
    if (start + LENGTH < text.length) paragraph.append(" …");
    return paragraph;
  }

  for (const { section, terms } of found.slice(0, MOST)) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    // Browsers that know text fragments also mark the word on the page.
    const fragment = section.address.includes("#") ? ":~:text=" : "#:~:text=";
    const inText = section.text.toLowerCase().includes(lower);
    link.href = section.address + (inText ? fragment + encodeURIComponent(words).replace(/-/g, "%2D") : "");
    link.textContent = section.title;
    item.append(link);
    if (section.page !== section.title) {
      const page = document.createElement("span");
      page.className = "book-search-page";
      page.textContent = ` in ${section.page}`;
      item.append(page);
    }
    item.append(excerpt(section.text, terms));
    list.append(item);
  }
  const many = found.length > MOST ? `, the first ${MOST} are shown` : "";
  said.textContent = found.length
    ? `${found.length} ${found.length === 1 ? "section has" : "sections have"} “${words}”${many}.`
    : `No section has “${words}”. Fewer or shorter words find more.`;
})();
