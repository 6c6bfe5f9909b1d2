// Small helpers for pages that build themselves once they are asked to.

/** A new element: element("p", {class: "said"}, "text", otherElement). */
export function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
        else if (value === true) made.setAttribute(name, "");
        else if (value !== false && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
}

/** 0.934 -> "93 %"; what is nearly certain is not called certain. */
export function percent(share) {
    const rounded = Math.round(100 * share);
    if (rounded === 100 && share < 1) return say("over 99 %");
    if (rounded === 0 && share > 0) return say("under 1 %");
    return say("{percent} %", { percent: rounded });
}

/** Which part of a map has its largest value, in words: "in the middle", "lower left". */
export function placeOf(values, width) {
    const peak = values.indexOf(Math.max(...values));
    const third = (place) => Math.floor((3 * (place + 0.5)) / width);
    const places = [
        [say("upper left"), say("upper"), say("upper right")],
        [say("left"), say("in the middle"), say("right")],
        [say("lower left"), say("lower"), say("lower right")],
    ];
    return places[third(Math.floor(peak / width))][third(peak % width)];
}

/** A canvas for what a network sees of a picture; `label` says so to a listener. */
export function seenCanvas(label) {
    return element("canvas", { role: "img", "aria-label": label, class: "live-seen" });
}

/** The head of a page: where a picture is chosen, and beside it what a network sees of it, with words below. */
export function pageHead(chooser, canvas, words) {
    const figure = element("figure", { class: "live-small" }, canvas, element("figcaption", {}, words));
    return element("div", { class: "live-top" }, chooser.element, figure);
}

/** Does one thing after the other, in the order asked for; of those that wait only the last is done. */
export class Latest {
    #running = Promise.resolve();
    #asked = 0;

    /** Resolves to what `work` gives, or to undefined where something newer was asked for meanwhile. */
    do(work) {
        const number = ++this.#asked;
        const result = this.#running.then(() => (number === this.#asked ? work() : undefined));
        this.#running = result.catch(() => {});
        return result.then((value) => (number === this.#asked ? value : undefined));
    }
}

/** What stands on the page until the reader asks for the network: a button that loads it, and what is said
 *  meanwhile. `begin` gets a function that puts the loaded thing in place of all this. */
export function loadButton(place, { label, begin }) {
    const said = element("p", { role: "status", class: "live-said" });
    const button = element("button", { type: "button", class: "live-button", onclick: start }, label);

    async function start() {
        button.disabled = true;
        said.textContent = say("Loading ...");
        try {
            const made = await begin();
            place.replaceChildren(...made.children);
            place.dataset.state = "ready";
            place.querySelector("input").focus(); // the button that had the focus is gone
        } catch (error) {
            button.disabled = false;
            said.textContent = say("It could not be loaded: {error}", { error: error.message });
        }
    }
    place.replaceChildren(button, said);
    place.dataset.state = "waiting";
}
