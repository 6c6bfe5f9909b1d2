"use strict";
// Gradient descent to touch: a bowl with curvature 1 one way and more the other, and steps down from one start.
(function (Touch) {
  const { tag, svg, text, fixed } = Touch;
  const START = [-8, 1]; // along the floor, across it; as in chapter 1's room "Turning a gradient into a step"
  const FLOOR = 1; // curvature along the floor

  /** Every place from the start on, as SGD with momentum in PyTorch reaches them. */
  function path({ rate, walls, momentum, steps }) {
    const curvature = [FLOOR, walls];
    const places = [START];
    let velocity = [0, 0];
    for (let step = 0; step < steps; step++) {
      const here = places[step];
      velocity = velocity.map((speed, axis) => momentum * speed + curvature[axis] * here[axis]);
      places.push(here.map((value, axis) => value - rate * velocity[axis]));
    }
    return places;
  }

  /** The loss at a place: half the sum of curvature times distance squared. */
  function height([along, across], walls) {
    return (FLOOR * along ** 2 + walls * across ** 2) / 2;
  }


  const left = 40;
  const right = 350;
  const x = (along) => left + ((right - left) * (along + 9)) / 13; // -9 to 4
  const y = (across) => 92 - (68 * across) / 1.5; // 1.5 at the top, -1.5 at the bottom
  const POWERS = [3, 0, -3, -6]; // of ten, on the axis of heights

  function draw(state) {
    const { walls, steps } = state;
    const places = path(state);
    const parts = [text(left, 14, say("The path, seen from above"), "start", "strong")];
    for (const level of [2, 12, 30]) {
      const [wide, tall] = [Math.sqrt(2 * level), Math.sqrt((2 * level) / walls)];
      const radii = { rx: fixed(x(wide) - x(0), 1), ry: fixed(y(0) - y(tall), 1) };
      parts.push(tag("ellipse", { cx: fixed(x(0), 1), cy: y(0), ...radii, class: "level" }));
    }
    parts.push(tag("path", { d: `M${fixed(x(0) - 5, 1)} 92h10m-5 -5v10`, class: "axis" }));

    // A path that leaves the picture is drawn up to its edge, and no further.
    const inside = ([along, across]) => along > -9 && along < 4 && Math.abs(across) < 1.5;
    const until = places.findIndex((place) => !inside(place));
    const shown = until < 0 ? places : places.slice(0, until);
    const point = ([along, across]) => `${fixed(x(along), 1)} ${fixed(y(across), 1)}`;
    parts.push(tag("path", { d: `M${shown.map(point).join("L")}`, class: "curve thin residual" }));
    for (const place of shown) {
      parts.push(tag("circle", { cx: fixed(x(place[0]), 1), cy: fixed(y(place[1]), 1), r: 2.2, class: "dot residual" }));
    }
    if (until >= 0) {
      parts.push(text(x(-9) + 4, 172, say("it leaves the picture in step {step}", { step: until }), "start", "chosen"));
    }

    parts.push(text(left, 196, say("Height, step by step"), "start", "strong"));
    const most = 40;
    const at = (step) => left + ((right - left) * step) / most;
    const down = (value) => 210 + (90 * (3 - Math.max(-6, Math.min(3, Math.log10(value))))) / 9;
    for (const power of POWERS) {
      const high = down(10 ** power);
      parts.push(tag("path", { d: `M${left} ${high}H${right}`, class: "grid" }));
      parts.push(text(left - 6, high + 4, power === 0 ? "1" : `10<tspan dy="-4" font-size="8">${power}</tspan>`, "end"));
    }
    for (const step of [0, 10, 20, 30, 40]) parts.push(text(at(step), 316, step, "middle"));
    parts.push(text((left + right) / 2, 331, say("steps"), "middle"));
    const curve = places.map((place, step) => `${fixed(at(step), 1)} ${fixed(down(height(place, walls)), 1)}`);
    parts.push(tag("path", { d: `M${curve.join("L")}`, class: "curve residual" }));
    return svg(338, say("A path of {steps} steps in a narrow valley, and the height after each", { steps }), parts);
  }

  /** A number with three digits that count, however large or small. */
  function short(value) {
    if (value !== 0 && (value < 0.001 || value >= 10000)) {
      const [digits, power] = value.toExponential(1).split("e");
      return `${digits} · 10^${Number(power)}`;
    }
    return String(Number(value.toPrecision(3)));
  }

  /** Rate times curvature, and on which side of the edge it lies. */
  function edgeInWords({ rate, walls, momentum }) {
    const product = rate * walls;
    const limit = 2 * (1 + momentum);
    const apart = product - limit;
    const values = { rate, walls, product: fixed(product, 2), limit: fixed(limit, 1) };
    if (Math.abs(apart) < 1e-9) {
      return say(
        "Rate {rate} times the curvature {walls} of the walls is {product}, exactly the edge of {limit}.",
        values,
      );
    }
    return apart < 0
      ? say("Rate {rate} times the curvature {walls} of the walls is {product}, below the edge of {limit}.", values)
      : say("Rate {rate} times the curvature {walls} of the walls is {product}, above the edge of {limit}.", values);
  }

  function tell(state) {
    const { rate, walls, momentum, steps } = state;
    const places = path(state);
    const end = height(places.at(-1), walls);
    const edge = edgeInWords(state);
    const heights = say("Height at the start {start}, after {steps} steps {end}.", {
      start: short(height(START, walls)),
      steps,
      end: short(end),
    });
    if (momentum) return say("{edge} {heights}", { edge, heights });
    const factors = say(
      "Each step multiplies the distance across by {across} and the distance along the floor by {along}.",
      { across: fixed(1 - rate * walls, 2).replace("-", "−"), along: fixed(1 - rate * FLOOR, 3) },
    );
    return say("{edge} {factors} {heights}", { edge, factors, heights });
  }

  const words = {
    rate: (value) => fixed(value, 3),
    momentum: (value) => fixed(value, 1),
    walls: (value) => `${value} : 1`,
  };
  Touch.register("descent", { draw, tell, words });
  if (typeof module === "object") module.exports = { path, height };
})(typeof module === "object" ? require("./touch.js") : window.Touch);
