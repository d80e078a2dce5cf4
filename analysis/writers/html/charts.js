// Drawings. What a number rests on is told by its pattern and its letter, never by its colour alone.
const ORIGINS = ["measured", "manual", "simulated", "reference", "predicted"];
const PARTS = ["weights", "kv_cache", "embeddings", "runtime", "vision"];

// Patterns, once for the page.
function patterns() {
  const stripes = (id, size, draw) => svg("pattern", {id, width: size, height: size, patternUnits: "userSpaceOnUse"}, draw);
  return svg("svg", {width: 0, height: 0, "aria-hidden": "true", class: "defs"}, svg("defs", {},
    stripes("p-simulated", 6, [svg("rect", {width: 6, height: 6, class: "back"}),
      svg("path", {d: "M-1 1 L1 -1 M0 6 L6 0 M5 7 L7 5", class: "ink simulated"})]),
    stripes("p-manual", 4, [svg("rect", {width: 4, height: 4, class: "ground manual"}),
      svg("path", {d: "M0 2 H4", class: "gap"})]),
    stripes("p-predicted", 4, [svg("rect", {width: 4, height: 4, class: "back"}),
      svg("circle", {cx: 2, cy: 2, r: 1, class: "dot predicted"})]),
    stripes("p-kv_cache", 5, [svg("rect", {width: 5, height: 5, class: "ground kv_cache"}),
      svg("path", {d: "M-1 1 L1 -1 M0 5 L5 0 M4 6 L6 4", class: "gap"})]),
    stripes("p-vision", 4, [svg("rect", {width: 4, height: 4, class: "ground vision"}),
      svg("circle", {cx: 2, cy: 2, r: 0.9, class: "hole"})])));
}

// A bar with its interval, `most` at the right end.
function bar(value, most) {
  const at = (number) => percent(most ? number / most : 0);
  const mark = value.lo === null || value.hi === null ? null : svg("g", {class: "whisker"},
    svg("line", {x1: at(value.lo), x2: at(value.hi), y1: 5, y2: 5}),
    svg("line", {x1: at(value.lo), x2: at(value.lo), y1: 2, y2: 8}),
    svg("line", {x1: at(value.hi), x2: at(value.hi), y1: 2, y2: 8}));
  const beyond = value.v <= most ? null : svg("text", {x: "100%", y: 9, class: "beyond", "text-anchor": "end"}, "»");
  return svg("svg", {class: "bar", width: "100%", height: 10, "aria-hidden": "true"},
    svg("rect", {class: `fill ${value.o}`, x: 0.5, y: 0.5, width: at(value.v), height: 9}), beyond ?? mark, beyond);
}

// The words of a value: its number large, and small what defends it. The words are the other writers' own.
function said(value) {
  const [number, ...rest] = value.t.split(" ");
  return el("span", {class: `value o-${value.o}`}, el("b", {}, number), rest.length ? el("small", {}, ` ${rest.join(" ")}`) : null);
}

// What a model needs against what there is; `most` GiB at the right end.
function stack(row, most) {
  const at = (number) => percent(number / most);
  let from = 0;
  const parts = PARTS.filter((part) => row.parts[part] > 0).map((part) => {
    const piece = svg("rect", {class: `part ${part}`, x: at(from), width: at(row.parts[part]), y: 4, height: 16},
      svg("title", {}, `${W.parts[part]}: ${row.parts[part].toFixed(2)} GiB`));
    from += row.parts[part];
    return piece;
  });
  const [, low, high] = row.predicted;
  const line = (x, y1, y2, name) => svg("line", {x1: at(x), x2: at(x), y1, y2, class: name});
  const marks = row.measured.toReversed().map((one) => svg("svg", {x: at(one.v), y: 0, overflow: "visible"},
    svg("path", {d: "M0 6 L6 12 L0 18 L-6 12 Z", class: `seen ${one.o}`}, svg("title", {}, `${one.basis}: ${one.t} GiB`))));
  const text = PARTS.filter((part) => row.parts[part] > 0).map((part) => `${W.parts[part]} ${row.parts[part].toFixed(2)}`).join(" + ");
  const beyond = from > most ? svg("text", {x: "100%", y: 16, class: "beyond", "text-anchor": "end"}, "»") : null;
  return [svg("svg", {class: "stack", width: "100%", height: 24, role: "img", "aria-label": `${text} GiB`}, parts,
    svg("line", {x1: at(low), x2: at(high), y1: 12, y2: 12, class: "interval"}), line(low, 8, 16, "interval"), line(high, 8, 16, "interval"),
    row.budget === null ? null : line(row.budget, 0, 24, "budget"), marks, beyond), el("small", {class: "muted"}, text)];
}

// Speed-up by cores against what as many cores could give at best.
function scaling(row) {
  const x = (cores) => 10 + (cores - 1) * 45, y = (times) => 42 - (times - 1) * 18;
  const points = Object.entries(row.speedUp).map(([cores, times]) => [x(+cores), y(times)]);
  return svg("svg", {class: "spark", width: 110, height: 48, "aria-hidden": "true"},
    svg("path", {d: `M${x(1)} ${y(1)} L${x(3)} ${y(3)}`, class: "ideal"}),
    svg("path", {d: `M${points.map((point) => point.join(" ")).join(" L")}`, class: "curve"}),
    points.map(([cx, cy]) => svg("circle", {cx, cy, r: 3, class: `seen ${row.origin}`})));
}

// One number, campaign by campaign, with the lowest and the highest of each.
function nights(row) {
  const all = row.points, low = Math.min(...all.map((one) => one.lo)), high = Math.max(...all.map((one) => one.hi));
  const span = high - low || Math.abs(high) || 1, step = all.length > 1 ? 180 / (all.length - 1) : 0;
  const x = (at) => 10 + at * step, y = (value) => 40 - ((value - low) / span) * 34;
  return svg("svg", {class: "spark", width: 200, height: 48, role: "img",
    "aria-label": all.map((one) => `${one.campaign}: ${one.t}`).join("; ")},
    svg("path", {d: `M${all.map((one, at) => `${x(at)} ${y(one.v)}`).join(" L")}`, class: "curve"}),
    all.map((one, at) => svg("g", {}, svg("line", {x1: x(at), x2: x(at), y1: y(one.lo), y2: y(one.hi), class: "range"}),
      svg("circle", {cx: x(at), cy: y(one.v), r: 3, class: `seen ${row.origin}`}, svg("title", {}, `${one.campaign}: ${one.t}`)))));
}

// Curves over time. Those of one chart differ by their dashes and are named below it with their ends.
function curves(chart, seconds) {
  const title = `${W.charts[chart.about]} (${chart.unit})`;
  const width = 440, height = 120, left = 44, right = 8, top = 8, bottom = 20;
  const seen = chart.series.flatMap((one) => one.y).filter((value) => value !== null);
  let low = Math.min(...seen), high = Math.max(...seen);
  if (chart.floor) low = Math.min(low, 0);
  if (high - low < chart.step) [low, high] = chart.floor ? [low, low + chart.step] : [low - chart.step / 2, high + chart.step / 2];
  const end = seconds[seconds.length - 1] || 1;
  const x = (at) => left + (seconds[at] / end) * (width - left - right);
  const y = (value) => top + (1 - (value - low) / (high - low)) * (height - top - bottom);
  const digits = high - low < 1 ? 2 : high - low < 10 ? 1 : 0;
  const label = (value) => svg("text", {x: left - 5, y: y(value) + 4, class: "tick", "text-anchor": "end"}, value.toFixed(digits));
  const grid = [low, (low + high) / 2, high].map((value) => svg("line", {x1: left, x2: width - right, y1: y(value), y2: y(value), class: "grid"}));
  const lines = chart.series.map((one, nth) => {
    let pen = "M";
    const path = one.y.map((value, at) => {
      if (value === null) { pen = "M"; return ""; }
      const step = `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    }).join(" ");
    const dots = seconds.length > 40 ? [] : one.y.map((value, at) => value === null ? null :
      svg("circle", {cx: x(at), cy: y(value), r: 2, class: `c${nth}`}));
    return svg("g", {}, svg("path", {d: path, class: `line c${nth}`}), dots);
  });
  const names = chart.series.map((one, nth) => el("li", {}, svg("svg", {width: 28, height: 8, "aria-hidden": "true"},
    svg("path", {d: "M0 4 H28", class: `line c${nth}`})), ` ${one.name} ${one.ends}`));
  return el("figure", {}, el("figcaption", {}, title),
    svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${chart.series.map((one) => `${one.name} ${one.ends}`).join("; ")}`},
      grid, lines, [low, (low + high) / 2, high].map(label),
      svg("text", {x: left, y: height - 5, class: "tick"}, "0 s"),
      svg("text", {x: width - right, y: height - 5, class: "tick", "text-anchor": "end"}, `${end.toFixed(end < 10 ? 1 : 0)} s`)),
    el("ul", {class: "names"}, names));
}
