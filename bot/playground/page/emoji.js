// An emoji's name in; its character out. The names are Slack's.

export const EMOJI = {
  "+1": "👍", "-1": "👎", thumbsup: "👍", thumbsdown: "👎", white_check_mark: "✅",
  heavy_check_mark: "✔️", x: "❌", tada: "🎉", eyes: "👀", bulb: "💡", brain: "🧠", books: "📚",
  book: "📖", bookmark: "🔖", memo: "📝", pushpin: "📌", pencil: "📝", pencil2: "✏️", heart: "❤️",
  fire: "🔥", rocket: "🚀", star: "⭐", star2: "🌟", sparkles: "✨", raised_hands: "🙌", clap: "👏",
  pray: "🙏", wave: "👋", ok_hand: "👌", muscle: "💪", point_up: "☝️", point_right: "👉",
  smile: "😄", slightly_smiling_face: "🙂", grinning: "😀", joy: "😂", wink: "😉", thinking_face: "🤔",
  sob: "😭", cry: "😢", sweat_smile: "😅", sunglasses: "😎", heart_eyes: "😍", neutral_face: "😐",
  confused: "😕", hushed: "😯", rage: "😡", scream: "😱", shrug: "🤷", facepalm: "🤦",
  warning: "⚠️", rotating_light: "🚨", no_entry: "⛔", no_entry_sign: "🚫", question: "❓",
  exclamation: "❗", information_source: "ℹ️", hourglass_flowing_sand: "⏳", stopwatch: "⏱️",
  repeat: "🔁", arrows_counterclockwise: "🔄", recycle: "♻️", wastebasket: "🗑️", lock: "🔒",
  unlock: "🔓", key: "🔑", gear: "⚙️", wrench: "🔧", hammer: "🔨", hammer_and_wrench: "🛠️",
  mag: "🔍", mag_right: "🔎", link: "🔗", paperclip: "📎", page_facing_up: "📄", card_index: "📇",
  package: "📦", inbox_tray: "📥", outbox_tray: "📤", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", bar_chart: "📊", robot_face: "🤖", speech_balloon: "💬",
  thought_balloon: "💭", sos: "🆘", bug: "🐛", bell: "🔔", no_bell: "🔕", calendar: "📅",
  coffee: "☕", seedling: "🌱", herb: "🌿", evergreen_tree: "🌲", sunny: "☀️", cloud: "☁️",
  boom: "💥", grimacing: "😬", octagonal_sign: "🛑", see_no_evil: "🙈", sun_with_face: "🌞", checkered_flag: "🏁", ballot_box_with_ballot: "🗳️", snowflake: "❄️", zap: "⚡", dart: "🎯", trophy: "🏆", gem: "💎", moneybag: "💰", scales: "⚖️",
  large_green_circle: "🟢", large_yellow_circle: "🟡", red_circle: "🔴", white_circle: "⚪",
  large_blue_circle: "🔵", black_circle: "⚫", arrow_right: "➡️", arrow_left: "⬅️", arrow_up: "⬆️",
  arrow_down: "⬇️", back: "🔙", new: "🆕", "100": "💯", one: "1️⃣", two: "2️⃣", three: "3️⃣",
  test_tube: "🧪", microscope: "🔬", compass: "🧭", scroll: "📜", card_file_box: "🗃️", label: "🏷️",
  mortar_board: "🎓", handshake: "🤝", busts_in_silhouette: "👥", shield: "🛡️", phone: "☎️",
};

export const QUICK = ["+1", "white_check_mark", "bulb", "books", "eyes", "tada", "heart", "pray"];

export const emoji = (name) => EMOJI[name.split("::")[0]] || `:${name}:`;
