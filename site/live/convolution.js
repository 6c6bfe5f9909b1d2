"use strict";
// The convolution to touch: which squares of the input does one place of the output read, and which does none?
(function (Touch) {
  const { tag, svg, text } = Touch;

  /** Places of the output along one side; 0 where the window does not fit at all. */
  function places({ side, kernel, stride, padding, dilation }) {
    const room = side + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : Math.floor(room / stride) + 1;
  }

  /** Rows that the given row of the output reads, the first of the input being 0; others are padding. */
  function rowsRead(row, { kernel, stride, padding, dilation }) {
    return Array.from({ length: kernel }, (_, step) => row * stride - padding + step * dilation);
  }

  /** For each row of the input: does any place of the output read it? Columns are like rows. */
  function everRead(state) {
    const seen = new Array(state.side).fill(false);
    for (let row = 0; row < places(state); row++) {
      for (const read of rowsRead(row, state)) if (read >= 0 && read < state.side) seen[read] = true;
    }
    return seen;
  }

  /** Row and column of the output place that is chosen, from 0. */
  function chosen(state) {
    const across = places(state);
    return { row: Math.floor((state.place - 1) / across), column: (state.place - 1) % across };
  }

  function draw(state) {
    const { side, padding } = state;
    const whole = side + 2 * padding;
    const across = places(state);
    const square = Math.min(24, Math.floor(316 / (whole + Math.max(across, 1))), Math.floor(196 / whole));
    const seen = everRead(state);
    const { row, column } = chosen(state);
    const [rows, columns] = across ? [rowsRead(row, state), rowsRead(column, state)] : [[], []];
    const parts = [text(4, 14, `${side} × ${side} in`, "start", "strong")];

    for (let y = -padding; y < side + padding; y++) {
      for (let x = -padding; x < side + padding; x++) {
        const inside = y >= 0 && y < side && x >= 0 && x < side;
        const read = rows.includes(y) && columns.includes(x);
        const left = 4 + (x + padding) * square;
        const top = 24 + (y + padding) * square;
        const kind = `${inside ? "pixel" : "padding"}${read ? " read" : ""}`;
        parts.push(tag("rect", { x: left + 1, y: top + 1, width: square - 2, height: square - 2, class: kind }));
        if (inside && !(seen[y] && seen[x])) {
          const way = `M${left + 3} ${top + 3}L${left + square - 3} ${top + square - 3}`;
          parts.push(tag("path", { d: way, class: "unread" }));
        }
      }
    }
    const right = 356 - Math.max(across, 1) * square;
    const title = across ? `${across} × ${across} out` : "nothing out";
    parts.push(text(356, 14, title, "end", "strong"));
    for (let y = 0; y < across; y++) {
      for (let x = 0; x < across; x++) {
        const kind = y === row && x === column ? "out chosen" : "out";
        const place = { x: right + x * square + 1, y: 24 + y * square + 1 };
        parts.push(tag("rect", { ...place, width: square - 2, height: square - 2, class: kind }));
      }
    }
    return svg(226, title === "nothing out" ? "The window does not fit" : `${side} in, ${across} out`, parts);
  }

  /** "2, 4 and 6", of numbers in order. */
  function list(numbers) {
    return numbers.length < 2 ? `${numbers}` : `${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`;
  }

  /** "rows 1, 2 and 3 of the input", or that all are padding. */
  function lines(name, read, side) {
    const inside = read.filter((line) => line >= 0 && line < side).map((line) => line + 1);
    const outside = read.length - inside.length;
    const also = outside ? ` and ${outside} of padding` : "";
    return inside.length ? `${name}${inside.length > 1 ? "s" : ""} ${list(inside)}${also}` : `no ${name}${also}`;
  }

  function say(state) {
    const { side, kernel, stride, padding, dilation } = state;
    const across = places(state);
    const reach = dilation * (kernel - 1) + 1;
    if (!across) {
      return `The window reaches over ${reach} squares and the padded input has ${side + 2 * padding}: ` +
        "there is no place for it, and PyTorch raises an error.";
    }
    const seen = everRead(state).filter(Boolean).length;
    const unread = side * side - seen * seen;
    const { row, column } = chosen(state);
    return `⌊(${side} + 2·${padding} − ${dilation}·(${kernel} − 1) − 1) / ${stride}⌋ + 1 = ${across} places a side. ` +
      `The place in row ${row + 1}, column ${column + 1} reads ` +
      `${lines("row", rowsRead(row, state), side)}, ${lines("column", rowsRead(column, state), side)}. ` +
      (unread ? `${unread} of ${side * side} squares are read by no place.` : "Every square is read by some place.");
  }

  const ends = (state) => ({ place: Math.max(1, places(state) ** 2) });
  Touch.register("convolution", { draw, say, ends });
  if (typeof module === "object") module.exports = { places, rowsRead, everRead };
})(typeof module === "object" ? require("./touch.js") : window.Touch);
