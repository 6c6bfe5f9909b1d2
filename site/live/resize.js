// A picture's largest centred square, scaled to a few pixels: to the byte what Pillow's bilinear resize gives,
// which the notebooks read their photographs with. (A canvas would scale too, but each browser in its own way.)
//
// Pillow scales along the rows first and then along the columns, and rounds to whole bytes after each. The
// weights are a triangle twice as wide as what one pixel of the result covers, in whole numbers of 2 to the -22.
// (Pillow 13 begins with the columns where a picture is about twice as high as wide; older ones do not. There a
// few bytes differ by one.) Source: Pillow's src/libImaging/Resample.c.

const UNIT = 2 ** 22;

/** Which pixels count for each pixel of the result, and how much: [{first, weights}, ...].
 *  From `begin` to `begin + side` of `length` pixels there are; `size` pixels come out. */
export function weightsOf(begin, side, length, size) {
    const scale = side / size;
    const reach = Math.max(scale, 1); // half the width of the triangle
    const slope = 1 / reach; // multiplied, not divided: in the last bit that is not the same
    return Array.from({ length: size }, (_, place) => {
        const center = begin + (place + 0.5) * scale;
        const first = Math.max(0, Math.trunc(center - reach + 0.5));
        const end = Math.min(length, Math.trunc(center + reach + 0.5));
        const shares = [];
        for (let x = first; x < end; x++) {
            shares.push(Math.max(0, 1 - Math.abs((x - center + 0.5) * slope)));
        }
        const sum = shares.reduce((a, b) => a + b, 0);
        return { first, weights: shares.map((share) => Math.floor((share / sum) * UNIT + 0.5)) };
    });
}

/** Bytes of colour (RGBA, row by row) -> Float32Array (3, size, size) of whole numbers from 0 to 255.
 *  `box` is the square that is wanted: {left, top, side}, inside the picture. */
export function resize({ data, width, height }, { left, top, side }, size) {
    const across = weightsOf(left, side, width, size);
    const down = weightsOf(top, side, height, size);
    const rows = new Uint8Array(height * size * 3); // scaled along the rows: (height, size, 3)
    for (let y = 0; y < height; y++) {
        across.forEach(({ first, weights }, x) => {
            for (let c = 0; c < 3; c++) {
                let sum = UNIT / 2;
                weights.forEach((weight, k) => (sum += weight * data[4 * (y * width + first + k) + c]));
                rows[3 * (y * size + x) + c] = Math.floor(sum / UNIT);
            }
        });
    }
    const result = new Float32Array(3 * size * size);
    down.forEach(({ first, weights }, y) => {
        for (let x = 0; x < size; x++) {
            for (let c = 0; c < 3; c++) {
                let sum = UNIT / 2;
                weights.forEach((weight, k) => (sum += weight * rows[3 * ((first + k) * size + x) + c]));
                result[(c * size + y) * size + x] = Math.floor(sum / UNIT);
            }
        }
    });
    return result;
}
