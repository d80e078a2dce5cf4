// The filters live in the URL's hash, so a link shows what its sender saw. Nothing chosen in a filter is all of it.
const KEYS = ["board", "model", "cores", "origin", "basis"];
const chosen = Object.fromEntries(KEYS.map((key) => [key, new Set()]));
let openRun = null;

function readHash() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const key of KEYS) {
    const known = new Set(D.filters[key].map((one) => one.value));
    chosen[key] = new Set(said.getAll(key).filter((value) => known.has(value)));
  }
  openRun = said.get("run");
}
function writeHash() {
  const said = new URLSearchParams();
  for (const key of KEYS) for (const value of chosen[key]) said.append(key, value);
  if (openRun !== null) said.set("run", openRun);
  // Not location.hash: an empty one scrolls to the top.
  history.replaceState(null, "", `#${said}`);
}
const lets = (key, value) => !chosen[key].size || chosen[key].has(String(value ?? ""));
const letsRow = (row) => lets("board", row.board) && lets("model", row.model) && lets("cores", row.cores);
const letsValue = (value) => lets("origin", value.o) && lets("basis", value.b);

function makeFilters(host, changed) {
  const drawers = KEYS.map((key) => {
    const summary = el("summary");
    const boxes = D.filters[key].map(({value, text}) => el("input", {type: "checkbox", value, "data-key": key, on: {
      change: (event) => {
        chosen[key][event.target.checked ? "add" : "delete"](value);
        writeHash();
        changed();
      }}}));
    const list = el("div", {class: "choices", role: "group", "aria-label": W[key]},
      D.filters[key].map(({text}, at) => el("label", {}, boxes[at], " ", text)));
    const drawer = el("details", {class: "filter", on: {keydown: (event) => {
      if (event.key === "Escape" && drawer.open) { drawer.open = false; summary.focus(); }
    }}}, summary, list);
    return {key, drawer, refresh: () => {
      for (const box of boxes) box.checked = chosen[key].has(box.value);
      const names = D.filters[key].filter(({value}) => chosen[key].has(value)).map(({text}) => text);
      const said = names.length > 2 ? `${names.length} / ${boxes.length}` : names.join(", ");
      summary.replaceChildren(`${W[key]}: `, el("b", {}, said || W.all));
      drawer.classList.toggle("active", names.length > 0);
    }};
  });
  // One drawer at a time, and none when somebody turns to something else.
  document.addEventListener("click", (event) => {
    for (const {drawer} of drawers) if (!drawer.contains(event.target)) drawer.open = false;
  });
  const reset = el("button", {type: "button", id: "reset", on: {click: () => {
    for (const key of KEYS) chosen[key].clear();
    writeHash();
    changed();
  }}}, W.reset);
  host.append(...drawers.map(({drawer}) => drawer), reset, el("span", {id: "count", role: "status"}));
  return () => {
    for (const {refresh} of drawers) refresh();
    reset.disabled = KEYS.every((key) => !chosen[key].size);
  };
}
