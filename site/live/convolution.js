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
    const parts = [text(4, 14, say("{side} × {side} in", { side }), "start", "strong")];

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
    const title = across ? say("{side} × {side} out", { side: across }) : say("nothing out");
    parts.push(text(356, 14, title, "end", "strong"));
    for (let y = 0; y < across; y++) {
      for (let x = 0; x < across; x++) {
        const kind = y === row && x === column ? "out chosen" : "out";
        const place = { x: right + x * square + 1, y: 24 + y * square + 1 };
        parts.push(tag("rect", { ...place, width: square - 2, height: square - 2, class: kind }));
      }
    }
    const label = across ? say("{side} in, {across} out", { side, across }) : say("The window does not fit");
    return svg(226, label, parts);
  }

  /** "2, 4 and 6", of numbers in order. */
  function list(numbers) {
    if (numbers.length < 2) return String(numbers);
    const first = numbers.slice(0, -1).reduce((made, next) => say("{list}, {next}", { list: made, next }));
    return say("{list} and {last}", { list: first, last: numbers.at(-1) });
  }

  /** Which of the lines that are read belong to the input, from 1, and how many are padding. */
  function inAndOut(read, side) {
    const inside = read.filter((line) => line >= 0 && line < side).map((line) => line + 1);
    return { count: inside.length, inside: list(inside), padding: read.length - inside.length };
  }

  /** "rows 1, 2 and 3", or that all are padding. */
  function rowsInWords(read, side) {
    const { count, inside, padding } = inAndOut(read, side);
    if (!count) return say("no row and {padding} of padding", { padding });
    if (!padding) return count === 1 ? say("row {inside}", { inside }) : say("rows {inside}", { inside });
    return count === 1
      ? say("row {inside} and {padding} of padding", { inside, padding })
      : say("rows {inside} and {padding} of padding", { inside, padding });
  }

  /** The same of columns. */
  function columnsInWords(read, side) {
    const { count, inside, padding } = inAndOut(read, side);
    if (!count) return say("no column and {padding} of padding", { padding });
    if (!padding) return count === 1 ? say("column {inside}", { inside }) : say("columns {inside}", { inside });
    return count === 1
      ? say("column {inside} and {padding} of padding", { inside, padding })
      : say("columns {inside} and {padding} of padding", { inside, padding });
  }

  function tell(state) {
    const { side, kernel, stride, padding, dilation } = state;
    const across = places(state);
    const reach = dilation * (kernel - 1) + 1;
    if (!across) {
      return say(
        "The window reaches over {reach} squares and the padded input has {padded}: there is no place for it, and " +
          "PyTorch raises an error.",
        { reach, padded: side + 2 * padding },
      );
    }
    const seen = everRead(state).filter(Boolean).length;
    const unread = side * side - seen * seen;
    const { row, column } = chosen(state);
    const size = say(
      "⌊({side} + 2·{padding} − {dilation}·({kernel} − 1) − 1) / {stride}⌋ + 1 = {across} places a side.",
      { side, padding, dilation, kernel, stride, across },
    );
    const reads = say("The place in row {row}, column {column} reads {rows}, {columns}.", {
      row: row + 1,
      column: column + 1,
      rows: rowsInWords(rowsRead(row, state), side),
      columns: columnsInWords(rowsRead(column, state), side),
    });
    const left = unread
      ? say("{unread} of {squares} squares are read by no place.", { unread, squares: side * side })
      : say("Every square is read by some place.");
    return say("{size} {reads} {left}", { size, reads, left });
  }

  const ends = (state) => ({ place: Math.max(1, places(state) ** 2) });
  Touch.register("convolution", { draw, tell, ends });
  if (typeof module === "object") module.exports = { places, rowsRead, everRead };
})(typeof module === "object" ? require("./touch.js") : window.Touch);
