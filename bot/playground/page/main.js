// The page's address and what happens in the workspace in; the right channel, thread, Home and modal on screen out.

import { act, inWords, live, store, userName } from "/page/api.js";
import { blocksOf } from "/page/blocks.js";
import { composer } from "/page/composer.js";
import { closeFloat, float, h, toast } from "/page/dom.js";
import { avatar, draw } from "/page/messages.js";
import { refreshModal } from "/page/modal.js";
import { directName, drawPlaces, drawYou } from "/page/side.js";

const $ = (id) => document.getElementById(id);
const at = { channel: null, app: null, tab: "home", thread: null, around: null };
const unread = new Set();
const editing = new Set();
let source = null;

const go = { channel: (id, more) => openChannel(id, more), app: (app) => openApp(app, "home"), reload };

// Starting, and being somebody

async function start() {
  store.me = localStorage.getItem("me");
  await reload(true);
  drawYou(become);
  listen();
  await follow(location.href) || openFirst();
  refreshModal();
}

async function reload(first = false) {
  let world;
  try {
    world = await act("workspace");
  } catch (error) {
    if (!first) throw error;
    store.me = null;
    world = await somebody();
  }
  store.name = world.name;
  store.me = world.me.id;
  store.users = new Map(world.users.map((user) => [user.id, user]));
  store.channels = new Map(world.channels.map((channel) => [channel.id, channel]));
  store.apps = world.apps;
  $("team-name").textContent = world.name;
  document.title = `${world.name} · Playground`;
  drawPlaces(at, unread, go);
}

async function somebody() {
  store.me = "*";
  return act("workspace");
}

async function become(id) {
  store.me = id;
  localStorage.setItem("me", id);
  unread.clear();
  editing.clear();
  closeThread();
  await reload();
  drawYou(become);
  listen();
  refreshModal();
  if (at.app) openApp(store.apps.find((app) => app.id === at.app), at.tab);
  else if (store.channels.has(at.channel)) openChannel(at.channel);
  else openFirst();
}

function openFirst() {
  const mine = [...store.channels.values()].filter((channel) => channel.is_member && !channel.is_im);
  const first = mine.find((channel) => channel.is_general) || mine[0] || [...store.channels.values()][0];
  if (first) openChannel(first.id);
  else drawEmpty("Nothing to see yet", "This workspace has no channel that you can open.");
}

// Going places

async function openChannel(id, { thread = null, around = null, keepPath = false } = {}) {
  if (!store.channels.has(id)) await reload();
  if (!store.channels.has(id)) return drawEmpty("You can't see this conversation", `${userName(store.me)} is not a member there. Choose somebody else at the top left.`);
  closeFloat();
  Object.assign(at, { channel: id, app: null, around });
  unread.delete(id);
  if (!keepPath) history.pushState(null, "", `/archives/${id}`);
  drawPlaces(at, unread, go);
  drawHead();
  drawComposer();
  $("messages").replaceChildren();
  await refresh(true);
  if (thread) await openThread(thread);
  else closeThread();
  if (around && !thread) mark(around);
  else if (around) document.querySelector(`#messages [data-ts="${CSS.escape(around)}"]`)?.scrollIntoView({ block: "center" });
  return true;
}

async function openApp(app, tab) {
  closeFloat();
  closeThread();
  const { channel } = await act("open_home", { app: app.id, tab });
  if (!store.channels.has(channel)) await reload();
  Object.assign(at, { channel: tab === "messages" ? channel : null, app: app.id, tab, around: null });
  unread.delete(channel);
  drawPlaces(at, unread, go);
  drawHead();
  $("messages").replaceChildren();
  if (tab === "messages") {
    drawComposer();
    await refresh(true);
  } else {
    $("composer").replaceChildren();
    $("status").replaceChildren();
    await refreshHome();
  }
}

async function openThread(ts) {
  at.thread = ts;
  $("thread").hidden = false;
  document.body.classList.add("with-thread");
  const name = store.channels.get(at.channel);
  $("thread-where").textContent = name?.is_im ? directName(name) : `#${name?.name}`;
  $("thread-messages").replaceChildren();
  await refreshThread(true);
  const box = composer($("thread-composer"), { channel: at.channel, threadTs: ts, name: "the thread" });
  if (!isMember()) $("thread-composer").replaceChildren();
  else box.focus();
}

function closeThread() {
  at.thread = null;
  $("thread").hidden = true;
  document.body.classList.remove("with-thread");
}

// A permalink: /archives/CHANNEL/pTS?thread_ts=ROOT
async function follow(address) {
  const url = new URL(address);
  const match = /^\/archives\/([A-Z0-9]+)(?:\/p(\d{7,}))?$/.exec(url.pathname);
  if (!match) return false;
  const ts = match[2] && `${match[2].slice(0, -6)}.${match[2].slice(-6)}`;
  const thread = url.searchParams.get("thread_ts");
  history.replaceState(null, "", url);
  await openChannel(match[1], { around: thread && thread !== ts ? thread : ts, thread, keepPath: true });
  if (ts) mark(ts);
  return true;
}

function mark(ts) {
  for (const node of document.querySelectorAll(`[data-ts="${CSS.escape(ts)}"]`)) {
    node.classList.add("marked");
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
    setTimeout(() => node.classList.remove("marked"), 6000);
  }
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[data-permalink]");
  if (!anchor || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", anchor.dataset.permalink);
  follow(anchor.dataset.permalink);
});
addEventListener("popstate", () => follow(location.href));
$("thread-close").addEventListener("click", closeThread);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && at.thread && !$("modal").open) { closeThread(); $("composer-text")?.focus(); }
});

// Drawing

const isMember = () => Boolean(store.channels.get(at.channel)?.members.includes(store.me));

const place = (inThread) => ({ channel: at.channel, inThread, editing, openThread, member: isMember(),
  refresh: () => (inThread ? refreshThread() : refresh()) });

async function refresh(toEnd = false) {
  if (!at.channel) return;
  const channel = at.channel;
  const [messages, status] = await Promise.all([
    act("messages", { channel, limit: 300, around: at.around }).catch((error) => { toast(inWords(error)); return []; }),
    act("status", { channel }).catch(() => ({ statuses: {}, sessions: {}, prompts: null })),
  ]);
  if (channel !== at.channel) return;
  const pane = $("messages");
  const follows = toEnd || pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
  const timeline = messages.filter((m) => !m.thread_ts || m.thread_ts === m.ts || m.subtype === "thread_broadcast");
  if (timeline.length) draw(pane, timeline, place(false));
  else drawNothingYet(pane, status.prompts);
  if (follows && !(toEnd && at.around)) pane.scrollTop = pane.scrollHeight;
  drawStatus(status);
}

async function refreshThread(toEnd = false) {
  if (!at.thread) return;
  const ts = at.thread;
  const [messages, status] = await Promise.all([act("messages", { channel: at.channel, thread_ts: ts }).catch(() => []), act("status", { channel: at.channel })]);
  if (ts !== at.thread) return;
  const pane = $("thread-messages");
  const follows = toEnd || pane.scrollHeight - pane.scrollTop - pane.clientHeight < 120;
  draw(pane, messages, place(true));
  if (follows) pane.scrollTop = pane.scrollHeight;
  drawStatus(status);
}

async function refreshHome() {
  const view = await act("home", { app: at.app });
  if (!at.app || at.tab !== "home") return;
  if (!view) return drawEmpty("No Home yet", "The app has not published a Home tab for you. Is it running?");
  const press = (item, block, value) => act("press", { view_id: view.id, action_id: item.action_id, block_id: block.block_id, value })
    .catch((error) => toast(inWords(error)));
  const page = h("div", { class: "home" }, blocksOf(view.blocks, { press, change: press, valueOf: () => "" }));
  $("messages").replaceChildren(page);
}

function drawHead() {
  const head = $("room-head");
  if (at.app) {
    const app = store.apps.find((one) => one.id === at.app);
    const tab = (name, label) => h("button", { role: "tab", "aria-selected": String(at.tab === name), onclick: () => openApp(app, name) }, label);
    head.replaceChildren(avatar(app.bot_user), h("h1", {}, app.name), h("div", { class: "tabs", role: "tablist" }, tab("home", "Home"), tab("messages", "Messages")));
    return;
  }
  const channel = store.channels.get(at.channel);
  const name = channel.is_im || channel.is_mpim ? directName(channel) : channel.name;
  const mark = channel.is_im || channel.is_mpim ? null : h("span", { class: "hash" }, channel.is_private ? "🔒" : "#");
  head.replaceChildren(...[h("h1", {}, mark, name), h("span", { class: "topic" }, channel.topic?.value || channel.purpose?.value || ""),
    channel.is_ext_shared ? h("span", { class: "badge" }, "SHARED") : null,
    channel.is_im ? null : h("button", { class: "members", "aria-label": `${channel.members.length} members`, onclick: (event) => members(event.currentTarget, channel) },
      channel.members.slice(0, 3).map((id) => avatar(id, "tiny")), h("span", {}, String(channel.members.length)))].filter(Boolean));
}

function members(anchor, channel) {
  if (closeFloat()) return;
  const outside = [...store.users.values()].filter((user) => !channel.members.includes(user.id) && !user.deleted);
  const add = async (id) => {
    closeFloat();
    try { await act("invite", { channel: channel.id, user: id }); } catch (error) { toast(inWords(error)); }
  };
  float(anchor, h("div", { class: "menu people" }, h("h3", {}, "Members"), channel.members.map((id) => h("div", { class: "row" }, avatar(id), h("span", {}, userName(id)))),
    isMember() && outside.length ? [h("h3", {}, "Add"), outside.map((user) => h("button", { onclick: () => add(user.id) }, avatar(user.id), h("span", {}, userName(user.id)), h("small", {}, user.is_bot ? "app" : "")))] : null));
}

function drawComposer() {
  const channel = store.channels.get(at.channel);
  if (!isMember()) {
    const join = async () => { await act("join", { channel: at.channel }); await reload(); drawHead(); drawComposer(); refresh(); };
    $("composer").replaceChildren(h("div", { class: "join" }, h("span", {}, `You are looking at #${channel.name} from outside.`),
      h("button", { class: "button primary", onclick: () => join().catch((error) => toast(inWords(error))) }, "Join channel")));
    return;
  }
  const name = channel.is_im || channel.is_mpim ? directName(channel) : `#${channel.name}`;
  composer($("composer"), { channel: at.channel, name });
}

function drawNothingYet(pane, prompts) {
  const app = store.apps.find((one) => one.id === at.app);
  const offered = prompts?.prompts?.length ? prompts.prompts : app?.suggested_prompts || [];
  pane.replaceChildren(h("div", { class: "nothing" }, h("p", {}, app ? prompts?.title || `Ask ${app.name} something.` : "Nothing here yet. Say something."),
    h("div", { class: "prompts" }, offered.map((one) => h("button", { class: "prompt", onclick: () => act("post", { channel: at.channel, text: one.message }).catch((error) => toast(inWords(error))) }, one.title)))));
}

function drawEmpty(title, text) {
  $("messages").replaceChildren(h("div", { class: "nothing" }, h("h2", {}, title), h("p", {}, text)));
  $("composer").replaceChildren();
  $("status").replaceChildren();
  if (!at.app) $("room-head").replaceChildren();
}

function drawStatus({ statuses, sessions }) {
  const line = (thread) => {
    const status = statuses[thread];
    const session = sessions[thread];
    const app = store.apps.find((one) => one.id === (status?.app_id || session?.app_id));
    const busy = session?.status === "processing";
    if (!status && !busy) return [];
    const text = status ? status.status : "is writing…";
    return [h("span", { class: "pulse", "aria-hidden": "true" }), h("span", {}, h("strong", {}, app?.name || "App"), " ", text),
      busy && app?.stoppable ? h("button", { class: "button small", onclick: () => act("stop_session", { channel: at.channel, thread_ts: thread }).catch((error) => toast(inWords(error))) }, "Stop") : null].filter(Boolean);
  };
  $("thread-status").replaceChildren(...(at.thread ? line(at.thread) : []));
  const elsewhere = Object.keys({ ...statuses, ...sessions }).filter((thread) => thread !== at.thread).map(line).find((nodes) => nodes.length);
  $("status").replaceChildren(...(elsewhere || []));
}

// Staying up to date

const pending = new Set();
function soon(what) {
  if (!pending.size) {
    setTimeout(async () => {
      const all = [...pending];
      pending.clear();
      if (all.includes("world")) { await reload(); if (at.channel || at.app) drawHead(); }
      if (all.includes("room") && at.channel) await Promise.all([refresh(), refreshThread()]);
      if (all.includes("home") && at.app && at.tab === "home") await refreshHome();
      if (all.includes("modal")) await refreshModal();
    }, 30);
  }
  pending.add(what);
}

function listen() {
  source?.close();
  source = live((notice) => {
    if (notice.what === "modal") soon("modal");
    else if (notice.what === "home") soon("home");
    else if (notice.what === "people" || notice.what === "channel") soon("world");
    else if (notice.channel === at.channel) soon("room");
    else if (notice.what === "message" && notice.channel) {
      if (!store.channels.has(notice.channel)) soon("world");
      else if (store.channels.get(notice.channel).members.includes(store.me)) { unread.add(notice.channel); drawPlaces(at, unread, go); }
    }
  }, (lost) => document.body.classList.toggle("lost", lost));
}

start().catch((error) => toast(inWords(error)));
