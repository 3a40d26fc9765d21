// Tags and values in; DOM nodes out. Text always becomes text nodes, never HTML.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "value") node.value = value;
    else if (name === "checked" || name === "selected") node[name] = value;
    else if (name === "dataset") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children.flat());
  return node;
}

const layer = () => document.getElementById("layer");
let opener = null;

// One floating panel at a time, below or above its anchor; Escape and a click beside it close it.
export function float(anchor, panel) {
  closeFloat();
  opener = anchor;
  anchor.setAttribute("aria-expanded", "true");
  panel.classList.add("float");
  const dialog = anchor.closest("dialog");
  (dialog || layer()).append(panel);
  const box = anchor.getBoundingClientRect();
  const width = panel.offsetWidth;
  const height = panel.offsetHeight;
  const below = box.bottom + 6 + height < innerHeight;
  panel.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  panel.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - height - 6)}px`;
  const first = panel.querySelector("input, [role=option][aria-selected=true], button, [tabindex]");
  if (first) first.focus();
}

export function closeFloat() {
  const panel = document.querySelector(".float");
  if (!panel) return false;
  panel.remove();
  if (opener) {
    opener.removeAttribute("aria-expanded");
    opener.focus();
  }
  opener = null;
  return true;
}

document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".float") && !event.target.closest("[aria-expanded=true]")) closeFloat();
});
document.addEventListener("keydown", (event) => {
  const panel = document.querySelector(".float");
  if (!panel) return;
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    closeFloat();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const items = [...panel.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    if (items.length) items[(at + items.length) % items.length].focus();
    event.preventDefault();
  }
}, true);

export function menu(anchor, entries) {
  const panel = h("div", { class: "menu", role: "menu" }, entries.map((entry) =>
    h("button", {
      role: "menuitem",
      class: entry.danger ? "danger" : "",
      onclick: () => { closeFloat(); entry.run(); },
    }, entry.label, entry.note && h("small", {}, entry.note))));
  float(anchor, panel);
}

export function toast(text) {
  const note = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}
