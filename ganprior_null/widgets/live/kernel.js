// A blur kernel drawn by four sliders, and what it does to a picture. Images: {data: Float64Array (C, H, W), c, h, w}.

const SIDE = 24; // even, like the factors: the kernel's middle is then the middle of a pixel's cell

/**
 * Weights (side, side), row by row, and the sum they had before they were made to sum to 1: a Gaussian of standard
 * deviation `width` along `angle` (degrees, anticlockwise from the columns' direction) and width sqrt(1 - e^2) across it,
 * averaged over 33 shifts along a path of length `motion` in the same direction. Lengths are pixels of x.
 */
export function kernel(width, angle, eccentricity, motion, side = SIDE) {
  const turn = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const across = width * Math.sqrt(1 - eccentricity ** 2);
  const weights = new Float64Array(side * side);
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < side; j++) {
      const [right, up] = [j - (side - 1) / 2, (side - 1) / 2 - i];
      const [u, v] = [right * cos + up * sin, up * cos - right * sin];
      for (let k = -16; k <= 16; k++) {
        const shifted = u - (k / 32) * motion;
        weights[i * side + j] += Math.exp(-0.5 * ((shifted / width) ** 2 + (v / across) ** 2)) / (33 * 2 * Math.PI * width * across);
      }
    }
  }
  const sum = weights.reduce((a, b) => a + b, 0);
  return { weights: weights.map((v) => v / sum), side, sum };
}

/** Correlate with the kernel (circular borders), keep every s-th pixel: ganprior_null.BlurDownsample with kernel and s. */
export function blurDownsample({ data, c, h, w }, { weights, side }, s) {
  const y = { data: new Float64Array((c * h * w) / (s * s)), c, h: h / s, w: w / s };
  const off = Math.floor((s - side) / 2);
  const wrap = (i, n) => ((i % n) + n) % n;
  for (let a = 0; a < side; a++) {
    for (let b = 0; b < side; b++) {
      const weight = weights[a * side + b];
      if (weight === 0) continue;
      for (let row = 0; row < y.h; row++) {
        const from = wrap(row * s + a + off, h) * w;
        for (let column = 0; column < y.w; column++) {
          const pixel = from + wrap(column * s + b + off, w);
          for (let k = 0; k < c; k++) y.data[(k * y.h + row) * y.w + column] += weight * data[k * h * w + pixel];
        }
      }
    }
  }
  return y;
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Kernel designer");
  const { x } = read(await decode(model.get("picture"), "image/jpeg"), 128, 16);
  panel.slider("width", "width (pixels)", 0.4, 4, 0.1);
  panel.slider("angle", "angle (degrees)", 0, 180, 5);
  panel.slider("eccentricity", "eccentricity", 0, 0.95, 0.05);
  panel.slider("motion", "motion (pixels)", 0, 16, 1);
  panel.choice("factor", "factor", [2, 4, 8]);
  const [drawn, before, blurred, small] = ["the kernel", "the picture x", "blurred", "y: blurred, every s-th pixel"].map((title) => panel.canvas(title));
  paint(before, x);
  panel.follow(["width", "angle", "eccentricity", "motion", "factor"], () => {
    const s = model.get("factor");
    const k = kernel(...["width", "angle", "eccentricity", "motion"].map((key) => model.get(key)));
    const largest = Math.max(...k.weights);
    paint(drawn, { data: k.weights.map((v) => v / largest), c: 1, h: k.side, w: k.side });
    paint(blurred, blurDownsample(x, k, 1));
    const y = blurDownsample(x, k, s);
    paint(small, y);
    panel.readout.textContent = `The weights sum to ${k.weights.reduce((a, b) => a + b, 0).toFixed(6)}; before they were made to, to ${k.sum.toFixed(3)}. `
      + `Largest weight ${largest.toFixed(3)}. x has ${x.w} x ${x.h} pixels, y ${y.w} x ${y.h}.`;
  });
  return () => panel.close();
}

export default { render };
