// Pooling-based decomposition. Images: {data: Float64Array (C, H, W) in [0, 1], c, h, w}.

/** A x: mean of each s x s block, (C, H, W) -> (C, H/s, W/s). */
export function pool({ data, c, h, w }, s) {
  const y = { data: new Float64Array((c * h * w) / (s * s)), c, h: h / s, w: w / s };
  for (let i = 0; i < data.length; i++) {
    const row = Math.floor(i / w); // of all channels, one below the other: s divides h
    y.data[Math.floor(row / s) * y.w + Math.floor((i % w) / s)] += data[i] / (s * s);
  }
  return y;
}

/** A^+ y: each pixel repeated s x s times. */
export function repeat({ data, c, h, w }, s) {
  const x = { data: new Float64Array(c * h * w * s * s), c, h: h * s, w: w * s };
  for (let i = 0; i < x.data.length; i++) {
    x.data[i] = data[Math.floor(Math.floor(i / x.w) / s) * w + Math.floor((i % x.w) / s)];
  }
  return x;
}

/** A^+ y + strength (I - A^+ A) x_r; strength 1 is Eq. 7 of the paper. */
export function combine(y, x_r, s, strength) {
  const [known, seen] = [repeat(y, s), repeat(pool(x_r, s), s)];
  return { ...x_r, data: known.data.map((v, i) => v + strength * (x_r.data[i] - seen.data[i])) };
}

/** What an 8-bit file keeps: clamped, and rounded to nearest, halves to even. */
export function toEightBits(x) {
  const round = (v) => (v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
  return { ...x, data: x.data.map((v) => round(255 * Math.min(1, Math.max(0, v))) / 255) };
}

/** The rows of a (count, n) array interpolated to length m with the cubic of PyTorch (a = -0.75, ends repeated). */
function cubic(data, count, n, m) {
  const out = new Float64Array(count * m);
  const near = (t) => (1.25 * t - 2.25) * t * t + 1; // |t| <= 1
  const far = (t) => ((-0.75 * t + 3.75) * t - 6) * t + 3; // 1 < |t| < 2
  for (let j = 0; j < m; j++) {
    const at = ((j + 0.5) * n) / m - 0.5;
    const first = Math.floor(at);
    const t = at - first;
    const weights = [far(t + 1), near(t), near(1 - t), far(2 - t)];
    for (let k = 0; k < 4; k++) {
      const from = Math.min(n - 1, Math.max(0, first + k - 1));
      for (let i = 0; i < count; i++) out[i * m + j] += weights[k] * data[i * n + from];
    }
  }
  return out;
}

function transposed(data, c, h, w) {
  const out = new Float64Array(data.length);
  for (let k = 0; k < c; k++) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) out[(k * w + j) * h + i] = data[(k * h + i) * w + j];
  return out;
}

/** Bicubic interpolation to h x w pixels. */
export function bicubic(x, h, w) {
  const wide = cubic(x.data, x.c * x.h, x.w, w);
  return { data: transposed(cubic(transposed(wide, x.c, x.h, w), x.c * w, x.h, h), x.c, w, h), c: x.c, h, w };
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function noise({ c, h, w }, seed) {
  let state = seed | 0;
  const data = new Float64Array(c * h * w).map(() => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });
  return { data, c, h, w };
}

export function gap(a, b) {
  let [largest, sum] = [0, 0];
  a.data.forEach((v, i) => {
    largest = Math.max(largest, Math.abs(v - b.data[i]));
    sum += (v - b.data[i]) ** 2;
  });
  return { largest, meanSquare: sum / a.data.length };
}

/** PSNR between two images, in words. */
export const psnr = (a, b) => decibels(gap(a, b).meanSquare);
