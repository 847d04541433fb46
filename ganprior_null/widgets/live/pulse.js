// PULSE before the reader's eyes: Adam on z, its gradient from the page's own network, on the sphere and off it.

const [LR, ROOM] = [0.4, { w: 320, h: 150 }];

/** The step's share of the learning rate, 0.1 to 1 and back, then to nothing: "linear1cycledrop" of the package. */
export function schedule(step, steps) {
  const ramp = 0.9 * steps;
  if (step < ramp) return (9 * (1 - 2 * Math.abs(step / ramp - 0.5)) + 1) / 10;
  return 0.1 + ((step - ramp) / (0.1 * steps)) * (0.001 - 0.1);
}

/** One search: z (L D numbers), Adam's memory, the best so far. spherical: z is scaled back to its layers' radii. */
export class Search {
  constructor(z, layers, spherical) {
    [this.z, this.layers, this.spherical, this.t] = [Float32Array.from(z), layers, spherical, 0];
    [this.m, this.v] = [new Float64Array(z.length), new Float64Array(z.length)];
    [this.errors, this.best] = [[], { error: Infinity }];
    this.radii = this.norms();
  }

  norms() {
    const D = this.z.length / this.layers;
    return Array.from({ length: this.layers }, (_, l) => Math.hypot(...this.z.subarray(l * D, (l + 1) * D)));
  }

  /** The norm of z over that of N(0, 1) numbers. */
  get length() {
    return Math.hypot(...this.z) / Math.sqrt(this.z.length);
  }

  /** Note an image and its error, then a step of Adam along the gradient. */
  step({ x, error: [error], gradient }, rate) {
    this.errors.push(error);
    if (error < this.best.error) this.best = { error, x };
    this.t++;
    for (let k = 0; k < this.z.length; k++) {
      const g = 100 * gradient[k]; // of 100 L2 + 0.05 GEOCROSS
      this.m[k] = 0.9 * this.m[k] + 0.1 * g;
      this.v[k] = 0.999 * this.v[k] + 0.001 * g * g;
      this.z[k] -= (rate * this.m[k]) / (1 - 0.9 ** this.t) / (Math.sqrt(this.v[k] / (1 - 0.999 ** this.t)) + 1e-8);
    }
    if (!this.spherical) return;
    const [D, norms] = [this.z.length / this.layers, this.norms()];
    for (let k = 0; k < this.z.length; k++) this.z[k] *= this.radii[Math.floor(k / D)] / norms[Math.floor(k / D)];
  }
}

/** The errors of the searches over their steps, on a logarithmic scale, with the line of eps. */
function curves(svg, searches, steps, eps) {
  const [low, high] = [-4, 0]; // powers of ten
  const at = (step, error) => [(ROOM.w * step) / steps, (ROOM.h * (high - Math.log10(error))) / (high - low)];
  const line = at(0, eps)[1];
  const parts = [
    element("line", { x1: 0, x2: ROOM.w, y1: line, y2: line, stroke: "currentColor", "stroke-dasharray": "4 4" }),
    element("text", { x: 4, y: line - 4 }, `eps = ${eps}`),
  ];
  searches.forEach(({ errors }, i) => {
    if (!errors.length) return;
    const path = errors.map((error, step) => `${step ? "L" : "M"}${at(step, error).map((v) => v.toFixed(1)).join(" ")}`).join(" ");
    parts.push(element("path", { d: path, fill: "none", stroke: `var(--live-${["blue", "orange"][i]})`, "stroke-width": 2 }));
  });
  svg.replaceChildren(...parts);
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "A search in the prior for a picture");
  const [side, factor, layers, steps, eps] = ["side", "factor", "layers", "steps", "eps"].map((key) => model.get(key));
  const network = new Network(model, model.get("network"));
  const stored = tiles(await decode(model.get("still"), "image/webp"), side);
  const names = ["on the sphere", "any norm"];
  let x = tiles(await decode(model.get("picture"), "image/webp"), side)[0];
  let [searches, running] = [[], 0];
  panel.controls.disabled = true;
  const [before, small] = ["x, the picture", "y = A x: all that the search sees"].map((title) => panel.canvas(title, "6.9rem"));
  const found = names.map((name) => [`best G(w), ${name}`, `the same after PD, ${name}`].map((title) => panel.canvas(title, "6.9rem")));
  for (const canvas of found.flat()) canvas.classList.add("live-smooth");
  const svg = element("svg", { viewBox: `0 0 ${ROOM.w} ${ROOM.h}`, role: "img", "aria-label": "mean square of A x - y over the steps" });
  panel.pictures.append(element("figure", { style: "flex: 0 1 26rem" }, svg, element("figcaption", {}, `mean square of A x − y, 1 to 0.0001, over ${steps} steps: blue on the sphere, orange with any norm`)));
  const image = (data) => ({ data: Float64Array.from(data), c: 3, h: side, w: side });

  function show(answers) {
    const y = pool(x, factor);
    paint(before, x);
    paint(small, y);
    answers.forEach((answer, i) => [answer, combine(y, answer, factor, 1)].forEach((picture, k) => paint(found[i][k], picture)));
    curves(svg, searches, steps, eps);
  }

  function tell(state) {
    const y = pool(x, factor);
    const words = searches.map((search, i) => {
      const worst = gap(pool(combine(y, image(search.best.x), factor, 1), factor), y).largest;
      const reached = search.best.error <= eps ? `reached eps = ${eps}` : `has not reached eps = ${eps}`;
      return `${names[i]}: step ${search.errors.length}, best mean square ${search.best.error.toExponential(2)}, ${reached}; |z| is ${search.length.toFixed(2)} of a sample's; after PD max |A x̂ − y| = ${worst.toExponential(1)}`;
    });
    panel.readout.textContent = `${words.join(". ")}. ${state}`;
  }

  /** Both searches in step, until each has reached eps or all steps are done, or another search begins. */
  async function search() {
    const own = ++running;
    const y = pool(x, factor);
    const z = normals(network.graph.inputs.z[1].reduce((a, b) => a * b, 1));
    searches = names.map((_, i) => new Search(z, layers, i === 0));
    begin.textContent = "stop";
    try {
      for (let step = 0; step <= steps && own === running; step++) {
        const going = searches.filter(({ best }) => best.error > eps);
        if (!going.length) break;
        for (const one of going) one.step(await network.run({ z: one.z, y: y.data }), LR * schedule(step, steps));
        if (own !== running) return;
        show(searches.map(({ best }) => image(best.x)));
        tell(`A step takes ${network.milliseconds.toFixed(0)} ms, its gradient included.`);
      }
      tell("The search is over.");
    } catch (error) {
      panel.controls.disabled = true;
      loading.failed(error);
    }
    if (own === running) stop();
  }

  function stop() {
    running++;
    begin.textContent = "search again, from another start";
  }

  const begin = panel.button("search", () => (begin.textContent === "stop" ? stop() : search()));
  const loading = loader(panel, [network], () => {
    panel.controls.disabled = false;
    search();
  });
  chooser(panel, (bitmap) => square(bitmap, side), (taken) => {
    x = taken.x;
    search();
  });
  show(stored);
  panel.readout.textContent = `A stored search of ${steps} steps at most. eps = ${eps} counts as reached.`;
  return () => {
    running++;
    panel.close();
    network.close();
  };
}

export default { render };
