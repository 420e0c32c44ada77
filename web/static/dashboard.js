// The wall: cards come, change and are reviewed; numbers and institutions follow by themselves.

import { refreshAges } from "./ages.js";
import { showDark } from "./dark.js";
import { showIllCameras } from "./ill_cameras.js";
import { showDisk } from "./disk.js";
import { showFaces } from "./faces.js";
import { currentItem, focusItem, onReview, sendReview, step } from "./keys.js";
import { openStream } from "./stream.js";

const MOST_CARDS = 48;
const FEW_CARDS = 8;

const words = JSON.parse(document.body.dataset.words);
const cards = document.getElementById("cards");
const live = document.getElementById("live");
const waiting = document.getElementById("unreviewed");
const done = document.getElementById("reviewed");
let after = Number(document.body.dataset.after);
let unreviewed = Number(waiting.dataset.count);
let last = null;

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
  const before = document.getElementById(`card-${body.alert_id}`);
  if (body.reviewed) {
    take(before);
    return;
  }
  const card = elementOf(body.html);
  if (before) {
    const had = before.contains(document.activeElement);
    before.replaceWith(card);
    if (had) focusItem(card);
  } else {
    if (isNew) card.classList.add("arrived");
    place(card);
  }
  while (cards.children.length > MOST_CARDS) cards.lastElementChild.remove();
}

/** The card leaves the strip; who stood on it stands on the next. */
function take(card) {
  if (!card) return;
  if (currentItem() === card) {
    step(card.nextElementSibling ? 1 : -1);
  }
  card.remove();
}

function say() {
  waiting.textContent = unreviewed >= 1000 ? "999+" : String(unreviewed);
  document.getElementById("quiet").hidden = cards.children.length > 0;
}

async function refill() {
  if (cards.children.length >= FEW_CARDS || unreviewed <= cards.children.length) return;
  const answer = await fetch("/unreviewed");
  if (!answer.ok) return;
  const strip = await answer.json();
  for (const body of strip.cards) show(body, false);
  unreviewed = strip.count;
  say();
  refreshAges(cards, words);
}

async function review(card) {
  const { alert } = card.dataset;
  if (!(await sendReview(alert))) return;
  last = alert;
  const title = card.querySelector("h3").textContent;
  take(card);
  unreviewed = Math.max(0, unreviewed - 1);
  done.querySelector("span").textContent = words["review.done"].replace("{rule}", title);
  done.hidden = false;
  say();
  refill();
}

async function undo() {
  if (!last || !(await sendReview(last, true))) return;
  last = null;
  done.hidden = true;
  unreviewed += 1;
  say();
}

cards.addEventListener("click", (event) => {
  const tick = event.target.closest("[data-review]");
  if (tick) review(tick.closest("[data-item]"));
});
done.querySelector("button").addEventListener("click", undo);
onReview({ review, undo });

function lasting(seconds) {
  if (seconds === null) return "–";
  const zh = document.documentElement.lang.startsWith("zh");
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), zh ? "小时" : "h"], [Math.floor((whole % 3600) / 60), zh ? "分" : "min"], [whole % 60, zh ? "秒" : "s"]];
  const said = parts.filter(([value]) => value).slice(0, 2);
  return (said.length ? said : [parts[2]]).map(([value, unit]) => `${value} ${unit}`).join(" ");
}

function figureText(value, kind) {
  if (value === null) return "–";
  if (kind === "lasting") return lasting(value);
  if (kind === "yuan") return `¥${Math.round(value / 100).toLocaleString("en")}`;
  return value.toLocaleString("en");
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
  showDark(overview.dark, words);
  showIllCameras(overview.ill_cameras, words);
  showDisk(overview.disk, words);
  showFaces(overview.faces, words);
  refreshAges(document.getElementById("dark"), words);
  refreshAges(document.getElementById("ill-cameras"), words);
  refreshAges(document.getElementById("faces"), words);
  for (const figure of document.querySelectorAll("[data-number]")) {
    figure.textContent = figureText(overview.numbers[figure.dataset.number], figure.dataset.kind);
  }
  for (const before of document.querySelectorAll("[data-before]")) {
    const value = overview.week_ago[before.dataset.before];
    const said = words["numbers.week_ago"].replace("{value}", figureText(value, before.dataset.kind));
    before.textContent = value === null ? "" : said;
  }
  for (const tile of overview.tiles) {
    const item = document.querySelector(`[data-institution="${CSS.escape(tile.institution_id)}"]`);
    if (!item) continue;
    item.className = `tile panel${tile.worst ? ` sev-${tile.worst}` : ""}`;
    item.querySelector("[data-waiting]").textContent = tile.waiting || "";
    item.querySelector("[data-today]").textContent = tile.today;
    const terminal = item.querySelector("[data-terminal]");
    terminal.dataset.state = tile.terminal;
    terminal.textContent = words[`tile_terminal.${tile.terminal}`];
    const spot = document.querySelector(`[data-spot="${CSS.escape(tile.institution_id)}"]`);
    spot?.setAttribute("class", `spot${tile.worst ? ` sev-${tile.worst}` : ""}`);
    showCameras(item.querySelector(".cams"), tile.cameras);
  }
}

/** A store's cameras as they are now: one may have been added, or switched off. */
function showCameras(place, cameras) {
  const marks = (cameras.length ? cameras : [{ camera_id: "", state: "none" }]).map(({ camera_id, state }) => {
    const mark = place.querySelector(`[data-camera="${CSS.escape(camera_id)}"]`) ?? document.createElement("span");
    mark.className = "cam";
    Object.assign(mark.dataset, { camera: camera_id, state });
    mark.textContent = camera_id ? `${words["wall.camera"]} ${words[`camera.${state}`] ?? state}` : words["wall.no_camera"];
    return mark;
  });
  place.replaceChildren(place.querySelector("[data-terminal]"), ...marks);
}

openStream({
  address: () => `/stream?after=${after}`,
  probe: () => "/unreviewed",
  on: {
    alert(body, id) {
      after = Math.max(after, id);
      show(body);
      say();
      refreshAges(cards, words);
    },
    overview: showOverview,
    unreviewed({ count }) {
      unreviewed = count;
      say();
      refill();
    },
  },
  state(state) {
    live.dataset.live = state;
    live.textContent = words[`live.${state}`];
  },
  refused: () => location.reload(),
});

say();
refreshAges(document, words);
setInterval(() => refreshAges(document, words), 5_000);
