// Block Kit blocks in; DOM nodes out. What a person does with them goes to `ctx.press(element, block, value)`.

import { store } from "/page/api.js";
import { chart } from "/page/chart.js";
import { h, menu } from "/page/dom.js";
import { control, initialOf } from "/page/inputs.js";
import { link, markdown, mrkdwn, plain } from "/page/markup.js";
import { richText } from "/page/richtext.js";

export const textOf = (object) =>
  !object ? null : object.type === "mrkdwn" ? mrkdwn(object.text) : plain(object.text ?? String(object));

export const blocksOf = (blocks, ctx) => blocks.map((block) => blockOf(block, ctx));

function blockOf(block, ctx) {
  const make = KINDS[block.type];
  const node = make ? make(block, ctx) : h("div", { class: "unknown" }, `(${block.type} block)`);
  node.classList.add("block", `block-${block.type}`);
  return node;
}

const KINDS = {
  section: (block, ctx) => h("div", {},
    h("div", { class: "section-main" },
      textOf(block.text),
      block.fields && h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, textOf(field))))),
    block.accessory && h("div", { class: "accessory" }, elementOf(block.accessory, block, ctx))),
  header: (block) => h("h3", {}, plain(block.text.text)),
  divider: () => h("hr"),
  markdown: (block) => markdown(block.text),
  rich_text: (block) => richText(block),
  image: (block) => h("figure", {}, image(block), block.title && h("figcaption", {}, block.title.text)),
  context: (block) => h("div", {}, block.elements.map((item) =>
    item.type === "image" ? image(item, "tiny") : h("span", {}, textOf(item)))),
  actions: (block, ctx) => h("div", {}, block.elements.map((item) => elementOf(item, block, ctx))),
  context_actions: (block, ctx) => h("div", {}, block.elements.map((item) => elementOf(item, block, ctx))),
  input: (block, ctx) => inputBlock(block, ctx),
  table: (block) => h("div", { class: "table" }, h("table", {}, h("tbody", {},
    block.rows.map((row, at) => h("tr", {}, row.map((cell) => h(at ? "td" : "th", {}, cellOf(cell)))))))),
  task_card: (block) => taskCard(block),
  plan: (block) => h("details", { open: true }, h("summary", {}, title(block.title)),
    (block.tasks || []).map((task) => taskCard(task))),
  alert: (block) => h("div", { class: `alert-${block.level || "default"}` }, textOf(block.text)),
  card: (block, ctx) => h("div", {}, block.hero_image && image(block.hero_image), h("strong", {}, textOf(block.title)),
    block.subtitle && h("small", {}, textOf(block.subtitle)), block.body && textOf(block.body),
    block.actions && h("div", { class: "block-actions" }, block.actions.map((item) => elementOf(item, block, ctx)))),
  carousel: (block, ctx) => h("div", {}, blocksOf(block.elements, ctx)),
  container: (block, ctx) => h("div", {}, block.title && h("strong", {}, textOf(block.title)), blocksOf(block.child_blocks || [], ctx)),
  data_visualization: (block) => chart(block),
  video: (block) => h("div", {}, link(block.video_url, block.title.text)),
};

const title = (value) => (typeof value === "string" ? value : value?.text || "");

const cellOf = (cell) => (cell.type === "rich_text" ? richText(cell) : mrkdwn(String(cell.text ?? "")));

function image(item, kind = "") {
  const url = item.image_url || "";
  const ours = url.startsWith("data:image/") || url.startsWith(location.origin);
  // Nothing is fetched from elsewhere: the picture is named and linked instead.
  if (!ours) return h("span", { class: `picture ${kind}`, title: url }, "🖼 ", kind ? "" : link(url, item.alt_text));
  return h("img", { class: kind, src: url, alt: item.alt_text });
}

const MARKS = { pending: "○", in_progress: "◐", complete: "●", error: "✕" };

function taskCard(task) {
  const status = task.status || "pending";
  return h("div", { class: `task task-${status}` },
    h("span", { class: "task-mark", "aria-label": status.replace("_", " ") }, MARKS[status]),
    h("div", {}, h("div", { class: "task-title" }, title(task.title)),
      taskText(task.details), taskText(task.output),
      task.sources?.length ? h("div", { class: "sources" }, task.sources.map((source) =>
        link(source.url, source.text || source.url))) : null));
}

const taskText = (value) => (!value ? null : h("div", { class: "task-text" },
  value.type === "rich_text" ? richText(value) : markdown(title(value))));

export function elementOf(item, block, ctx) {
  if (item.visible_to_user_ids && !item.visible_to_user_ids.includes(store.me)) return null;
  if (item.type === "button") return button(item, block, ctx);
  if (item.type === "icon_button") {
    const icons = { trash: "🗑" };
    return h("button", { class: "icon-button", title: item.text.text, "aria-label": item.accessibility_label || item.text.text,
      onclick: (event) => confirmed(item, event.currentTarget, () => ctx.press(item, block, item.value)) }, icons[item.icon] || "•");
  }
  if (item.type === "feedback_buttons") return feedback(item, block, ctx);
  if (item.type === "overflow") {
    return h("button", { class: "icon-button", "aria-label": "More", "aria-haspopup": "menu",
      onclick: (event) => menu(event.currentTarget, item.options.map((option) => ({
        label: option.text.text, run: () => ctx.press(item, block, option.value) }))) }, "⋯");
  }
  if (item.type === "image") return image(item, "thumb");
  return control(item, initialOf(item), (value) => ctx.change(item, block, value), block.block_id);
}

function button(item, block, ctx) {
  const press = (event) => confirmed(item, event.currentTarget, () => ctx.press(item, block, item.value, event.target));
  const looks = { class: `button ${item.style || ""}`, "aria-label": item.accessibility_label, onclick: press,
    dataset: { action: item.action_id || "" } };
  if (!item.url) return h("button", { ...looks, type: "button" }, plain(item.text.text));
  const anchor = link(item.url, item.text.text);
  if (anchor.nodeType !== Node.ELEMENT_NODE) return anchor;
  anchor.className = looks.class;
  anchor.addEventListener("click", () => ctx.press(item, block, item.value));
  return anchor;
}

function feedback(item, block, ctx) {
  const side = (name, mark) => {
    const data = item[`${name}_button`];
    return h("button", { class: "icon-button", "aria-pressed": "false", dataset: { action: `${item.action_id}:${name}` },
      "aria-label": data.accessibility_label || data.text.text, title: data.text.text,
      onclick: (event) => {
        group.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
        event.currentTarget.setAttribute("aria-pressed", "true");
        ctx.press(item, block, data.value);
      } }, mark);
  };
  const group = h("span", { class: "feedback", role: "group", "aria-label": "Was this good?" }, side("positive", "👍"), side("negative", "👎"));
  return group;
}

function confirmed(item, anchor, run) {
  if (!item.confirm) return run();
  const box = item.confirm;
  menu(anchor, [
    { label: box.confirm?.text || "Yes", note: `${box.title.text}: ${box.text.text}`, run, danger: box.style === "danger" },
    { label: box.deny?.text || "No", run: () => {} },
  ]);
}

function inputBlock(block, ctx) {
  const id = `in-${block.block_id}`;
  const group = ["checkboxes", "radio_buttons"].includes(block.element.type);
  const field = control(block.element, ctx.valueOf(block), (value) => ctx.change(block.element, block, value), id);
  const hint = block.hint && h("small", { class: "hint", id: `${id}-hint` }, block.hint.text);
  const error = h("p", { class: "field-error", id: `${id}-error`, role: "alert", dataset: { errorFor: block.block_id } });
  const label = h(group ? "legend" : "label", group ? {} : { for: id }, plain(block.label.text),
    block.optional ? h("span", { class: "optional" }, " (optional)") : null);
  const target = group ? field : field.querySelector?.(`#${CSS.escape(id)}`) || field;
  target.setAttribute?.("aria-describedby", `${id}-error ${block.hint ? `${id}-hint` : ""}`.trim());
  return h(group ? "fieldset" : "div", {}, label, field, hint, error);
}
