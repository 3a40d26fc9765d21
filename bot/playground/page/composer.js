// A place to write in; a box with completion of commands, people and channels out.

import { act, inWords, store, userName } from "/page/api.js";
import { h, toast } from "/page/dom.js";

const drafts = new Map();

// `place`: channel, name, threadTs.
export function composer(into, place) {
  const key = `${store.me} ${place.channel} ${place.threadTs || ""}`;
  const id = place.threadTs ? "thread-composer-text" : "composer-text";
  const list = h("ul", { class: "completions", role: "listbox", hidden: true, id: `${id}-list` });
  const box = h("textarea", { id, rows: 1, placeholder: place.threadTs ? "Reply…" : `Message ${place.name}`,
    "aria-label": place.threadTs ? "Reply in thread" : `Message ${place.name}`, "aria-autocomplete": "list", "aria-controls": `${id}-list`,
    value: drafts.get(key) || "" });
  const completion = completing(box, list, Boolean(place.threadTs));
  const grow = () => { box.style.height = "auto"; box.style.height = `${Math.min(box.scrollHeight, 220)}px`; };
  const send = async () => {
    const text = box.value;
    if (!text.trim()) return;
    box.value = "";
    drafts.delete(key);
    grow();
    try {
      await say(text.trim(), place);
    } catch (error) {
      if (!box.value) box.value = text;
      toast(inWords(error));
    }
  };
  box.addEventListener("input", () => { drafts.set(key, box.value); grow(); completion.offer(); });
  box.addEventListener("keydown", (event) => {
    if (completion.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  });
  box.addEventListener("blur", () => setTimeout(() => { list.hidden = true; }, 150));
  const chooser = h("input", { type: "file", hidden: true, "aria-label": "A file to share", onchange: async () => {
    const [file] = chooser.files;
    chooser.value = "";
    try { if (file) await share(file, place); } catch (error) { toast(inWords(error)); }
  } });
  into.replaceChildren(h("div", { class: "composer" }, list, box, chooser,
    h("button", { class: "attach", "aria-label": "Share a file", title: "Share a file", onclick: () => chooser.click() }, "📎"),
    h("button", { class: "send", "aria-label": "Send", onclick: send }, "➤")),
  h("p", { class: "composer-hint" }, h("kbd", {}, "Enter"), " sends · ", h("kbd", {}, "Shift Enter"), " new line · ",
    h("kbd", {}, "/"), " commands · ", h("kbd", {}, "@"), " people"));
  grow();
  return box;
}

async function share(file, place) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const content = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
  return act("share", { channel: place.channel, name: file.name, content, thread_ts: place.threadTs });
}

async function say(text, place) {
  const invited = /^\/invite\s+@?(\S+)$/.exec(text);
  if (invited) return act("invite", { channel: place.channel, user: invited[1] });
  if (text === "/leave") return act("leave", { channel: place.channel });
  if (text.startsWith("/") && !place.threadTs) return act("command", { channel: place.channel, line: text });
  const channels = text.replace(/(^|\s)#([\w-]+)/g, (whole, before, name) => {
    const found = [...store.channels.values()].find((channel) => channel.name === name && !channel.is_im);
    return found ? `${before}<#${found.id}|${found.name}>` : whole;
  });
  return act("post", { channel: place.channel, text: channels, thread_ts: place.threadTs });
}

function offers(before, inThread) {
  const command = !inThread && /^\/\S*$/.exec(before);
  if (command) {
    const own = store.apps.flatMap((app) => app.commands.map((one) => ({ insert: one.command + " ", label: one.command,
      note: [one.usage_hint, one.description].filter(Boolean).join(" — ") })));
    const ours = [{ insert: "/invite @", label: "/invite", note: "@somebody — add to this channel" }, { insert: "/leave", label: "/leave", note: "leave this channel" }];
    return [...own, ...ours].filter((one) => one.label.startsWith(command[0]));
  }
  const at = /(?:^|\s)@([\w.-]*)$/.exec(before);
  if (at) {
    return [...store.users.values()].filter((user) => !user.deleted && user.id !== store.me
      && (user.name.startsWith(at[1].toLowerCase()) || userName(user.id).toLowerCase().startsWith(at[1].toLowerCase())))
      .slice(0, 8).map((user) => ({ cut: at[1].length + 1, insert: `@${user.name} `, label: userName(user.id), note: `@${user.name}` }));
  }
  const hash = /(?:^|\s)#([\w-]*)$/.exec(before);
  if (hash) {
    return [...store.channels.values()].filter((channel) => channel.name && !channel.is_im && !channel.is_mpim && channel.name.startsWith(hash[1]))
      .slice(0, 8).map((channel) => ({ cut: hash[1].length + 1, insert: `#${channel.name} `, label: `#${channel.name}`, note: channel.topic?.value || "" }));
  }
  return [];
}

function completing(box, list, inThread) {
  let found = [];
  let chosen = 0;
  const show = () => {
    list.hidden = !found.length;
    list.replaceChildren(...found.map((one, at) => h("li", { role: "option", "aria-selected": String(at === chosen),
      onpointerdown: (event) => { event.preventDefault(); take(at); } }, h("strong", {}, one.label), h("span", {}, one.note))));
  };
  const take = (at) => {
    const one = found[at];
    const end = box.selectionStart;
    const start = one.cut === undefined ? 0 : end - one.cut;
    box.setRangeText(one.insert, start, end, "end");
    found = [];
    show();
    box.dispatchEvent(new Event("input"));
    box.focus();
  };
  return {
    offer() { found = offers(box.value.slice(0, box.selectionStart), inThread); chosen = 0; show(); },
    key(event) {
      if (list.hidden || !found.length) return false;
      const exact = found.length === 1 && found[0].insert.trim() === box.value.trim();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
        show();
      } else if (event.key === "Tab" || (event.key === "Enter" && !exact)) take(chosen);
      else if (event.key === "Escape") { found = []; show(); } else return false;
      event.preventDefault();
      return true;
    },
  };
}
