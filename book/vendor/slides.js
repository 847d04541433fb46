// A lesson as slides, for a projector: the page as it is, one figure, formula or table at a time, live figures alive.
// Prose is the speaker's: it waits behind N, or stands in a window of its own (S), the code behind C. A slide fits the
// screen: it shrinks a little, or goes over several pages. The place is in the address: #slide-3, #slide-3.2.
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
  const SMALLEST = 0.75; // of the size of type; what needs less goes over several pages

  const tablesOf = (node) => (node.matches("table") ? [node] : [...node.querySelectorAll("table:not(.live-table)")]);
  const rowsOf = (node) => tablesOf(node).flatMap((table) => [...table.querySelectorAll(":scope > tbody > tr")]);

  /** What a node can be cut into: questions of a quiz, outputs, rows of a table, items of a list; else the node itself. */
  function atoms(node) {
    const quiz = node.querySelector("form.quiz");
    if (quiz) return [...quiz.querySelectorAll(":scope > fieldset")];
    const printed = [...node.querySelectorAll(":scope > .cell_output > *")];
    if (printed.length > 1) return printed.flatMap(atoms);
    const rows = rowsOf(node);
    if (rows.length > 1) return rows;
    return node.matches("ul, ol") ? [...node.children] : [node];
  }

  /** [[atom]]: the pages of the slide that is shown whole at the moment. */
  function pagesOf({ nodes }) {
    const all = nodes.filter((node) => !node.classList.contains("said")).flatMap(atoms);
    const heights = all.map((atom) => atom.getBoundingClientRect().height);
    const total = document.documentElement.scrollHeight;
    const [frame, room] = [total - heights.reduce((sum, height) => sum + height, 0), innerHeight / SMALLEST];
    const pages = [[]];
    let used = frame;
    all.forEach((atom, i) => {
      const full = total > room && used + heights[i] > room;
      if (pages.at(-1).length && (full || atom.matches("form.quiz > fieldset"))) {
        pages.push([]);
        used = frame;
      }
      pages.at(-1).push(atom);
      used += heights[i];
    });
    return pages;
  }

  /** Shrinks the slide until it fits; with notes or code on it, it may scroll. */
  function fit() {
    let zoom = 1;
    article.style.zoom = "";
    if (at < 0 || document.body.matches(".slides-notes, .slides-code")) return;
    const high = () => document.documentElement.scrollHeight;
    for (; high() > innerHeight && zoom > 0.3; article.style.zoom = zoom) {
      zoom *= Math.min(0.97, Math.max(0.8, innerHeight / high()));
    }
  }
  new ResizeObserver(fit).observe(article); // pictures and live figures come later

  let pages = [[]]; // of the slide shown
  function turn(by) {
    if (pages[page + by]) return go(at, page + by);
    if (!slides[at + by]) return;
    go(at + by);
    if (by < 0) go(at, pages.length - 1);
  }
  function toggle(name, made) {
    made.setAttribute("aria-pressed", String(document.body.classList.toggle(name)));
    fit();
  }
  button("‹", "Back (left arrow)", () => turn(-1));
  bar.append(count);
  button("›", "On (right arrow)", () => turn(1));
  const notes = button("Notes", "What is said (N)", () => toggle("slides-notes", notes));
  const code = button("Code", "The code (C)", () => toggle("slides-code", code));
  button("Speaker", "What is said, in a window of its own (S)", speak);
  button("Close", "Back to the page (Escape)", leave);

  let desk = null; // the speaker's window
  function speak() {
    desk = open("", "slides-speaker", "width=760,height=820");
    if (!desk) return; // the browser allows no window
    const copy = ({ sheet }) => {
      const style = desk.document.createElement("style");
      style.textContent = [...sheet.cssRules].map((rule) => rule.cssText).join("\n"); // MathJax's are in no text
      return style;
    };
    const link = (node) => Object.assign(node.cloneNode(), { href: node.href });
    const styles = [...document.querySelectorAll("link[rel~=stylesheet], head > style")];
    desk.document.title = `Speaker: ${document.title}`;
    desk.document.documentElement.dataset.theme = document.documentElement.dataset.theme;
    desk.document.documentElement.lang = document.documentElement.lang;
    desk.document.head.replaceChildren(...styles.map((node) => (node.matches("link") ? link(node) : copy(node))));
    desk.document.onkeydown = press;
    tell();
  }

  /** Writes into the speaker's window what is said now and what comes next. */
  function tell() {
    if (!desk || desk.closed || at < 0) return;
    const line = (name, text) => Object.assign(desk.document.createElement(name), { textContent: text });
    const said = slides[at].nodes.filter((node) => node.matches(".said:not(div.cell)"));
    const next = slides[at + 1]?.heading?.firstChild?.textContent ?? "the end";
    const main = line("main", "");
    main.className = "bd-article";
    main.append(line("h1", slides[at].heading?.firstChild?.textContent ?? ""), line("p", count.textContent));
    main.append(...said.map((node) => desk.document.importNode(node, true)), line("p", `Next: ${next}`));
    desk.document.body.className = "slides-desk";
    desk.document.body.replaceChildren(main);
  }

  let [at, page] = [-1, 0]; // the slide shown, and its page; -1: none
  function go(to, part = 0) {
    at = Math.max(0, Math.min(slides.length - 1, to));
    location.hash = `slide-${at + 1}${part ? `.${part + 1}` : ""}`;
    show(); // at once: the event comes later
  }

  function show() {
    const [, number, part = 1] = /^#slide-(\d+)(?:\.(\d+))?$/.exec(location.hash) ?? [];
    const classes = ["on-slide", "said", "other-page"];
    article.querySelectorAll(`.${classes.join(", .")}`).forEach((node) => node.classList.remove(...classes));
    article.style.zoom = "";
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
    document.body.append(bar);
    dispatchEvent(new Event("resize")); // live figures fit themselves
    nodes.flatMap((node) => [...node.querySelectorAll("img[loading]")]).forEach((picture) => (picture.loading = "eager"));
    pages = pagesOf(slides[at]);
    page = Math.max(1, Math.min(pages.length, Number(part))) - 1;
    for (const atom of pages.flat()) atom.classList.toggle("other-page", !pages[page].includes(atom));
    const elsewhere = (parts) => parts.length && parts.every((atom) => atom.classList.contains("other-page"));
    for (const node of nodes) {
      tablesOf(node).filter((table) => elsewhere(rowsOf(table))).forEach((table) => table.classList.add("other-page"));
      if (elsewhere(atoms(node))) node.classList.add("other-page");
    }
    count.textContent = `${at + 1} / ${slides.length}${pages.length > 1 ? ` (${page + 1} of ${pages.length})` : ""}`;
    fit();
    scrollTo(0, 0);
    tell();
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
    n: () => notes.click(), c: () => code.click(), s: speak, Escape: leave,
  };
  function press(event) {
    const on = (kinds) => event.target.closest?.(kinds);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    if (on("input, select, textarea, canvas, [role=slider]") && !/^(Page|Esc)/.test(event.key)) return; // the figure's own
    if (on("button, summary, a") && event.key === " ") return; // presses it
    event.preventDefault();
    KEYS[event.key]();
  }
  document.addEventListener("keydown", press);
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
