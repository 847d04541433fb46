// Trained networks in the page. Their files come as scripts of the site, or from Python where there is a kernel; they are
// asked for when the reader says so, run in a worker, and serve every figure of the page.

const PATIENCE = 60; // seconds without an answer of the worker

const FILES = (globalThis.ganpriorFiles ??= {}); // the scripts put what they hold here
const ASKED = (globalThis.ganpriorAsked ??= {});

/** The file of this name; model.folder is where a site has them. Rejects when it is missing or damaged. */
function file(model, name) {
  const arrives = () => (model.folder ? fromScript(model.folder, name) : fromPython(model, name));
  return (ASKED[name] ??= arrives().catch((error) => {
    delete ASKED[name]; // to be asked for again
    throw error;
  }));
}

function fromScript(folder, name) {
  return new Promise((resolve, reject) => {
    const script = element("script", { src: `${folder}${name}.js` });
    script.onload = script.onerror = () => {
      script.remove();
      if (name in FILES) resolve(FILES[name]);
      else reject(new Error(`the file ${name}.js is missing or damaged`));
    };
    document.head.append(script);
  });
}

function fromPython(model, name) {
  return new Promise((resolve, reject) => {
    const hear = (content, buffers) => {
      if (content.answer !== name) return;
      model.off("msg:custom", hear);
      if (content.error) reject(new Error(content.error));
      else resolve(buffers.length ? buffers[0] : content.value);
    };
    model.on("msg:custom", hear);
    model.send({ ask: name });
  });
}

function bytesOf(part) {
  if (typeof part !== "string") return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  const text = atob(part);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** One network: load it, then run({name: numbers}) -> {name: Float32Array}. Its graph tells the shapes, {inputs, outputs}. */
export class Network {
  constructor(model, name) {
    [this.model, this.name, this.ready, this.waiting] = [model, name, false, new Map()];
  }

  async describe() {
    return (this.graph ??= await file(this.model, this.name));
  }

  /** The parts of its weights, [file, number]. */
  async parts() {
    const { files, part } = await this.describe();
    return Object.entries(files).flatMap(([name, size]) => Array.from({ length: Math.ceil(size / part) }, (_, i) => [name, i]));
  }

  /** Ask for everything, moved() after each part, and start the worker. */
  async load(moved) {
    const graph = await this.describe();
    const { worker, kernels } = await file(this.model, "program");
    const wasm = bytesOf(kernels);
    if (!globalThis.WebAssembly?.validate(wasm)) throw new Error("this browser has no WebAssembly SIMD, which the network needs");
    const files = Object.fromEntries(Object.entries(graph.files).map(([name, size]) => [name, { data: new Uint8Array(size), filled: 0 }]));
    for (const [name, i] of await this.parts()) {
      const [bytes, place] = [bytesOf(await file(this.model, `${name}-${i}`)), files[name]];
      if (place.filled + bytes.length > place.data.length) throw new Error(`the weights ${name} are damaged: too long`);
      place.data.set(bytes, place.filled);
      place.filled += bytes.length;
      moved();
    }
    const short = Object.entries(files).find(([, { data, filled }]) => filled < data.length);
    if (short) throw new Error(`the weights ${short[0]} are damaged: ${short[1].filled} of ${short[1].data.length} bytes`);
    this.start(worker);
    const buffers = Object.fromEntries(Object.entries(files).map(([name, { data }]) => [name, data.buffer]));
    await this.ask({ load: [graph, buffers, wasm.buffer] }, Object.values(buffers));
    this.ready = true;
  }

  start(text) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.worker.onerror = (event) => this.fail(event.message || "the worker died");
    this.worker.onmessage = ({ data: { id, error, outputs, milliseconds } }) => {
      const asked = this.waiting.get(id);
      if (!asked) return;
      this.waiting.delete(id);
      clearTimeout(asked.timer);
      if (error) asked.reject(new Error(error));
      else {
        this.milliseconds = milliseconds;
        asked.resolve(outputs);
      }
    };
  }

  ask(message, moved = []) {
    return new Promise((resolve, reject) => {
      const id = (this.count = (this.count ?? 0) + 1);
      const timer = setTimeout(() => this.fail(`no answer for ${PATIENCE} seconds`), 1000 * PATIENCE);
      this.waiting.set(id, { resolve, reject, timer });
      this.worker.postMessage({ id, ...message }, moved);
    });
  }

  run(inputs) {
    return this.ask({ inputs });
  }

  /** Everything that waits is told, and the worker is gone: load() starts another. */
  fail(reason) {
    this.close();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Error(reason));
    }
    this.waiting.clear();
  }

  close() {
    this.ready = false;
    this.worker?.terminate();
  }
}

/**
 * A row with a button that loads these networks, its cost said, and a progress bar; started() when all are there.
 * Returns {failed, row}: failed is to be told of an error while they run; the pictures stay, and the button is back.
 */
export function loader(panel, networks, started) {
  const row = element("div", { class: "live-row" });
  const bar = element("progress", { "aria-label": "loading the network", value: 0, hidden: "" });
  const button = panel.button("", load, row);
  row.append(bar);
  panel.controls.before(row);

  const failed = (error) => {
    panel.notice.textContent = `The network does not run: ${error.message}. The pictures are those stored with the page.`;
    [row.hidden, bar.hidden, button.disabled] = [false, true, false];
    button.textContent = "Try again";
  };

  async function load() {
    panel.notice.textContent = "";
    [bar.hidden, button.disabled, bar.value] = [false, true, 0];
    try {
      const parts = (await Promise.all(networks.map((network) => network.parts()))).flat();
      bar.max = parts.length;
      for (const network of networks) await network.load(() => (bar.value += 1));
      row.hidden = true;
      await started();
    } catch (error) {
      failed(error);
    }
  }

  async function offer() {
    const graphs = await Promise.all(networks.map((network) => network.describe()));
    const sizes = Object.assign({}, ...graphs.map(({ files }) => files)); // a prior that two networks share counts once
    const bytes = Object.values(sizes).reduce((a, b) => a + b, 0);
    button.textContent = panel.model.folder ? `Run the network in this page (loads ${((4 / 3) * bytes / 1e6).toFixed(1)} MB)` : `Run the network here (${(bytes / 1e6).toFixed(1)} MB from Python)`;
  }

  button.textContent = "Run the network";
  offer().catch(failed);
  return { failed, row };
}
