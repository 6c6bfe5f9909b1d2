"use strict";
// A temperature to touch: the reliability diagram of recorded answers, for any temperature.
// An answer is kept as its margin, the logit of the true class minus that of the other one. The answer is right
// if the margin is positive, and its confidence is the sigmoid of the margin's size, divided by the temperature.
(function (Touch) {
  const { tag, svg, text, fixed } = Touch;
  const BINS = 15; // as in resnet_utils.evaluation.calibration
  const FEWEST = 10; // answers in a bin, to be drawn
  const HALVES = ["choose", "judge"]; // as the record calls them

  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const confidence = (margin, temperature) => 1 / (1 + Math.exp(-Math.abs(margin) / temperature));

  /** The answers in bins of equal width by confidence: number, mean confidence and share of right ones. */
  function reliability(margins, temperature) {
    const bins = Array.from({ length: BINS }, () => ({ count: 0, sure: 0, right: 0 }));
    for (const margin of margins) {
      const sure = confidence(margin, temperature);
      const bin = bins[Math.max(0, Math.ceil(sure * BINS) - 1)]; // an answer on an edge belongs to the bin below
      bin.count += 1;
      bin.sure += sure;
      bin.right += margin > 0 ? 1 : 0;
    }
    return bins.map(({ count, sure, right }) => ({
      count,
      confidence: count ? sure / count : null,
      accuracy: count ? right / count : null,
    }));
  }

  /** Mean distance of confidence and accuracy over the bins, weighted by their answers. */
  function calibrationError(margins, temperature) {
    const gaps = reliability(margins, temperature).map(
      (bin) => bin.count && bin.count * Math.abs(bin.confidence - bin.accuracy),
    );
    return gaps.reduce((sum, gap) => sum + gap, 0) / margins.length;
  }

  /** Mean cross-entropy in nats. */
  function loss(margins, temperature) {
    return mean(margins.map((margin) => Math.log1p(Math.exp(-Math.abs(margin) / temperature)) +
      Math.max(0, -margin) / temperature));
  }

  const accuracy = (margins) => mean(margins.map((margin) => (margin > 0 ? 1 : 0)));
  const sureness = (margins, temperature) => mean(margins.map((margin) => confidence(margin, temperature)));

  const left = 44;
  const right = 350;
  const x = (share) => left + ((right - left) * (share - 0.5)) / 0.5;
  const y = (share) => 204 - 176 * share;

  function draw({ head, half, temperature }, { rows }) {
    const margins = rows[head - 1][HALVES[half - 1]];
    const bins = reliability(margins, temperature);
    const parts = [text(left, 14, say("Right answers over confidence (%)"), "start", "strong")];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(tag("path", { d: `M${left} ${y(share)}H${right}`, class: "grid" }));
      parts.push(text(left - 6, y(share) + 4, 100 * share, "end"));
    }
    for (const share of [0.5, 0.6, 0.7, 0.8, 0.9, 1]) {
      parts.push(text(Math.min(x(share), right - 8), 292, Math.round(100 * share), "middle"));
    }
    parts.push(tag("path", { d: `M${x(0.5)} ${y(0.5)}L${x(1)} ${y(1)}`, class: "ideal" }));
    const points = [];
    const top = Math.max(...bins.map((bin) => bin.count));
    bins.forEach((bin, place) => {
      const [from, to] = [Math.max(0.5, place / BINS), (place + 1) / BINS];
      if (to <= 0.5 || !bin.count) return;
      const tall = (44 * bin.count) / top;
      const bar = { x: fixed(x(from) + 1, 1), width: fixed(x(to) - x(from) - 2, 1) };
      parts.push(tag("rect", { ...bar, y: fixed(276 - tall, 1), height: fixed(tall, 1), class: "bar" }));
      if (bin.count < FEWEST) return;
      const [high, low] = [Math.max(bin.accuracy, bin.confidence), Math.min(bin.accuracy, bin.confidence)];
      const gap = { x: fixed(x(bin.confidence) - 5, 1), y: fixed(y(high), 1), width: 10 };
      parts.push(tag("rect", { ...gap, height: fixed(y(low) - y(high), 1), class: "gap" }));
      points.push([x(bin.confidence), y(bin.accuracy)]);
    });
    const way = points.map(([across, up]) => `${fixed(across, 1)} ${fixed(up, 1)}`).join("L");
    parts.push(tag("path", { d: `M${way}`, class: "curve residual" }));
    for (const [across, up] of points) {
      parts.push(tag("circle", { cx: fixed(across, 1), cy: fixed(up, 1), r: 4, class: "dot residual" }));
    }
    parts.push(text(left, 226, say("Answers in each bin (most: {top})", { top }), "start", "strong"));
    parts.push(text((left + right) / 2, 307, say("confidence of the answer (%)"), "middle"));
    const label = say("Reliability diagram at temperature {temperature}", { temperature: fixed(temperature, 1) });
    return svg(314, label, parts);
  }

  /** Whether answers are as sure as they are often right. */
  function verdict(sure, share, count) {
    const values = { right: fixed(100 * share, 1), count, sure: fixed(100 * sure, 1) };
    if (sure > share + 0.01) {
      return say(
        "{right} % of {count} answers are right, at any temperature; their mean confidence is {sure} %, so it is " +
          "too sure on the whole.",
        values,
      );
    }
    if (sure < share - 0.01) {
      return say(
        "{right} % of {count} answers are right, at any temperature; their mean confidence is {sure} %, so it is " +
          "too shy on the whole.",
        values,
      );
    }
    return say(
      "{right} % of {count} answers are right, at any temperature; their mean confidence is {sure} %, so it is " +
        "sure about as often as right.",
      values,
    );
  }

  function tell({ head, half, temperature }, { rows }) {
    const margins = rows[head - 1][HALVES[half - 1]];
    const [sure, share] = [sureness(margins, temperature), accuracy(margins)];
    const errors = say("Temperature {temperature}: calibration error {error}, loss {loss} nats.", {
      temperature: fixed(temperature, 1),
      error: fixed(calibrationError(margins, temperature), 3),
      loss: fixed(loss(margins, temperature), 3),
    });
    return say("{errors} {verdict}", { errors, verdict: verdict(sure, share, margins.length) });
  }

  const words = {
    head: (value, { rows }) => String(rows[value - 1].weight_decay),
    half: (value) => [say("choose"), say("judge")][value - 1],
    temperature: (value) => fixed(value, 1),
  };
  Touch.register("temperature", { draw, tell, words });
  if (typeof module === "object") module.exports = { reliability, calibrationError, loss };
})(typeof module === "object" ? require("./touch.js") : window.Touch);
