"use strict";
// Depth and degradation to touch: the recorded training losses of plain nets and their residual twins.
(function (Touch) {
  const { tag, svg, text, fixed } = Touch;
  const KINDS = [
    { name: "plain", words: say("plain"), residual: false },
    { name: "residual", words: say("residual"), residual: true },
  ];
  const GUESSING = Math.log(10); // ten classes
  const HIGHEST = 2.5;

  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const depths = (rows) => [...new Set(rows.map((row) => row.depth))].sort((a, b) => a - b);

  /** Training losses after a pass (from 1), one for each seed. */
  function losses(rows, depth, residual, pass) {
    return rows.filter((row) => row.depth === depth && row.residual === residual).map((row) => row.curve[pass - 1]);
  }

  /** Mean over the seeds, pass by pass. */
  function curve(rows, depth, residual) {
    return rows[0].curve.map((_, step) => mean(losses(rows, depth, residual, step + 1)));
  }

  const left = 40;
  const right = 350;
  const line = (points) => `M${points.map(([x, y]) => `${fixed(x, 1)} ${fixed(y, 1)}`).join("L")}`;

  /** A panel's axes: name on the left and below, numbers, and the loss of guessing. */
  function axes(top, bottom, high, title, below, ticks, across) {
    const parts = [text(left, top - 8, title, "start", "strong")];
    for (const loss of [0, 1, 2]) {
      parts.push(tag("path", { d: line([[left, high(loss)], [right, high(loss)]]), class: "grid" }));
      parts.push(text(left - 6, high(loss) + 4, loss, "end"));
    }
    parts.push(tag("path", { d: line([[left, high(GUESSING)], [right, high(GUESSING)]]), class: "axis" }));
    parts.push(text(right, high(GUESSING) - 3, say("guessing"), "end", "small"));
    for (const tick of ticks) parts.push(text(across(tick), bottom + 14, tick, "middle"));
    parts.push(text((left + right) / 2, bottom + 29, below, "middle"));
    return parts;
  }

  function dot(kind, x, y, size) {
    if (kind === "residual") return tag("circle", { cx: fixed(x, 1), cy: fixed(y, 1), r: size, class: `dot ${kind}` });
    const corner = { x: fixed(x - size, 1), y: fixed(y - size, 1) };
    return tag("rect", { ...corner, width: 2 * size, height: 2 * size, class: `dot ${kind}` });
  }

  function draw({ depth, pass }, { rows }) {
    const all = depths(rows);
    const passes = rows[0].curve.map((_, step) => step + 1);
    const high = (top, bottom) => (loss) => bottom - ((bottom - top) * loss) / HIGHEST;
    const upper = high(24, 150);
    const lower = high(222, 348);
    const at = (one) => left + 12 + ((right - left - 24) * (one - 1)) / (passes.length - 1);
    const deep = (one) => left + 30 + ((right - left - 60) * (one - all[0])) / (all.at(-1) - all[0]);
    const title = say("{depth} layers, pass by pass (training loss, nats)", { depth });
    const second = say("After pass {pass}, depth by depth", { pass });
    const parts = [
      ...axes(24, 150, upper, title, say("passes over the images"), passes, at),
      ...axes(222, 348, lower, second, say("layers with weights"), all, deep),
      tag("path", { d: line([[at(pass), 24], [at(pass), 150]]), class: "axis" }),
      tag("path", { d: line([[deep(depth), 222], [deep(depth), 348]]), class: "axis" }),
    ];
    for (const { name, words, residual } of KINDS) {
      for (const other of all.filter((one) => one !== depth)) {
        const points = curve(rows, other, residual).map((loss, step) => [at(step + 1), upper(loss)]);
        parts.push(tag("path", { d: line(points), class: `curve pale ${name}` }));
      }
      const points = curve(rows, depth, residual).map((loss, step) => [at(step + 1), upper(loss)]);
      parts.push(tag("path", { d: line(points), class: `curve ${name}` }));
      parts.push(...points.map(([x, y]) => dot(name, x, y, 2.5)));
      parts.push(text(at(1), 140 - (residual ? 0 : 15), `${residual ? "●" : "■"} ${words}`, "start", name));
      const means = all.map((one) => [deep(one), lower(mean(losses(rows, one, residual, pass)))]);
      parts.push(tag("path", { d: line(means), class: `curve ${name}` }));
      for (const one of all) {
        for (const loss of losses(rows, one, residual, pass)) parts.push(dot(name, deep(one), lower(loss), 2.5));
      }
    }
    const label = say("Training losses of plain and residual nets; {depth} layers and pass {pass} are marked", {
      depth,
      pass,
    });
    return svg(382, label, parts);
  }

  function tell({ depth, pass }, { rows }) {
    const [plain, residual] = KINDS.map((kind) => losses(rows, depth, kind.residual, pass));
    const all = depths(rows);
    const means = all.map((one) => mean(losses(rows, one, false, pass)));
    const ordered = means.every((loss, place) => place === 0 || loss > means[place - 1]);
    const [worst, best] = [Math.max(...residual), Math.min(...plain)];
    const apart = worst < best;
    const numbers = say(
      "After pass {pass}, {depth} layers: plain {plain} nats, residual {residual} (means of {seeds} seeds).",
      { pass, depth, plain: fixed(mean(plain), 2), residual: fixed(mean(residual), 2), seeds: plain.length },
    );
    const runs = apart ? say("Every residual run lies below every plain one of this depth.")
      : say("The runs of the two kinds overlap, or the plain ones lie below.");
    const order = ordered ? say("Among the plain nets, each deeper one is worse.")
      : say("Depth does not order the plain nets here.");
    return say("{numbers} {runs} {order}", { numbers, runs, order });
  }

  const words = { depth: (depth) => say("{depth} layers", { depth }), pass: (value) => `${value}` };
  Touch.register("degradation", { draw, tell, words });
  if (typeof module === "object") module.exports = { losses, curve };
})(typeof module === "object" ? require("./touch.js") : window.Touch);
