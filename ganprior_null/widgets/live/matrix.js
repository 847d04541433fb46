// Range and null part of a point under a 1 x 2 or 2 x 2 matrix, by dragging. A: list of one or two rows [a, b].

const EPSILON = 2 ** -52;

/** A v. */
export function times(A, v) {
  return A.map((row) => row[0] * v[0] + row[1] * v[1]);
}

/** Number of singular values above 2 epsilon times the largest, the rule of ganprior_null.Matrix. */
export function rank(A) {
  const total = A.flat().reduce((sum, v) => sum + v * v, 0); // of the squared singular values
  if (total === 0) return 0;
  const det = A.length === 2 ? A[0][0] * A[1][1] - A[0][1] * A[1][0] : 0; // their product, up to its sign
  const largest = (total + Math.sqrt(Math.max(0, total * total - 4 * det * det))) / 2; // squared
  return Math.abs(det) > 2 * EPSILON * largest ? 2 : 1;
}

/** A^+: the inverse at rank 2, A^T / sigma^2 at rank 1, zero at rank 0. */
export function pinv(A) {
  const r = rank(A);
  if (r === 2) {
    const [[a, b], [c, d]] = A;
    const det = a * d - b * c;
    return [[d / det, -b / det], [-c / det, a / det]];
  }
  const total = r === 1 ? A.flat().reduce((sum, v) => sum + v * v, 0) : Infinity;
  return [0, 1].map((column) => A.map((row) => row[column] / total));
}

/** x -> {y: A x, range: A^+ A x, nullPart: x - A^+ A x}. */
export function decompose(A, x) {
  const y = times(A, x);
  const range = pinv(A).map((row) => row.reduce((sum, v, i) => sum + v * y[i], 0));
  return { y, range, nullPart: [x[0] - range[0], x[1] - range[1]] };
}

/** x_hat = A^+ A x + (x_r - A^+ A x_r), the consistent point nearest to x_r. */
export function enforce(A, x, x_r) {
  const [known, free] = [decompose(A, x).range, decompose(A, x_r).nullPart];
  return known.map((v, i) => v + free[i]);
}

const [SIDE, UNIT, STEP] = [320, 105, 0.05]; // pixels of the plane, pixels to one, where points may lie
const digits = (n) => (Math.abs(n) < 5e-3 ? 0 : n + 1e-9 * Math.sign(n)).toFixed(2); // 0.375 and 0.375 less its rounding look alike
const show = (v) => `(${v.map(digits).join(", ")})`;
const at = ([a, b]) => [SIDE / 2 + UNIT * a, SIDE / 2 - UNIT * b];
const snap = (v) => Math.min(1.4, Math.max(-1.4, Math.round(v / STEP) * STEP)); // stays in sight

function line(from, to, style) {
  const [[x1, y1], [x2, y2]] = [at(from), at(to)];
  return element("line", { x1, y1, x2, y2, ...style });
}

function arrow(from, to, colour, width = 3) {
  const [[x1, y1], [x2, y2]] = [at(from), at(to)];
  const length = Math.hypot(x2 - x1, y2 - y1);
  const group = element("g", { stroke: colour, fill: colour, "stroke-width": width });
  if (length < 1) return group;
  const [u, v] = [(x2 - x1) / length, (y2 - y1) / length];
  const [bx, by] = [x2 - 9 * u, y2 - 9 * v];
  group.append(element("line", { x1, y1, x2: bx, y2: by }));
  group.append(element("path", { d: `M${x2} ${y2} L${bx - 4 * v} ${by + 4 * u} L${bx + 4 * v} ${by - 4 * u} Z`, "stroke-width": 1 }));
  return group;
}

function label(text, point, [dx, dy] = [8, -8], anchor = "start") {
  const [x, y] = at(point);
  const [least, most] = anchor === "end" ? [8 * text.length, SIDE] : [2, SIDE - 8 * text.length]; // stays in sight
  return element("text", { x: Math.min(most, Math.max(least, x + dx)), y: Math.max(14, y + dy), "text-anchor": anchor }, text);
}

function plane(panel, title) {
  const lines = element("g", {});
  const svg = element("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "group", "aria-label": title }, lines);
  panel.pictures.append(frame("18rem", svg, element("figcaption", {}, title)));
  return { svg, lines };
}

const axes = () => [line([-2, 0], [2, 0], { stroke: "currentColor", opacity: 0.35 }), line([0, -2], [0, 2], { stroke: "currentColor", opacity: 0.35 })];

/** Lines through a point along v, from border to border. */
function through(point, v, style) {
  const far = 6 / Math.hypot(...v);
  return line([point[0] - far * v[0], point[1] - far * v[1]], [point[0] + far * v[0], point[1] + far * v[1]], style);
}

/** The images with both pixels from 0, black, to 1, white. */
const images = () => [
  element("rect", { x: SIDE / 2, y: SIDE / 2 - UNIT, width: UNIT, height: UNIT, fill: "currentColor", opacity: 0.08 }),
  element("text", { x: SIDE / 2 + UNIT - 4, y: SIDE / 2 + 16 }, "1"),
  element("text", { x: SIDE / 2 - 14, y: SIDE / 2 - UNIT + 5 }, "1"),
];

/** The lines and arrows on the side of the images. */
function sketch(A, x, x_r, { range, nullPart }) {
  const parts = [...images(), ...axes()];
  const [blue, orange] = ["var(--live-blue)", "var(--live-orange)"];
  if (rank(A) === 1) {
    const along = A.find((row) => row[0] || row[1]);
    const away = [-along[1], along[0]];
    parts.push(through([0, 0], along, { stroke: "currentColor", "stroke-dasharray": "2 5", opacity: 0.8 }));
    parts.push(through([0, 0], away, { stroke: blue, "stroke-dasharray": "7 5" }));
    parts.push(through(x, away, { stroke: blue, "stroke-width": 2 }));
  }
  A.forEach((row) => parts.push(arrow([0, 0], row, "currentColor", 1.5)));
  parts.push(line(x_r, enforce(A, x, x_r), { stroke: orange, "stroke-width": 2, "stroke-dasharray": "4 3" }));
  parts.push(arrow([0, 0], range, orange), arrow(range, x, blue));
  if (Math.hypot(...range) > 0.15) parts.push(label("range part", range.map((v) => 0.4 * v), [8, 14]));
  if (Math.hypot(...nullPart) > 0.15) parts.push(label("null part", [range[0] + nullPart[0] / 2, range[1] + nullPart[1] / 2]));
  return parts;
}

/** What A x is: a point of a line for one row, of a plane for two. */
function measured(y) {
  const point = y.length === 1 ? [y[0], 0] : y;
  return [...(y.length === 1 ? axes().slice(0, 1) : axes()), arrow([0, 0], point, "var(--live-orange)"), label(`A x = ${show(y)}`, point, [0, -14])];
}

/** A point to drag, or to move with the arrow keys (Shift: five steps at once). */
function handle(svg, name, get, set) {
  const reach = element("circle", { r: 25, fill: "transparent" }); // what a finger needs: 44 px where the plane is narrow
  const dot = element("circle", { r: 9, fill: "currentColor", "fill-opacity": 0.25, stroke: "currentColor", "stroke-width": 1.5 });
  const text = element("text", {}, name);
  const node = element("g", { tabindex: 0, role: "slider", "aria-roledescription": "point in the plane", "aria-label": `${name}, arrow keys move it`, "data-handle": name }, reach, dot, text);
  const move = (v) => set(v.map(snap));
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
    move(get().map((v, i) => v + step[i] * STEP * (event.shiftKey ? 5 : 1)));
  });
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    node.focus();
  });
  node.addEventListener("pointermove", (event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    const box = svg.getBoundingClientRect();
    const scale = SIDE / box.width / UNIT;
    move([(event.clientX - box.left - box.width / 2) * scale, (box.top + box.height / 2 - event.clientY) * scale]);
  });
  svg.append(node);
  return () => {
    const point = get();
    node.style.display = point ? "" : "none";
    if (!point) return;
    const [cx, cy] = at(point);
    for (const circle of [reach, dot]) Object.entries({ cx, cy }).forEach(([key, value]) => circle.setAttribute(key, value));
    Object.entries({ x: Math.min(SIDE - 8 * name.length, cx + 11), y: Math.min(SIDE - 4, cy + 20) }).forEach(([key, value]) => text.setAttribute(key, value));
    node.setAttribute("aria-valuenow", point[0].toFixed(2));
    node.setAttribute("aria-valuetext", show(point));
  };
}

/** Two pixels as two grays, 0 black and 1 white, in a row of their own. */
function pixelPairs(panel, names) {
  const row = element("div", { class: "live-row" });
  panel.pictures.after(row);
  panel.pictures = row;
  const pairs = names.map((name) => panel.canvas(name, "6rem"));
  return (points) => points.forEach((data, i) => paint(pairs[i], { data, c: 1, h: 1, w: 2 }));
}

const MEANING = {
  0: "A sees nothing: all of x is null part.",
  1: "Every point of the solid line has this A x.",
  2: "Two independent rows: A sees everything, the null space is the point 0.",
};

function render({ model, el }) {
  const panel = new Panel(model, el, "Range and null part of a point");
  const left = plane(panel, "two-pixel images; drag x, x_r, x̂ and the rows of A, or move them with the arrow keys (Shift: faster)");
  const right = plane(panel, "what is measured, y = A x; drag it too");
  const state = () => ["matrix", "x", "x_r"].map((key) => model.get(key));
  const at2 = (y) => (y.length === 1 ? [y[0], 0] : y);
  const along = (from, to) => decompose(model.get("matrix"), to.map((v, i) => v - from[i])).nullPart.map((v, i) => from[i] + v);
  const held = element("input", { type: "checkbox" });
  const row = (i) => [() => model.get("matrix")[i], (v) => panel.set("matrix", model.get("matrix").map((r, k) => (k === i ? v : r)))];
  const handles = [
    handle(left.svg, "row 1", ...row(0)),
    handle(left.svg, "row 2", ...row(1)),
    handle(left.svg, "x", () => model.get("x"), (v) => {
      const x = model.get("x");
      panel.set("x", held.checked ? along(x, v) : v);
    }),
    handle(left.svg, "x_r", () => model.get("x_r"), (v) => panel.set("x_r", v)),
    handle(left.svg, "x̂", () => enforce(...state()), (v) => {
      const [A, x, x_r] = state();
      const x_hat = enforce(A, x, x_r);
      const to = along(x_hat, v); // it stays consistent
      panel.set("x_r", x_r.map((was, i) => was + to[i] - x_hat[i]));
    }),
    handle(right.svg, "y", () => at2(times(model.get("matrix"), model.get("x"))), (v) => {
      const [A, x] = state();
      const y = v.slice(0, A.length).map((value, i) => value - times(A, x)[i]);
      panel.set("x", x.map((was, i) => was + pinv(A)[i].reduce((sum, p, k) => sum + p * y[k], 0)));
    }),
  ];
  const draw = pixelPairs(panel, ["x as two pixels", "x_r", "x̂"]);
  const two = element("input", { type: "checkbox" });
  two.addEventListener("input", () => {
    const rows = model.get("matrix");
    panel.set("matrix", two.checked ? [rows[0], rows[0].map((v) => snap(-v / 2))] : [rows[0]]);
  });
  panel.controls.append(element("label", {}, held, "keep y while x moves"), element("label", {}, two, "a second row"));
  panel.follow(["matrix", "x", "x_r"], () => {
    const [A, x, x_r] = state();
    const [parts, x_hat] = [decompose(A, x), enforce(A, x, x_r)];
    draw([x, x_r, x_hat]);
    two.checked = A.length === 2;
    left.lines.replaceChildren(...sketch(A, x, x_r, parts));
    right.lines.replaceChildren(...measured(parts.y));
    handles.forEach((update) => update());
    panel.readout.textContent = `A = ${A.map(show).join("; ")}, rank ${rank(A)}. x = ${show(x)} = range part ${show(parts.range)} + null part ${show(parts.nullPart)}. `
      + `A x = ${show(parts.y)}, A (null part) = ${show(times(A, parts.nullPart))}. `
      + `x_r = ${show(x_r)} has A x_r = ${show(times(A, x_r))}; x̂ = ${show(x_hat)}, the consistent point nearest to it, has A x̂ = ${show(times(A, x_hat))}. ${MEANING[rank(A)]}`;
  });
  return () => panel.close();
}

export default { render };
