// From what a reader hands in to the pixels that the network gets. Nothing leaves the page.

import { resize } from "./resize.js";

const MOST_PIXELS = 100e6;

/** The largest centred square of a picture: {left, top, side}; odd remainders go to the right and below. */
export function centredSquare(width, height) {
    const side = Math.min(width, height);
    return { left: Math.floor((width - side) / 2), top: Math.floor((height - side) / 2), side };
}

/** A file or blob, decoded upright; throws an Error whose message is for the reader. */
export async function decode(blob, name = say("the picture")) {
    let bitmap;
    try {
        // As it is stored: no colours changed for this screen, and transparency not yet mixed in.
        bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
        throw new Error(
            say("{name} is no picture that this browser can read. JPEG, PNG and WebP will do.", { name }),
        );
    }
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS) {
        throw new Error(say("{name} has more than 100 million pixels.", { name }));
    }
    return bitmap;
}

/** What the network sees of a picture: Float32Array (3, size, size), values from 0 to 255. */
export function pixelsOf(bitmap, size, name = say("the picture")) {
    const { left, top, side } = centredSquare(bitmap.width, bitmap.height);
    if (side < size / 2) {
        throw new Error(
            say("{name} has only {width} x {height} pixels; {least} are needed on each side.", {
                name,
                width: bitmap.width,
                height: bitmap.height,
                least: size / 2,
            }),
        );
    }
    // Besides the square, as much around it as a pixel of the result reaches over its edge.
    const edge = Math.ceil(side / size) + 1;
    const x = Math.max(0, left - edge);
    const y = Math.max(0, top - edge);
    const canvas = document.createElement("canvas");
    canvas.width = Math.min(bitmap.width, left + side + edge) - x;
    canvas.height = Math.min(bitmap.height, top + side + edge) - y;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white"; // under what is transparent
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, -x, -y);
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    return resize(image, { left: left - x, top: top - y, side }, size);
}

/** Draw the centred square of a picture over the whole of a canvas. */
export function drawSquare(canvas, bitmap) {
    const { left, top, side } = centredSquare(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, left, top, side, side, 0, 0, canvas.width, canvas.height);
}

/** Draw pixels (3, size, size) on a canvas of that size. */
export function drawPixels(canvas, pixels, size) {
    const image = new ImageData(size, size);
    const places = size * size;
    for (let k = 0; k < places; k++) {
        for (let c = 0; c < 3; c++) image.data[4 * k + c] = pixels[c * places + k];
        image.data[4 * k + 3] = 255;
    }
    canvas.width = canvas.height = size;
    canvas.getContext("2d").putImageData(image, 0, 0);
}
