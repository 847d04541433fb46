// Runs a list of operations that graph.py wrote, on one image, in float32: the program of a Worker. Convolutions are done
// by kernels.wat, the rest here. All shapes are known beforehand, so every value has its array from the start.

const size = (shape) => shape.reduce((a, b) => a * b, 1);
const stridesOf = (shape) => shape.map((_, d) => size(shape.slice(d + 1)));
const axis = (d, shape) => (d < 0 ? d + shape.length : d);

/** float16, as stored, to float32, by way of a table of all 65536. */
function widen(halves) {
  const table = new Float32Array(65536);
  for (let h = 0; h < 65536; h++) {
    const [exponent, fraction] = [(h >> 10) & 31, h & 0x3ff];
    const magnitude = exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction / 2 ** 24;
    table[h] = h & 0x8000 ? -magnitude : magnitude;
  }
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]];
  return out;
}

/** How to run through arrays of these strides in the order of `shape`; axes that all run through alike are merged. */
function merge(shape, strides) {
  const [sizes, steps] = [[], strides.map(() => [])];
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && strides.every((s, k) => steps[k][last] === s[d] * shape[d])) {
      sizes[last] *= shape[d];
      steps.forEach((s, k) => (s[last] = strides[k][d]));
    } else {
      sizes.push(shape[d]);
      steps.forEach((s, k) => s.push(strides[k][d]));
    }
  }
  if (!sizes.length) {
    sizes.push(1);
    steps.forEach((s) => s.push(0));
  }
  return { sizes, steps };
}

/** The same for operands of these shapes, broadcast to `shape`. */
function broadcast(shape, ...operands) {
  return merge(shape, [shape, ...operands].map((own) => {
    const strides = stridesOf(own).map((s, d) => (own[d] === 1 ? 0 : s));
    return [...new Array(shape.length - own.length).fill(0), ...strides];
  }));
}

/** Calls row(start of each operand, length, step of each operand) for all rows along the last axis. */
function rows({ sizes, steps }, row) {
  const last = sizes.length - 1;
  const [at, index] = [steps.map(() => 0), sizes.map(() => 0)];
  const inner = steps.map((s) => s[last]);
  for (;;) {
    row(at, sizes[last], inner);
    let d = last - 1;
    for (; d >= 0; d--) {
      steps.forEach((s, k) => (at[k] += s[d]));
      if (++index[d] < sizes[d]) break;
      steps.forEach((s, k) => (at[k] -= s[d] * sizes[d]));
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

// Each of the following takes (attributes, out, operands...), all {data, shape}, and returns what to do on every run.

// One loop each: a function called for every number would be several times slower. t is 0 where b is one number.
const LOOPS = {
  add(o, a, b, p, i, j, n, s, t, alpha) {
    const v = alpha * b[j];
    if (s === 1 && !t) for (let k = 0; k < n; k++) o[p + k] = a[i + k] + v;
    else for (let k = 0; k < n; k++) o[p + k] = a[i + k * s] + alpha * b[j + k * t];
  },
  mul(o, a, b, p, i, j, n, s, t) {
    const v = b[j];
    if (s === 1 && !t) for (let k = 0; k < n; k++) o[p + k] = a[i + k] * v;
    else for (let k = 0; k < n; k++) o[p + k] = a[i + k * s] * b[j + k * t];
  },
  div(o, a, b, p, i, j, n, s, t) {
    for (let k = 0; k < n; k++) o[p + k] = a[i + k * s] / b[j + k * t];
  },
  atan2(o, a, b, p, i, j, n, s, t) {
    for (let k = 0; k < n; k++) o[p + k] = Math.atan2(a[i + k * s], b[j + k * t]);
  },
  eq(o, a, b, p, i, j, n, s, t) {
    for (let k = 0; k < n; k++) o[p + k] = Number(a[i + k * s] === b[j + k * t]);
  },
};

function binary(loop, sign = 1) {
  return ({ other, alpha = 1 }, out, a, b = { data: Float32Array.of(other), shape: [] }) => {
    const how = broadcast(out.shape, a.shape, b.shape);
    return () => rows(how, ([p, i, j], n, [, s, t]) => loop(out.data, a.data, b.data, p, i, j, n, s, t, sign * alpha));
  };
}

const unary = (loop) => (attributes, out, a) => () => loop(out.data, a.data, attributes);

/** Over axes: loop takes in a row of a, the first value is `start`, the last step `finish`. */
function reduction(start, loop, finish) {
  return ({ dim = [] }, out, a) => {
    const axes = dim.map((d) => axis(d, a.shape));
    const how = broadcast(a.shape, a.shape.map((n, d) => (!axes.length || axes.includes(d) ? 1 : n)));
    const count = size(a.shape) / size(out.shape);
    return () => {
      out.data.fill(start);
      rows(how, ([i, p], n, [s, r]) => loop(out.data, a.data, p, i, n, r, s));
      if (finish) for (let k = 0; k < out.data.length; k++) out.data[k] = finish(out.data[k], count);
    };
  };
}

function total(o, a, p, i, n, r, s) {
  if (r) for (let k = 0; k < n; k++) o[p + k * r] += a[i + k * s];
  else {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[i + k * s];
    o[p] += sum;
  }
}

function largest(o, a, p, i, n, r, s) {
  for (let k = 0; k < n; k++) o[p + k * r] = Math.max(o[p + k * r], a[i + k * s]);
}

/** A copy of a along these strides, from `start`. */
function copy(out, a, strides, start = 0) {
  const how = merge(out.shape, [stridesOf(out.shape), strides]);
  return () => rows(how, ([p, i], n, [r, s]) => { for (let k = 0; k < n; k++) out.data[p + k * r] = a.data[start + i + k * s]; });
}

function permute({ dims, dim0 = 0, dim1 = 1 }, out, a) {
  const order = dims ?? a.shape.map((_, d) => d);
  if (!dims) [order[axis(dim0, a.shape)], order[axis(dim1, a.shape)]] = [axis(dim1, a.shape), axis(dim0, a.shape)];
  const strides = stridesOf(a.shape);
  return copy(out, a, order.map((d) => strides[d]));
}

function flip({ dims }, out, a) {
  const [strides, turned] = [stridesOf(a.shape), dims.map((d) => axis(d, a.shape))];
  const start = turned.reduce((at, d) => at + (a.shape[d] - 1) * strides[d], 0);
  return copy(out, a, strides.map((s, d) => (turned.includes(d) ? -s : s)), start);
}

function expand(_, out, a) {
  const strides = stridesOf(a.shape).map((s, d) => (a.shape[d] === 1 ? 0 : s));
  return copy(out, a, [...new Array(out.shape.length - a.shape.length).fill(0), ...strides]);
}

/** How many parts lie before the axis `dim`, and the numbers of one part and of one index of it. */
function along(dim, shape) {
  return { outer: size(shape.slice(0, dim)), part: size(shape.slice(dim)), one: size(shape.slice(dim + 1)) };
}

function select({ dim = 0, index }, out, a) {
  const { outer, part, one } = along(axis(dim, a.shape), a.shape);
  const at = (index < 0 ? index + part / one : index) * one;
  return () => { for (let k = 0; k < outer; k++) out.data.set(a.data.subarray(k * part + at, k * part + at + one), k * one); };
}

function selectBackward({ dim = 0, index }, out, a) {
  const { outer, part, one } = along(axis(dim, out.shape), out.shape);
  const at = (index < 0 ? index + part / one : index) * one;
  return () => { for (let k = 0; k < outer; k++) out.data.set(a.data.subarray(k * one, (k + 1) * one), k * part + at); };
}

function cat({ dim = 0 }, out, ...given) {
  const { outer, part } = along(axis(dim, out.shape), out.shape);
  return () => {
    let at = 0;
    for (const { data } of given) {
      const n = data.length / outer;
      for (let k = 0; k < outer; k++) out.data.set(data.subarray(k * n, (k + 1) * n), k * part + at);
      at += n;
    }
  };
}

/** Zeros around pictures, or less than the picture where a number is negative. */
function pad({ pad: [left, , top] }, out, a) {
  const [[h, w], [H, W]] = [a.shape.slice(-2), out.shape.slice(-2)];
  const [from, to] = [Math.max(0, left), Math.min(W, w + left)];
  return () => {
    for (let k = 0; k < size(a.shape) / (h * w); k++)
      for (let i = Math.max(0, top); i < Math.min(H, h + top); i++) {
        const row = (k * h + i - top) * w - left;
        out.data.set(a.data.subarray(row + from, row + to), (k * H + i) * W + from);
      }
  };
}

function product(out, bias, a, b) {
  const [M, K, N] = [a.shape[0], a.shape[1], b.shape[1]];
  return () => {
    for (let m = 0; m < M; m++) {
      const row = out.data.subarray(m * N, (m + 1) * N);
      if (bias) row.set(bias.data);
      else row.fill(0);
      for (let k = 0; k < K; k++) {
        const v = a.data[m * K + k];
        for (let n = 0; n < N; n++) row[n] += v * b.data[k * N + n];
      }
    }
  };
}

const each = (f) => (o, a) => { for (let k = 0; k < o.length; k++) o[k] = f(a[k]); };

const OPERATIONS = {
  add: binary(LOOPS.add), sub: binary(LOOPS.add, -1), mul: binary(LOOPS.mul), div: binary(LOOPS.div),
  atan2: binary(LOOPS.atan2), eq: binary(LOOPS.eq),
  neg: unary(each((v) => -v)), reciprocal: unary(each((v) => 1 / v)), sqrt: unary(each(Math.sqrt)),
  rsqrt: unary(each((v) => 1 / Math.sqrt(v))), sigmoid: unary(each((v) => 1 / (1 + Math.exp(-v)))),
  relu: unary((o, a) => { for (let k = 0; k < o.length; k++) o[k] = Math.max(0, a[k]); }),
  pow: unary((o, a, { exponent }) => {
    if (exponent === 2) for (let k = 0; k < o.length; k++) o[k] = a[k] * a[k];
    else for (let k = 0; k < o.length; k++) o[k] = a[k] ** exponent;
  }),
  leaky_relu: unary((o, a, { negative_slope: slope }) => { for (let k = 0; k < o.length; k++) o[k] = a[k] > 0 ? a[k] : slope * a[k]; }),
  leaky_relu_backward: ({ negative_slope: slope }, out, grad, a) => () => {
    const [o, g, x] = [out.data, grad.data, a.data];
    for (let k = 0; k < o.length; k++) o[k] = x[k] > 0 ? g[k] : slope * g[k];
  },
  masked_fill: ({ value }, out, a, mask) => () => { for (let k = 0; k < out.data.length; k++) out.data[k] = mask.data[k] ? value : a.data[k]; },
  sum: reduction(0, total), mean: reduction(0, total, (v, count) => v / count), amax: reduction(-Infinity, largest),
  permute, transpose: permute, t: permute, flip, expand, select, select_backward: selectBackward, cat, constant_pad_nd: pad,
  mm: (_, out, a, b) => product(out, null, a, b),
  addmm: (_, out, bias, a, b) => product(out, bias, a, b),
};

/** Memory of the WebAssembly module: weights stay, one scratch space behind them is shared by all convolutions. */
class Kernels {
  constructor(exports) {
    this.exports = exports;
    [this.end, this.scratch] = [0, 0];
  }

  /** Room for n numbers that stays; returns its place, in numbers. */
  take(n) {
    const at = this.end;
    this.end += (n + 3) & ~3;
    return at;
  }

  ready() {
    const missing = Math.ceil((4 * (this.end + this.scratch) - this.exports.memory.buffer.byteLength) / 65536);
    if (missing > 0) this.exports.memory.grow(missing);
    this.floats = new Float32Array(this.exports.memory.buffer);
    this.integers = new Int32Array(this.exports.memory.buffer);
  }
}

/** A convolution, of any stride, or transposed: {prepare, run}; prepare once, when the weights are known. */
function convolution(attributes, out, x, weight, bias, kernels) {
  const { stride: [stride], padding: [padding], transposed, groups } = attributes;
  const depthwise = groups > 1;
  if (depthwise && (groups !== x.shape[1] || out.shape[1] !== groups)) throw new Error("a convolution in groups of several channels");
  const make = !transposed || stride === 1 ? sliding : depthwise ? spread : scatter;
  const { prepare, run } = make({ stride, padding, transposed, depthwise }, out, x, weight, kernels);
  const plane = size(out.shape.slice(2));
  const add = () => bias.data.forEach((b, o) => { for (let k = o * plane; k < (o + 1) * plane; k++) out.data[k] += b; });
  return { prepare, run: bias ? () => (run(), add()) : run };
}

/** The usual convolution: planes of the padded input, one for each phase of the stride, and a sum of taps over them. */
function sliding({ stride, padding, transposed, depthwise }, out, x, weight, kernels) {
  const [[, C, H, W], [, O, Ho, Wo], [kh, kw]] = [x.shape, out.shape, weight.shape.slice(2)];
  const before = transposed ? kh - 1 - padding : padding;
  const columns = Math.ceil(Wo / 4); // vectors of four pixels
  const [ph, pw] = [Ho + Math.ceil(kh / stride), 4 * columns + Math.ceil(kw / stride)];
  const [plane, wide] = [ph * pw, 4 * columns];
  const [taps, blocks] = [(depthwise ? 1 : C) * kh * kw, Math.ceil(O / 8)];
  kernels.scratch = Math.max(kernels.scratch, C * stride * stride * plane + (depthwise ? O : 8 * blocks) * Ho * wide + 16);
  const places = kernels.take(taps);
  const weights = kernels.take(depthwise ? O * taps : 8 * blocks * taps);

  function prepare() {
    const w = weight.data;
    for (let c = 0; c < (depthwise ? 1 : C); c++)
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const tap = (c * kh + u) * kw + v;
          const phase = (u % stride) * stride + (v % stride);
          kernels.integers[places + tap] = 4 * ((c * stride * stride + phase) * plane + Math.floor(u / stride) * pw + Math.floor(v / stride));
          const place = transposed ? (kh - 1 - u) * kw + (kw - 1 - v) : u * kw + v;
          for (let o = 0; o < O; o++) {
            const row = depthwise ? o : transposed ? c * O + o : o * C + c;
            const at = depthwise ? o * taps + tap : ((o >> 3) * taps + tap) * 8 + (o & 7);
            kernels.floats[weights + at] = w[row * kh * kw + place];
          }
        }
  }

  /** x into its planes, from `start`. */
  function lay(f, start) {
    f.fill(0, start, start + C * stride * stride * plane);
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H; i++) {
        const [row, from] = [i + before, (c * H + i) * W];
        if (Math.floor(row / stride) >= ph) continue;
        const base = start + (c * stride * stride + (row % stride) * stride) * plane + Math.floor(row / stride) * pw;
        if (stride === 1) f.set(x.data.subarray(from, from + Math.min(W, pw - before)), base + before);
        else
          for (let j = 0; j < W; j++) {
            const column = j + before;
            f[base + (column % stride) * plane + Math.floor(column / stride)] = x.data[from + j];
          }
      }
  }

  function run() {
    const [f, start] = [kernels.floats, kernels.end];
    const result = start + C * stride * stride * plane;
    lay(f, start);
    if (depthwise)
      for (let c = 0; c < C; c++)
        kernels.exports.filter(4 * (start + c * stride * stride * plane), 4 * places, 4 * (weights + c * taps), 4 * (result + c * Ho * wide), taps, Ho, columns, 4 * pw);
    else kernels.exports.convolve(4 * start, 4 * places, 4 * weights, 4 * result, taps, blocks, Ho, columns, 4 * pw, 4 * Ho * wide);
    if (wide === Wo) out.data.set(f.subarray(result, result + O * Ho * Wo));
    else for (let r = 0; r < O * Ho; r++) out.data.set(f.subarray(result + r * wide, result + r * wide + Wo), r * Wo);
  }

  return { prepare, run };
}

/** Transposed with a stride: kh kw products for every pixel of the input, added where they belong. */
function scatter({ stride, padding }, out, x, weight, kernels) {
  const [[, C, H, W], [, O, Ho, Wo], [kh, kw]] = [x.shape, out.shape, weight.shape.slice(2)];
  const [count, pixels] = [O * kh * kw, H * W];
  const [blocks, columns] = [Math.ceil(count / 8), Math.ceil(pixels / 4)];
  kernels.scratch = Math.max(kernels.scratch, (C + 8 * blocks) * 4 * columns);
  const [places, weights] = [kernels.take(C), kernels.take(8 * blocks * C)];

  function prepare() {
    for (let c = 0; c < C; c++) {
      kernels.integers[places + c] = 16 * c * columns;
      for (let k = 0; k < count; k++) kernels.floats[weights + ((k >> 3) * C + c) * 8 + (k & 7)] = weight.data[c * count + k];
    }
  }

  function run() {
    const [f, start, o] = [kernels.floats, kernels.end, out.data];
    const result = start + 4 * C * columns;
    for (let c = 0; c < C; c++) f.set(x.data.subarray(c * pixels, (c + 1) * pixels), start + 4 * c * columns);
    kernels.exports.convolve(4 * start, 4 * places, 4 * weights, 4 * result, C, blocks, 1, columns, 0, 16 * columns);
    o.fill(0);
    for (let k = 0; k < count; k++) {
      const [plane, u, v] = [Math.floor(k / (kh * kw)), Math.floor(k / kw) % kh, k % kw];
      for (let i = 0; i < H; i++) {
        const row = i * stride + u - padding;
        if (row < 0 || row >= Ho) continue;
        const [from, to] = [result + 4 * k * columns + i * W, (plane * Ho + row) * Wo + v - padding];
        for (let j = 0; j < W; j++) {
          const column = j * stride + v - padding;
          if (column >= 0 && column < Wo) o[to + j * stride] += f[from + j];
        }
      }
    }
  }

  return { prepare, run };
}

/** The same, channel by channel: of the RGB pictures only, hence without the kernels. */
function spread({ stride, padding }, out, x, weight) {
  const [[, C, H, W], [, , Ho, Wo], [kh, kw]] = [x.shape, out.shape, weight.shape.slice(2)];
  const run = () => {
    out.data.fill(0);
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H; i++)
        for (let u = 0; u < kh; u++) {
          const row = i * stride + u - padding;
          if (row < 0 || row >= Ho) continue;
          for (let v = 0; v < kw; v++) {
            const w = weight.data[(c * kh + u) * kw + v];
            for (let j = 0; j < W; j++) {
              const column = j * stride + v - padding;
              if (column >= 0 && column < Wo) out.data[(c * Ho + row) * Wo + column] += w * x.data[(c * H + i) * W + j];
            }
          }
        }
  };
  return { prepare() {}, run };
}

/** The constants of a graph, by number, out of {file: its bytes}. */
function constants(graph, files) {
  const values = [];
  for (const [number, shape, kind, file, at] of graph.constants) {
    const read = { half: (n) => widen(new Uint16Array(files[file], at, n)), single: (n) => new Float32Array(files[file], at, n) }[kind];
    values[number] = { data: read ? read(size(shape)) : Float32Array.from(kind), shape, live: false };
  }
  return values;
}

/** graph, {file: ArrayBuffer}, the kernels -> a function of {name: numbers} that returns {name: Float32Array}. */
async function load(graph, files, wasm) {
  const { instance } = await WebAssembly.instantiate(wasm);
  const kernels = new Kernels(instance.exports);
  const values = constants(graph, files);
  for (const [number, shape] of Object.values(graph.inputs)) values[number] = { data: new Float32Array(size(shape)), shape, live: true };
  const [once, prepared, always] = [[], [], []];
  for (const [name, number, shape, operands, attributes] of graph.nodes) {
    const given = operands.map((n) => values[n]);
    const live = given.some((v) => v.live);
    const out = (values[number] = { data: name === "view" ? given[0].data : new Float32Array(size(shape)), shape, live });
    if (name === "view") continue;
    if (name === "convolution") {
      const { prepare, run } = convolution(attributes, out, given[0], given[1], given[2], kernels);
      prepared.push(prepare);
      always.push(run);
    } else if (OPERATIONS[name]) (live ? always : once).push(OPERATIONS[name](attributes, out, ...given));
    else throw new Error(`unknown operation ${name}`);
  }
  kernels.ready();
  for (const step of [...once, ...prepared]) step();
  return (inputs) => {
    for (const [name, [number]] of Object.entries(graph.inputs)) values[number].data.set(inputs[name]);
    for (const step of always) step();
    return Object.fromEntries(Object.entries(graph.outputs).map(([name, number]) => [name, values[number].data.slice()]));
  };
}

let compute;

/** {id, load: [graph, files, wasm]} or {id, inputs} -> {id, milliseconds, outputs}, or {id, error}. */
globalThis.onmessage = async ({ data: { id, load: given, inputs } }) => {
  const start = performance.now();
  try {
    if (given) compute = await load(...given);
    const outputs = given ? {} : compute(inputs);
    globalThis.postMessage({ id, outputs, milliseconds: performance.now() - start });
  } catch (error) {
    globalThis.postMessage({ id, error: `${error.message}` });
  }
};
