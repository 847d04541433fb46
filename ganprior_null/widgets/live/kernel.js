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

/** The Fourier transform of (h, w) complex numbers, an axis at a time; sign -1 is forward, +1 backward times h w. */
function fourier({ re, im }, h, w, sign) {
  const along = (given, n, step, count, skip) => {
    const [cos, sin] = [Math.cos, Math.sin].map((f) => Float64Array.from({ length: n }, (_, k) => f((sign * 2 * Math.PI * k) / n)));
    const out = { re: new Float64Array(h * w), im: new Float64Array(h * w) };
    for (let c = 0; c < count; c++)
      for (let k = 0; k < n; k++) {
        let [real, imaginary] = [0, 0];
        for (let j = 0; j < n; j++) {
          const [at, t] = [c * skip + j * step, (j * k) % n];
          real += given.re[at] * cos[t] - given.im[at] * sin[t];
          imaginary += given.re[at] * sin[t] + given.im[at] * cos[t];
        }
        [out.re[c * skip + k * step], out.im[c * skip + k * step]] = [real, imaginary];
      }
    return out;
  };
  return along(along({ re, im }, w, 1, h, w), h, w, w, 1);
}

const RTOL = 1e-4; // of the largest singular value: smaller ones count as zero, as in ganprior_null.BlurDownsample

/**
 * A of kernel and s on pictures of (h s, w s), diagonal in the Fourier space of y: {spectra: of the kernel's s x s phases,
 * power: their summed squares, keep: which frequencies of y count, kept: their share, condition: of what is kept}.
 */
export function spectrum({ weights, side }, s, h, w) {
  const off = Math.floor((s - side) / 2);
  const wrap = (i, n) => ((i % n) + n) % n;
  const phases = Array.from({ length: s * s }, () => new Float64Array(h * w));
  for (let a = 0; a < side; a++)
    for (let b = 0; b < side; b++) {
      const [row, column] = [wrap(a + off, h * s), wrap(b + off, w * s)];
      phases[(row % s) * s + (column % s)][Math.floor(row / s) * w + Math.floor(column / s)] += weights[a * side + b];
    }
  const spectra = phases.map((re) => fourier({ re, im: new Float64Array(h * w) }, h, w, -1));
  const power = new Float64Array(h * w).map((_, i) => spectra.reduce((sum, { re, im }) => sum + re[i] ** 2 + im[i] ** 2, 0));
  const largest = Math.max(...power);
  const keep = Array.from(power, (v) => v > RTOL ** 2 * largest);
  const half = keep.filter((_, i) => i % w <= w / 2); // the other half mirrors it
  const condition = Math.sqrt(largest / Math.min(...power.filter((_, i) => keep[i])));
  return { spectra, power, keep, kept: half.filter(Boolean).length / half.length, condition };
}

/** A^+ y: phase p of x is K_p Y / D where D counts, 0 elsewhere. */
export function pinv(y, { spectra, power, keep }, s) {
  const { c, h, w } = y;
  const x = { data: new Float64Array(c * h * w * s * s), c, h: h * s, w: w * s };
  for (let k = 0; k < c; k++) {
    const Y = fourier({ re: y.data.subarray(k * h * w, (k + 1) * h * w), im: new Float64Array(h * w) }, h, w, -1);
    spectra.forEach((K, p) => {
      const part = (f) => new Float64Array(h * w).map((_, i) => (keep[i] ? f(i) / power[i] / (h * w) : 0));
      const X = { re: part((i) => K.re[i] * Y.re[i] - K.im[i] * Y.im[i]), im: part((i) => K.re[i] * Y.im[i] + K.im[i] * Y.re[i]) };
      const phase = fourier(X, h, w, 1).re;
      for (let i = 0; i < h * w; i++) x.data[(k * x.h + Math.floor(i / w) * s + Math.floor(p / s)) * x.w + (i % w) * s + (p % s)] = phase[i];
    });
  }
  return x;
}

/** The singular values as a picture, zero frequency in the middle, gray to the fourth root; what is cut is orange. */
function portrait({ power, keep }, h, w) {
  const [data, largest] = [new Float64Array(3 * h * w), Math.max(...power)];
  for (let i = 0; i < h * w; i++) {
    const at = ((Math.floor(i / w) + (h >> 1)) % h) * w + ((i + (w >> 1)) % w);
    const gray = (power[i] / largest) ** 0.125;
    [gray, gray, gray].forEach((v, k) => (data[k * h * w + at] = keep[i] ? v : [1, 0.62, 0.11][k]));
  }
  return { data, c: 3, h, w };
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Kernel designer");
  const { x } = read(await decode(model.get("picture"), "image/jpeg"), 128, 16);
  panel.slider("width", "width (pixels)", 0.4, 4, 0.1);
  panel.slider("angle", "angle (degrees)", 0, 180, 5);
  panel.slider("eccentricity", "eccentricity", 0, 0.95, 0.05);
  panel.slider("motion", "motion (pixels)", 0, 16, 1);
  panel.choice("factor", "factor", [2, 4, 8]);
  const titles = ["the kernel", "the picture x", "blurred", "y: blurred, every s-th pixel", "A⁺y", "singular values, cut ones orange"];
  const [drawn, before, blurred, small, back, frequencies] = titles.map((title) => panel.canvas(title, "6.9rem"));
  paint(before, x);
  panel.follow(["width", "angle", "eccentricity", "motion", "factor"], () => {
    const s = model.get("factor");
    const k = kernel(...["width", "angle", "eccentricity", "motion"].map((key) => model.get(key)));
    const largest = Math.max(...k.weights);
    paint(drawn, { data: k.weights.map((v) => v / largest), c: 1, h: k.side, w: k.side });
    paint(blurred, blurDownsample(x, k, 1));
    const y = blurDownsample(x, k, s);
    paint(small, y);
    const A = spectrum(k, s, y.h, y.w);
    const known = pinv(y, A, s);
    paint(back, known);
    paint(frequencies, portrait(A, y.h, y.w));
    const off = known.data.reduce((sum, v, i) => sum + (v - x.data[i]) ** 2, 0) / x.data.length;
    panel.readout.textContent = `The weights sum to ${k.weights.reduce((a, b) => a + b, 0).toFixed(6)}; before they were made to, to ${k.sum.toFixed(3)}. `
      + `Largest weight ${largest.toFixed(3)}. x has ${x.w} x ${x.h} pixels, y ${y.w} x ${y.h}. `
      + `A⁺ keeps ${(100 * A.kept).toFixed(1)} % of the frequencies of y, those above ${RTOL} of the largest singular value; their condition is ${A.condition.toPrecision(3)}. `
      + `PSNR of A⁺y to x: ${decibels(off)}. All in float64.`;
  });
  return () => panel.close();
}

export default { render };
