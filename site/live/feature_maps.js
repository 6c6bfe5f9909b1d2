// The page "Every map of a picture": what leaves the stem and each stage of the book's network.

import { chooser } from "./chooser.js";
import { element, Latest, loadButton, pageHead, percent, seenCanvas } from "./dom.js";
import { load } from "./network.js";
import { drawPixels, pixelsOf } from "./picture.js";

const NETWORKS = {
    residual: { name: say("with shortcuts"), shown: say("Shown: the maps of the network with shortcuts.") },
    plain: { name: say("its plain twin"), shown: say("Shown: the maps of the network its plain twin.") },
};
const stage = (number) => say("Stage {number}", { number });
const PLACES = { stem: say("Stem"), layer1: stage(1), layer2: stage(2), layer3: stage(3), layer4: stage(4) };
// Matplotlib's cividis at nine equal steps: the book's colours for maps, in order also when printed in grey.
const CIVIDIS = [
    [0, 34, 78],
    [26, 56, 111],
    [67, 78, 108],
    [97, 101, 111],
    [125, 124, 120],
    [155, 148, 118],
    [188, 174, 108],
    [222, 201, 88],
    [254, 232, 56],
];

/** The colour of a value from 0 to 1. */
export function cividis(value) {
    const place = Math.min(Math.max(value, 0), 1) * (CIVIDIS.length - 1);
    const step = Math.min(Math.floor(place), CIVIDIS.length - 2);
    return CIVIDIS[step].map((low, c) => Math.round(low + (place - step) * (CIVIDIS[step + 1][c] - low)));
}

/** A map as an image, dark for 0 and light for its own largest value. */
function imageOf(map, width, height) {
    const image = new ImageData(width, height);
    const most = Math.max(...map) || 1;
    map.forEach((value, k) => image.data.set([...cividis(value / most), 255], 4 * k));
    return image;
}

/** The maps that leave one place of the network: all of them small, and one of them large. */
class Place {
    constructor(name) {
        this.all = element("canvas", { role: "img", class: "live-maps" });
        this.one = element("canvas", { role: "img", class: "live-one" });
        this.about = element("p", { "data-place": name });
        this.choice = element("input", {
            type: "range",
            min: 1,
            max: 1,
            value: 1,
            id: `map-${name}`,
            oninput: () => this.enlarge(),
        });
        this.chosen = element("output", { for: `map-${name}` });
        this.element = element(
            "section",
            { "aria-label": PLACES[name] },
            element("h3", {}, PLACES[name]),
            this.about,
            element("div", { class: "live-place" }, this.all, this.one),
            element(
                "p",
                {},
                element("label", { for: `map-${name}` }, say("one of them, enlarged:") + " "),
                this.choice,
                this.chosen,
            ),
        );
    }

    show({ data, dims: [, count, height, width] }) {
        Object.assign(this, { data, count, height, width });
        const columns = count > 48 ? 24 : 12;
        this.all.width = columns * (width + 1) - 1;
        this.all.height = Math.ceil(count / columns) * (height + 1) - 1;
        const context = this.all.getContext("2d");
        for (let k = 0; k < count; k++) {
            context.putImageData(
                this.image(k),
                (k % columns) * (width + 1),
                Math.floor(k / columns) * (height + 1),
            );
        }
        const zeros = data.reduce((sum, value) => sum + (value === 0), 0) / data.length;
        const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
        this.about.textContent = say(
            "{count} maps of {width} x {height} values; {zeros} of the values are zero, their mean is {mean}.",
            { count, width, height, zeros: percent(zeros), mean: mean.toFixed(5) },
        );
        this.about.dataset.mean = mean;
        this.all.setAttribute(
            "aria-label",
            say("All {count} maps, each in its own scale from zero (dark) to its largest value (light)", { count }),
        );
        this.choice.max = count;
        this.enlarge();
    }

    image(k) {
        const places = this.width * this.height;
        return imageOf(Array.from(this.data.subarray(k * places, (k + 1) * places)), this.width, this.height);
    }

    enlarge() {
        const k = Number(this.choice.value) - 1;
        [this.one.width, this.one.height] = [this.width, this.height];
        this.one.getContext("2d").putImageData(this.image(k), 0, 0);
        this.one.setAttribute("aria-label", say("Map {number}, enlarged", { number: k + 1 }));
        this.chosen.textContent = " " + say("map {number} of {count}", { number: k + 1, count: this.count });
    }
}

class Page {
    constructor(network) {
        this.networks = { residual: Promise.resolve(network) };
        this.name = "residual";
        this.size = network.size;
        this.latest = new Latest();
        this.chooser = chooser((bitmap, name) => this.take(bitmap, name));
        this.seen = seenCanvas(say("What the network sees of it"));
        this.said = element("p", { role: "status" });
        this.places = Object.fromEntries(Object.keys(PLACES).map((name) => [name, new Place(name)]));
        const choices = Object.entries(NETWORKS).map(([name, network]) =>
            element(
                "label",
                { class: "live-box" },
                element("input", {
                    type: "radio",
                    name: "network",
                    value: name,
                    checked: name === this.name,
                    onchange: () => this.change(name),
                }),
                ` ${network.name} `,
            ),
        );
        this.element = element(
            "div",
            {},
            pageHead(
                this.chooser,
                this.seen,
                say("What it sees: {size} x {size} pixels", { size: this.size }),
            ),
            element("fieldset", { class: "live-networks" }, element("legend", {}, say("Network")), ...choices),
            this.said,
            ...Object.values(this.places).map((place) => place.element),
        );
    }

    async take(bitmap, name) {
        this.pixels = pixelsOf(bitmap, this.size, name); // throws what the chooser tells
        drawPixels(this.seen, this.pixels, this.size);
        await this.ask();
    }

    async change(name) {
        this.name = name;
        this.said.textContent = say("Loading ...");
        try {
            this.networks[name] ??= load(name);
            await this.ask();
        } catch (error) {
            delete this.networks[name];
            this.said.textContent = say("It could not be loaded: {error}", { error: error.message });
        }
    }

    async ask() {
        const { name, pixels } = this;
        const maps = await this.latest.do(async () => {
            const network = await this.networks[name];
            return network.look(pixels, network.usual, ["logits", ...Object.keys(PLACES)]);
        });
        if (!maps) return;
        for (const [where, place] of Object.entries(this.places)) place.show(maps[where]);
        this.said.textContent = NETWORKS[name].shown;
    }
}

async function begin() {
    const page = new Page(await load("residual"));
    await page.chooser.begin();
    return page.element;
}

loadButton(document.getElementById("feature-maps"), { label: say("Load the network (about 16 MB)"), begin });
