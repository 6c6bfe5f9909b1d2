// The book's classifiers in this page: onnxruntime-web (WebAssembly, one thread) and two files each, the graph
// and the weights. All of it lies beside the page; nothing is fetched before `load` is called.

const RUNTIME = new URL("../vendor/onnxruntime-web/", import.meta.url);
const NETWORKS = new URL("networks/", import.meta.url);

let runtime; // a promise: the same one for every network

function theRuntime() {
    runtime ??= import(new URL("ort.wasm.bundle.min.mjs", RUNTIME)).then((ort) => {
        ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send
        ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", RUNTIME).href };
        return ort;
    });
    return runtime;
}

async function fetched(url) {
    const answer = await fetch(url);
    if (!answer.ok) {
        throw new Error(say("{path} is not there ({status}).", { path: url.pathname, status: answer.status }));
    }
    return new Uint8Array(await answer.arrayBuffer());
}

/** The notes in the header of a safetensors file: eight bytes with its length, then JSON. */
export function cardOf(bytes) {
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    return JSON.parse(header.__metadata__.card);
}

/** Probabilities from logits divided by the temperature. */
export function softmax(logits, temperature) {
    const largest = Math.max(...logits);
    const shares = logits.map((logit) => Math.exp((logit - largest) / temperature));
    const sum = shares.reduce((a, b) => a + b, 0);
    return shares.map((share) => share / sum);
}

class Network {
    constructor(name, card, session, ort) {
        Object.assign(this, { name, card, session, ort });
        this.size = card.size;
        this.classes = card.classes;
        this.temperature = card.temperature;
        // The multipliers of the whole network: a plain one has no shortcuts.
        const there = card.network.startsWith("plain") ? 0 : 1;
        this.usual = { shortcuts: Array(card.blocks).fill(there), branches: Array(card.blocks).fill(1) };
    }

    /** What the network says about pixels (3, size, size), values from 0 to 255.
     *  `shortcuts` and `branches` are a multiplier for each block; `outputs` names what is wanted.
     *  Gives {name: {data, dims}}. */
    async look(pixels, { shortcuts, branches }, outputs = ["logits", "evidence"]) {
        const { Tensor } = this.ort;
        const given = {
            images: new Tensor("float32", pixels, [1, 3, this.size, this.size]),
            shortcuts: new Tensor("float32", Float32Array.from(shortcuts), [1, shortcuts.length]),
            branches: new Tensor("float32", Float32Array.from(branches), [1, branches.length]),
        };
        return this.session.run(given, outputs);
    }

    /** Logits and calibrated probabilities, one a class, and the evidence map of each. */
    async answer(pixels, switches) {
        const { logits, evidence } = await this.look(pixels, switches);
        const values = Array.from(logits.data);
        const probabilities = softmax(values, this.temperature);
        return {
            logits: values,
            probabilities,
            best: probabilities.indexOf(Math.max(...probabilities)),
            evidence,
        };
    }
}

/** Fetch and start the network called `name` ("residual" or "plain"). */
export async function load(name) {
    const files = [`${name}.onnx`, `${name}.safetensors`];
    const [ort, graph, weights] = await Promise.all([
        theRuntime(),
        ...files.map((file) => fetched(new URL(file, NETWORKS))),
    ]);
    const session = await ort.InferenceSession.create(graph, {
        executionProviders: ["wasm"],
        externalData: [{ path: files[1], data: weights }],
    });
    return new Network(name, cardOf(weights), session, ort);
}
