// Two of several pictures of one scene on either side of a line that the reader moves.

/** Where the line falls at a point of the canvas on the screen: from 0, all of the right picture, to 1. */
export function share(clientX, box) {
  return Math.min(1, Math.max(0, Math.round((100 * (clientX - box.left)) / box.width) / 100));
}

async function render({ model, el }) {
  const panel = new Panel(model, el, "Before and after");
  const [names, notes, side] = ["names", "notes", "side"].map((key) => model.get(key));
  const sheet = await decode(model.get("sheet"), "image/webp");
  panel.choice("left", "left of the line", names);
  panel.choice("right", "right of it", names);
  panel.slider("cut", "the line", 0, 1, 0.01);
  const canvas = panel.canvas("two pictures of one scene; drag the line", "32rem");
  [canvas.width, canvas.height] = [side, sheet.height];
  canvas.classList.add("live-smooth");
  canvas.style.touchAction = "pan-y";
  const point = (event) => panel.set("cut", share(event.clientX, canvas.getBoundingClientRect()));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && point(event));
  panel.follow(["left", "right", "cut"], () => {
    const [left, right] = ["left", "right"].map((key) => names.indexOf(model.get(key)));
    const [context, line, height] = [canvas.getContext("2d"), Math.round(model.get("cut") * side), sheet.height];
    context.drawImage(sheet, right * side, 0, side, height, 0, 0, side, height);
    if (line) context.drawImage(sheet, left * side, 0, line, height, 0, 0, line, height);
    context.fillStyle = "#ff9f1c";
    context.fillRect(line - 1, 0, 2, height);
    panel.readout.textContent = `Left: ${names[left]}, ${notes[left]}. Right: ${names[right]}, ${notes[right]}.`;
  });
  return () => panel.close();
}

export default { render };
