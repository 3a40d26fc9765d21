// A data_visualization block in; a small SVG chart with its numbers as a table for readers of the screen out.

import { h, svg } from "/page/dom.js";

const WIDTH = 460;
const HEIGHT = 200;

export function chart(block) {
  const { type = "bar", segments, series = [], axis_config: axis = {} } = block.chart || {};
  const rows = segments
    ? [{ name: "", data: segments.map((one) => ({ label: one.label, value: one.value })) }]
    : series;
  const picture = type === "pie" ? pie(rows[0]?.data || []) : plot(type, rows);
  return h("figure", {}, h("figcaption", {}, block.title || ""), picture,
    axis.x_label || axis.y_label ? h("small", {}, [axis.x_label, axis.y_label].filter(Boolean).join(" · ")) : null,
    rows.length > 1 ? h("div", { class: "legend" }, rows.map((row, at) => h("span", { class: `series-${at % 6}` }, row.name))) : null,
    h("table", { class: "for-screen-readers" }, rows.flatMap((row) => row.data.map((point) =>
      h("tr", {}, h("th", {}, `${row.name} ${point.label}`), h("td", {}, String(point.value)))))));
}

function plot(type, rows) {
  const labels = [...new Set(rows.flatMap((row) => row.data.map((point) => point.label)))];
  const top = Math.max(1e-9, ...rows.flatMap((row) => row.data.map((point) => point.value)));
  const step = (WIDTH - 40) / Math.max(1, labels.length);
  const y = (value) => HEIGHT - 24 - (Math.max(0, value) / top) * (HEIGHT - 44);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" });
  for (const part of [0, 0.5, 1]) {
    root.append(svg("line", { x1: 34, x2: WIDTH - 6, y1: y(top * part), y2: y(top * part), class: "grid" }));
    root.append(words(30, y(top * part) + 4, short(top * part), "end"));
  }
  labels.forEach((label, at) => root.append(words(40 + step * (at + 0.5), HEIGHT - 8, label, "middle")));
  rows.forEach((row, number) => {
    const points = row.data.map((point) => [40 + step * (labels.indexOf(point.label) + 0.5), y(point.value)]);
    if (type === "line" || type === "area") {
      if (type === "area" && points.length) {
        const base = `${points.at(-1)[0]},${y(0)} ${points[0][0]},${y(0)}`;
        root.append(svg("polygon", { points: `${points.map((p) => p.join()).join(" ")} ${base}`, class: `area series-${number % 6}` }));
      }
      root.append(svg("polyline", { points: points.map((p) => p.join()).join(" "), class: `line series-${number % 6}` }));
      points.forEach(([cx, cy]) => root.append(svg("circle", { cx, cy, r: 3, class: `dot series-${number % 6}` })));
    } else {
      const width = (step * 0.7) / rows.length;
      points.forEach(([cx, cy]) => root.append(svg("rect", { x: cx - step * 0.35 + number * width, y: cy, width: Math.max(1, width - 2),
        height: Math.max(0, y(0) - cy), rx: 3, class: `bar series-${number % 6}` })));
    }
  });
  return root;
}

function pie(data) {
  const total = data.reduce((sum, point) => sum + point.value, 0) || 1;
  const root = svg("svg", { viewBox: "0 0 460 200", class: "chart", "aria-hidden": "true" });
  let from = -Math.PI / 2;
  data.forEach((point, at) => {
    const to = from + (point.value / total) * Math.PI * 1.99999;
    const spot = (angle) => `${100 + 84 * Math.cos(angle)} ${100 + 84 * Math.sin(angle)}`;
    const large = to - from > Math.PI ? 1 : 0;
    root.append(svg("path", { d: `M100 100 L${spot(from)} A84 84 0 ${large} 1 ${spot(to)} Z`, class: `bar series-${at % 6}` }));
    root.append(svg("rect", { x: 220, y: 24 + at * 24, width: 12, height: 12, rx: 3, class: `bar series-${at % 6}` }));
    root.append(words(240, 35 + at * 24, `${point.label} (${short(point.value)})`, "start"));
    from = to;
  });
  return root;
}

function words(x, y, text, anchor) {
  const node = svg("text", { x, y, "text-anchor": anchor });
  node.textContent = text.length > 16 ? text.slice(0, 15) + "…" : text;
  return node;
}

const short = (value) => String(Math.round(value * 100) / 100);
