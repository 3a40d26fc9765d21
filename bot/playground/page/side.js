// The workspace in; the side with the member picker and the places to go out.

import { act, inWords, store, userName } from "/page/api.js";
import { closeFloat, float, h, toast } from "/page/dom.js";
import { avatar, badge } from "/page/messages.js";

export function drawYou(choose) {
  const button = document.getElementById("you");
  const me = store.users.get(store.me);
  button.replaceChildren(avatar(store.me), h("span", { class: "you-name" }, h("strong", {}, userName(store.me)),
    h("small", {}, me?.profile.title || (me?.is_restricted ? "Guest" : "Member"))), h("span", { "aria-hidden": "true" }, "▾"));
  button.onclick = () => {
    if (closeFloat()) return;
    const people = [...store.users.values()].filter((user) => !user.is_bot && !user.deleted);
    float(button, h("div", { class: "menu people", role: "listbox", "aria-label": "Be somebody else" }, people.map((user) =>
      h("button", { role: "option", "aria-selected": String(user.id === store.me), onclick: () => { closeFloat(); choose(user.id); } },
        avatar(user.id), h("span", {}, userName(user.id), h("small", {}, user.profile.title || `@${user.name}`)), user.is_admin ? h("span", { class: "badge" }, "ADMIN") : badge(user.id)))));
  };
}

// `at`: the open channel, or {app}. `unread`: Set of channel ids.
export function drawPlaces(at, unread, go) {
  const channels = [...store.channels.values()].filter((channel) => !channel.is_archived);
  const mine = channels.filter((c) => c.is_member && !c.is_im && !c.is_mpim).sort(byName);
  const others = channels.filter((c) => !c.is_member && !c.is_im && !c.is_mpim).sort(byName);
  const directs = channels.filter((c) => (c.is_im || c.is_mpim) && c.members.includes(store.me) && !withApp(c));
  const entry = (key, label, mark, run, current, extra = "") => h("li", {}, h("button", { class: `place ${extra} ${unread.has(key) ? "unread" : ""}`,
    "aria-current": current ? "page" : undefined, "aria-label": unread.has(key) ? `${label}, unread` : label, title: label, onclick: run }, h("span", { class: "place-mark" }, mark), h("span", { class: "place-name" }, label),
  unread.has(key) ? h("span", { class: "dot", "aria-label": "unread" }) : null));
  const section = (name, ...rows) => (rows.flat().length ? h("section", {}, h("h2", {}, name), h("ul", {}, rows)) : null);
  const apps = store.apps.map((app) => {
    const dm = channels.find((channel) => channel.is_im && channel.members.includes(app.bot_user) && channel.members.includes(store.me));
    return entry(dm?.id || app.id, app.name, avatar(app.bot_user, "tiny"), () => go.app(app), at.app === app.id);
  });
  document.getElementById("places").replaceChildren(...[
    section("Apps", apps),
    section("Channels", mine.map((c) => entry(c.id, c.name, c.is_private ? "🔒" : "#", () => go.channel(c.id), at.channel === c.id))),
    section("More channels", others.map((c) => entry(c.id, c.name, "#", () => go.channel(c.id), at.channel === c.id, "quiet"))),
    section("Direct messages", directs.map((c) => entry(c.id, directName(c), avatar(c.members.find((id) => id !== store.me) || store.me, "tiny"),
      () => go.channel(c.id), at.channel === c.id)),
    h("li", {}, h("button", { class: "place quiet", onclick: (event) => someone(event.currentTarget, go) },
      h("span", { class: "place-mark" }, "+"), h("span", { class: "place-name" }, "Write to somebody")))),
  ].filter(Boolean));
}

const byName = (one, other) => one.name.localeCompare(other.name);
const withApp = (channel) => channel.is_im && store.apps.some((app) => channel.members.includes(app.bot_user));

export function directName(channel) {
  const others = channel.members.filter((id) => id !== store.me);
  return others.length ? others.map(userName).join(", ") : `${userName(store.me)} (you)`;
}

function someone(anchor, go) {
  const people = [...store.users.values()].filter((user) => !user.is_bot && !user.deleted && user.id !== store.me);
  float(anchor, h("div", { class: "menu people", role: "menu" }, people.map((user) => h("button", { role: "menuitem", onclick: async () => {
    closeFloat();
    try {
      const channel = await act("direct", { users: [user.id] });
      await go.reload();
      go.channel(channel.id);
    } catch (error) { toast(inWords(error)); }
  } }, avatar(user.id), h("span", {}, userName(user.id))))));
}
