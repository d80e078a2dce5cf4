"use strict";
// What everything else is made with. Text becomes text nodes and attributes only: nothing here parses markup.
const D = JSON.parse(document.getElementById("data").textContent);
const W = D.words;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, call] of Object.entries(value)) node.addEventListener(event, call);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const byId = (id) => document.getElementById(id);
const percent = (share) => `${Math.max(0, Math.min(100, share * 100)).toFixed(2)}%`;
const signed = (share) => `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`;

// A table whose headings sort it. A column: {head, cell(row), sort?(row), has?(row), header?, num?, wide?, name?}. A column
// that has nothing in any row is left out. With `keep`, there are all columns, and each row's nodes are made once and then only moved.
function makeTable(host, label, columns, keep) {
  const kept = new Map();
  let by = null, up = true, shown = [];
  const body = el("tbody"), heads = el("tr");
  const table = el("table", {"aria-label": label}, el("thead", {}, heads), body);
  host.append(el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": label}, table));

  const kind = (column) => ["num", "wide", "name"].find((one) => column[one]);
  function heading(column) {
    const cell = el("th", {scope: "col", class: kind(column)});
    if (!column.sort) { cell.append(column.head); return cell; }
    cell.dataset.head = column.head;  // printed instead of the button, which is not repeated on each page
    if (by === column) cell.setAttribute("aria-sort", up ? "ascending" : "descending");
    const arrow = el("span", {class: "arrow", "aria-hidden": "true"}, by === column ? (up ? "▲" : "▼") : "");
    cell.append(el("button", {type: "button", class: "sort", on: {click: () => {
      [by, up] = by === column ? (up ? [by, false] : [null, true]) : [column, true];
      draw(shown);
      // The heading that was pressed is a new one now.
      heads.children[used().indexOf(column)]?.querySelector("button")?.focus({preventScroll: true});
    }}}, column.head, arrow));
    return cell;
  }
  function used() { return keep ? columns : columns.filter((column) => !column.has || shown.some(column.has)); }
  function line(row, all) {
    if (kept.has(row)) return kept.get(row);
    const made = el("tr", {}, all.map((column) => el(column.header ? "th" : "td",
      {class: kind(column), scope: column.header ? "row" : null}, column.cell(row))));
    if (keep) kept.set(row, made);
    return made;
  }
  function draw(rows) {
    shown = rows;
    const all = used();
    let sorted = rows;
    if (by) {
      const way = up ? 1 : -1;
      sorted = rows.map((row) => [by.sort(row), row]).sort(([a], [b]) =>
        (a ?? null) === null ? 1 : (b ?? null) === null ? -1 : way * (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
    }
    heads.replaceChildren(...all.map(heading));
    body.replaceChildren(...(sorted.length ? sorted.map((row) => line(row, all))
      : [el("tr", {}, el("td", {colspan: all.length, class: "none"}, W.none))]));
  }
  return draw;
}
