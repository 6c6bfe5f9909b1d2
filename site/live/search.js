// The search page: every section of the book is a document, and a result leads to its section.
// The sections come from search-data.js, made when the site was built; MiniSearch ranks them. No request is made.
// Chinese is written without gaps between words, so each two characters that stand side by side count as a word.
(() => {
  "use strict";
  const MOST = 50; // results that are shown
  const BEFORE = 80; // letters of an excerpt before the first word found
  const LENGTH = 240;
  const HAN = /\p{Script=Han}+/gu;
  const isHan = (term) => /\p{Script=Han}/u.test(term);

  /** A run of Chinese characters in overlapping pairs; a single one stays by itself. */
  function pairs(run) {
    const signs = [...run]; // some take two units of UTF-16
    return signs.length < 2 ? signs : signs.slice(1).map((sign, place) => signs[place] + sign);
  }

  /** What a word that is looked for counts as: itself, or each pair of Chinese in it and whatever else it has. */
  function termsOf(term) {
    const word = term.toLowerCase();
    if (!isHan(word)) return word;
    const others = word.split(HAN).filter(Boolean); // "resnet" of a word of two scripts
    return [...others, ...word.match(HAN).flatMap(pairs)];
  }

  /** What a text is found by: the same, and the last character of each run, which begins no pair. With these a
   *  single character is found wherever it stands, as the beginning of a term. */
  function keysOf(term, isQuoted) {
    const word = term.toLowerCase();
    if (!isHan(word)) return word;
    const others = word.split(HAN).filter(Boolean);
    const runs = word.match(HAN);
    const ends = runs.flatMap((run) => [...run].slice(1).slice(-1)); // a single one is there already
    return [...(isQuoted && others.length ? [word] : others), ...runs.flatMap(pairs), ...ends];
  }

  /** How MiniSearch is to index and to search. An English book quotes Chinese here and there; what is searched in
   *  English finds there what it always found, so a quoted word of two scripts stays whole. All this is done in
   *  `processTerm` and not in `tokenize`, which would make a section longer that has a Chinese word in it. */
  const optionsFor = (language) => ({
    fields: ["title", "page", "text"],
    processTerm: (term) => keysOf(term, !language.startsWith("zh")),
    searchOptions: {
      boost: { title: 4, page: 2 },
      combineWith: "AND",
      processTerm: (term) => termsOf(term),
      prefix: (term) => (isHan(term) ? [...term].length === 1 : term.length > 2),
      // Two letters exchanged are two slips.
      fuzzy: (term) => (isHan(term) ? false : term.length > 7 ? 2 : term.length > 4 ? 1 : false),
    },
  });

  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  /** What is marked in an excerpt: the words as they were typed, runs of Chinese, and the terms that were found. */
  const marked = (words, terms) =>
    new RegExp(`(${[words, ...(words.match(HAN) || []), ...terms].map(escaped).join("|")})`, "giu");

  if (typeof module === "object") {
    module.exports = { optionsFor, marked };
    return;
  }

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
  const index = new MiniSearch(optionsFor(document.documentElement.lang));
  index.addAll(sections);

  const plain = (text) => text.toLowerCase().replace(/[\u2018\u2019]/g, "'"); // the book's apostrophes are curly
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
    const pattern = marked(words, terms);
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
      page.textContent = " " + say("in {page}", { page: section.page });
      item.append(page);
    }
    item.append(excerpt(section.text, terms));
    list.append(item);
  }
  const values = { count: found.length, words, shown: MOST };
  if (!found.length) said.textContent = say("No section has “{words}”. Fewer or shorter words find more.", values);
  else if (found.length === 1) said.textContent = say("{count} section has “{words}”.", values);
  else if (found.length <= MOST) said.textContent = say("{count} sections have “{words}”.", values);
  else said.textContent = say("{count} sections have “{words}”, the first {shown} are shown.", values);
})();
