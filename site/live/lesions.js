// The page "Cut it yourself": a trained network and its plain twin, with a switch for each branch and shortcut.

import { chooser } from "./chooser.js";
import { element, Latest, loadButton, pageHead, percent, placeOf, seenCanvas } from "./dom.js";
import { load } from "./network.js";
import { drawPixels, drawSquare, pixelsOf } from "./picture.js";

const NAMES = { residual: say("With shortcuts"), plain: say("The plain twin") };
const KINDS = { cat: say("cat"), dog: say("dog") }; // what the networks answer
const BLOCKS = 8;
const PER_STAGE = 2;
const SIDE = 256; // of a drawn picture, in pixels of the screen
const COLORS = { cat: [213, 94, 0], dog: [86, 180, 233] }; // the book's: reporting/roles.py

const ones = () => Array(BLOCKS).fill(1);

/** The multipliers of both networks for what is switched on: {residual, plain}.
 *  In the plain twin a block whose branch is cut hands on what it got, as in the other one. */
export function multipliersOf({ shortcuts, branches }) {
    return { residual: { shortcuts, branches }, plain: { shortcuts: branches.map((b) => 1 - b), branches } };
}

const branchOf = (k) => say("branch {number}", { number: k + 1 });
const shortcutOf = (k) => say("shortcut {number}", { number: k + 1 });

/** Several things in a row: "branch 2, branch 3, shortcut 1". */
const listed = (words) => words.reduce((list, next) => say("{list}, {next}", { list, next }));

/** What is switched off, in a sentence. */
function cutsOf({ shortcuts, branches }) {
    const off = (values, nameOf) => values.flatMap((on, k) => (on ? [] : [nameOf(k)]));
    const cuts = [...off(branches, branchOf), ...off(shortcuts, shortcutOf)];
    return cuts.length ? say("Cut: {cuts}.", { cuts: listed(cuts) }) : say("Nothing is cut.");
}

/** One network's side of the page: its answer in words and bars, and where it finds the evidence. */
class Side {
    constructor(name, network) {
        this.network = network;
        this.said = element("p", { class: "live-answer" });
        this.bars = network.classes.map((kind) => {
            const bar = element("div", { class: `live-bar live-${kind}` });
            const number = element("span", { class: "live-number" });
            return {
                bar,
                number,
                row: element(
                    "div",
                    { class: "live-row" },
                    `${KINDS[kind]} `,
                    element("div", { class: "live-track" }, bar),
                    number,
                ),
            };
        });
        this.canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", class: "live-picture" });
        this.numbers = element("p", { class: "live-numbers", "data-network": name });
        this.element = element(
            "section",
            { "aria-label": NAMES[name], class: "live-side" },
            element("h3", {}, NAMES[name]),
            this.said,
            ...this.bars.map(({ row }) => row),
            this.canvas,
            element("details", {}, element("summary", {}, say("The numbers")), this.numbers),
        );
    }

    show({ logits, probabilities, best, evidence }, bitmap, withMap) {
        const kind = this.network.classes[best];
        this.answer = say("{kind}, {share}", { kind: KINDS[kind], share: percent(probabilities[best]) });
        this.said.textContent = this.answer;
        this.bars.forEach(({ bar, number }, k) => {
            bar.style.inlineSize = `${100 * probabilities[k]}%`;
            number.textContent = percent(probabilities[k]);
        });
        const [, , height, width] = evidence.dims;
        const map = Array.from(evidence.data.slice(best * height * width, (best + 1) * height * width));
        drawSquare(this.canvas, bitmap);
        const where = withMap && drawEvidence(this.canvas, map, width, COLORS[kind]);
        this.canvas.setAttribute(
            "aria-label",
            where
                ? say("The picture; the evidence for {kind} is strongest {where}", { kind: KINDS[kind], where })
                : say("The picture"),
        );
        const each = this.network.classes.map((name, k) =>
            say("{kind} {logit}", { kind: KINDS[name], logit: logits[k].toFixed(6) }),
        );
        this.numbers.textContent = say(
            "Logits: {logits}. Temperature: {temperature}. Probability of {kind}: {probability}.",
            {
                logits: listed(each),
                temperature: this.network.temperature.toFixed(6),
                kind: KINDS[kind],
                probability: probabilities[best].toFixed(6),
            },
        );
    }
}

/** Lay a map over a picture: the stronger the evidence, the denser the colour. Where it is strongest, in words;
 *  "" where no place speaks for the class. */
function drawEvidence(canvas, map, width, [red, green, blue]) {
    const most = Math.max(...map);
    if (!(most > 0)) return "";
    const small = element("canvas", { width, height: map.length / width });
    const image = new ImageData(width, map.length / width);
    map.forEach((value, k) => image.data.set([red, green, blue, (200 * Math.max(0, value)) / most], 4 * k));
    small.getContext("2d").putImageData(image, 0, 0);
    canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
    return placeOf(map, width);
}

/** The switches, as a table with a column for each block and two boxes in it; `changed` is called after each
 *  change. */
class Switches {
    constructor(changed) {
        this.boxes = { branches: [], shortcuts: [] };
        const row = (kind, word, nameOf) =>
            element(
                "tr",
                {},
                element("th", { scope: "row" }, word),
                ...ones().map((_, k) => {
                    const box = element("input", {
                        type: "checkbox",
                        checked: true,
                        "aria-label": nameOf(k),
                        onchange: changed,
                    });
                    this.boxes[kind].push(box);
                    return element("td", {}, element("label", { class: "live-box" }, box));
                }),
            );
        const stages = Array.from({ length: BLOCKS / PER_STAGE }, (_, k) =>
            element("th", { scope: "colgroup", colspan: PER_STAGE }, say("stage {number}", { number: k + 1 })),
        );
        const blocks = ones().map((_, k) => element("th", { scope: "col" }, String(k + 1)));
        this.element = element(
            "div",
            { class: "live-switches" },
            element(
                "table",
                {},
                element("caption", {}, say("What is switched on, block by block")),
                element(
                    "thead",
                    {},
                    element("tr", {}, element("td"), ...stages),
                    element("tr", {}, element("th", { scope: "row" }, say("block")), ...blocks),
                ),
                element(
                    "tbody",
                    {},
                    row("branches", say("branch"), branchOf),
                    row("shortcuts", say("shortcut"), shortcutOf),
                ),
            ),
            element(
                "button",
                { type: "button", class: "live-button", onclick: () => (this.reset(), changed()) },
                say("Switch all on"),
            ),
        );
    }

    reset() {
        Object.values(this.boxes)
            .flat()
            .forEach((box) => (box.checked = true));
    }

    get values() {
        const of = (kind) => this.boxes[kind].map((box) => Number(box.checked));
        return { shortcuts: of("shortcuts"), branches: of("branches") };
    }
}

/** The table of all single cuts: how probable the answer of the whole network still is after each. */
class EachOnce {
    constructor(page) {
        this.page = page;
        const columns = [
            say("branch cut, with shortcuts"),
            say("shortcut cut, with shortcuts"),
            say("block cut, plain twin"),
        ];
        this.cells = ones().map(() => columns.map(() => element("td", {}, "")));
        this.button = element(
            "button",
            { type: "button", class: "live-button", onclick: () => this.run() },
            say("Cut each one once"),
        );
        this.said = element("p", { role: "status" });
        const rows = this.cells.map((cells, k) =>
            element("tr", {}, element("th", { scope: "row" }, say("block {number}", { number: k + 1 })), ...cells),
        );
        const head = columns.map((word) => element("th", { scope: "col" }, word));
        this.table = element(
            "table",
            { class: "live-each", hidden: true },
            element("caption", {}, say("How probable its own answer still is to each network")),
            element("thead", {}, element("tr", {}, element("td"), ...head)),
            element("tbody", {}, ...rows),
        );
        this.element = element("div", {}, this.button, this.said, this.table);
    }

    clear() {
        this.table.hidden = true;
        this.said.textContent = "";
    }

    async run() {
        const { networks, pixels } = this.page;
        this.button.disabled = true;
        const whole = multipliersOf({ shortcuts: ones(), branches: ones() });
        const due = {};
        for (const name of Object.keys(NAMES))
            due[name] = (await networks[name].answer(pixels, whole[name])).best;
        for (let k = 0; k < BLOCKS && pixels === this.page.pixels; k++) {
            this.said.textContent = say("Cutting block {number} of {count} ...", { number: k + 1, count: BLOCKS });
            const cut = ones();
            cut[k] = 0;
            const [branch, shortcut] = [
                { shortcuts: ones(), branches: cut },
                { shortcuts: cut, branches: ones() },
            ].map(multipliersOf);
            const asked = [
                ["residual", branch],
                ["residual", shortcut],
                ["plain", branch],
            ];
            for (const [column, [name, multipliers]] of asked.entries()) {
                const { probabilities } = await networks[name].answer(pixels, multipliers[name]);
                const share = probabilities[due[name]];
                const cell = this.cells[k][column];
                cell.textContent = percent(share);
                cell.dataset.share = share;
                cell.classList.toggle("live-lost", share < 0.5);
            }
            await new Promise((resume) => setTimeout(resume)); // the page stays usable
        }
        this.button.disabled = false;
        if (pixels !== this.page.pixels) return this.clear(); // another picture was taken meanwhile
        const kept = [0, 1, 2].map(
            (column) => this.cells.filter((row) => row[column].dataset.share >= 0.5).length,
        );
        this.said.textContent = say(
            "With shortcuts the answer survives {branches} of {count} cuts of a branch and {shortcuts} of {count} " +
                "cuts of a shortcut; that of the plain twin {blocks} of {count} cuts of a block.",
            { branches: kept[0], shortcuts: kept[1], blocks: kept[2], count: BLOCKS },
        );
        this.table.hidden = false;
    }
}

/** All of it, once both networks are there. */
class Page {
    constructor(networks) {
        this.networks = networks;
        this.latest = new Latest();
        this.sides = Object.fromEntries(
            Object.entries(networks).map(([name, network]) => [name, new Side(name, network)]),
        );
        this.switches = new Switches(() => this.ask());
        this.eachOnce = new EachOnce(this);
        this.chooser = chooser((bitmap, name) => this.take(bitmap, name));
        this.withMap = element("input", {
            type: "checkbox",
            checked: true,
            id: "live-map",
            onchange: () => this.ask(),
        });
        this.seen = seenCanvas(say("What the networks see of it"));
        this.said = element("p", { role: "status", class: "live-said" });
        const { images, accuracy } = networks.residual.card.measured;
        const twin = networks.plain.card.measured.accuracy;
        const about = say(
            "Of {images} photographs held out, the network with shortcuts answers {accuracy} % right, its plain " +
                "twin {twin} %.",
            {
                images: images.toLocaleString("en"),
                accuracy: (100 * accuracy).toFixed(1),
                twin: (100 * twin).toFixed(1),
            },
        );
        this.element = element(
            "div",
            {},
            pageHead(
                this.chooser,
                this.seen,
                say("What they see: {size} x {size} pixels", { size: networks.residual.size }),
            ),
            this.switches.element,
            this.said,
            element("div", { class: "live-sides" }, this.sides.residual.element, this.sides.plain.element),
            element(
                "p",
                {},
                element(
                    "label",
                    { class: "live-box" },
                    this.withMap,
                    " " + say("colour where the evidence for the answer lies"),
                ),
            ),
            this.eachOnce.element,
            element("p", {}, about),
        );
    }

    async take(bitmap, name) {
        const { size } = this.networks.residual;
        this.pixels = pixelsOf(bitmap, size, name); // throws what the chooser tells
        this.bitmap = bitmap;
        drawPixels(this.seen, this.pixels, size);
        this.eachOnce.clear();
        await this.ask();
    }

    /** Ask both networks with the switches as they are, and show it. */
    async ask() {
        const switches = this.switches.values;
        const answers = await this.latest.do(async () => {
            const multipliers = multipliersOf(switches);
            const found = {};
            for (const [name, network] of Object.entries(this.networks)) {
                found[name] = await network.answer(this.pixels, multipliers[name]);
            }
            return found;
        });
        if (!answers) return;
        for (const [name, side] of Object.entries(this.sides))
            side.show(answers[name], this.bitmap, this.withMap.checked);
        const said = {
            first: this.sides.residual.answer,
            second: this.sides.plain.answer,
            cuts: cutsOf(switches),
        };
        const nothing = switches.branches.some((on, k) => !on && !switches.shortcuts[k]);
        this.said.textContent = nothing
            ? say(
                  "With shortcuts: {first}. The plain twin: {second}. {cuts} Where branch and shortcut are both cut, " +
                      "nothing of the picture passes: the first answer is the same for every picture.",
                  said,
              )
            : say("With shortcuts: {first}. The plain twin: {second}. {cuts}", said);
    }
}

async function begin() {
    const [residual, plain] = await Promise.all([load("residual"), load("plain")]);
    const page = new Page({ residual, plain });
    await page.chooser.begin();
    return page.element;
}

loadButton(document.getElementById("lesions"), { label: say("Load the two networks (about 19 MB)"), begin });
