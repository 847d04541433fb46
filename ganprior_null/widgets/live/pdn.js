// Many consistent answers to one y: PDN in the page, its code turned by a slider, PD in float64.

/** Along the great circle of the directions of a and b, the length going over evenly: at t in [0, 1]. */
export function between(a, b, t) {
  const [la, lb] = [Math.hypot(...a), Math.hypot(...b)];
  const angle = Math.acos(Math.min(1, Math.max(-1, a.reduce((s, v, k) => s + v * b[k], 0) / la / lb)));
  const length = la + t * (lb - la);
  return a.map((v, k) => (length * ((Math.sin((1 - t) * angle) * v) / la + (Math.sin(t * angle) * b[k]) / lb)) / Math.sin(angle));
}

/** Root mean square of a - b, in levels of 255: what the block means see, and the rest. */
export function apart(a, b, s) {
  const d = { ...a, data: a.data.map((v, i) => v - b.data[i]) };
  const seen = repeat(pool(d, s), s);
  const rms = (data) => 255 * Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
  return { range: rms(seen.data), null: rms(d.data.map((v, i) => v - seen.data[i])) };
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Many answers to one y");
  const [side, factor, count] = ["side", "factor", "count"].map((key) => model.get(key));
  const network = new Network(model, model.get("network"));
  const answers = tiles(await decode(model.get("still"), "image/webp"), side); // x_r of each code
  let x = tiles(await decode(model.get("picture"), "image/webp"), side)[0];
  panel.slider("turn", "z, from the first code to the last", 1, count, 0.05);
  const titles = ["x, which PDN does not see", "y = A x", "x_r, PDN's answer by this z", "x̂, after PD", "A x̂"];
  const [before, small, raw, hat, again] = titles.map((title) => panel.canvas(title, "7.8rem"));
  const rest = element("div", { class: "live-row" });
  panel.pictures.after(rest);
  panel.pictures = rest;
  const each = Array.from({ length: count }, (_, k) => panel.canvas(`x̂ by z ${k + 1}`, "6.5rem"));
  for (const canvas of [raw, hat, before, ...each]) canvas.classList.add("live-smooth");
  panel.controls.disabled = true;
  const image = (data) => ({ data: Float64Array.from(data), c: 3, h: side, w: side });

  async function ask(z) {
    return image((await network.run({ y: pool(x, factor).data, z })).x_r);
  }

  const code = (k) => floats(model.get("codes")).subarray((k * network.graph.inputs.z[1][1]), ((k + 1) * network.graph.inputs.z[1][1]));

  function show(x_r) {
    const y = pool(x, factor);
    const consistent = answers.map((answer) => combine(y, answer, factor, 1));
    const x_hat = combine(y, x_r, factor, 1);
    [[small, y], [raw, x_r], [hat, x_hat], [before, x], [again, pool(x_hat, factor)], ...each.map((canvas, k) => [canvas, consistent[k]])]
      .forEach(([canvas, picture]) => paint(canvas, picture));
    const worst = Math.max(...[x_hat, ...consistent].map((answer) => gap(pool(answer, factor), y).largest));
    const { range, null: beyond } = apart(x_hat, consistent[0], factor);
    panel.readout.textContent = `max |A x̂ − y| over all ${count + 1} answers: ${worst.toExponential(1)}, in float64. PSNR(LR) of x_r: ${psnr(pool(x_r, factor), y)}. `
      + `From the first answer this one differs by ${range.toFixed(2)} levels of 255 in the range and by ${beyond.toFixed(2)} in the null space (root mean square). `
      + (network.ready ? `One pass takes ${network.milliseconds.toFixed(0)} ms.` : "These are stored answers.");
  }

  const guarded = (work) => oneAtATime(async () => {
    try {
      await work();
    } catch (error) {
      panel.controls.disabled = true;
      loading.failed(error);
    }
  });

  /** The answers by all codes, for a new picture or new codes. */
  const all = guarded(async () => {
    for (let k = 0; k < count; k++) answers[k] = await ask(code(k));
    await turn();
  });

  const turn = guarded(async () => {
    const at = Math.min(count, Math.max(1, model.get("turn"))) - 1;
    const k = Math.min(count - 2, Math.floor(at));
    show(network.ready ? await ask(at % 1 ? between(code(k), code(k + 1), at - k) : code(at)) : answers[0]);
  });

  const loading = loader(panel, [network], () => {
    panel.controls.disabled = false;
    return all();
  });
  panel.button("other codes", () => panel.set("codes", new DataView(normals(floats(model.get("codes")).length).buffer)));
  chooser(panel, (bitmap) => square(bitmap, side), (taken) => {
    x = taken.x;
    all();
  });
  panel.listen(["codes"], () => network.ready && all());
  panel.follow(["turn"], turn);
  return () => {
    panel.close();
    network.close();
  };
}

export default { render };
