// An act and its arguments in; the playground's answer out, as the member who sits at this page.

const session = document.querySelector("meta[name=session]").content;

export const store = {
  me: null, // user id
  users: new Map(),
  channels: new Map(),
  apps: [],
  name: "",
};

export class Refusal extends Error {
  constructor(answer) {
    super(answer.error);
    this.answer = answer;
  }
}

export async function act(name, args = {}) {
  const response = await fetch("/member/act", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Playground-Session": session },
    body: JSON.stringify({ me: store.me || "", act: name, args }),
  });
  const answer = await response.json();
  if (!answer.ok) throw new Refusal(answer);
  return answer.result;
}

const WORDS = {
  operation_timeout: "The app did not answer within three seconds. Is it running?",
  not_in_channel: "You are not in this channel.",
  unknown_command: "No installed app has this command.",
  already_reacted: "You have reacted with this already.",
  channel_not_found: "This member cannot see that conversation.",
  message_not_found: "That message is not there any more.",
  is_archived: "This channel is archived.",
  no_session: "The playground was started anew. Please reload this page.",
};

export function inWords(error) {
  if (!(error instanceof Refusal)) return `The playground cannot be reached (${error.message}).`;
  return WORDS[error.message] || `That was refused: ${error.message.replaceAll("_", " ")}.`;
}

export function live(heard, lost) {
  const query = new URLSearchParams({ me: store.me, session });
  const source = new EventSource(`/member/live?${query}`);
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.addEventListener("hello", () => lost(false));
  source.onerror = () => lost(true);
  return source;
}

export const userName = (id) => {
  const user = store.users.get(id);
  return user ? user.profile.display_name || user.real_name : id || "Somebody";
};
