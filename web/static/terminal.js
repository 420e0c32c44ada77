// The store's screen: every reminder once, the oldest first, until somebody has noted and answered it.

import { serverNow } from "./ages.js";
import { openStream } from "./stream.js";

const { terminal, csrf, words: wordsJson, zone } = document.body.dataset;
const words = JSON.parse(wordsJson);
const LAST_KEY = `swipewatch.terminal.${terminal}.last`;
const SOUND_KEY = "swipewatch.terminal.sound";
const WAITING = ["open", "delivered", "seen", "escalated"];

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const notices = new Map(); // alert id → its latest notice, with how the alert stands
const postponed = new Set(); // alerts to answer later
const reported = new Set(); // "alert/notice" already reported as shown
let last = Number(localStorage.getItem(LAST_KEY)) || 0; // the last notice this screen has had
let cursor = 0; // where the stream goes on
let current = null; // {alertId, noticeId, step} on the stage
let day = ""; // the local day of the list
let busy = false;

const clockFormat = new Intl.DateTimeFormat("zh-CN", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
const clock = (ms) => clockFormat.format(new Date(ms));

function both(key, values = {}) {
  const said = document.createDocumentFragment();
  for (const [lang, tag] of [["zh", "zh-CN"], ["en", "en"]]) {
    const span = document.createElement("span");
    span.lang = tag;
    if (lang === "en") span.className = "en";
    span.textContent = Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words[lang][key]);
    said.append(span, " ");
  }
  return said;
}

// ---------------------------------------------------------------------------------------------- what the store knows

const isOver = (notice) => notice.kind === "withdrawn" || ["withdrawn", "closed"].includes(notice.state);
const wantsNoting = (notice) => !isOver(notice) && WAITING.includes(notice.state) && !notice.acknowledged;
const wantsAnswer = (notice) => !isOver(notice) && WAITING.includes(notice.state);

const isOlder = (one, other) =>
  one.notice_id < other.notice_id || (one.notice_id === other.notice_id && one.changed_at_ms < other.changed_at_ms);

function queue() {
  return [...notices.values()]
    .filter((one) => wantsNoting(one) || (wantsAnswer(one) && !postponed.has(one.alert_id)))
    .sort((a, b) => a.notice_id - b.notice_id);
}

/** Takes a notice or a newer state of one; returns whether it asks for attention and this screen has not had it. */
function take(notice) {
  const known = notices.get(notice.alert_id);
  if (known && isOlder(notice, known)) return false;
  notices.set(notice.alert_id, notice);
  const isNew = notice.notice_id > last;
  if (isNew) {
    last = notice.notice_id;
    localStorage.setItem(LAST_KEY, String(last));
  }
  if (wantsNoting(notice)) postponed.delete(notice.alert_id);
  return isNew && wantsNoting(notice) && (notice.kind === "reminder" || notice.state === "open");
}

// ---------------------------------------------------------------------------------------------- the stage

function next() {
  const shown = current && notices.get(current.alertId);
  if (shown && current.step === "gone") {
    if (isOver(shown)) return;
    current = null; // it came back before anybody had noted that it was gone
    return next();
  }
  if (shown && isOver(shown)) {
    if (shown.kind === "withdrawn") return stageGone(shown);
    current = null;
  } else if (shown && shown.state === "answered") {
    current = null;
  }
  const waiting = queue();
  const wanted = current ? notices.get(current.alertId) : waiting[0];
  if (!wanted) return stageCalm();
  const step = wantsNoting(wanted) ? "acknowledge" : current?.step === "other" ? "other" : "answer";
  if (!current || current.alertId !== wanted.alert_id || current.noticeId !== wanted.notice_id) stageNotice(wanted);
  current = { alertId: wanted.alert_id, noticeId: wanted.notice_id, step };
  showStep(step, waiting.filter((one) => one.alert_id !== wanted.alert_id).length);
  reportSeen(wanted);
}

function stageCalm() {
  current = null;
  stage.querySelector(".notice")?.remove();
  const calm = byId("calm");
  const left = [...notices.values()].filter(wantsAnswer).length; // put off until later
  const [said, text] = left ? ["till.left", "till.left.text"] : ["till.calm", "till.calm.text"];
  calm.querySelector("strong").textContent = words.zh[said].replace("{count}", left);
  calm.querySelector(".calm-en").textContent = words.en[said].replace("{count}", left);
  byId("calm-text").replaceChildren(both(text));
  calm.classList.toggle("is-waiting", left > 0);
  calm.hidden = false;
}

function putOnStage(element) {
  stage.querySelector(".notice")?.remove();
  byId("calm").hidden = true;
  stage.append(element);
}

function stageNotice(notice) {
  const card = byId("notice").content.cloneNode(true).firstElementChild;
  card.classList.add(`sev-${notice.body.severity}`);
  card.dataset.alert = notice.alert_id;
  card.querySelector(".receipt-number").textContent = notice.body.receipt;
  card.querySelector(".receipt-time").textContent = clock(notice.body.time_ms);
  for (const fact of notice.body.facts) card.querySelector(".facts").append(factElement(fact, notice.body.facts.length > 1));
  card.addEventListener("click", clicked);
  card.querySelector("form").addEventListener("submit", sent);
  putOnStage(card);
}

function factElement(fact, isOneOfMany) {
  const element = byId("fact").content.cloneNode(true).firstElementChild;
  const at = isOneOfMany ? `${clock(fact.time_ms)} · ${fact.receipt} · ` : "";
  element.querySelector(".fact-zh").textContent = at + fact.zh.fact;
  element.querySelector(".asked-zh").textContent = fact.zh.action ? `${words.zh["till.please"]}${fact.zh.action.replace(/^请/, "")}` : "";
  const english = fact.en.fact.charAt(0).toUpperCase() + fact.en.fact.slice(1);
  const asked = fact.en.action ? ` ${words.en["till.please"]} ${fact.en.action.replace(/^please /i, "")}.` : "";
  element.querySelector(".fact-en").textContent = `${english}.${asked}`;
  return element;
}

function stageGone(notice) {
  const card = byId("gone").content.cloneNode(true).firstElementChild;
  card.querySelector(".frame-zh").textContent = notice.body.frame.zh;
  card.querySelector(".frame-en").textContent = notice.body.frame.en;
  card.addEventListener("click", (event) => {
    if (!event.target.closest("[data-do]")) return;
    current = null;
    next();
  });
  current = { alertId: notice.alert_id, noticeId: notice.notice_id, step: "gone" };
  putOnStage(card);
}

function showStep(step, others) {
  const card = stage.querySelector(".notice");
  for (const name of ["acknowledge", "answer", "other"]) card.querySelector(`.step-${name}`).hidden = name !== step;
  const queued = card.querySelector(".queue");
  queued.hidden = others === 0;
  queued.replaceChildren(both("till.waiting", { count: others }));
  if (step === "other") card.querySelector("input").focus();
}

// ---------------------------------------------------------------------------------------------- what the store says

async function tell(alertId, what, body) {
  const answer = await fetch(`/v1/terminal/alerts/${encodeURIComponent(alertId)}/${what}?terminal=${terminal}`, {
    method: "POST",
    headers: { "X-CSRF-Token": csrf, "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  if (answer.status === 401) stopped();
  if (!answer.ok) throw new Error(`${what}: ${answer.status}`);
  return answer.json();
}

async function attempt(what, body) {
  if (busy || !current) return;
  busy = true;
  const card = stage.querySelector(".notice");
  const { alertId } = current;
  setDisabled(card, true);
  try {
    const notice = await tell(alertId, what, body);
    card.querySelector(".failed").hidden = true;
    if (what === "answer" && current?.alertId === alertId) current = null;
    take(notice);
  } catch {
    card.querySelector(".failed").hidden = false;
  } finally {
    setDisabled(card, false);
    busy = false;
  }
  draw();
}

function setDisabled(card, disabled) {
  for (const button of card.querySelectorAll("button")) button.disabled = disabled;
}

function clicked(event) {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.answer) attempt("answer", { kind: button.dataset.answer });
  if (button.dataset.do === "acknowledge") attempt("acknowledge");
  if (button.dataset.do === "other") setStep("other");
  if (button.dataset.do === "cancel") setStep("answer");
  if (button.dataset.do === "later") {
    postponed.add(current.alertId);
    current = null;
    draw();
  }
}

function setStep(step) {
  current.step = step;
  draw();
}

function sent(event) {
  event.preventDefault();
  const text = event.target.elements.text.value.trim();
  if (text) attempt("answer", { kind: "other", text });
}

function reportSeen(notice) {
  const key = `${notice.alert_id}/${notice.notice_id}`;
  if (document.hidden || reported.has(key)) return;
  reported.add(key);
  tell(notice.alert_id, "seen").catch(() => reported.delete(key));
}

// ---------------------------------------------------------------------------------------------- today's list

function stateOf(notice) {
  if (notice.kind === "withdrawn" || notice.state === "withdrawn") return ["till.withdrawn", "withdrawn"];
  if (wantsAnswer(notice)) return ["till.unanswered", "waiting"]; // an earlier answer does not count: it was asked again
  if (notice.answer) return [`answer.${notice.answer}`, "answered"];
  if (notice.state === "closed") return ["till.closed", "closed"];
  return ["till.unanswered", "waiting"];
}

function drawDay() {
  const rows = [...notices.values()].sort((a, b) => b.body.time_ms - a.body.time_ms || b.notice_id - a.notice_id);
  byId("none-today").hidden = rows.length > 0;
  byId("day").replaceChildren(...rows.map(rowElement));
}

function rowElement(notice) {
  const row = byId("row").content.cloneNode(true).firstElementChild;
  const [key, state] = stateOf(notice);
  row.classList.add(`sev-${notice.body.severity}`, `is-${state}`);
  row.classList.toggle("asks-help", state === "answered" && notice.answer === "need_help");
  row.dataset.alert = notice.alert_id;
  if (current?.alertId === notice.alert_id) row.setAttribute("aria-current", "true");
  row.querySelector(".row-time").textContent = clock(notice.body.time_ms);
  row.querySelector(".row-receipt").textContent = notice.body.receipt;
  row.querySelector(".row-fact").textContent = notice.body.facts.map((fact) => fact.zh.fact).join("；");
  row.querySelector(".row-state").append(both(key));
  row.querySelector("button").disabled = !wantsAnswer(notice);
  row.querySelector("button").addEventListener("click", () => open(notice.alert_id));
  return row;
}

function open(alertId) {
  const notice = notices.get(alertId);
  if (!wantsAnswer(notice) || stage.querySelector(".step-acknowledge:not([hidden])")) return;
  postponed.delete(alertId);
  current = { alertId, noticeId: 0, step: "answer" };
  draw();
}

function draw() {
  next();
  drawDay();
  const open = queue().length;
  document.title = document.title.replace(/^(\(\d+\) )?/, open ? `(${open}) ` : "");
}

// ---------------------------------------------------------------------------------------------- sound, clock, line

let audio = null;

function chime() {
  if (audio?.state !== "running") return;
  for (const [note, at] of [[659.25, 0], [880, 0.18]]) {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    const start = audio.currentTime + at;
    tone.frequency.value = note;
    loudness.gain.setValueAtTime(0, start);
    loudness.gain.linearRampToValueAtTime(0.22, start + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + 0.5);
    tone.connect(loudness).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.55);
  }
}

async function setSound(on) {
  localStorage.setItem(SOUND_KEY, on ? "on" : "off");
  if (on) {
    audio ??= new AudioContext();
    await audio.resume();
  } else {
    await audio?.suspend();
  }
  const button = byId("sound");
  button.setAttribute("aria-pressed", String(on));
  byId("sound-text").replaceChildren(both(on ? "till.sound_off" : "till.sound_on"));
}

byId("sound").addEventListener("click", async () => {
  await setSound(byId("sound").getAttribute("aria-pressed") !== "true");
  chime();
});
// A browser lets a page sound only after somebody has touched it; from then on as it was chosen before.
addEventListener("pointerdown", () => {
  if (localStorage.getItem(SOUND_KEY) === "on" && audio === null) setSound(true);
}, { once: true });

function lineState(state) {
  const live = byId("live");
  live.dataset.live = state;
  live.replaceChildren(both(state === "connected" ? "till.online" : state === "offline" ? "live.offline" : "till.connecting"));
  const offline = byId("offline");
  if (state !== "offline") {
    if (!offline.hidden && state === "connected") loadDay().catch(() => {}); // or with the next connection
    offline.hidden = true;
  } else if (offline.hidden) {
    byId("offline-since").replaceChildren(both("till.since", { time: clock(serverNow()) }));
    offline.hidden = false;
  }
}

function stopped() {
  location.replace("/terminal/login");
}

const dayOf = (ms) => new Date(ms).toLocaleDateString("zh-CN", { timeZone: zone });

function tick() {
  byId("clock").textContent = clock(serverNow());
  if (day && day !== dayOf(serverNow())) loadDay().catch(() => {}); // or with the next second
}

async function keepAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // the device decides
  }
}

// ---------------------------------------------------------------------------------------------- beginning

/** Today's list is as the centre has it: what a stream that was cut off could not tell is known again. */
async function loadDay() {
  const answer = await fetch(`/v1/terminal/notices?terminal=${terminal}`);
  if (answer.status === 401) return stopped();
  if (!answer.ok) throw new Error(`notices: ${answer.status}`);
  const list = await answer.json();
  const told = new Set(list.notices.map((notice) => notice.alert_id));
  for (const [alertId, notice] of notices) {
    if (!told.has(alertId) && notice.notice_id <= list.last_notice_id) notices.delete(alertId); // another day's
  }
  const isNew = list.notices.map(take).some(Boolean);
  cursor = Math.max(cursor, list.last_notice_id);
  day = dayOf(list.now_ms);
  draw();
  if (isNew) chime();
}

async function start() {
  await loadDay();
  openStream({
    address: () => `/terminal/stream?terminal=${terminal}&after=${cursor}`,
    probe: () => `/v1/terminal/notices?terminal=${terminal}&after=${cursor}`,
    on: {
      notice(notice, id) {
        cursor = Math.max(cursor, id);
        if (take(notice)) chime();
        draw();
      },
      state(notice) {
        take(notice);
        draw();
      },
    },
    state: lineState,
    refused: stopped,
  });
}

function begin() {
  start().catch(() => {
    lineState("offline");
    setTimeout(begin, 2_000);
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) draw();
  keepAwake();
});
setInterval(tick, 1_000);
tick();
keepAwake();
begin();
