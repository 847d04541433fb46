// A walk through the samples of a prior, computed beforehand: every picture shown is a sample, none is a mixture of two.

/** The sample nearest to a place in the square: fractions (0 left or top, 1 right or bottom) -> {column, row}. */
export function nearest(across, down, count) {
  const cell = (v) => Math.min(count - 1, Math.max(0, Math.floor(v * count)));
  return { column: cell(across), row: cell(down) };
}

/** Where the sample lies on the sheet: truncation levels one below the other, each count x count tiles of side pixels. */
export function tile(level, row, column, count, side) {
  return { left: column * side, top: (level * count + row) * side };
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The square of samples: drag in it, or use the arrow keys. */
function map(panel, model, count) {
  const canvas = panel.canvas("all samples of this truncation: drag, or use the arrow keys", "16rem");
  canvas.dataset.handle = "walk";
  for (const [name, value] of Object.entries({ tabindex: 0, role: "slider", "aria-roledescription": "place in the square" })) canvas.setAttribute(name, value);
  const move = (column, row) => {
    const inside = (v) => Math.min(count - 1, Math.max(0, v));
    model.set("column", inside(column));
    panel.set("row", inside(row));
  };
  canvas.addEventListener("keydown", (event) => {
    const step = MOVES[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
    move(model.get("column") + step[0], model.get("row") + step[1]);
  });
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const { column, row } = nearest((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, count);
    move(column, row);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && point(event));
  canvas.style.touchAction = "none";
  return canvas;
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "A walk through a prior");
  const [count, side, psis, reach] = ["count", "side", "psis", "reach"].map((key) => model.get(key));
  const sheet = await decode(model.get("sheet"), "image/webp");
  panel.choice("psi", "truncation psi", psis);
  const [overview, large] = [map(panel, model, count), panel.canvas("the sample", "16rem")];
  large.classList.add("live-smooth");
  panel.follow(["psi", "column", "row"], () => {
    const [psi, column, row] = ["psi", "column", "row"].map((key) => model.get(key));
    const { left, top } = tile(psis.indexOf(psi), row, column, count, side);
    [overview.width, overview.height, large.width, large.height] = [count * side, count * side, side, side];
    const context = overview.getContext("2d");
    context.drawImage(sheet, 0, top - row * side, count * side, count * side, 0, 0, count * side, count * side);
    context.lineWidth = 6;
    context.strokeStyle = "#ff9f1c";
    context.strokeRect(left + 3, row * side + 3, side - 6, side - 6);
    large.getContext("2d").drawImage(sheet, left, top, side, side, 0, 0, side, side);
    const [a, b] = [column, count - 1 - row].map((v) => (reach * (2 * v / (count - 1) - 1)).toFixed(2));
    overview.setAttribute("aria-valuenow", row * count + column);
    overview.setAttribute("aria-valuetext", `column ${column + 1}, row ${row + 1} of ${count}`);
    panel.readout.textContent = `z = z0 + (${a}) z1 + (${b}) z2, psi = ${psi}. Column ${column + 1}, row ${row + 1} of ${count}. `
      + "You see samples that the prior made, computed beforehand; nothing is blended between them.";
  });
  return () => panel.close();
}

export default { render };
