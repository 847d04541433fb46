// A lesson as slides, for a projector: the page as it is, one figure, formula or table at a time, live figures alive.
// Prose is the speaker's: it waits behind N, the code behind C. The place is in the address: #slide-3.
(() => {
  const article = document.querySelector("article.bd-article");
  if (!article?.querySelector("div.cell")) return; // a page, not a lesson

  const HEADING = "h1, h2, h3";
  // shown at once; the rest is said. Paragraphs that begin bold or slanted are theorems, questions and captions.
  const TABLE = "table, .pst-scrollable-table-container, figure";
  const SHOWN = `${HEADING}, ${TABLE}, div.math, div.admonition, .figure-caption, ul, ol, details`;
  const outputs = (node) => node.matches("div.cell:not(.tag_solution)") && node.querySelector(":scope > .cell_output");
  const task = (node) => /^Exercise/.test(node.parentElement.querySelector(HEADING)?.textContent ?? "");
  const leads = (node) => node.matches("p") && (/^(EM|STRONG)$/.test(node.firstChild?.nodeName ?? "") || task(node));
  const looked = (node) => node.matches(TABLE) || outputs(node);
  const shown = (node) => node.matches(SHOWN) || leads(node) || outputs(node);

  /** [{heading, nodes}]: each section's own children, cut after whatever the audience looks at. */
  function cut(section) {
    const slides = [];
    let nodes = [];
    const heading = section.querySelector(`:scope > :is(${HEADING})`);
    const close = () => {
      if (nodes.some(shown)) slides.push({ heading, nodes });
      else if (slides.length) slides.at(-1).nodes.push(...nodes); // only words: they belong to the slide before
      else if (nodes.length) slides.push({ heading, nodes });
      nodes = [];
    };
    const own = [...section.children].filter((node) => !node.matches(`section, span, ${HEADING}`));
    own.forEach((node, i) => {
      nodes.push(node);
      const next = own[i + 1];
      // a caption, or the answer to a question, stays with its figure
      const kept = next && (next.matches("details, .figure-caption") || (leads(next) && /^The (figure|map)/.test(next.textContent)));
      if (nodes.some(looked) && !kept) close();
    });
    close();
    for (const part of section.querySelectorAll(":scope > section")) slides.push(...cut(part));
    return slides;
  }

  const slides = [...article.querySelectorAll(":scope > section")].flatMap(cut);
  const bar = document.createElement("div");
  bar.className = "slides-bar";
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Slides");
  const button = (text, label, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, title: label });
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    bar.append(made);
    return made;
  };
  const count = document.createElement("span");
  count.setAttribute("aria-live", "polite");
  const turn = (by) => go(at + by);
  const toggle = (name, made) => made.setAttribute("aria-pressed", String(document.body.classList.toggle(name)));
  button("‹", "Back (left arrow)", () => turn(-1));
  bar.append(count);
  button("›", "On (right arrow)", () => turn(1));
  const notes = button("Notes", "What is said (N)", () => toggle("slides-notes", notes));
  const code = button("Code", "The code (C)", () => toggle("slides-code", code));
  button("Close", "Back to the page (Escape)", leave);

  let at = -1; // the slide shown; -1: the page
  function go(to) {
    at = Math.max(0, Math.min(slides.length - 1, to));
    location.hash = `slide-${at + 1}`;
    show(); // at once: the event comes later
  }

  function show() {
    const number = /^#slide-(\d+)$/.exec(location.hash)?.[1];
    article.querySelectorAll(".on-slide, .said").forEach((node) => node.classList.remove("on-slide", "said"));
    document.body.classList.toggle("slides", number !== undefined);
    if (number === undefined) {
      at = -1;
      bar.remove();
      return;
    }
    at = Math.max(1, Math.min(slides.length, Number(number))) - 1;
    const { heading, nodes } = slides[at];
    heading?.classList.add("on-slide");
    const only = nodes.some(shown) ? null : nodes.find((node) => node.matches("p")); // a slide of words: its first
    for (const node of nodes) {
      node.classList.add("on-slide");
      if (!shown(node) && node !== only) node.classList.add("said");
    }
    count.textContent = `${at + 1} / ${slides.length}`;
    document.body.append(bar);
    scrollTo(0, 0);
    dispatchEvent(new Event("resize")); // live figures fit themselves
  }

  function leave() {
    const last = slides[at]?.heading;
    location.hash = "";
    show();
    last?.scrollIntoView();
  }

  const KEYS = {
    ArrowRight: () => turn(1), PageDown: () => turn(1), " ": () => turn(1),
    ArrowLeft: () => turn(-1), PageUp: () => turn(-1),
    Home: () => go(0), End: () => go(slides.length - 1),
    n: () => notes.click(), c: () => code.click(), Escape: leave,
  };
  document.addEventListener("keydown", (event) => {
    const on = (kinds) => event.target.closest?.(kinds);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    if (on("input, select, textarea, canvas, [role=slider]") && !/^(Page|Esc)/.test(event.key)) return; // the figure's own
    if (on("button, summary, a") && event.key === " ") return; // presses it
    event.preventDefault();
    KEYS[event.key]();
  });
  addEventListener("hashchange", show);

  const start = Object.assign(document.createElement("button"), { type: "button", title: "Show as slides" });
  start.className = "btn btn-sm pst-navbar-icon slides-start";
  start.setAttribute("aria-label", "Show as slides");
  start.innerHTML = '<i class="fas fa-chalkboard" aria-hidden="true"></i>';
  start.addEventListener("click", () => go(0));
  document.querySelector(".article-header-buttons")?.append(start);

  // formulas are measured while they can be seen
  addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(show));
})();
