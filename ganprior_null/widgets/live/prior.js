// A walk through a prior, the generator running in the page: every picture is a sample made while the reader drags.

const HALF = 100; // pixels of the square from its middle

/** z0 + a z1 + b z2, of the codes (4, D): the first three; then the fourth, the other person: (2, D). */
export function pair(codes, a, b) {
  const D = codes.length / 4;
  const z = new Float32Array(2 * D);
  for (let i = 0; i < D; i++) [z[i], z[D + i]] = [codes[i] + a * codes[D + i] + b * codes[2 * D + i], codes[3 * D + i]];
  return z;
}

/** A square whose point (a, b) is dragged, or moved with the arrow keys. */
function pad(panel, model, reach) {
  const dot = element("g", { tabindex: 0, role: "slider", "aria-label": "a and b, arrow keys move them", "data-handle": "walk" },
    element("circle", { r: 22, fill: "transparent" }), element("circle", { r: 8, fill: "var(--live-orange)" }));
  const cross = [[-HALF, 0, HALF, 0], [0, -HALF, 0, HALF]].map(([x1, y1, x2, y2]) => element("line", { x1, y1, x2, y2, stroke: "currentColor", opacity: 0.35 }));
  const svg = element("svg", { viewBox: `${-HALF} ${-HALF} ${2 * HALF} ${2 * HALF}`, role: "group", "aria-label": "the plane of a and b" }, ...cross, dot);
  panel.pictures.append(element("figure", { style: "flex: 0 1 11rem" }, svg, element("figcaption", {}, "z = z0 + a z1 + b z2: drag the point")));
  const move = (a, b) => {
    const inside = (v) => Math.min(reach, Math.max(-reach, Math.round(100 * v) / 100));
    model.set("a", inside(a));
    panel.set("b", inside(b));
  };
  dot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
    const far = event.shiftKey ? 0.5 : 0.1;
    move(model.get("a") + far * step[0], model.get("b") + far * step[1]);
  });
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    move(reach * (2 * (event.clientX - box.left) / box.width - 1), reach * (1 - 2 * (event.clientY - box.top) / box.height));
  };
  svg.addEventListener("click", point);
  dot.addEventListener("pointerdown", (event) => dot.setPointerCapture(event.pointerId));
  dot.addEventListener("pointermove", (event) => dot.hasPointerCapture(event.pointerId) && point(event));
  return { dot, show(a, b) {
    dot.setAttribute("transform", `translate(${(HALF * a) / reach} ${(-HALF * b) / reach})`);
    dot.setAttribute("aria-valuenow", a.toFixed(2));
    dot.setAttribute("aria-valuetext", `a ${a.toFixed(2)}, b ${b.toFixed(2)}`);
  } };
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "A walk through a prior");
  const [name, reach, layers] = ["network", "reach", "layers"].map((key) => model.get(key));
  const network = new Network(model, name);
  const stored = tiles(await decode(model.get("still"), "image/webp"), model.get("side"));
  panel.slider("psi", "truncation ψ", 0, 1.5, 0.05);
  panel.slider("noise", "noise", 0, 3, 0.1);
  panel.slider("crossover", "layers from A, the others from B", 0, layers, 1);
  const { dot, show } = pad(panel, model, reach);
  const canvases = ["A: G(z)", "mixed", "B"].map((title) => panel.canvas(title, "10rem"));
  for (const canvas of canvases) canvas.classList.add("live-smooth");
  stored.forEach((x, i) => paint(canvases[i], x));
  panel.controls.disabled = true;
  let made = {};

  /** The sample of these settings, not made again while they stay. */
  async function sample(key, inputs) {
    const settings = JSON.stringify(inputs, (_, v) => (v instanceof Float32Array ? [...v] : v));
    if (made[key]?.settings !== settings) made[key] = { settings, x: (await network.run(inputs)).x };
    const side = model.get("side");
    return { data: made[key].x, c: 3, h: side, w: side };
  }

  const draw = oneAtATime(async () => {
    const [a, b, psi, noise, crossover] = ["a", "b", "psi", "noise", "crossover"].map((key) => model.get(key));
    show(a, b);
    if (!network.ready) return void (panel.readout.textContent = `Three stored samples: person A, person B, and layers 0 to ${crossover - 1} of A with the others of B; ψ = ${psi}.`);
    try {
      const z = pair(floats(model.get("codes")), a, b);
      const from = (first) => Float32Array.from({ length: layers }, (_, l) => Number(l >= first));
      const starts = [layers, crossover, 0];
      for (const [i, first] of starts.entries()) paint(canvases[i], await sample(i, { z, second: from(first), psi: [psi], noise: [noise] }));
      panel.readout.textContent = `z = z0 + (${a.toFixed(2)}) z1 + (${b.toFixed(2)}) z2, ψ = ${psi}, noise × ${noise}; mixed: layers `
        + `${crossover ? `0 to ${crossover - 1} from A` : "none from A"}, ${layers - crossover} from B. One sample takes ${network.milliseconds.toFixed(0)} ms; nothing is blended.`;
    } catch (error) {
      panel.controls.disabled = true;
      loading.failed(error);
    }
  });
  const loading = loader(panel, [network], () => {
    panel.controls.disabled = false;
    made = {};
    return draw();
  });
  panel.button("other people", () => panel.set("codes", new DataView(normals(floats(model.get("codes")).length).buffer)));
  panel.follow(["a", "b", "psi", "noise", "crossover", "codes"], draw);
  return () => {
    panel.close();
    network.close();
  };
}

export default { render };
