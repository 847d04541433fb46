// On a phone, an equation wider than its column is drawn smaller, down to three quarters. What is still wider, and a
// table that is, scrolls: let the keyboard reach it.
const LEAST = 0.75;
addEventListener("load", async () => {
  await globalThis.MathJax?.startup?.promise;
  for (const box of document.querySelectorAll("div.math mjx-container")) {
    const share = box.clientWidth / box.scrollWidth;
    const size = parseFloat(getComputedStyle(box).fontSize) * Math.max(LEAST, share - 0.01);
    if (share < 1) box.style.setProperty("font-size", `${size}px`, "important");
  }
  for (const box of document.querySelectorAll("div.math, div.math mjx-container, div.formula, table.table, .pst-scrollable-table-container")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
});
