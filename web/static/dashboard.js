// The wall: cards come and change by themselves.

import { refreshAges } from "./ages.js";
import { openStream } from "./stream.js";

const MOST_CARDS = 300;
const FILTERS = {
  all: () => true,
  waiting: (state) => ["open", "delivered", "seen", "escalated"].includes(state),
  answered: (state) => state === "answered",
  done: (state) => ["closed", "withdrawn"].includes(state),
};

const words = JSON.parse(document.body.dataset.words);
const cards = document.getElementById("cards");
const live = document.getElementById("live");
const more = document.getElementById("more");
let after = Number(document.body.dataset.after);

function elementOf(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

function place(card) {
  const opened = Number(card.dataset.opened);
  const next = [...cards.children].find((other) => Number(other.dataset.opened) < opened);
  cards.insertBefore(card, next ?? null);
}

function show(body, isNew = true) {
  const card = elementOf(body.html);
  const before = document.getElementById(card.id);
  if (before) {
    before.replaceWith(card);
  } else {
    if (isNew) card.classList.add("arrived");
    place(card);
  }
  while (cards.children.length > MOST_CARDS) cards.lastElementChild.remove();
}

function filter() {
  const isShown = FILTERS[cards.dataset.show];
  let shown = 0;
  for (const card of cards.children) {
    card.hidden = !isShown(card.dataset.state);
    if (!card.hidden) shown += 1;
  }
  document.getElementById("quiet").hidden = cards.children.length > 0;
  document.getElementById("none-shown").hidden = cards.children.length === 0 || shown > 0;
}

for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => {
    cards.dataset.show = button.dataset.filter;
    for (const other of document.querySelectorAll("[data-filter]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    filter();
  });
}

more.addEventListener("click", async () => {
  more.disabled = true;
  const last = cards.lastElementChild;
  const query = new URLSearchParams({ opened_at_ms: last.dataset.opened, alert_id: last.dataset.alert });
  const answer = await fetch(`/alerts?${query}`);
  if (answer.ok) {
    const older = await answer.json();
    for (const body of older.cards) show(body, false);
    more.hidden = !older.more;
    filter();
    refreshAges(cards, words);
  }
  more.disabled = false;
});

function lasting(seconds) {
  if (seconds === null) return "–";
  const zh = document.documentElement.lang.startsWith("zh");
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), zh ? "小时" : "h"], [Math.floor((whole % 3600) / 60), zh ? "分" : "min"], [whole % 60, zh ? "秒" : "s"]];
  const said = parts.filter(([value]) => value).slice(0, 2);
  return (said.length ? said : [parts[2]]).map(([value, unit]) => `${value} ${unit}`).join(" ");
}

function showHalted(halted) {
  const shown = document.getElementById("halted").dataset.halts;
  if (halted.map((halt) => halt.halt_id).join(" ") !== shown) location.reload();
  for (const halt of halted) {
    const held = document.querySelector(`[data-held="${halt.halt_id}"]`);
    if (held) held.textContent = halt.held.toLocaleString("en");
  }
}

function showOverview(overview) {
  showHalted(overview.halted);
  for (const figure of document.querySelectorAll("[data-number]")) {
    const value = overview.numbers[figure.dataset.number];
    figure.textContent = figure.dataset.number === "answer_seconds" ? lasting(value) : value.toLocaleString("en");
  }
  for (const tile of overview.tiles) {
    const item = document.querySelector(`[data-institution="${CSS.escape(tile.institution_id)}"]`);
    if (!item) continue;
    item.className = `tile panel${tile.worst ? ` sev-${tile.worst}` : ""}`;
    item.querySelector("[data-waiting]").textContent = tile.waiting || "";
    for (const camera of tile.cameras) {
      const mark = item.querySelector(`[data-camera="${CSS.escape(camera.camera_id)}"]`);
      if (!mark) continue;
      mark.dataset.state = camera.state;
      mark.textContent = words[`camera.${camera.state}`] ?? camera.state;
    }
  }
}

openStream({
  address: () => `/stream?after=${after}`,
  probe: () => "/alerts?opened_at_ms=0&alert_id=",
  on: {
    alert(body, id) {
      after = Math.max(after, id);
      show(body);
      filter();
      refreshAges(cards, words);
    },
    overview: showOverview,
  },
  state(state) {
    live.dataset.live = state;
    live.textContent = words[`live.${state}`];
  },
  refused: () => location.reload(),
});

refreshAges(document, words);
setInterval(() => refreshAges(document, words), 5_000);
