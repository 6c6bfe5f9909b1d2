"use strict";
// What all figures to touch have in common: sliders are read, a picture and a sentence are shown.
//
// A figure is three functions of the state of its sliders and of the data in the page:
//   draw   the picture, as SVG in words
//   tell   the same in a sentence, for those who read or hear it
//   words  what stands beside a slider (left out: the number itself)
// and, where a slider's end depends on the others, `ends`. They touch nothing of the page, so that a test, and
// the program that draws the still pictures, can ask them too. What they say goes through `say`, whole sentences
// with named values, so that another language may order them otherwise (site/static/words.js).
// A classic script, since browsers load no modules from a file on the disk.
(function () {
  const figures = {};

  /** What the page shows for a state: picture, sentence, and words for every slider. */
  function show(name, state, data) {
    const figure = figures[name];
    const words = figure.words || {};
    const values = Object.entries(state).map(([slider, value]) => [
      slider,
      words[slider] ? words[slider](value, data) : String(value),
    ]);
    return {
      picture: figure.draw(state, data),
      says: figure.tell(state, data),
      values: Object.fromEntries(values),
    };
  }

  /** Bring one figure of the page to life. */
  function start(element) {
    const name = element.dataset.touch;
    const data = JSON.parse(element.querySelector(".touch-data").textContent);
    const sliders = [...element.querySelectorAll("input[type=range]")];
    const part = (kind) => element.querySelector(`.touch-${kind}`);

    function update() {
      const read = () => Object.fromEntries(sliders.map((slider) => [slider.name, Number(slider.value)]));
      for (const [slider, end] of Object.entries((figures[name].ends || (() => ({})))(read(), data))) {
        sliders.find((one) => one.name === slider).max = end; // the browser pulls the value back with it
      }
      const now = show(name, read(), data);
      part("picture").innerHTML = now.picture;
      part("says").textContent = now.says;
      for (const slider of sliders) {
        slider.setAttribute("aria-valuetext", now.values[slider.name]);
        element.querySelector(`output[for="${slider.id}"]`).textContent = now.values[slider.name];
      }
    }

    for (const slider of sliders) slider.addEventListener("input", update);
    element.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    update(); // a browser may have kept the sliders of an earlier visit
    element.querySelector("fieldset").disabled = false;
  }

  /** Name a figure's functions; the figures of that name in this page start. */
  function register(name, figure) {
    figures[name] = figure;
    if (typeof document === "undefined") return;
    document.querySelectorAll(`figure[data-touch="${name}"]`).forEach(start);
  }

  /** An element of SVG in words; what is undefined is left out. */
  function tag(name, attributes, inside = "") {
    const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
    return `<${name}${given.map(([key, value]) => ` ${key}="${value}"`).join("")}>${inside}</${name}>`;
  }

  /** The whole picture: 360 units wide, as a telephone, and as wide as the page lets it be. */
  function svg(height, label, parts) {
    const look = { viewBox: `0 0 360 ${height}`, role: "img", "aria-label": label };
    return tag("svg", { xmlns: "http://www.w3.org/2000/svg", ...look }, parts.join(""));
  }

  /** Words in the picture; `anchor` is start, middle or end. */
  function text(x, y, words, anchor = "start", kind = undefined) {
    return tag("text", { x, y, "text-anchor": anchor, class: kind }, words);
  }

  /** A number with `digits` decimals, without a negative zero. */
  function fixed(value, digits) {
    const words = value.toFixed(digits);
    return Number(words) === 0 ? words.replace("-", "") : words;
  }

  const Touch = { register, show, tag, svg, text, fixed };
  if (typeof module === "object") module.exports = Touch;
  else window.Touch = Touch;
})();
