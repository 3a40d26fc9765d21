// Slack's mrkdwn or common markdown in; safe DOM nodes out.

import { store, userName } from "/page/api.js";
import { h } from "/page/dom.js";
import { EMOJI } from "/page/emoji.js";

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function link(url, label) {
  const safe = /^(https?:|mailto:)/i.test(url);
  if (!safe) return document.createTextNode(label || url);
  const local = url.startsWith(location.origin + "/archives/");
  return h("a", local
    ? { href: url, dataset: { permalink: url } }
    : { href: url, target: "_blank", rel: "noreferrer noopener" }, label || url);
}

function token(inner) {
  const [target, label] = inner.split(/\|(.*)/s);
  if (/^@/.test(target)) {
    const mine = target.slice(1) === store.me;
    return h("span", { class: mine ? "mention mine" : "mention" }, "@" + userName(target.slice(1)));
  }
  if (/^#/.test(target)) {
    const channel = store.channels.get(target.slice(1));
    const name = channel ? channel.name : label || "a private channel";
    return h("a", { class: "mention", href: `/archives/${target.slice(1)}`,
      dataset: { permalink: `${location.origin}/archives/${target.slice(1)}` } }, "#" + name);
  }
  if (/^!date\^/.test(target)) {
    const [, seconds] = target.split("^");
    return h("time", {}, new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) || label);
  }
  if (/^!subteam/.test(target)) return h("span", { class: "mention" }, label || "@group");
  if (/^!/.test(target)) return h("span", { class: "mention mine" }, "@" + target.slice(1));
  return link(unescape(target), label && unescape(label));
}

// Inline rules: the first pattern that matches earliest wins, and its content is parsed again.
const MRKDWN = [
  [/`([^`\n]+)`/, (m) => h("code", {}, unescape(m[1]))],
  [/<([^<>\n]+)>/, (m) => token(m[1])],
  [/(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])/, (m, again) => h("strong", {}, again(m[1]))],
  [/(?<![\w_])_(\S(?:[^_\n]*\S)?)_(?![\w_])/, (m, again) => h("em", {}, again(m[1]))],
  [/(?<![\w~])~(\S(?:[^~\n]*\S)?)~(?![\w~])/, (m, again) => h("s", {}, again(m[1]))],
  [/:([a-z0-9_+'-]+):/, (m) => emojiNode(m)],
];
const MARKDOWN = [
  [/`([^`\n]+)`/, (m) => h("code", {}, m[1])],
  [/<([@#!][^<>\s]+|https?:\/\/[^<>\n]+)>/, (m) => token(m[1])],
  [/\[([^\]\n]+)\]\(<?(\S+?)>?\)/, (m, again) => {
    const node = link(m[2], "");
    node.replaceChildren?.(...again(m[1]));
    return node;
  }],
  [/\*\*(\S(?:.*?\S)?)\*\*/, (m, again) => h("strong", {}, again(m[1]))],
  [/~~(\S(?:.*?\S)?)~~/, (m, again) => h("s", {}, again(m[1]))],
  [/(?<![\w*])\*(\S(?:[^*]*?\S)?)\*(?![\w*])/, (m, again) => h("em", {}, again(m[1]))],
  [/(?<![\w_])_(\S(?:[^_]*?\S)?)_(?![\w_])/, (m, again) => h("em", {}, again(m[1]))],
  [/https?:\/\/[^\s<>)\]]*[^\s<>)\].,;:!?]/, (m) => link(m[0])],
  [/:([a-z0-9_+'-]+):/, (m) => emojiNode(m)],
];

function emojiNode(match) {
  const known = EMOJI[match[1]];
  return known ? h("span", { class: "emoji", title: match[0] }, known) : document.createTextNode(match[0]);
}

function inline(text, rules) {
  const nodes = [];
  let rest = text;
  while (rest) {
    let best = null;
    for (const [pattern, make] of rules) {
      const match = pattern.exec(rest);
      if (match && (!best || match.index < best.match.index)) best = { match, make };
    }
    if (!best) break;
    if (best.match.index) nodes.push(unescape(rest.slice(0, best.match.index)));
    nodes.push(best.make(best.match, (inner) => inline(inner, rules)));
    rest = rest.slice(best.match.index + best.match[0].length);
  }
  if (rest) nodes.push(unescape(rest));
  return nodes;
}

const lines = (nodesOf, text) =>
  text.split("\n").flatMap((line, at) => (at ? [h("br"), ...nodesOf(line)] : nodesOf(line)));

export function mrkdwn(text) {
  const nodes = [];
  const parts = text.split(/```\n?([\s\S]*?)\n?```/);
  parts.forEach((part, at) => {
    if (at % 2) nodes.push(h("pre", {}, unescape(part.replace(/<([^<>|]+)(?:\|[^<>]*)?>/g, "$1"))));
    else nodes.push(...quoted(at ? part.replace(/^\n/, "") : part));
  });
  return h("div", { class: "prose" }, nodes);
}

function quoted(text) {
  const nodes = [];
  const groups = [];
  for (const line of text.split("\n")) {
    const isQuote = /^(&gt;|>)/.test(line);
    const last = groups.at(-1);
    const bare = isQuote ? line.replace(/^(&gt;|>)+ ?/, "") : line;
    if (last && last.isQuote === isQuote) last.lines.push(bare);
    else groups.push({ isQuote, lines: [bare] });
  }
  for (const group of groups) {
    const content = lines((line) => inline(line, MRKDWN), group.lines.join("\n"));
    if (group.isQuote) nodes.push(h("blockquote", {}, content));
    else nodes.push(...content);
  }
  return nodes;
}

export const plain = (text) => h("span", {}, lines((line) => [...emojiOnly(line)], text));
function emojiOnly(line) { return inline(line, [MRKDWN.at(-1)]); }

export function markdown(text) {
  const out = [];
  const rows = text.split("\n");
  const soft = (line) => inline(line, MARKDOWN);
  for (let at = 0; at < rows.length;) {
    const row = rows[at];
    const fence = /^\s*(```|~~~)/.exec(row);
    const item = /^(\s*)([-*+]|\d+[.)])\s+/.exec(row);
    if (fence) {
      const end = rows.findIndex((other, n) => n > at && other.trim().startsWith(fence[1]));
      const until = end < 0 ? rows.length : end;
      out.push(h("pre", {}, rows.slice(at + 1, until).join("\n")));
      at = until + 1;
    } else if (!row.trim()) {
      at += 1;
    } else if (/^#{1,6}\s/.test(row)) {
      const level = Math.min(6, row.match(/^#+/)[0].length + 2);
      out.push(h(`h${level}`, {}, soft(row.replace(/^#+\s*/, "").replace(/\s#+$/, ""))));
      at += 1;
    } else if (/^(\s*[-*_]){3,}\s*$/.test(row)) {
      out.push(h("hr"));
      at += 1;
    } else if (/^\s*>/.test(row)) {
      const from = at;
      while (at < rows.length && /^\s*>/.test(rows[at])) at += 1;
      const inner = rows.slice(from, at).map((line) => line.replace(/^\s*> ?/, "")).join("\n");
      out.push(h("blockquote", {}, ...markdown(inner).childNodes));
    } else if (item) {
      const from = at;
      while (at < rows.length && (/^(\s*)([-*+]|\d+[.)])\s+/.test(rows[at]) || /^\s{2,}\S/.test(rows[at]))) at += 1;
      out.push(list(rows.slice(from, at), soft));
    } else if (/\|/.test(row) && /^\s*\|?\s*:?-{2,}/.test(rows[at + 1] || "")) {
      const from = at;
      while (at < rows.length && /\|/.test(rows[at])) at += 1;
      out.push(table(rows.slice(from, at).filter((_, n) => n !== 1), soft));
    } else {
      const from = at;
      while (at < rows.length && rows[at].trim() && !/^(#{1,6}\s|\s*>|\s*```|\s*([-*+]|\d+[.)])\s)/.test(rows[at])) at += 1;
      if (at === from) at += 1;
      out.push(h("p", {}, lines(soft, rows.slice(from, at).join("\n"))));
    }
  }
  return h("div", { class: "prose" }, out);
}

function list(rows, soft) {
  const indent = rows[0].match(/^\s*/)[0].length;
  const ordered = /^\s*\d/.test(rows[0]);
  const root = h(ordered ? "ol" : "ul", ordered ? { start: parseInt(rows[0], 10) || 1 } : {});
  for (let at = 0; at < rows.length;) {
    const own = [rows[at].replace(/^\s*([-*+]|\d+[.)])\s+/, "")];
    const nested = [];
    at += 1;
    while (at < rows.length && rows[at].match(/^\s*/)[0].length > indent) {
      if (nested.length || /^\s*([-*+]|\d+[.)])\s/.test(rows[at])) nested.push(rows[at]);
      else own.push(rows[at].trim());
      at += 1;
    }
    root.append(h("li", {}, lines(soft, own.join("\n")), nested.length ? list(nested, soft) : null));
  }
  return root;
}

function table(rows, soft) {
  const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head, ...body] = rows.map(cells);
  return h("div", { class: "table" }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((cell) => h("th", {}, soft(cell))))),
    h("tbody", {}, body.map((row) => h("tr", {}, row.map((cell) => h("td", {}, soft(cell))))))));
}
