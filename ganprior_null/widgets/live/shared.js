// What the live figures share: controls that follow the model both ways, canvases, a read-out. Python puts this text
// before each figure's own module, because a widget is one module: on a page without a server nothing can be imported.

export function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "circle", "rect", "text", "path"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A picture in a row: as wide as asked, a third more where the row has room. */
export function frame(width, ...children) {
  return element("figure", { style: `flex: 1 1 ${width}; max-width: calc(1.33 * ${width})` }, ...children);
}

/** One live figure: controls, a row of pictures, a read-out, a line for errors. */
export class Panel {
  constructor(model, el, name) {
    this.model = model;
    this.listeners = [];
    this.controls = element("fieldset", { class: "live-row" });
    this.pictures = element("div", { class: "live-row" });
    this.readout = element("p", { class: "live-readout", role: "status", "aria-live": "polite" });
    this.notice = element("p", { class: "live-notice", role: "alert" });
    this.root = element("div", { class: "live", role: "group", "aria-label": name });
    this.root.append(this.controls, this.pictures, this.readout, this.notice);
    el.append(this.root);
  }

  listen(keys, update) {
    for (const key of keys) {
      this.model.on(`change:${key}`, update);
      this.listeners.push([`change:${key}`, update]);
    }
  }

  close() {
    for (const [event, update] of this.listeners) this.model.off(event, update);
  }

  /** Redraw at most once per frame, whenever one of the keys changes, here or in Python. */
  follow(keys, draw) {
    let waiting = false;
    this.redraw = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        draw();
      });
    };
    this.listen(keys, this.redraw);
    draw();
  }

  set(key, value) {
    this.model.set(key, value);
    this.model.save_changes();
  }

  /** A labelled input; read(input) is the value it shows, write(input, value) makes it show one. */
  control(key, text, input, read, write) {
    const shown = element("output");
    const update = () => {
      write(input, this.model.get(key));
      if (input.type === "range") shown.textContent = Number(this.model.get(key)).toString();
    };
    input.dataset.key = key;
    input.addEventListener("input", () => this.set(key, read(input)));
    this.listen([key], update);
    update();
    this.controls.append(element("label", {}, `${text} `, input, shown));
  }

  slider(key, text, min, max, step) {
    const input = element("input", { type: "range", min, max, step });
    this.control(key, text, input, (i) => Number(i.value), (i, value) => (i.value = value));
  }

  choice(key, text, options) {
    const input = element("select", {}, ...options.map((option) => element("option", { value: option }, `${option}`)));
    const read = (i) => options[i.selectedIndex];
    this.control(key, text, input, read, (i, value) => (i.selectedIndex = options.indexOf(value)));
  }

  tick(key, text) {
    const input = element("input", { type: "checkbox" });
    this.control(key, text, input, (i) => i.checked, (i, value) => (i.checked = value));
  }

  /** Settings in the page's address, so that a link shows what its sender saw; not in JupyterLab. Call it after the controls. */
  share(keys) {
    this.first = Object.fromEntries(keys.map((key) => [key, this.model.get(key)]));
    if (!this.model.folder) return;
    const given = new URLSearchParams(location.search);
    for (const key of keys) {
      const input = this.controls.querySelector(`[data-key=${key}]`);
      if (!input || !given.has(key)) continue;
      if (input.type === "checkbox") input.checked = given.get(key) === "true";
      else input.value = given.get(key); // a range clamps it; a list without it has nothing chosen
      if (input.selectedIndex === -1) input.value = this.first[key];
      else input.dispatchEvent(new Event("input"));
    }
    this.listen(keys, () => {
      const address = new URL(location.href);
      for (const key of keys) {
        if (this.model.get(key) === this.first[key]) address.searchParams.delete(key);
        else address.searchParams.set(key, this.model.get(key));
      }
      history.replaceState(null, "", address);
    });
  }

  /** Back to the settings that share() found. */
  reset(keys) {
    for (const key of keys) this.set(key, this.first[key]);
  }

  button(text, act, row = this.controls) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", act);
    row.append(button);
    return button;
  }

  canvas(title, width = "8.25rem") {
    const canvas = element("canvas", { role: "img", "aria-label": title });
    this.pictures.append(frame(width, canvas, element("figcaption", {}, title)));
    return canvas;
  }
}

/** x: {data: Float64Array (C, H, W) in [0, 1], c, h, w} -> the canvas, one pixel each, values clamped for the screen. */
export function paint(canvas, { data, c, h, w }) {
  [canvas.width, canvas.height] = [w, h];
  const pixels = new ImageData(w, h);
  for (let i = 0; i < h * w; i++) {
    for (let k = 0; k < 3; k++) pixels.data[4 * i + k] = 255 * data[(c === 3 ? k : 0) * h * w + i]; // clamps and rounds
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** 8-bit RGBA pixels -> {x, transparent}: colours over white where the picture is transparent. */
export function fromPixels(rgba, h, w) {
  const data = new Float64Array(3 * h * w);
  let transparent = false;
  for (let i = 0; i < h * w; i++) {
    const alpha = rgba[4 * i + 3] / 255;
    transparent ||= alpha < 1;
    for (let k = 0; k < 3; k++) data[k * h * w + i] = (alpha * rgba[4 * i + k]) / 255 + (1 - alpha);
  }
  return { x: { data, c: 3, h, w }, transparent };
}

/** A picture that is not a multiple of `unit` pixels, or larger than `most`: {width, height} to draw it at, {w, h} to keep, `scaled`: most or false. */
export function fit(width, height, most, unit) {
  const scale = Math.min(1, most / Math.max(width, height));
  const [dw, dh] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  return { width: dw, height: dh, w: dw - (dw % unit), h: dh - (dh % unit), scaled: scale < 1 && most };
}

/** A bitmap, scaled down on the way so that few pixels are ever read, its middle kept -> {x, transparent, scaled}. */
export function read(bitmap, most, unit) {
  const { width, height, w, h, scaled } = fit(bitmap.width, bitmap.height, most, unit);
  if (w < unit || h < unit)
    throw new RangeError(`The picture has ${bitmap.width} x ${bitmap.height} pixels; it takes ${unit} x ${unit} or more, and no side 16 times the other.`);
  const canvas = element("canvas", { width: w, height: h });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, -((width - w) >> 1), -((height - h) >> 1), width, height);
  return { ...fromPixels(context.getImageData(0, 0, w, h).data, h, w), scaled };
}

/** A bitmap -> {x, transparent}: its middle as side x side pixels. */
export function square(bitmap, side) {
  const most = Math.min(bitmap.width, bitmap.height);
  if (most < side) throw new RangeError(`The picture has ${bitmap.width} x ${bitmap.height} pixels; it takes ${side} x ${side} or more.`);
  const canvas = element("canvas", { width: side, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - most) >> 1, (bitmap.height - most) >> 1, most, most, 0, 0, side, side);
  return fromPixels(context.getImageData(0, 0, side, side).data, side, side);
}

/** A file that the reader chose -> {taken, notes}; it is decoded here and sent nowhere. take: read or square, of a bitmap. */
async function open(file, take) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new TypeError(`${file.name} is no picture that this browser can read; choose a PNG, JPEG or WebP file.`);
  }
  const { width, height } = bitmap;
  try {
    const taken = take(bitmap);
    const { x, transparent, scaled } = taken;
    const notes = [`${file.name}: ${width} x ${height} pixels`];
    if (scaled) notes.push(`scaled down so that the longer side has ${scaled}`);
    notes.push(`computed with ${x.w} x ${x.h}`);
    if (transparent) notes.push("transparent parts laid over white");
    return { taken, notes: `${notes.join("; ")}.` };
  } finally {
    bitmap.close();
  }
}

/** A field for the reader's own picture; what is no picture is one message, and changes nothing. */
export function chooser(panel, take, accept) {
  const input = element("input", { type: "file", accept: "image/*" });
  let newest;
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    newest = file;
    let opened;
    try {
      opened = await open(file, take);
    } catch (error) {
      opened = { notes: `${error.message} The picture is the one before.` };
    }
    if (file !== newest) return; // a large picture may be ready after the small one that was chosen later
    if (opened.taken) accept(opened.taken);
    panel.notice.textContent = opened.notes;
  });
  panel.controls.append(element("label", {}, "your own picture (it stays in this browser) ", input));
  return input;
}

/** What a canvas shows, as a PNG file of the reader's. */
export function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

/** A traitlets.Bytes value (a DataView) that holds a picture file -> bitmap. */
export function decode(view, type) {
  return createImageBitmap(new Blob([new Uint8Array(view.buffer, view.byteOffset, view.byteLength)], { type }));
}

export function decibels(meanSquare) {
  return meanSquare > 0 ? `${(-10 * Math.log10(meanSquare)).toFixed(1)} dB` : "no error at all";
}

/** Pictures of side x side pixels that lie side by side in a bitmap. */
export function tiles(bitmap, side) {
  const canvas = element("canvas", { width: bitmap.width, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return Array.from({ length: bitmap.width / side }, (_, i) => fromPixels(context.getImageData(i * side, 0, side, side).data, side, side).x);
}

/** A traitlets.Bytes value that holds float32 numbers. */
export const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** n numbers of N(0, 1). */
export function normals(n) {
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
}

/** Calls work, never twice at a time: what is asked for meanwhile is one more call. */
export function oneAtATime(work) {
  let [busy, again] = [false, false];
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } finally {
      busy = false;
    }
  };
}
