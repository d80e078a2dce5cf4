// The page's sections. Each has a table, or says that there is nothing.
const anyBoard = (name) => name === null || name === undefined ? el("span", {class: "muted"}, W.any_board) : name;
const chip = (origin, text) => el("span", {class: `chip o-${origin}`}, text);
const verdict = (row) => el("span", {class: `verdict v-${row.verdict}`}, el("span", {"aria-hidden": "true"},
  {FITS: "✓ ", TIGHT: "✓ ", RISK: "? ", NO: "✗ "}[row.verdict] || "– "), row.verdictText);
const runLinks = (value) => value.runs.map((at) => el("button", {type: "button", class: "link", on: {click: () => show(at)}}, D.runs[at].run));
const varies = (rows, field) => new Set(rows.map((row) => row[field])).size > 1;
const draws = [];

function defence(metric, value) {
  return el("li", {}, el("b", {}, `${D.metrics[metric].heading}: `), `${value.t} · ${value.basis}`, value.s ? ` · ${value.s}` : null,
    value.note ? ` · ${value.note}` : null, value.was.map((text) => el("div", {class: "muted"}, text)),
    value.runs.length ? el("div", {}, `${W.evidence}: `, runLinks(value).flatMap((one, at) => at ? [" ", one] : [one])) : null);
}

function verdicts() {
  const columns = [
    {head: W.model, header: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => anyBoard(row.board)},
    {head: W.verdict, sort: (row) => row.verdictText, cell: verdict},
    {head: W.rests_on, sort: (row) => row.by, cell: (row) => chip(row.by, row.byText)},
    {head: D.metrics.generate_tps.heading, num: true, sort: (row) => row.speed?.v ?? null, has: (row) => row.speed,
      cell: (row) => row.speed ? [said(row.speed), el("small", {class: "muted"}, ` ${row.cores} ${W.core_count}`)] : "–"},
    {head: W.outcomes, sort: (row) => row.outcomes, has: (row) => row.outcomes, cell: (row) => row.outcomes},
    {head: W.wary, wide: true, has: (row) => row.flags.length, cell: (row) => row.flags.map((flag) => el("div", {}, flag))}];
  const draw = makeTable(byId("verdicts"), W.verdicts, columns);
  // Boards that say nothing of their own are left to the class, unless somebody asks for them.
  draws.push(() => draw(D.verdicts.filter((row) => lets("board", row.board) && lets("model", row.model)
    && lets("cores", row.cores) && (chosen.board.size || row.own)
    && (lets("origin", row.by) || (row.speed && lets("origin", row.speed.o))) && (!chosen.basis.size || (row.speed && lets("basis", row.speed.b))))));
}

function speed() {
  const top = {};
  const letThrough = (row, metric) => row.values[metric] && letsValue(row.values[metric]) ? row.values[metric] : null;
  const share = (number) => number === null ? "" : `${Math.round(number * 100)} %`;
  const columns = [
    {head: W.model, header: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.cores, num: true, sort: (row) => row.cores, cell: (row) => row.cores ?? "–"},
    {head: W.vision_cores, num: true, sort: (row) => row.visionCores, has: (row) => row.visionCores !== null, cell: (row) => row.visionCores ?? "–"},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => anyBoard(row.board)},
    ...D.shown.speed.map((metric) => ({head: D.metrics[metric].heading, wide: true, sort: (row) => letThrough(row, metric)?.v ?? null,
      has: (row) => letThrough(row, metric), cell: (row) => {
        const value = letThrough(row, metric);
        return value ? [said(value), bar(value, top[metric])] : "–";
      }})),
    {head: W.of_reference, num: true, sort: (row) => row.ofReference, has: (row) => row.ofReference !== null, cell: (row) => share(row.ofReference)},
    {head: W.of_roofline, num: true, sort: (row) => row.ofRoofline, has: (row) => row.ofRoofline !== null, cell: (row) => share(row.ofRoofline)},
    {head: W.basis, cell: (row) => el("details", {class: "why"}, el("summary", {}, W.why), el("ul", {},
      row.context || row.workload ? el("li", {}, [row.workload, row.context ? `${W.context} ${row.context}` : null].filter(Boolean).join(" · ")) : null,
      row.reference ? el("li", {}, `${W.of_reference}: ${row.reference}`) : null,
      Object.entries(row.values).map(([metric, value]) => defence(metric, value))))}];
  const draw = makeTable(byId("speed"), W.speed, columns);
  draws.push(() => {
    const rows = D.speed.filter((row) => letsRow(row) && D.shown.speed.some((metric) => letThrough(row, metric)));
    // Bars are for comparing: what can not run anyhow, and a wide prediction's far end, may go beyond the right edge.
    for (const metric of D.shown.speed) {
      const values = rows.filter((row) => row.runs).map((row) => letThrough(row, metric)).filter(Boolean);
      top[metric] = Math.max(0, ...values.map((value) => Math.max(value.v, Math.min(value.hi ?? 0, 1.2 * value.v))));
    }
    draw(rows);
  });
}

function memory() {
  let end = 1;
  const gib = (number) => number === null ? "–" : number.toFixed(2);
  const measured = (row) => row.measured.filter(letsValue);
  const columns = [
    {head: W.model, header: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => anyBoard(row.board)},
    {head: W.stack, wide: true, sort: (row) => row.predicted?.[0] ?? null, cell: (row) => row.predicted ? stack({...row, measured: measured(row)}, end) : row.reason},
    {head: W.predicted, num: true, sort: (row) => row.predicted?.[0] ?? null, cell: (row) => row.predicted
      ? el("span", {class: "value o-predicted"}, el("b", {}, gib(row.predicted[0])), el("small", {}, ` (${gib(row.predicted[1])}–${gib(row.predicted[2])}) P`)) : "–"},
    {head: W.measured, num: true, sort: (row) => row.measured[0]?.v ?? null, has: (row) => row.measured.length,
      cell: (row) => measured(row).map((one) => el("div", {}, said(one)))},
    {head: W.budget, num: true, sort: (row) => row.budget, cell: (row) => gib(row.budget)},
    {head: W.headroom, num: true, sort: (row) => row.headroom, cell: (row) => row.headroom === null ? "–" : `${row.headroom < 0 ? "−" : "+"}${Math.abs(row.headroom).toFixed(2)}`},
    {head: W.largest_context, num: true, sort: (row) => row.largestContext, cell: (row) => row.largestContext || "–"},
    {head: W.verdict, sort: (row) => row.verdictText, cell: (row) => [verdict(row), row.limit ? el("small", {class: "muted"}, ` ${row.limit}`) : null]}];
  byId("memory").append(el("p", {class: "legend", "aria-hidden": "true"}, PARTS.map((part) => el("span", {},
    svg("svg", {width: 22, height: 12}, svg("rect", {width: 22, height: 12, class: `part ${part}`})), ` ${W.parts[part]}`)),
    el("span", {}, svg("svg", {width: 10, height: 14}, svg("line", {x1: 5, x2: 5, y1: 0, y2: 14, class: "budget"})), ` ${W.budget}`),
    el("span", {}, svg("svg", {width: 14, height: 14}, svg("path", {d: "M7 1 L13 7 L7 13 L1 7 Z", class: "seen measured"})), ` ${W.seen}`)));
  const draw = makeTable(byId("memory"), W.memory, columns);
  draws.push(() => {
    const rows = D.memory.filter((row) => lets("board", row.board) && lets("model", row.model) && (chosen.board.size || row.own)
      && (lets("origin", row.by) || row.measured.some((one) => lets("origin", one.o))) && (!chosen.basis.size || measured(row).length));
    const budgets = Math.max(0, ...rows.map((row) => row.budget ?? 0));
    const needs = Math.max(0, ...rows.map((row) => row.predicted?.[2] ?? 0));
    end = Math.min(needs, 1.6 * budgets) || needs || 1;  // beyond it is all the same: it does not fit
    end = Math.max(end, budgets) * 1.02;
    draw(rows);
  });
}

function cores() {
  const times = (number) => number === undefined ? "–" : `${number.toFixed(2)}×`;
  const columns = [
    {head: W.model, header: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => anyBoard(row.board)},
    {head: W.metric, name: true, sort: (row) => row.metric, cell: (row) => D.metrics[row.metric].heading},
    ...[1, 2, 3].map((count) => ({head: `${count} ${W.core_count}`, num: true, sort: (row) => row.values[count]?.v ?? null,
      cell: (row) => row.values[count] ? said(row.values[count]) : "–"})),
    ...[2, 3].map((count) => ({head: `${W.speed_up} 1→${count}`, num: true, sort: (row) => row.speedUp[count] ?? null,
      has: (row) => row.speedUp[count] !== undefined, cell: (row) => [times(row.speedUp[count]),
        row.efficiency[count] === undefined ? null : el("small", {class: "muted"}, ` ${Math.round(row.efficiency[count] * 100)} %`)]})),
    {head: W.scaling, cell: (row) => Object.keys(row.speedUp).length > 1 ? scaling(row) : "–"}];
  const draw = makeTable(byId("cores"), W.core_scaling, columns);
  draws.push(() => draw(D.cores.filter((row) => lets("board", row.board) && lets("model", row.model)
    && (!chosen.cores.size || Object.keys(row.values).some((count) => chosen.cores.has(count))) && Object.values(row.values).some(letsValue))));
}

// Rows are what was measured, columns the boards; a cell says how far it is from the fleet's median, for better or worse.
function fleet() {
  const host = byId("fleet");
  const table = el("table", {class: "heat", "aria-label": W.fleet});
  host.append(el("p", {class: "muted"}, W.fleet_note), el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": W.fleet}, table));
  const told = varies(D.fleet, "workload");
  draws.push(() => {
    const rows = D.fleet.filter((row) => lets("model", row.model) && lets("cores", row.cores) && lets("origin", row.origin));
    const boards = [...new Set(rows.flatMap((row) => Object.keys(row.values)))].filter((board) => lets("board", board)).sort();
    const cell = (row, board) => {
      const value = row.values[board];
      if (!value || !letsValue(value)) return el("td", {class: "num"}, "–");
      const off = row.deviation[board] ?? 0, good = row.better === "down" ? -off : off;
      const grade = Math.abs(off) < 0.005 ? 0 : Math.min(4, Math.ceil(Math.abs(good) / 0.025));
      const side = grade === 0 ? "even" : good > 0 ? "better" : "worse";
      const mark = {even: "", better: " ▲", worse: " ▼"}[side];
      return el("td", {class: `num heat-${side} g${grade}`}, said({...value, t: value.t.split(" ")[0]}),
        el("small", {}, ` ${signed(off)}${mark}`, mark ? el("span", {class: "hidden"}, ` ${W[side]}`) : null));
    };
    table.replaceChildren(el("thead", {}, el("tr", {}, [W.model, W.cores, W.metric, W.origin, W.median].map((text) => el("th", {scope: "col"}, text)),
      boards.map((board) => el("th", {scope: "col", class: "num"}, board)))),
      el("tbody", {}, rows.length && boards.length ? rows.map((row) => el("tr", {}, el("th", {scope: "row"}, row.title), el("td", {class: "num"}, row.cores ?? "–"),
        el("td", {class: "name"}, D.metrics[row.metric].heading, told && row.workload ? el("div", {}, el("small", {class: "muted"}, row.workload)) : null),
        el("td", {}, chip(row.origin, W.origins[row.origin])), el("td", {class: "num"}, row.median), boards.map((board) => cell(row, board))))
        : el("tr", {}, el("td", {class: "none", colspan: 5}, W.no_fleet))));
  });
}

function nightly() {
  const columns = [
    {head: W.model, header: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.cores, num: true, sort: (row) => row.cores, cell: (row) => row.cores ?? "–"},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => row.board},
    {head: W.metric, name: true, sort: (row) => row.metric, cell: (row) => D.metrics[row.metric].heading},
    {head: W.origin, sort: (row) => row.origin, cell: (row) => chip(row.origin, W.origins[row.origin] || row.origin)},
    {head: W.history, cell: (row) => [nights(row), el("small", {class: "muted"}, `${row.points.length} ${W.campaigns}`)]},
    {head: W.last, num: true, sort: (row) => row.points.at(-1).v, cell: (row) => said({...row.points.at(-1), o: row.origin})},
    {head: W.change, num: true, sort: (row) => row.change, cell: (row) => signed(row.change)},
    {head: W.conditions, has: () => varies(D.nights, "workload"), wide: true, cell: (row) => el("small", {}, row.workload)}];
  const draw = makeTable(byId("nights"), W.nights, columns);
  draws.push(() => draw(D.nights.filter((row) => letsRow(row) && lets("origin", row.origin))));
}

function runs() {
  const columns = [
    {head: W.run, header: true, sort: (row) => row.campaign + row.board + row.run, cell: (row) => el("button", {type: "button", class: "link",
      "data-run": row.key, "aria-haspopup": "dialog", on: {click: () => show(row.at)}}, row.run)},
    {head: W.campaign, name: true, sort: (row) => row.campaign, cell: (row) => row.campaign},
    {head: W.board, name: true, sort: (row) => row.board, cell: (row) => row.board},
    {head: W.model, name: true, sort: (row) => row.title, cell: (row) => row.title},
    {head: W.cores, num: true, sort: (row) => row.cores, cell: (row) => row.cores ?? "–"},
    {head: W.outcome, sort: (row) => row.outcome, cell: (row) => el("span", {class: row.outcome === "ok" ? null : "bad"}, row.outcome,
      row.warmup ? el("small", {class: "muted"}, ` ${W.warmup}`) : null)},
    {head: W.origin, sort: (row) => row.origin, cell: (row) => chip(row.origin, W.origins[row.origin] || row.origin)},
    ...D.shown.runs.map((metric) => ({head: D.metrics[metric].heading, num: true, sort: (row) => row.numbers[metric]?.[0] ?? null,
      cell: (row) => row.numbers[metric]?.[1] ?? "–"}))];
  const draw = makeTable(byId("runs"), W.runs, columns, true);
  draws.push(() => {
    const rows = D.runs.filter((row) => letsRow(row) && lets("origin", row.origin));
    draw(rows);
    byId("count").textContent = `${rows.length} / ${D.runs.length} ${W.runs_of}`;
  });
}

function plainSections() {
  const list = (host, items) => byId(host).append(items.length ? el(host === "actions" ? "ol" : "dl", {}, items) : el("p", {}, W.none));
  list("actions", D.actions.map((one) => el("li", {}, one.text, one.command ? [" ", el("code", {}, one.command)] : null)));
  for (const name of ["conditions", "definitions"]) list(name, D[name].flatMap((one) => [el("dt", {}, one.name), el("dd", {}, one.means)]));
  byId("marks").append(el("ul", {class: "marks"}, ORIGINS.map((origin) => el("li", {}, svg("svg", {width: 44, height: 12, "aria-hidden": "true"},
    svg("rect", {class: `fill ${origin}`, x: 0.5, y: 1.5, width: 42, height: 9})), " ", chip(origin, W.origins[origin])))), el("ul", {}, D.legend.map((text) => el("li", {}, text))));
}

// One run: what it was, its telemetry, the ends of its logs. Read when asked for, so that a page of many runs opens fast.
function show(at) {
  openRun = D.runs[at].key;
  writeHash();
  const row = D.runs[at], block = byId(`run-${at}`), detail = block ? JSON.parse(block.textContent) : null;
  const facts = [...row.facts, ...Object.entries(row.numbers).map(([metric, [, text]]) => [D.metrics[metric].heading, text])];
  byId("run-title").textContent = `${row.board} · ${row.run}`;
  byId("run-body").replaceChildren(
    row.reason ? el("p", {class: "bad"}, `${row.outcome}: ${row.reason}`, row.advice ? ` ${W.try}: ${row.advice}` : null) : "",
    el("dl", {class: "facts"}, facts.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))),
    el("h3", {}, W.telemetry),
    detail?.telemetry ? el("div", {class: "charts"}, detail.telemetry.charts.map((chart) => curves(chart, detail.telemetry.seconds)))
      : el("p", {class: "muted"}, detail ? W.no_telemetry : W.not_embedded),
    el("h3", {}, W.log),
    ...(detail?.logs.length ? detail.logs.map(([name, text]) => el("div", {}, el("h4", {}, name),
      el("pre", {tabindex: "0", "aria-label": name}, text))) : [el("p", {class: "muted"}, detail ? W.no_log : W.not_embedded)]),
    el("h3", {}, W.evidence),
    el("ul", {class: "files"}, detail ? detail.files.map((name) => el("li", {}, el("a", {href: row.folder + name}, name))) : el("li", {}, el("a", {href: row.folder}, W.folder))));
  const dialog = byId("run");
  if (!dialog.open) dialog.showModal();
  byId("run-title").focus();
}

function openAsked() {
  const at = openRun === null ? -1 : D.runs.findIndex((row) => row.key === openRun);
  if (at >= 0) show(at);
  else if (byId("run").open) byId("run").close();
}

function theme() {
  const button = byId("theme"), names = ["auto", "light", "dark"];
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = `${W.theme}: ${W[name]}`;
    // A browser may refuse to remember anything for a file.
    try { localStorage.setItem("rkfleet-theme", name); } catch { /* then it is forgotten */ }
  };
  button.addEventListener("click", () => set(names[(names.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
  let last = null;
  try { last = localStorage.getItem("rkfleet-theme"); } catch { /* nothing was remembered */ }
  set(names.includes(last) ? last : "auto");
}

function start() {
  document.body.prepend(patterns());
  theme();
  for (const section of [verdicts, speed, memory, cores, fleet, nightly, runs, plainSections]) section();
  const refresh = makeFilters(byId("filters"), () => all());
  const all = () => { refresh(); for (const draw of draws) draw(); };
  // The hash holds the filters, so a link within the page must not replace it.
  for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", (event) => {
    event.preventDefault();
    const heading = byId(link.hash.slice(1)).querySelector("h2");
    heading.scrollIntoView();
    heading.focus({preventScroll: true});
  });
  byId("run").addEventListener("close", () => { openRun = null; writeHash(); });
  byId("run-close").addEventListener("click", () => byId("run").close());
  addEventListener("hashchange", () => { readHash(); all(); openAsked(); });
  readHash();
  all();
  document.documentElement.dataset.ready = "yes";
  openAsked();
}
start();
