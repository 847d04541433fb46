// An equation or a table wider than its column scrolls: let the keyboard reach it.
addEventListener("load", async () => {
  await globalThis.MathJax?.startup?.promise;
  for (const box of document.querySelectorAll("div.math, div.math mjx-container, div.formula, table.table, .pst-scrollable-table-container")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
});
