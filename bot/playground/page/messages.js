// Messages in; their nodes out, kept by `ts` so that only what changed is drawn again.

import { act, inWords, store, userName } from "/page/api.js";
import { blocksOf } from "/page/blocks.js";
import { closeFloat, float, h, menu, toast } from "/page/dom.js";
import { EMOJI, emoji, QUICK } from "/page/emoji.js";
import { link, mrkdwn } from "/page/markup.js";

const HUES = [168, 24, 262, 340, 205, 45, 130, 300];

export function avatar(id, size = "") {
  const user = store.users.get(id);
  const name = user ? userName(id) : "?";
  const hue = HUES[[...(id || "")].reduce((sum, c) => sum + c.charCodeAt(0), 0) % HUES.length];
  const initials = name.split(/[\s._-]+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();
  return h("span", { class: `avatar ${size} ${user?.is_bot ? "bot" : ""} hue-${hue}`, "aria-hidden": "true" }, initials);
}

export function badge(id) {
  const user = store.users.get(id);
  if (user?.is_bot) return h("span", { class: "badge" }, "APP");
  if (user?.is_restricted) return h("span", { class: "badge guest" }, "GUEST");
  return null;
}

const dayOf = (ts) => new Date(ts * 1000).toDateString();
const clock = (ts) => new Date(ts * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export function dayName(ts) {
  const day = dayOf(ts);
  const now = Date.now() / 1000;
  if (day === dayOf(now)) return "Today";
  if (day === dayOf(now - 86400)) return "Yesterday";
  return new Date(ts * 1000).toLocaleDateString([], { weekday: "long", month: "long", day: "numeric", year: "numeric" });
}

function ago(ts) {
  const seconds = Math.max(0, Date.now() / 1000 - ts);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(ts * 1000).toLocaleDateString();
}

// Draws `messages` into `into`. `place` has channel, inThread, openThread(ts), editing (Set of ts).
export function draw(into, messages, place) {
  const kept = new Map([...into.children].map((node) => [node.dataset.key, node]));
  const nodes = [];
  let before = null;
  for (const message of messages) {
    const newDay = !before || dayOf(before.ts) !== dayOf(message.ts);
    if (newDay && !place.inThread) nodes.push(reuse(kept, `day-${dayOf(message.ts)}`, "", () =>
      h("div", { class: "day", role: "separator" }, h("span", {}, dayName(message.ts)))));
    const grouped = !newDay && before.user === message.user && !message.is_ephemeral === !before.is_ephemeral
      && message.ts - before.ts < 300 && !before.reply_count && !message.subtype;
    const stamp = JSON.stringify([message, grouped, place.inThread, place.editing.has(message.ts), store.me]);
    nodes.push(reuse(kept, message.ts, stamp, () => messageNode(message, grouped, place)));
    if (place.inThread && message.ts === (messages[0].thread_ts || messages[0].ts) && messages.length > 1) {
      const count = messages.length - 1;
      nodes.push(h("div", { class: "replies-line" }, `${count} ${count === 1 ? "reply" : "replies"}`));
    }
    before = message;
  }
  into.replaceChildren(...nodes);
}

function reuse(kept, key, stamp, make) {
  const old = kept.get(key);
  if (old && old.dataset.stamp === stamp) return old;
  const node = make();
  node.dataset.key = key;
  node.dataset.stamp = stamp;
  return node;
}

function messageNode(message, grouped, place) {
  if (message.subtype === "tombstone") {
    return h("article", { class: "message gone", dataset: { ts: message.ts } }, h("span", { class: "gutter" }, "🗑"),
      h("div", { class: "body" }, h("em", {}, "This message was deleted."), threadLine(message, place)));
  }
  const streaming = message.streaming_state === "in_progress";
  const name = message.username || message.bot_profile?.name || userName(message.user);
  const head = grouped ? null : h("div", { class: "message-head" }, h("strong", {}, name), badge(message.user), time(message, place));
  return h("article", { class: `message ${grouped ? "grouped" : ""} ${message.is_ephemeral ? "ephemeral" : ""} ${streaming ? "streaming" : ""}`,
    dataset: { ts: message.ts }, tabindex: "-1", "aria-busy": streaming ? "true" : "false" },
  h("span", { class: "gutter" }, grouped ? h("time", { class: "small-time" }, clock(message.ts)) : avatar(message.user)),
  h("div", { class: "body" },
    message.is_ephemeral ? h("div", { class: "only-you" }, "👁 Only visible to you") : null,
    message.subtype === "thread_broadcast" && !place.inThread ? h("div", { class: "only-you" }, "replied to a thread") : null,
    head,
    place.editing.has(message.ts) ? editor(message, place) : content(message, place),
    message.streaming_state === "errored" ? h("div", { class: "stream-error" }, "⚠ The answer broke off.") : null,
    reactions(message, place),
    place.inThread ? null : threadLine(message, place)),
  place.editing.has(message.ts) ? null : toolbar(message, place));
}

function time(message, place) {
  const url = `/archives/${place.channel}/p${message.ts.replace(".", "")}`;
  return h("a", { class: "time", href: url, dataset: { permalink: location.origin + url }, title: new Date(message.ts * 1000).toLocaleString() },
    h("time", { datetime: new Date(message.ts * 1000).toISOString() }, clock(message.ts)));
}

function content(message, place) {
  // What a person typed is drawn from its text: its rich_text block says the same.
  const typed = !message.bot_id;
  const nodes = !typed && message.blocks?.length
    ? blocksOf(message.blocks, contextOf(message, place))
    : [message.text ? mrkdwn(message.text) : null];
  for (const attachment of message.attachments || []) {
    nodes.push(h("div", { class: "attachment" }, attachment.blocks ? blocksOf(attachment.blocks, contextOf(message, place))
      : mrkdwn(attachment.text || attachment.fallback || "")));
  }
  for (const file of message.files || []) {
    nodes.push(h("div", { class: "file" }, "📎 ", ...(file.mode === "tombstone" ? [h("small", {}, "This file was deleted.")]
      : [link(file.permalink, file.title), h("small", {}, ` ${file.size} bytes`), picture(file)])));
  }
  if (message.pinned_to) nodes.push(h("span", { class: "edited", title: "Pinned to this channel" }, "📌"));
  if (message.edited) nodes.push(h("span", { class: "edited", title: "This message was edited" }, "(edited)"));
  return h("div", { class: "content" }, nodes);
}

function picture(file) {
  const shown = ["image/png", "image/jpeg", "image/gif"].includes(file.mimetype);
  return shown ? h("img", { class: "picture", src: file.permalink, alt: file.title, loading: "lazy" }) : null;
}

function contextOf(message, place) {
  const send = async (item, block, value, anchor) => {
    anchor?.closest("button")?.classList.add("busy");
    try {
      await act("press", { channel: place.channel, ts: message.ts, action_id: item.action_id, block_id: block.block_id, value });
    } catch (error) {
      toast(inWords(error));
    }
    anchor?.closest("button")?.classList.remove("busy");
  };
  return { press: send, change: send, valueOf: () => "" };
}

function editor(message, place) {
  const box = h("textarea", { rows: 3, "aria-label": "Edit message", value: typedText(message.text) });
  const done = () => { place.editing.delete(message.ts); place.refresh(); };
  const save = async () => {
    try { await act("edit", { channel: place.channel, ts: message.ts, text: box.value }); } catch (error) { toast(inWords(error)); }
    done();
  };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") done();
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); save(); }
  });
  queueMicrotask(() => box.focus());
  return h("div", { class: "editor" }, box, h("div", {}, h("button", { class: "button primary", onclick: save }, "Save"),
    h("button", { class: "button", onclick: done }, "Cancel")));
}

const typedText = (text) => text.replace(/<@([UW][A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `@${store.users.get(id)?.name || id}`)
  .replace(/<(https?:[^|>]+)(?:\|[^>]*)?>/g, "$1").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function reactions(message, place) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((entry) => {
    const mine = entry.users.includes(store.me);
    const names = entry.users.map(userName).join(", ");
    return h("button", { class: "reaction", "aria-pressed": String(mine), title: `${names} reacted with :${entry.name}:`,
      "aria-label": `${entry.name}, ${entry.count}`, onclick: () => react(message, place, entry.name, mine) },
    emoji(entry.name), h("span", {}, String(entry.count)));
  }), h("button", { class: "reaction add", "aria-label": "Add a reaction", onclick: (event) => picker(event.currentTarget, message, place) }, "☺+"));
}

async function react(message, place, name, mine) {
  try { await act(mine ? "unreact" : "react", { channel: place.channel, ts: message.ts, name }); } catch (error) { toast(inWords(error)); }
}

function picker(anchor, message, place) {
  const grid = h("div", { class: "emoji-grid" });
  const choose = (name) => { closeFloat(); react(message, place, name, false); };
  const fill = (wanted) => {
    const names = wanted ? Object.keys(EMOJI).filter((name) => name.includes(wanted)) : [...new Set([...QUICK, ...Object.keys(EMOJI)])];
    grid.replaceChildren(...names.map((name) => h("button", { title: `:${name}:`, "aria-label": name, onclick: () => choose(name) }, EMOJI[name])));
  };
  fill("");
  const search = h("input", { type: "search", placeholder: "Find an emoji", "aria-label": "Find an emoji", oninput: (event) => fill(event.target.value.trim()),
    onkeydown: (event) => { if (event.key === "Enter") grid.querySelector("button")?.click(); } });
  float(anchor, h("div", { class: "picker", role: "dialog", "aria-label": "Add a reaction" }, search, grid));
}

function threadLine(message, place) {
  if (!message.reply_count) return null;
  return h("button", { class: "thread-line", onclick: () => place.openThread(message.ts) },
    message.reply_users.slice(0, 4).map((id) => avatar(id, "tiny")),
    h("strong", {}, `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`),
    h("span", {}, `Last reply ${ago(message.latest_reply)}`));
}

function toolbar(message, place) {
  if (!place.member) return null;
  const root = message.thread_ts || message.ts;
  const tool = (label, mark, run) => h("button", { "aria-label": label, title: label, onclick: (event) => run(event.currentTarget) }, mark);
  if (message.is_ephemeral) return h("div", { class: "toolbar" }, tool("Dismiss", "✕", () => remove(message, place)));
  return h("div", { class: "toolbar", role: "toolbar", "aria-label": "Message actions" },
    tool("React with ✅", "✅", () => react(message, place, "white_check_mark", mineWith(message, "white_check_mark"))),
    tool("Add a reaction", "☺", (anchor) => picker(anchor, message, place)),
    place.inThread ? null : tool("Reply in thread", "💬", () => place.openThread(root)),
    tool("More actions", "⋯", (anchor) => menu(anchor, more(message, place))));
}

const mineWith = (message, name) => Boolean(message.reactions?.some((entry) => entry.name === name && entry.users.includes(store.me)));

function more(message, place) {
  const shortcuts = store.apps.flatMap((app) => app.shortcuts.filter((one) => one.type === "message").map((one) => ({
    label: one.name, note: app.name, run: async () => {
      try { await act("shortcut", { callback_id: one.callback_id, channel: place.channel, ts: message.ts }); } catch (error) { toast(inWords(error)); }
    } })));
  const own = message.user === store.me;
  const admin = store.users.get(store.me)?.is_admin;
  return [...shortcuts,
    { label: "Copy link", run: () => copyLink(message, place) },
    { label: message.pinned_to ? "Unpin" : "Pin to channel", run: () => attempt(message.pinned_to ? "unpin" : "pin", { channel: place.channel, ts: message.ts }) },
    ...(message.files || []).filter((file) => file.user === store.me || (admin && file.mode !== "tombstone"))
      .map((file) => ({ label: `Delete ${file.name}`, danger: true, run: () => attempt("delete_file", { file: file.id }) })),
    own && { label: "Edit message", run: () => { place.editing.add(message.ts); place.refresh(); } },
    (own || admin) && { label: "Delete message", danger: true, run: () => remove(message, place) }].filter(Boolean);
}

async function attempt(what, about) {
  try { await act(what, about); } catch (error) { toast(inWords(error)); }
}

async function copyLink(message, place) {
  const url = await act("permalink", { channel: place.channel, ts: message.ts });
  try { await navigator.clipboard.writeText(url); toast("Link copied."); } catch { toast(url); }
}

async function remove(message, place) {
  try { await act("delete", { channel: place.channel, ts: message.ts }); } catch (error) { toast(inWords(error)); }
}

