// What the scripts say to the reader, in the language of the page. English is the key: the built site in another
// language begins this file with BOOK_WORDS, which has its words for each text (tools/web/languages.py).
// Every page loads this before any other script of the book; node has it too, which draws the still pictures.
(() => {
  "use strict";
  const own = (known, key) => Object.prototype.hasOwnProperty.call(known, key);

  /** `text` in the language of the page; `{name}` in it becomes `values.name`, and stays where that is missing. */
  globalThis.say = (text, values = {}) => {
    const known = globalThis.BOOK_WORDS || {};
    const said = own(known, text) ? known[text] : text;
    return said.replace(/\{(\w+)\}/g, (mark, name) => (own(values, name) ? values[name] : mark));
  };
})();
