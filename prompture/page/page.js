
"use strict";
(() => {
const root = document.documentElement;
root.classList.add("js");
const one = (what, within = document) => within.querySelector(what);
const all = (what, within = document) => [...within.querySelectorAll(what)];
const still = matchMedia("(prefers-reduced-motion: reduce)");
const named = (mark) => {
  const text = mark.dataset.pointer;
  return text.startsWith("[") ? JSON.parse(text) : [text];
};
// Names as text: nothing in them reverses the order of letters.
const words = (text) => text.replace(/[\u202d\u202e]/g, "\ufffd");
const put = (parent, tag, name, text) => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
};

// One document with its values. Pointers are keys of Maps: "__proto__" is a name like others.
class Sheet {
  constructor(article) {
    this.article = article;
    this.view = one(".view", article);
    this.card = one(".card", article);
    this.leaves = new Map(all(".leaf", article).map((leaf) => [leaf.dataset.pointer, leaf]));
    this.items = all("[role=treeitem]", article);
    this.chosen = null;
    this.place = 0;
    this.lit = [];
    this.states = new Set();
    if (this.items.length) this.items[0].tabIndex = 0;
  }
  get pictures() { return this.article.dataset.layout === "pictures"; }
  // Places by pointer, in the layout that is shown; made when first asked for. A place is all marks
  // that are pieces of one span, under the character where that begins.
  get known() {
    const shown = this.pictures ? "pics" : "text";
    this.indexes ??= {};
    if (this.indexes[shown]) return this.indexes[shown];
    const found = new Map();
    for (const mark of all(`.${shown} mark`, this.article)) {
      const starts = mark.dataset.at.split(" ");
      for (const [at, name] of named(mark).entries()) {
        if (!found.has(name)) found.set(name, new Map());
        const places = found.get(name);
        if (!places.has(starts[at])) places.set(starts[at], []);
        places.get(starts[at]).push(mark);
      }
    }
    return (this.indexes[shown] = found);
  }
  places(pointer) { return [...(this.known.get(pointer)?.values() ?? [])]; }
  marks(pointer) { return this.places(pointer).flat(); }
  // Which of the places begins there; -1 where that one is not shown.
  placeAt(pointer, start) { return [...(this.known.get(pointer)?.keys() ?? [])].indexOf(start); }
  best(pointer) {
    const start = this.leaves.get(pointer)?.dataset.start;
    return start === undefined ? 0 : this.placeAt(pointer, start);
  }
  light(marks, leaves) {
    for (const each of this.lit) each.classList.remove("hot");
    this.lit = [...marks, ...leaves];
    for (const each of this.lit) each.classList.add("hot");
  }
  hover(pointers) {
    const key = pointers.join(" ");
    if (key === this.hovered) return;
    this.hovered = key;
    const marks = pointers.flatMap((each) => this.marks(each));
    const leaves = pointers.map((each) => this.leaves.get(each)).filter(Boolean);
    this.light(marks, leaves);
    this.point("hot", pointers);
  }
  choose(pointer, { place, scroll = true, focus = false, quiet = false, also = [] } = {}) {
    this.clear();
    const leaf = this.leaves.get(pointer);
    // Where no picture has the best place: another one would be no proof.
    if (place === undefined && this.pictures && this.best(pointer) < 0) lay(this, "text");
    const places = this.places(pointer);
    this.chosen = pointer;
    this.place = Math.min(place ?? Math.max(0, this.best(pointer)), Math.max(0, places.length - 1));
    for (const mark of this.marks(pointer)) mark.classList.add("on");
    if (leaf) {
      leaf.classList.add("on");
      leaf.setAttribute("aria-selected", "true");
      for (let up = leaf.parentElement.closest(".g"); up; up = up.parentElement.closest(".g")) open(up, true);
      this.rove(leaf);
      leaf.scrollIntoView({ block: "nearest" });
      // Rows that come into sight get their own heights, and move it: once more.
      requestAnimationFrame(() => leaf.scrollIntoView({ block: "nearest" }));
    }
    const current = places[this.place] ?? [];
    for (const mark of current) {
      mark.classList.add("cur");
      mark.tabIndex = -1;
    }
    this.point("on", [pointer]);
    this.describe(leaf, places.length, current[0], also);
    if (current.length && scroll) {
      if (!quiet) pane("document");
      bring(this.view, current[0], this.card.offsetHeight + 28); // not behind the card
    }
    if (focus && current.length) current[0].focus({ preventScroll: true });
    remember(this, pointer);
  }
  clear() {
    for (const each of all(".on, .cur", this.article)) {
      each.classList.remove("on", "cur");
      each.removeAttribute("aria-selected");
    }
    if (this.card) {
      this.card.hidden = true;
      one(".spoken", this.article).textContent = "";
    }
    this.chosen = null;
    this.point("on", []);
  }
  // The card below: what is chosen, and how sure its place is.
  describe(leaf, count, mark, also) {
    const card = this.card;
    if (!card) return;
    card.replaceChildren();
    put(card, "div", "where", words(this.chosen) || "(the whole value)");
    if (leaf) {
      const what = put(card, "div", "what");
      what.dir = "auto";
      // As it is written there: with the numbers of what nobody sees.
      what.append(...one(".value", leaf).cloneNode(true).childNodes);
    }
    const facts = [];
    if (leaf) facts.push(leaf.dataset.state);
    if (leaf?.dataset.score && leaf.dataset.score !== "1.00") facts.push(`score ${leaf.dataset.score}`);
    if (count > 1) facts.push(`place ${this.place + 1} of ${count}`);
    const page = label(mark) ?? (leaf?.dataset.page && `page ${leaf.dataset.page}`);
    if (page) facts.push(page);
    one(".spoken", this.article).textContent = [words(this.chosen), leaf ? one(".value", leaf).textContent.slice(0, 200) : "", ...facts].join(", ");
    put(card, "div", "how", facts.join(" · ")).title = leaf ? one(".tag", leaf).title : "";
    const steps = put(card, "div", "steps");
    if (count > 1) {
      button(steps, "‹", "Previous place", () => this.step(-1));
      button(steps, "›", "Next place", () => this.step(1));
    }
    if (leaf) button(steps, "Value", "Show it among the values", () => { pane("values"); leaf.focus(); }).classList.add("narrow-only");
    button(steps, "✕", "Close", () => { this.clear(); forget(); });
    if (also.length > 1) {
      const more = put(card, "div", "also");
      put(more, "span", "", "also here");
      for (const other of also.filter((each) => each !== this.chosen).slice(0, 12)) {
        const chip = put(more, "button", "", words(other) || "(the whole value)");
        chip.type = "button";
        chip.addEventListener("click", () => this.choose(other, { scroll: false, also }));
      }
      if (also.length > 13) put(more, "span", "", `and ${also.length - 13} more`);
    }
    card.hidden = false;
  }
  step(by) {
    const count = this.chosen === null ? 0 : this.places(this.chosen).length;
    if (count) this.choose(this.chosen, { place: (this.place + by + count) % count });
  }
  next(by) {
    const shown = [...this.leaves.values()].filter((leaf) => !leaf.hidden);
    if (!shown.length) return;
    const at = shown.indexOf(this.leaves.get(this.chosen));
    const to = at < 0 ? (by > 0 ? 0 : shown.length - 1) : (at + by + shown.length) % shown.length;
    this.choose(shown[to].dataset.pointer, { quiet: true });
  }
  // A mark was chosen in the document: the innermost value there, then the next at each click.
  follow(mark, pointers, options = {}) {
    const at = pointers.indexOf(this.chosen);
    const chosen = mark.classList.contains("cur") && at >= 0 ? pointers[(at + 1) % pointers.length] : pointers[0];
    const place = this.places(chosen).findIndex((each) => each.includes(mark));
    this.choose(chosen, { place: Math.max(0, place), scroll: false, also: pointers, ...options });
  }
  rove(item) {
    for (const each of this.items) if (each.tabIndex === 0) each.tabIndex = -1;
    item.tabIndex = 0;
  }
  // Leaves that are to be seen: of the states that are wanted, and with the words that are.
  sift(wanted) {
    let count = 0;
    for (const [pointer, leaf] of this.leaves) {
      const fits = !this.states.size || this.states.has(leaf.dataset.state);
      leaf.hidden = !fits || !(!wanted || wanted.test(pointer) || wanted.test(leaf.textContent));
      if (!leaf.hidden) count += 1;
    }
    for (const group of all(".g", this.article).reverse()) {
      const rest = [...one("ul", group).children].some((each) => !each.hidden);
      group.hidden = !rest;
    }
    const isAll = !this.states.size && !wanted;
    for (const mark of all("mark", this.article)) {
      mark.classList.toggle("dim", !isAll && !named(mark).some((each) => this.leaves.get(each)?.hidden === false));
    }
    const none = one(".none", this.article);
    if (none) none.hidden = count > 0 || !this.leaves.size;
    const first = this.items.find((each) => !each.closest("[hidden]"));
    if (first && !this.items.some((each) => each.tabIndex === 0 && !each.closest("[hidden]"))) this.rove(first);
    return count;
  }
  // The strip at the edge: where in the document each value stands.
  rule() {
    const ruler = one(".ruler", this.article);
    if (!ruler) return;
    this.ticks = new Map();
    for (const [pointer, leaf] of this.leaves) {
      if (leaf.dataset.start === undefined) continue;
      const tick = put(ruler, "i");
      tick.dataset.state = leaf.dataset.state;
      this.ticks.set(pointer, tick);
    }
    let waiting = 0;
    const sizes = new ResizeObserver(() => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => this.scale(ruler));
    });
    for (const each of [this.view, one(".text", this.article), one(".pics", this.article)]) sizes.observe(each);
  }
  // Ticks beside their lines where all is in sight, else in proportion to the whole.
  scale(ruler) {
    const shown = one(this.pictures ? ".pics" : ".text", this.article);
    const frame = this.view.getBoundingClientRect();
    const top = frame.top - this.view.scrollTop;
    const factor = Math.min(1, frame.height / (shown.getBoundingClientRect().bottom - top));
    const boxes = new Map(); // of blocks: what is out of sight is not laid out, and has no others
    const box = (block) => {
      if (!boxes.has(block)) boxes.set(block, block.getBoundingClientRect());
      return boxes.get(block);
    };
    const isShort = all(".c", this.article).length < 20;
    const heights = new Map();
    for (const [pointer, tick] of this.ticks) {
      const mark = this.places(pointer)[this.best(pointer)]?.[0];
      if (!mark) continue;
      const block = box(mark.closest(".c, .pic"));
      this.shares ??= new WeakMap();
      if (!this.shares.has(mark)) this.shares.set(mark, this.pictures ? parseFloat(mark.style.top) / 100 : inBlock(mark));
      const share = this.shares.get(mark);
      const at = isShort && !this.pictures ? mark.getBoundingClientRect().top : block.top + share * block.height;
      heights.set(tick, (at - top) * factor);
    }
    ruler.style.top = `${this.view.offsetTop}px`;
    ruler.style.height = `${frame.height}px`;
    for (const tick of this.ticks.values()) {
      tick.hidden = !heights.has(tick);
      if (!tick.hidden) tick.style.top = `${heights.get(tick)}px`;
    }
  }
  point(name, pointers) {
    if (!this.ticks) return;
    for (const each of this[`ticks_${name}`] ?? []) each.classList.remove(name);
    this[`ticks_${name}`] = pointers.map((each) => this.ticks.get(each)).filter(Boolean);
    for (const each of this[`ticks_${name}`]) each.classList.add(name);
  }
}

// How far down its block a mark stands, as a share of its characters.
const inBlock = (mark) => {
  let before = 0;
  for (let each = mark.previousSibling; each; each = each.previousSibling) before += each.textContent.length;
  return before / (mark.parentElement.textContent.length || 1);
};
// The page on which a mark stands: that of its picture, or what was written above its block.
const label = (mark) => {
  const picture = mark?.closest("[data-page]");
  if (picture) return `page ${picture.dataset.page}`;
  let block = mark?.closest(".c");
  while (block && !block.matches(".brk")) block = block.previousElementSibling;
  return block?.dataset.label;
};
const button = (parent, text, label, act) => {
  const made = put(parent, "button", "b", text);
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
};
const open = (group, isOpen) => group.setAttribute("aria-expanded", String(isOpen));
const pane = (name) => {
  document.body.dataset.pane = name;
  for (const each of all(".tabs button")) each.setAttribute("aria-pressed", String(each.dataset.show === name));
};
const bring = (view, target, covered) => {
  const seen = () => {
    const box = target.getBoundingClientRect(), frame = view.getBoundingClientRect();
    return box.top >= frame.top + 20 && box.top + Math.min(box.height, 40) <= frame.bottom - covered;
  };
  if (seen()) return;
  const frame = view.getBoundingClientRect();
  const far = Math.abs(target.getBoundingClientRect().top - frame.top) > 2 * frame.height;
  // Of what is taller than the window, the beginning.
  const block = target.getBoundingClientRect().height > frame.height / 2 ? "start" : "center";
  target.scrollIntoView({ block, behavior: far || still.matches ? "instant" : "smooth" });
  // What was not laid out had a height by estimate: once more, when it has its own.
  if (far) requestAnimationFrame(() => seen() || target.scrollIntoView({ block, behavior: "instant" }));
};

const sheets = all(".sheet").map((article) => new Sheet(article));
let sheet = sheets[0], started = false;
const show = (wanted) => {
  sheet = wanted;
  for (const each of sheets) each.article.hidden = each !== wanted;
  for (const link of all(".index a")) {
    if (link.hash === `#${wanted.article.id}`) {
      link.setAttribute("aria-current", "true");
      // Tab goes on from what was scrolled to: not so at the start.
      if (started) link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  one(".skip").hash = `#${one(".values", wanted.article)?.id ?? wanted.article.id}`;
  if (!wanted.ticks) wanted.rule();
  search();
};

// The address names what is chosen, so that it can be sent to somebody.
const remember = (where, pointer) => {
  const prefix = sheets.length > 1 ? `${where.article.id}:` : "";
  try { history.replaceState(null, "", `#${prefix}${encodeURIComponent(pointer)}`); } catch { /* a frame without an address */ }
};
const forget = () => {
  try { history.replaceState(null, "", location.pathname + location.search); } catch { /* as above */ }
};
const recall = () => {
  let text = location.hash.slice(1);
  if (/^values-\d+$/.test(text)) return; // "Skip to the values" of the document that is shown
  const found = /^(document-\d+)(?::|$)/.exec(text);
  const wanted = found ? sheets.find((each) => each.article.id === found[1]) : sheets[0];
  if (!wanted) return;
  show(wanted);
  if (found) text = text.slice(found[0].length);
  let pointer;
  try { pointer = decodeURIComponent(text); } catch { return; }
  if (pointer && (wanted.leaves.has(pointer) || wanted.known.has(pointer))) wanted.choose(pointer);
};

// Search: in the values, and in the text by highlights, which change no element.
const field = one("#find"), count = one(".find output");
const highlights = CSS.highlights;
let hits = [], hit = -1;
const search = () => {
  const sought = field.value.trim();
  const pattern = sought && sought.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replace(/\s+/g, "\\s+");
  const wanted = pattern ? new RegExp(pattern, "iu") : null;
  const found = sheet.sift(wanted);
  hits = [];
  hit = -1;
  highlights?.delete("find");
  highlights?.delete("now");
  if (!wanted) { count.textContent = ""; return; }
  hits = ranges(sheet, new RegExp(pattern, "giu"));
  if (highlights && hits.length) highlights.set("find", new Highlight(...hits));
  const more = hits.length >= 1000 ? "+" : "";
  count.textContent = `${found} value${found === 1 ? "" : "s"} · ${hits.length}${more} in text`;
};
// In the text as a whole: words may begin in one block and end in the next.
const ranges = (within, pattern) => {
  const found = [], shown = one(".text", within.article);
  if (!shown) return found;
  within.whole ??= shown.textContent;
  const walker = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
  let node = walker.nextNode(), start = 0;
  const at = (offset, isEnd) => {
    while (node && (isEnd ? offset > start + node.length : offset >= start + node.length)) {
      start += node.length;
      node = walker.nextNode();
    }
    return [node, offset - start];
  };
  for (const each of within.whole.matchAll(pattern)) {
    const range = new Range();
    range.setStart(...at(each.index, false));
    range.setEnd(...at(each.index + each[0].length, true));
    found.push(range);
    if (found.length >= 1000) break;
  }
  return found;
};
const seek = (by) => {
  if (!hits.length) { sheet.next(by); return; }
  if (sheet.pictures) lay(sheet, "text"); // where the hits are
  hit = (hit + by + hits.length) % hits.length;
  highlights?.set("now", new Highlight(hits[hit]));
  pane("document");
  // A range cannot be scrolled to: its block first, so that it is laid out, then its own line.
  const view = sheet.view;
  const place = () => {
    const box = hits[hit].getBoundingClientRect(), frame = view.getBoundingClientRect();
    if (box.top < frame.top + 20 || box.bottom > frame.bottom - 80) view.scrollTop += box.top - frame.top - frame.height / 3;
  };
  hits[hit].startContainer.parentElement.closest(".c").scrollIntoView({ block: "nearest", behavior: "instant" });
  place();
  requestAnimationFrame(place);
  count.textContent = `${hit + 1} of ${hits.length}${hits.length >= 1000 ? "+" : ""} in text`;
};
let waiting = 0;
field.addEventListener("input", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(search);
});
one(".find").addEventListener("submit", (event) => event.preventDefault());
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); seek(event.shiftKey ? -1 : 1); }
  if (event.key === "Escape") { field.value = ""; search(); field.blur(); }
});

// Pointers under the mouse: boxes of a picture may lie over each other.
const under = (event) => {
  const mark = event.target.closest("mark");
  if (!mark) {
    const leaf = event.target.closest(".leaf");
    return leaf ? [null, [leaf.dataset.pointer]] : [null, []];
  }
  if (!mark.closest(".pic")) return [mark, named(mark)];
  const over = document.elementsFromPoint(event.clientX, event.clientY).filter((each) => each.matches("mark"));
  const size = (each) => each.offsetWidth * each.offsetHeight;
  over.sort((a, b) => size(a) - size(b));
  return [over[0] ?? mark, [...new Set((over.length ? over : [mark]).flatMap(named))]];
};
for (const each of sheets) {
  const article = each.article;
  article.addEventListener("pointerover", (event) => each.hover(under(event)[1]));
  article.addEventListener("pointerleave", () => each.hover([]));
  article.addEventListener("focusin", (event) => {
    const target = event.target.closest("mark, .leaf");
    if (target && target.matches(":focus-visible")) each.hover(named(target));
  });
  article.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    if (chip) {
      const state = chip.dataset.state;
      if (!each.states.delete(state)) each.states.add(state);
      chip.setAttribute("aria-pressed", String(each.states.has(state)));
      search();
      return;
    }
    const toggle = event.target.closest("[data-toggle]");
    if (toggle) { flip(each, toggle.dataset.toggle); return; }
    const [mark, pointers] = under(event);
    if (mark) {
      if (String(getSelection())) return; // somebody copies words
      each.follow(mark, pointers);
    } else if (pointers.length) each.choose(pointers[0]);
    else {
      const row = event.target.closest(".row");
      if (row) { open(row.parentElement, row.parentElement.getAttribute("aria-expanded") !== "true"); each.rove(row.parentElement); }
    }
  });
}
const lay = (where, layout) => {
  where.article.dataset.layout = layout;
  one("[data-toggle=layout]", where.article)?.setAttribute("aria-pressed", String(layout === "pictures"));
};
const flip = (where, name) => {
  const { article } = where;
  if (name === "layout") {
    if (!one(".pic", article)) return;
    // The same place again, if it is shown there.
    const start = [...(where.known.get(where.chosen)?.keys() ?? [])][where.place];
    lay(where, where.pictures ? "text" : "pictures");
    search();
    const place = where.placeAt(where.chosen, start);
    if (place >= 0) where.choose(where.chosen, { place });
    else if (start !== undefined) where.clear();
  } else if (name === "mono") article.classList.toggle("mono");
  else if (name === "zoom") article.classList.toggle("zoom");
  else article.classList.toggle("calm");
  const isOn = { layout: () => where.pictures, mono: () => article.classList.contains("mono"),
    zoom: () => article.classList.contains("zoom"), calm: () => !article.classList.contains("calm") }[name]();
  one(`[data-toggle=${name}]`, article)?.setAttribute("aria-pressed", String(isOn));
};

// Light and dark: as the system has it, until somebody chooses.
const theme = one("#theme");
const stored = (value) => {
  try { return value === undefined ? localStorage.getItem("prompture-theme") : localStorage.setItem("prompture-theme", value); } catch { return null; }
};
const paint = (name) => { if (name === "light" || name === "dark") root.dataset.theme = name; };
paint(stored());
const turn = () => {
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  paint(isDark ? "light" : "dark");
  stored(root.dataset.theme);
};
theme.addEventListener("click", turn);
const keys = one("#keys");
one("#help").addEventListener("click", () => keys.showModal());
for (const each of all(".tabs button")) each.addEventListener("click", () => pane(each.dataset.show));
for (const link of all(".index a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(sheets.find((each) => `#${each.article.id}` === link.hash));
    try { history.replaceState(null, "", link.hash); } catch { /* a frame without an address */ }
  });
}

// Keys. In the tree as in every tree, in the document from mark to mark, letters anywhere.
const inTree = (item, key) => {
  const shown = sheet.items.filter((each) => !each.hidden && !each.closest("[hidden]") && !each.parentElement.closest(".g[aria-expanded=false]"));
  const at = shown.indexOf(item);
  const isGroup = item.classList.contains("g"), isOpen = item.getAttribute("aria-expanded") === "true";
  const parent = item.parentElement.closest(".g");
  const moves = {
    ArrowDown: () => shown[at + 1], ArrowUp: () => shown[at - 1], Home: () => shown[0], End: () => shown.at(-1),
    ArrowRight: () => (isGroup && isOpen ? shown[at + 1] : void (isGroup && open(item, true))),
    ArrowLeft: () => (isGroup && isOpen ? void open(item, false) : parent),
    Enter: () => act(item), " ": () => act(item),
  };
  if (!moves[key]) return false;
  const to = moves[key]();
  if (to) { sheet.rove(to); to.focus(); }
  return true;
};
const act = (item) => {
  if (item.classList.contains("g")) open(item, item.getAttribute("aria-expanded") !== "true");
  else sheet.choose(item.dataset.pointer, { focus: true });
};
const inText = (target, key) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const mark = target.closest("mark");
  if (key === "Enter" && mark) {
    const leaf = sheet.leaves.get(sheet.chosen ?? named(mark)[0]);
    if (leaf) { pane("values"); leaf.focus(); }
    return true;
  }
  if (!by) return false;
  const marks = all(`.${sheet.pictures ? "pics" : "text"} mark:not(.dim, .alt)`, sheet.article);
  if (!marks.length) return false;
  // From the mark that has the focus, or is chosen, though it be none of these.
  const from = mark ?? one(`.${sheet.pictures ? "pics" : "text"} .cur`, sheet.article);
  const isBehind = (each) => from.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING;
  let next = by > 0 ? 0 : marks.length - 1;
  if (from) next = by > 0 ? marks.findIndex(isBehind) : marks.findLastIndex((each) => each !== from && !isBehind(each));
  const to = marks.at(next < 0 && by > 0 ? 0 : next);
  to.tabIndex = -1;
  sheet.follow(to, named(to), { scroll: true, focus: true });
  return true;
};
const letters = one("#letters");
const commands = {
  j: () => sheet.next(1), k: () => sheet.next(-1), n: () => sheet.step(1), p: () => sheet.step(-1),
  "/": () => { field.focus(); field.select(); }, t: turn, v: () => flip(sheet, "layout"), m: () => flip(sheet, "mono"),
  o: () => flip(sheet, "calm"), z: () => flip(sheet, "zoom"),
  "?": () => keys.showModal(),
  "[": () => show(sheets.at(sheets.indexOf(sheet) - 1)), "]": () => show(sheets[(sheets.indexOf(sheet) + 1) % sheets.length]),
};
document.addEventListener("keydown", (event) => {
  const target = event.target;
  const { key } = event;
  // Some keyboards have brackets behind Alt alone.
  const isBracket = key === "[" || key === "]";
  if (event.ctrlKey || event.metaKey || (event.altKey && !isBracket) || target.closest("input, dialog")) return;
  let done = false;
  if (target.matches("[role=treeitem]")) done = inTree(target, key);
  else if (target.closest(".view")) done = inText(target, key);
  if (!done && key === "Escape") {
    sheet.clear();
    forget();
    if (field.value) { field.value = ""; search(); }
    done = true;
  }
  if (!done && letters.checked && Object.hasOwn(commands, key)) { commands[key](); done = true; }
  if (done) event.preventDefault();
});
// Paper cannot be opened.
const folded = [];
addEventListener("beforeprint", () => folded.push(...all("details:not([open])").map((each) => { each.open = true; return each; })));
addEventListener("afterprint", () => { for (const each of folded.splice(0)) each.open = false; });
addEventListener("hashchange", recall);
if (sheets.length) recall();
started = true;
})();
