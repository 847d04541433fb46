// Many answers to one measurement, computed beforehand and stored without loss; whether they are consistent, and how far
// they are apart, is computed here from the pixels shown.

/** Sums over blocks of factor x factor pixels of 8-bit RGBA (side x side): integers, in rows of blocks, three a block. */
export function blockSums(rgba, side, factor) {
  const n = side / factor;
  const sums = new Array(3 * n * n).fill(0);
  for (let i = 0; i < side * side; i++) {
    const block = Math.floor(Math.floor(i / side) / factor) * n + Math.floor((i % side) / factor);
    for (let k = 0; k < 3; k++) sums[3 * block + k] += rgba[4 * i + k];
  }
  return sums;
}

/** How many of the LR values the block means miss, and by how many levels at most: {missed, worst, count}. */
export function consistency(sums, y, factor) {
  let [missed, worst] = [0, 0];
  for (let i = 0; i < sums.length; i++) {
    const off = Math.abs(sums[i] / factor ** 2 - y[4 * Math.floor(i / 3) + (i % 3)]);
    if (off > 0) missed++;
    worst = Math.max(worst, off);
  }
  return { missed, worst, count: sums.length };
}

/** Root mean square of the difference of two pictures, in levels: {range, null}, what the block means see and the rest. */
export function apart(a, b, side, factor) {
  const [sa, sb] = [blockSums(a, side, factor), blockSums(b, side, factor)];
  const range = sa.reduce((sum, v, i) => sum + ((v - sb[i]) / factor ** 2) ** 2, 0) / sa.length;
  let all = 0;
  for (let i = 0; i < side * side; i++) for (let k = 0; k < 3; k++) all += (a[4 * i + k] - b[4 * i + k]) ** 2;
  return { range: Math.sqrt(range), null: Math.sqrt(Math.max(0, all / (3 * side * side) - range)) };
}

/** A bitmap -> its 8-bit RGBA pixels, exactly: no colours are converted, nothing is scaled. */
function pixelsOf(bitmap) {
  const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** The difference of two pictures around mid-gray, four times enlarged. */
function difference(a, b, side) {
  const shown = new ImageData(side, side);
  for (let i = 0; i < shown.data.length; i++) shown.data[i] = i % 4 === 3 ? 255 : 128 + 4 * (a[i] - b[i]);
  return shown;
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Many answers to one y");
  const [side, factor, codes, steps] = ["side", "factor", "codes", "steps"].map((key) => model.get(key));
  const sheet = await decode(model.get("sheet"), "image/webp");
  const y = pixelsOf(await decode(model.get("measurement"), "image/webp"));
  const all = pixelsOf(sheet);
  const tile = (i) => {
    const part = new Uint8ClampedArray(4 * side * side);
    for (let r = 0; r < side; r++) part.set(all.data.subarray(4 * (r * all.width + i * side), 4 * (r * all.width + (i + 1) * side)), 4 * r * side);
    return part;
  };
  panel.slider("place", "z, from the first to the last", 1, codes, 1 / steps);
  const [small, large, change, row] = [
    panel.canvas("y"), panel.canvas("the answer to y by this z", "12rem"), panel.canvas("less the answer by the first z, x 4", "12rem"),
    panel.canvas("the answers by each z", `${5.5 * codes}rem`),
  ];
  [small.width, small.height, row.width, row.height] = [y.width, y.height, codes * side, side];
  small.getContext("2d").putImageData(y, 0, 0);
  for (const canvas of [large, change]) [canvas.width, canvas.height] = [side, side];
  for (const canvas of [large, change, row]) canvas.classList.add("live-smooth");
  const first = tile(0);
  panel.follow(["place"], () => {
    const i = Math.min((codes - 1) * steps, Math.max(0, Math.round((model.get("place") - 1) * steps)));
    const [now, at] = [tile(i), i / steps];
    large.getContext("2d").putImageData(new ImageData(now, side, side), 0, 0);
    change.getContext("2d").putImageData(difference(now, first, side), 0, 0);
    const context = row.getContext("2d");
    for (let k = 0; k < codes; k++) context.putImageData(new ImageData(tile(k * steps), side, side), k * side, 0);
    [context.lineWidth, context.strokeStyle] = [3, "#ff9f1c"];
    context.strokeRect(at * side + 1.5, 1.5, side - 3, side - 3);
    const { missed, worst, count } = consistency(blockSums(now, side, factor), y.data, factor);
    const { range, null: beyond } = apart(now, first, side, factor);
    const name = i % steps ? `between z ${Math.floor(at) + 1} and z ${Math.floor(at) + 2}` : `at z ${at + 1}`;
    panel.readout.textContent = `${name}: ${count - missed} of ${count} values of y are met exactly, max |A x - y| = ${worst.toFixed(3)} levels of 255. `
      + `From the first answer it differs by ${range.toFixed(2)} levels in the range and by ${beyond.toFixed(2)} in the null space (root mean square).`;
  });
  return () => panel.close();
}

export default { render };
