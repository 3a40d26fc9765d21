// A rich_text block in; DOM nodes out.

import { store, userName } from "/page/api.js";
import { h } from "/page/dom.js";
import { emoji } from "/page/emoji.js";
import { link } from "/page/markup.js";

export const richText = (block) => h("div", { class: "prose" }, (block.elements || []).map(part));

function part(element) {
  switch (element.type) {
    case "rich_text_preformatted": return h("pre", {}, element.elements.map(piece));
    case "rich_text_quote": return h("blockquote", {}, element.elements.map(piece));
    case "rich_text_list": return h(element.style === "ordered" ? "ol" : "ul",
      { class: `indent-${element.indent || 0}` }, element.elements.map((item) => h("li", {}, part(item))));
    default: return h("span", {}, (element.elements || []).map(piece));
  }
}

function piece(element) {
  switch (element.type) {
    case "text": return styled(element, broken(element.text));
    case "link": return styled(element, [link(element.url, element.text)]);
    case "user": return h("span", { class: element.user_id === store.me ? "mention mine" : "mention" }, "@" + userName(element.user_id));
    case "channel": return h("span", { class: "mention" }, "#" + (store.channels.get(element.channel_id)?.name || element.channel_id));
    case "emoji": return h("span", { class: "emoji" }, emoji(element.name));
    case "broadcast": return h("span", { class: "mention mine" }, "@" + element.range);
    case "date": return h("time", {}, element.fallback || new Date(element.timestamp * 1000).toLocaleString());
    default: return document.createTextNode(element.text || "");
  }
}

const broken = (text) => text.split("\n").flatMap((line, at) => (at ? [h("br"), line] : [line]));

function styled(element, content) {
  const style = element.style || {};
  let nodes = content;
  if (style.code) nodes = [h("code", {}, nodes)];
  if (style.bold) nodes = [h("strong", {}, nodes)];
  if (style.italic) nodes = [h("em", {}, nodes)];
  if (style.strike) nodes = [h("s", {}, nodes)];
  return h("span", {}, nodes);
}
