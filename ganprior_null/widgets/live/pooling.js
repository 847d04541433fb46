// Pooling-based decomposition of the reader's own picture: x, y, x_r, x̂ and A x̂, with a trained network or without.

const PLAIN = ["bicubic", "nearest", "noise", "another face"];
const KEYS = ["factor", "backbone", "strength", "eight_bits", "seed"];
const [MOST, UNIT] = [256, 16]; // largest side that is computed with; every factor divides the unit

/** What the backbone of this name says about y, a picture of the size of x. */
export function propose(name, x, y, other, seed) {
  if (name === "nearest") return repeat(y, x.h / y.h);
  if (name === "bicubic") return bicubic(y, x.h, x.w);
  return name === "noise" ? noise(x, seed) : bicubic(other, x.h, x.w);
}

/** A copy of a bitmap that is worth keeping: what the figure may yet ask of it, whatever its size was. */
function small(bitmap) {
  const { width, height } = fit(bitmap.width, bitmap.height, 2 * MOST, 1);
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

/** One picture before, to the left of a line, and after: the line is dragged. Returns draw(before, after). */
function compare(panel, title) {
  const canvas = element("canvas", { role: "img", "aria-label": title, class: "live-smooth", style: "touch-action: pan-y" });
  const input = element("input", { type: "range", min: 0, max: 100, value: 50 });
  const label = element("label", {}, "before, x_r ", input, " after, x̂");
  panel.readout.before(element("figure", { class: "live-compare" }, canvas, element("figcaption", {}, label)));
  let shown;
  const cut = () => {
    const [before, after] = shown;
    [canvas.width, canvas.height] = [4 * before.width, 4 * before.height];
    const context = canvas.getContext("2d");
    const at = Math.round((input.value / 100) * before.width);
    context.drawImage(after, 0, 0, canvas.width, canvas.height);
    if (at) context.drawImage(before, 0, 0, at, before.height, 0, 0, 4 * at, canvas.height);
    context.fillStyle = "#ff9f1c";
    context.fillRect(4 * at - 2, 0, 4, canvas.height);
  };
  const drag = (event) => {
    const box = canvas.getBoundingClientRect();
    input.value = (100 * (event.clientX - box.left)) / box.width;
    cut();
  };
  input.addEventListener("input", cut);
  canvas.addEventListener("pointerdown", (event) => (canvas.setPointerCapture(event.pointerId), drag(event)));
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && drag(event));
  return (...images) => {
    shown = images.map((image) => (paint(image.canvas ??= element("canvas"), image), image.canvas));
    cut();
  };
}

/** The trained networks, each loaded when the reader asks: answer(name, y) is its x_r, undefined before it is loaded. */
function trained(panel, model, draw) {
  const side = model.get("side");
  const networks = {};
  const network = (name) => {
    if (networks[name]) return networks[name];
    const made = (networks[name] = { network: new Network(model, name) });
    made.loading = loader(panel, [made.network], draw);
    return made;
  };
  return {
    async answer(name, y) {
      const { network: chosen, loading } = network(name);
      if (!chosen.ready) return undefined;
      try {
        const inputs = { y: y.data, z: floats(model.get("code")) };
        const { x_r } = await chosen.run(Object.fromEntries(Object.keys(chosen.graph.inputs).map((key) => [key, inputs[key]])));
        return { data: Float64Array.from(x_r), c: 3, h: side, w: side };
      } catch (error) {
        loading.failed(error);
        return undefined;
      }
    },
    offer(name) {
      if (name) network(name);
      for (const [other, { loading, network: { ready } }] of Object.entries(networks)) loading.row.hidden = other !== name || ready;
    },
    close: () => Object.values(networks).forEach(({ network: open }) => open.close()),
  };
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Pooling-based decomposition of a picture");
  const [names, side, factor] = ["networks", "side", "network_factor"].map((key) => model.get(key));
  const first = await decode(model.get("picture"), "image/jpeg");
  const answers = names.length ? tiles(await decode(model.get("answers"), "image/webp"), side) : [];
  const other = read(await decode(model.get("other"), "image/jpeg"), MOST, UNIT).x;
  let source = first;
  panel.choice("backbone", "network, which makes x_r", [...names, ...PLAIN]);
  panel.choice("factor", "factor", [2, 4, 8, 16]);
  panel.slider("strength", "strength of its null part", 0, 2, 0.05);
  panel.tick("eight_bits", "clip and round x̂ to 8 bits");
  const titles = ["the picture x", "y = A x", "x_r, the network's answer", "x̂ = A⁺y + (I − A⁺A) x_r", "A x̂"];
  const canvases = titles.map((title) => panel.canvas(title, "8rem"));
  const cut = compare(panel, "The picture before PD, left of the line, and after it");
  const sized = panel.controls.querySelector("[data-key=factor]");

  const draw = oneAtATime(async () => {
    const name = model.get("backbone");
    const network = names.includes(name) ? name : "";
    networks.offer(network);
    sized.disabled = Boolean(network);
    sized.nextElementSibling.textContent = network ? `${factor}, as trained` : "";
    const s = network ? factor : model.get("factor");
    const { x } = network ? square(source, side) : read(source, MOST, UNIT);
    const y = pool(x, s);
    const answer = network && ((await networks.answer(name, y)) ?? (source === first ? answers[names.indexOf(name)] : undefined));
    const x_r = answer || propose(network ? "bicubic" : name, x, y, other, model.get("seed"));
    const exact = combine(y, x_r, s, model.get("strength"));
    const x_hat = model.get("eight_bits") ? toEightBits(exact) : exact;
    const again = pool(x_hat, s);
    [x, y, x_r, x_hat, again].forEach((image, i) => paint(canvases[i], image));
    cut(x_r, x_hat);
    const low = gap(again, y);
    const absent = network && !answer ? `${name} is not loaded: bicubic stands in for it. ` : "";
    const free = network ? ` (bicubic + PD ${psnr(combine(y, bicubic(y, x.h, x.w), s, 1), x)})` : "";
    panel.readout.textContent = `${absent}${name} takes 1/${s} of ${x.w} x ${x.h} pixels. max |A x̂ − y| = ${low.largest.toExponential(1)}. `
      + `PSNR(LR) of x_r: ${psnr(pool(x_r, s), y)}, of x̂: ${decibels(low.meanSquare)}. PSNR to the picture: x_r ${psnr(x_r, x)}, x̂ ${psnr(x_hat, x)}${free}. Computed here, in float64.`;
  });
  const networks = trained(panel, model, draw);
  const taken = chooser(panel, (bitmap) => ({ ...read(bitmap, MOST, UNIT), kept: small(bitmap) }), ({ kept }) => {
    source = kept;
    draw();
  });
  panel.button("reset", () => {
    source = first;
    taken.value = "";
    panel.notice.textContent = "";
    panel.reset(KEYS);
    draw();
  });
  panel.button("save x̂", () => save(canvases[3], "x_hat.png"));
  panel.share(KEYS);
  panel.follow(KEYS, draw);
  return () => {
    panel.close();
    networks.close();
  };
}

export default { render };
