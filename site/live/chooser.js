// Where a reader hands in a picture: a file, a drop, or one of the drawings that come with the book.

import { element } from "./dom.js";
import { decode } from "./picture.js";

const SAMPLES = ["cat-1", "dog-1", "cat-2", "dog-2"];

/** What a drawing is called: by itself, and within a sentence. */
function called(name) {
    const [kind, number] = name.split("-");
    if (kind === "cat") {
        const alone = say("a drawn cat, number {number}", { number });
        return { alone, within: say("the drawn cat {number}", { number }) };
    }
    return { alone: say("a drawn dog, number {number}", { number }), within: say("the drawn dog {number}", { number }) };
}

const urlOf = (name) => new URL(`samples/${name}.png`, import.meta.url).href;

/** The controls, and `begin()`, which takes the first drawing. `take(bitmap, name)` gets each picture;
 *  what it throws is told to the reader. */
export function chooser(take) {
    const problem = element("p", { role: "alert", class: "live-problem" });
    const input = element("input", { type: "file", accept: "image/*", id: "live-file", onchange: picked });
    const samples = SAMPLES.map((name) =>
        element(
            "button",
            { type: "button", class: "live-sample", "aria-pressed": "false", onclick: () => sample(name) },
            element("img", {
                src: urlOf(name),
                width: 64,
                height: 64,
                alt: called(name).alone,
            }),
        ),
    );
    const zone = element(
        "div",
        { class: "live-chooser", ondragover, ondragleave, ondrop },
        element("label", { for: "live-file" }, say("Your photograph (choose a file, or drop one here)")),
        input,
        element(
            "div",
            { role: "group", "aria-label": say("Drawings of this book"), class: "live-samples" },
            ...samples,
        ),
        element("p", {}, say("No photograph leaves your machine: this page reads it and sends nothing anywhere.")),
        problem,
    );

    async function use(blob, name, pressed) {
        problem.textContent = "";
        try {
            await take(await decode(blob, name), name);
            samples.forEach((button, k) =>
                button.setAttribute("aria-pressed", String(SAMPLES[k] === pressed)),
            );
        } catch (error) {
            problem.textContent = error.message;
        }
    }
    async function sample(name) {
        await use(await (await fetch(urlOf(name))).blob(), called(name).within, name);
    }
    function picked() {
        if (input.files.length) use(input.files[0], input.files[0].name);
    }
    function ondragover(event) {
        event.preventDefault();
        zone.classList.add("live-over");
    }
    function ondragleave() {
        zone.classList.remove("live-over");
    }
    function ondrop(event) {
        event.preventDefault();
        ondragleave();
        const file = event.dataTransfer.files[0];
        if (file) use(file, file.name);
    }
    return { element: zone, begin: () => sample(SAMPLES[0]) };
}
