// Starts the live figures of a page without a kernel: anywidgets, whose program and state the page holds.
// A classic script, because browsers refuse modules from a folder (file://); a module made from text they accept.
(() => {
  const MIME = "application/vnd.jupyter.widget-";
  const FOLDER = new URL("networks/", document.currentScript.src).href; // of the networks that figures may ask for

  /** The buffers of a saved widget, in base64, put back to their places as DataViews. */
  function state(saved) {
    const values = structuredClone(saved.state);
    for (const { path, data } of saved.buffers || []) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const place = path.slice(0, -1).reduce((inner, key) => inner[key], values);
      place[path.at(-1)] = new DataView(bytes.buffer);
    }
    return values;
  }

  /** What a widget expects of its model, with nobody on the other side. */
  function model(values) {
    const listeners = new Map();
    const heard = (event) => listeners.get(event) || listeners.set(event, new Set()).get(event);
    return {
      folder: FOLDER,
      get: (key) => values[key],
      set(key, value) {
        if (values[key] === value) return;
        values[key] = value;
        for (const listener of [...heard(`change:${key}`), ...heard("change")]) listener();
      },
      save_changes() {},
      send() {},
      on: (event, listener) => heard(event).add(listener),
      off: (event, listener) => (listener ? heard(event).delete(listener) : listeners.delete(event)),
    };
  }

  async function start(script, saved) {
    const place = document.createElement("div");
    script.after(place);
    if (saved.state._css) {
      const style = document.createElement("style");
      style.textContent = saved.state._css;
      place.before(style);
    }
    const address = URL.createObjectURL(new Blob([saved.state._esm], { type: "text/javascript" }));
    try {
      const widget = (await import(address)).default;
      saved.model ||= model(state(saved)); // shown twice, it is one figure
      await widget.initialize?.({ model: saved.model });
      await widget.render({ model: saved.model, el: place });
      script.closest(".cell_output, figure")?.querySelectorAll(".live-still").forEach((picture) => picture.remove());
    } catch (error) {
      place.textContent = `This figure needs a newer browser (${error.message}).`;
      console.error(error);
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  const saved = {};
  for (const script of document.querySelectorAll(`script[type="${MIME}state+json"]`)) {
    Object.assign(saved, JSON.parse(script.textContent).state);
  }
  for (const script of document.querySelectorAll(`script[type="${MIME}view+json"]`)) {
    const widget = saved[JSON.parse(script.textContent).model_id];
    if (widget?.state._esm) start(script, widget);
  }
})();
