// The member's topmost modal in; a real dialog that keeps what was typed, shows errors and submits, out.

import { act, inWords } from "/page/api.js";
import { blocksOf } from "/page/blocks.js";
import { h, toast } from "/page/dom.js";
import { initialOf } from "/page/inputs.js";

const dialog = document.getElementById("modal");
let shown = null; // the view's id and hash
let values = new Map(); // "block_id action_id" -> what was typed or chosen
let root = null;
let lastFocus = null;

export async function refreshModal() {
  const view = await act("modal");
  if (!view) return hide();
  if (shown === `${view.id} ${view.hash}`) return;
  if (root !== view.root_view_id) values = new Map();
  root = view.root_view_id;
  shown = `${view.id} ${view.hash}`;
  if (!dialog.open) lastFocus = document.activeElement;
  draw(view);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("textarea, input, select, .button.primary, .button")?.focus();
}

function hide() {
  shown = root = null;
  values = new Map();
  if (!dialog.open) return;
  dialog.close();
  lastFocus?.focus?.();
}

function draw(view) {
  const key = (block, item) => `${block.block_id} ${item.action_id}`;
  const ctx = {
    valueOf: (block) => values.get(key(block, block.element)) ?? initialOf(block.element),
    change: (item, block, value) => {
      values.set(key(block, item), value);
      clearError(block.block_id);
      if (block.type !== "input" || block.dispatch_action) press(view, item, block, value);
    },
    press: (item, block, value) => press(view, item, block, value),
  };
  const form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(view); } },
    h("header", {}, h("h2", { id: "modal-title" }, view.title.text),
      h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => close(view) }, "✕")),
    h("div", { class: "modal-body" }, blocksOf(view.blocks, ctx)),
    h("footer", {}, h("p", { class: "modal-error", role: "alert" }),
      h("button", { type: "button", class: "button", onclick: () => close(view) }, view.close?.text || "Cancel"),
      view.submit ? h("button", { type: "submit", class: "button primary" }, view.submit.text) : null));
  dialog.setAttribute("aria-labelledby", "modal-title");
  dialog.replaceChildren(form);
  dialog.oncancel = (event) => { event.preventDefault(); close(view); };
}

function filled() {
  const all = {};
  for (const [key, value] of values) all[key.split(" ")[1]] = value;
  const twice = new Set();
  for (const key of values.keys()) {
    const [block, item] = key.split(" ");
    if ([...values.keys()].some((other) => other !== key && other.endsWith(` ${item}`))) twice.add(item);
    if (twice.has(item)) { delete all[item]; all[block] = values.get(key); }
  }
  return all;
}

function press(view, item, block, value) {
  act("press", { view_id: view.id, action_id: item.action_id, block_id: block.block_id, value, filled: known(view) }).catch((error) => fail(inWords(error)));
}

function known(view) {
  const there = JSON.stringify(view.blocks);
  return Object.fromEntries(Object.entries(filled()).filter(([name]) => there.includes(JSON.stringify(name))));
}

async function submit(view) {
  const button = dialog.querySelector("button[type=submit]");
  button?.classList.add("busy");
  dialog.querySelectorAll(".field-error").forEach((node) => node.replaceChildren());
  fail("");
  try {
    const errors = await act("submit", { view_id: view.id, values: known(view) });
    for (const [block, text] of Object.entries(errors)) showError(block, text);
    dialog.querySelector("[aria-invalid=true]")?.focus();
  } catch (error) {
    fail(inWords(error));
  }
  button?.classList.remove("busy");
}

function showError(block, text) {
  const node = dialog.querySelector(`[data-error-for="${CSS.escape(block)}"]`);
  if (!node) return fail(text);
  node.replaceChildren("⚠ " + text);
  node.parentElement.querySelector("input, textarea, select")?.setAttribute("aria-invalid", "true");
}

function clearError(block) {
  const node = dialog.querySelector(`[data-error-for="${CSS.escape(block)}"]`);
  node?.replaceChildren();
  node?.parentElement.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
}

function fail(text) {
  const node = dialog.querySelector(".modal-error");
  if (node) node.textContent = text;
  else if (text) toast(text);
}

function close(view) {
  act("close", { view_id: view.id }).catch((error) => toast(inWords(error)));
}
