// An input element and its value in; a control that calls `changed(value)` out.

import { store, userName } from "/page/api.js";
import { h } from "/page/dom.js";

const first = (option) => (option ? option.value : "");

export function initialOf(item) {
  switch (item.type) {
    case "static_select": case "radio_buttons": case "external_select": return first(item.initial_option);
    case "checkboxes": case "multi_static_select": return (item.initial_options || []).map(first);
    case "users_select": return item.initial_user || "";
    case "channels_select": return item.initial_channel || "";
    case "conversations_select": return item.initial_conversation || "";
    case "multi_users_select": return item.initial_users || [];
    case "multi_channels_select": return item.initial_channels || [];
    case "multi_conversations_select": return item.initial_conversations || [];
    case "datepicker": return item.initial_date || "";
    case "timepicker": return item.initial_time || "";
    default: return item.initial_value || "";
  }
}

export function control(item, value, changed, id) {
  const place = item.placeholder?.text || "";
  switch (item.type) {
    case "plain_text_input":
      return item.multiline
        ? h("textarea", { id, rows: 5, placeholder: place, maxlength: item.max_length, value, oninput: (e) => changed(e.target.value) })
        : text("text", item, value, changed, id, place);
    case "email_text_input": return text("email", item, value, changed, id, place);
    case "url_text_input": return text("url", item, value, changed, id, place);
    case "number_input": return text("number", item, value, changed, id, place);
    case "datepicker": return text("date", item, value, changed, id, place);
    case "timepicker": return text("time", item, value, changed, id, place);
    case "rich_text_input": return h("textarea", { id, rows: 5, placeholder: place, oninput: (e) => changed(e.target.value) });
    case "radio_buttons": return choices("radio", item, value ? [value] : [], (all) => changed(all[0] || ""), id);
    case "checkboxes": return choices("checkbox", item, value || [], changed, id);
    default: return picker(item, value, changed, id, place);
  }
}

const text = (type, item, value, changed, id, place) =>
  h("input", { id, type, value: value ?? "", placeholder: place, maxlength: item.max_length,
    step: item.is_decimal_allowed ? "any" : undefined, oninput: (e) => changed(e.target.value) });

function choices(type, item, value, changed, id) {
  const group = h("div", { class: "choices", role: type === "radio" ? "radiogroup" : "group" }, item.options.map((option) =>
    h("label", {}, h("input", { type, name: id, value: option.value, checked: value.includes(option.value),
      onchange: () => changed([...group.querySelectorAll("input:checked")].map((box) => box.value)) }),
    h("span", {}, option.text.text, option.description && h("small", {}, option.description.text)))));
  return group;
}

function options(item) {
  if (item.option_groups) {
    return item.option_groups.map((group) => ({ group: group.label.text, options: group.options.map(pair) }));
  }
  if (item.options) return [{ options: item.options.map(pair) }];
  if (item.type.includes("users")) {
    return [{ options: [...store.users.values()].filter((u) => !u.deleted).map((u) => [u.id, userName(u.id)]) }];
  }
  return [{ options: [...store.channels.values()].filter((c) => c.name && !c.is_im).map((c) => [c.id, "#" + c.name]) }];
}

const pair = (option) => [option.value, option.text.text];

function picker(item, value, changed, id, place) {
  const many = item.type.startsWith("multi_");
  const chosen = many ? value || [] : [value];
  const entries = options(item).map(({ group, options: rows }) => {
    const nodes = rows.map(([key, label]) => h("option", { value: key, selected: chosen.includes(key) }, label));
    return group ? h("optgroup", { label: group }, nodes) : nodes;
  });
  return h("select", { id, multiple: many, "aria-label": place || undefined,
    onchange: (e) => changed(many ? [...e.target.selectedOptions].map((o) => o.value) : e.target.value) },
  many ? null : h("option", { value: "", selected: !value, disabled: Boolean(value) }, place || "Choose…"), entries);
}
