// The shipped restorers on the reader's picture, each before PD and after it, with what costs nothing beside them.

/** [name, image] of every answer to y: what costs nothing first; trained: [[name, x_r]]. */
export function rows(x, y, s, trained) {
  const smooth = bicubic(y, x.h, x.w);
  const free = [["A⁺y", repeat(y, s)], ["bicubic", smooth], ["bicubic + PD", combine(y, smooth, s, 1)]];
  return [...free, ...trained.flatMap(([name, x_r]) => [[name, x_r], [`${name} + PD`, combine(y, x_r, s, 1)]])];
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Restorers with and without PD");
  const [names, side, s] = ["networks", "side", "factor"].map((key) => model.get(key));
  const networks = names.map((name) => new Network(model, name));
  const image = (data) => ({ data: Float64Array.from(data), c: 3, h: side, w: side });
  let x = tiles(await decode(model.get("picture"), "image/webp"), side)[0];
  let answers = tiles(await decode(model.get("still"), "image/webp"), side);
  panel.controls.disabled = true;
  const [before, small] = [panel.canvas("x, the picture", "7rem"), panel.canvas("y = A x", "7rem")];
  const pairs = rows(x, pool(x, s), s, names.map((name) => [name, x]));
  const canvases = pairs.map(([name]) => panel.canvas(name, "7rem"));
  const body = element("tbody");
  const heads = ["answer", "PSNR(LR)", "max |A x − y|", "PSNR to x"].map((text) => element("th", { scope: "col" }, text));
  const table = element("table", { class: "live-table" }, element("thead", {}, element("tr", {}, ...heads)), body);
  panel.readout.before(table);

  const draw = oneAtATime(async () => {
    const y = pool(x, s);
    try {
      if (networks.every((network) => network.ready)) {
        answers = [];
        for (const network of networks) {
          const z = network.graph.inputs.z ? { z: floats(model.get("code")) } : {};
          answers.push(image((await network.run({ y: y.data, ...z })).x_r));
        }
      }
    } catch (error) {
      panel.controls.disabled = true;
      loading.failed(error);
    }
    const all = rows(x, y, s, names.map((name, i) => [name, answers[i]]));
    [[before, x], [small, y], ...all.map(([, answer], i) => [canvases[i], answer])].forEach(([canvas, picture]) => paint(canvas, picture));
    body.replaceChildren(...all.map(([name, answer]) => {
      const low = gap(pool(answer, s), y);
      const cells = [decibels(low.meanSquare), low.largest.toExponential(1), psnr(answer, x)].map((text) => element("td", {}, text));
      return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
    }));
    const slowest = networks.every((network) => network.milliseconds) ? `A pass takes ${networks.map((network) => network.milliseconds.toFixed(0)).join(" and ")} ms. ` : "";
    panel.readout.textContent = `${slowest}y = A x with block means of ${s} x ${s} pixels, so PD's operator is the true one. The networks compute in float32, PD and the errors in float64.`;
  });
  const loading = loader(panel, networks, () => {
    panel.controls.disabled = false;
    return draw();
  });
  chooser(panel, (bitmap) => square(bitmap, side), (taken) => {
    x = taken.x;
    draw();
  });
  panel.follow([], draw);
  return () => {
    panel.close();
    networks.forEach((network) => network.close());
  };
}

export default { render };
