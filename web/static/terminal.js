// The store's screen: every reminder once, the oldest first, until somebody has noted and answered it.

import { newId, openOutbox } from "./outbox.js";
import { chime, openSound, soundState } from "./sound.js";
import { openStream } from "./stream.js";

const { terminal, csrf, words: wordsJson, zone } = document.body.dataset;
const words = JSON.parse(wordsJson);
const KEY = `swipewatch.terminal.${terminal}`;
const WAITING = ["open", "delivered", "seen", "escalated"];
const CALL_MS = 60000;
const STEPS = ["acknowledge", "answer", "agent", "other"];

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const notices = new Map(); // alert id → its latest notice, with how the alert stands
const postponed = new Set(remembered("later", [])); // alerts to answer later
const problems = new Map(); // alert id → why its answer was refused
const reported = new Set(); // "alert/notice" already reported as shown
let ahead = remembered("ahead", 0); // of the product's clock, against this device's
let last = remembered("last", 0); // the last notice this screen has had
let cursor = 0; // where the stream goes on
let current = null; // {alertId, noticeId, step} on the stage
let day = ""; // the local day of the list
let line = "connecting";

// ---------------------------------------------------------------------------------------------- the browser's memory

function remembered(name, otherwise) {
  try {
    const kept = JSON.parse(localStorage.getItem(`${KEY}.${name}`));
    return kept === null ? otherwise : kept;
  } catch (error) {
    return otherwise;
  }
}

function remember(name, value) {
  localStorage.setItem(`${KEY}.${name}`, JSON.stringify(value));
}

// ---------------------------------------------------------------------------------------------- words and times

const serverNow = () => Date.now() + ahead;
const clockFormat = new Intl.DateTimeFormat("zh-CN", { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone });
const clock = (ms) => clockFormat.format(new Date(ms)).replace(/^24/, "00");
const dayOf = (ms) => new Date(ms).toLocaleDateString("zh-CN", { timeZone: zone });

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

function fill(element, content) {
  element.textContent = "";
  element.append(content);
}

// ---------------------------------------------------------------------------------------------- what the store knows

const outbox = openOutbox(`${KEY}.outbox`, send, () => draw());

/** Whether this was said to the notice, or to a newer one, and waits to be sent. */
function isSaid(notice, ...whats) {
  return outbox.items().some((item) =>
    item.alertId === notice.alert_id && item.noticeId >= notice.notice_id && whats.includes(item.what));
}

const isOver = (notice) => notice.kind === "withdrawn" || ["withdrawn", "closed"].includes(notice.state);
const isWaiting = (notice) => !isOver(notice) && WAITING.includes(notice.state);
const wantsAnswer = (notice) => isWaiting(notice) && !isSaid(notice, "answer");
const wantsNoting = (notice) => wantsAnswer(notice) && !notice.acknowledged && !isSaid(notice, "acknowledge");

const isOlder = (one, other) =>
  one.notice_id < other.notice_id || (one.notice_id === other.notice_id && one.changed_at_ms < other.changed_at_ms);

function queue() {
  return Array.from(notices.values())
    .filter((one) => wantsNoting(one) || (wantsAnswer(one) && !postponed.has(one.alert_id)))
    .sort((a, b) => a.notice_id - b.notice_id);
}

function postpone(alertId, isLater) {
  if (isLater) postponed.add(alertId);
  else postponed.delete(alertId);
  remember("later", Array.from(postponed));
}

/** Takes a notice or a newer state of one; returns whether it asks for attention and this screen has not had it. */
function take(notice) {
  const known = notices.get(notice.alert_id);
  if (known && isOlder(notice, known)) return false;
  notices.set(notice.alert_id, notice);
  const isNew = notice.notice_id > last;
  if (isNew) {
    last = notice.notice_id;
    remember("last", last);
  }
  if (isNew && wantsNoting(notice)) postpone(notice.alert_id, false);
  return isNew && wantsNoting(notice) && (notice.kind === "reminder" || notice.state === "open");
}

// ---------------------------------------------------------------------------------------------- the stage

function next() {
  const shown = current && notices.get(current.alertId);
  if (shown && current.step === "gone") {
    if (isOver(shown)) return undefined;
    current = null; // it came back before anybody had noted that it was gone
    return next();
  }
  if (shown && isOver(shown)) {
    if (shown.kind === "withdrawn") return stageGone(shown);
    current = null;
  } else if (!shown || !wantsAnswer(shown)) {
    current = null;
  }
  const waiting = queue();
  const wanted = current ? shown : waiting[0];
  if (!wanted) return stageCalm();
  const chosen = current && current.alertId === wanted.alert_id ? current.step : "";
  const step = wantsNoting(wanted) ? "acknowledge" : ["agent", "other"].includes(chosen) ? chosen : "answer";
  if (!current || current.noticeId !== wanted.notice_id) stageNotice(wanted);
  current = { alertId: wanted.alert_id, noticeId: wanted.notice_id, step };
  showStep(step, waiting.filter((one) => one.alert_id !== wanted.alert_id).length);
  reportSeen(wanted);
  return undefined;
}

function clearStage() {
  const notice = stage.querySelector(".notice");
  if (notice) notice.remove();
}

function stageCalm() {
  current = null;
  clearStage();
  const calm = byId("calm");
  const left = Array.from(notices.values()).filter(wantsAnswer).length; // put off until later
  const [said, text] = left ? ["till.left", "till.left.text"] : ["till.calm", "till.calm.text"];
  calm.querySelector("strong").textContent = words.zh[said].replace("{count}", left);
  calm.querySelector(".calm-en").textContent = words.en[said].replace("{count}", left);
  fill(byId("calm-text"), both(text));
  calm.classList.toggle("is-waiting", left > 0);
  calm.hidden = false;
}

function putOnStage(element) {
  clearStage();
  byId("calm").hidden = true;
  stage.append(element);
  scrollTo(0, 0); // on a phone the list below may have been looked at
}

function stageNotice(notice) {
  const card = byId("notice").content.cloneNode(true).firstElementChild;
  card.classList.add(`sev-${notice.body.severity}`);
  card.dataset.alert = notice.alert_id;
  card.querySelector(".receipt-number").textContent = notice.body.receipt;
  card.querySelector(".receipt-time").textContent = clock(notice.body.time_ms);
  for (const fact of notice.body.facts) card.querySelector(".facts").append(factElement(fact, notice.body.facts.length > 1));
  card.addEventListener("click", clicked);
  card.querySelector(".step-agent").addEventListener("submit", agentSent);
  card.querySelector(".step-other").addEventListener("submit", otherSent);
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
    draw();
  });
  current = { alertId: notice.alert_id, noticeId: notice.notice_id, step: "gone" };
  putOnStage(card);
}

function showStep(step, others) {
  const card = stage.querySelector(".notice");
  const before = card.dataset.step;
  card.dataset.step = step;
  for (const name of STEPS) card.querySelector(`.step-${name}`).hidden = name !== step;
  const queued = card.querySelector(".queue");
  queued.hidden = others === 0;
  fill(queued, both("till.waiting", { count: others }));
  sayProblem(problems.get(card.dataset.alert));
  if (before === undefined || before === step) return; // a card that comes takes no key that is meant for the till
  const first = card.querySelector(`.step-${step} input[type=text], .step-${step} .how`);
  if (first) first.focus();
}

function sayProblem(key) {
  const failed = stage.querySelector(".failed");
  failed.hidden = !key;
  if (key) fill(failed, both(key));
}

// ---------------------------------------------------------------------------------------------- what the store says

function tell(alertId, what, body, query = "") {
  return fetch(`/v1/terminal/alerts/${encodeURIComponent(alertId)}/${what}?terminal=${terminal}${query}`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "X-CSRF-Token": csrf, "Content-Type": "application/json" },
    body: JSON.stringify(body || {}),
  });
}

/** Returns whether the item is done with: taken, or refused for good. */
async function send(item) {
  let answer;
  try {
    answer = await tell(item.alertId, item.what, item.body, item.what === "acknowledge" ? `&notice_id=${item.noticeId}` : "");
  } catch (error) {
    return false; // off-line
  }
  if (answer.ok) {
    take(await answer.json());
    return true;
  }
  if (answer.status === 401) stopped();
  if (answer.status === 403) reloadOnce(); // this terminal was paired anew: the page's own token is of before
  if (![404, 409, 422].includes(answer.status)) return false;
  const { error } = await answer.json();
  if (answer.status === 422) problems.set(item.alertId, words.zh[`till.problem.${error.code}`] ? `till.problem.${error.code}` : "till.failed");
  if (error.code === "asked_again") problems.set(item.alertId, "till.problem.asked_again");
  setTimeout(() => loadDay().catch(() => {}), 0); // how it stands by now; or with the next connection
  return true;
}

function say(what, body) {
  const { alertId, noticeId } = current;
  problems.delete(alertId);
  if (what === "answer") {
    postpone(alertId, false);
    const given = { answer_id: newId(), notice_id: noticeId, answered_at_ms: Math.round(serverNow()) };
    current = null;
    outbox.add({ alertId, noticeId, what, body: Object.assign(given, body) });
  } else {
    outbox.add({ alertId, noticeId, what });
  }
}

function clicked(event) {
  const button = event.target.closest("button");
  if (!button || !current) return;
  const { answer, do: act } = button.dataset;
  if (answer === "agent_registered") setStep("agent");
  else if (answer) say("answer", { kind: answer });
  if (act === "acknowledge") say("acknowledge");
  if (act === "registered") say("answer", { kind: "agent_registered" });
  if (act === "other") setStep("other");
  if (act === "cancel") setStep("answer");
  if (act === "later") {
    postpone(current.alertId, true);
    current = null;
    draw();
  }
}

function setStep(step) {
  problems.delete(current.alertId);
  current.step = step;
  draw();
}

function otherSent(event) {
  event.preventDefault();
  const text = event.target.elements.text.value.trim();
  if (text) say("answer", { kind: "other", text });
}

function agentSent(event) {
  event.preventDefault();
  const { kind, number } = event.target.elements;
  const given = number.value.replace(/\s/g, "");
  if (!isNumberOf(kind.value, given)) {
    sayProblem("till.problem.bad_agent");
    number.focus();
    return;
  }
  say("answer", { kind: "agent_registered", agent: { kind: kind.value, number: given } });
}

/** The last digit of an identity card's number is a check of the others (GB 11643). */
function isNumberOf(kind, number) {
  if (kind === "person_id") return /^[!-~]{1,30}$/.test(number);
  if (!/^\d{17}[\dXx]$/.test(number)) return false;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const total = weights.reduce((sum, weight, place) => sum + weight * Number(number[place]), 0);
  return "10X98765432"[total % 11] === number[17].toUpperCase();
}

function reportSeen(notice) {
  const key = `${notice.alert_id}/${notice.notice_id}`;
  if (document.hidden || line !== "connected" || reported.has(key)) return;
  reported.add(key);
  tell(notice.alert_id, "seen").catch(() => reported.delete(key));
}

// ---------------------------------------------------------------------------------------------- today's list

/** Returns the words for how a notice stands, and the one that its row is coloured by. */
function stateOf(notice) {
  const said = notice.answer ? [`answer.${notice.answer}`] : [];
  if (notice.kind === "withdrawn" || notice.state === "withdrawn") return [said.concat("till.withdrawn"), "withdrawn"];
  if (isSaid(notice, "answer")) return [["till.unsent"], "unsent"];
  if (wantsAnswer(notice)) return [["till.unanswered"], "waiting"]; // an earlier answer does not count: it was asked again
  if (said.length) return [said, "answered"];
  if (notice.state === "closed") return [["till.closed"], "closed"];
  return [["till.unanswered"], "waiting"];
}

function drawDay() {
  const rows = Array.from(notices.values()).sort((a, b) => b.body.time_ms - a.body.time_ms || b.notice_id - a.notice_id);
  byId("none-today").hidden = rows.length > 0;
  const list = byId("day");
  list.textContent = "";
  for (const notice of rows) list.append(rowElement(notice));
}

function rowElement(notice) {
  const row = byId("row").content.cloneNode(true).firstElementChild;
  const [keys, state] = stateOf(notice);
  row.classList.add(`sev-${notice.body.severity}`, `is-${state}`);
  row.classList.toggle("asks-help", state === "answered" && notice.answer === "need_help");
  row.dataset.alert = notice.alert_id;
  if (current && current.alertId === notice.alert_id) row.setAttribute("aria-current", "true");
  row.querySelector(".row-time").textContent = clock(notice.body.time_ms);
  row.querySelector(".row-receipt").textContent = notice.body.receipt;
  row.querySelector(".row-fact").textContent = notice.body.facts.map((fact) => fact.zh.fact).join("；");
  keys.forEach((key, place) => row.querySelector(".row-state").append(place ? "· " : "", both(key)));
  row.querySelector("button").disabled = !wantsAnswer(notice);
  row.querySelector("button").addEventListener("click", () => open(notice.alert_id));
  return row;
}

function open(alertId) {
  const notice = notices.get(alertId);
  if (!wantsAnswer(notice) || stage.querySelector(".step-acknowledge:not([hidden])")) return;
  postpone(alertId, false);
  current = { alertId, noticeId: 0, step: "answer" };
  draw();
}

function draw() {
  next();
  drawDay();
  drawLine();
  const left = queue().length;
  document.title = document.title.replace(/^(\(\d+\) )?/, left ? `(${left}) ` : "");
  remember("day", { day, notices: Array.from(notices.values()) });
}

// ---------------------------------------------------------------------------------------------- sound, clock, line

function drawSound() {
  const state = soundState();
  byId("sound").setAttribute("aria-pressed", String(state === "on"));
  fill(byId("sound-text"), both(`till.sound_${state}`));
}

function drawLine() {
  const live = byId("live");
  live.dataset.live = line;
  fill(live, both({ connected: "till.online", offline: "live.offline", connecting: "till.connecting" }[line]));
  const unsent = outbox.items().length;
  byId("unsent").hidden = unsent === 0 || line !== "offline";
  fill(byId("unsent"), both("till.unsent_count", { count: unsent }));
}

function lineState(state) {
  const offline = byId("offline");
  line = state;
  if (state === "connected") {
    if (!offline.hidden) loadDay().catch(() => {}); // or with the next connection
    outbox.flush();
  }
  if (state === "offline" && offline.hidden) fill(byId("offline-since"), both("till.since", { time: clock(serverNow()) }));
  offline.hidden = state !== "offline";
  draw();
}

function stopped() {
  location.replace("/terminal/login");
}

function reloadOnce() {
  const key = `${KEY}.reloaded`;
  if (Date.now() - Number(sessionStorage.getItem(key)) < 60000) return;
  sessionStorage.setItem(key, String(Date.now()));
  location.reload();
}

function tick() {
  byId("clock").textContent = clock(serverNow());
  if (day && day !== dayOf(serverNow())) loadDay().catch(() => {}); // or with the next second
}

async function keepAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch (error) {
    // the device decides
  }
}

/** From now on a reload while the line is down shows this page. A device on plain HTTP from elsewhere has no worker. */
async function keepPage() {
  if (!navigator.serviceWorker || !window.caches) return;
  try {
    await navigator.serviceWorker.register("/terminal/worker.js", { scope: "/terminal" });
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((one) => one.name).filter((name) => name.includes("/static/"));
    active.postMessage({ keep: Array.from(new Set(loaded.concat(location.href.split("#")[0]))) });
  } catch (error) {
    // without it the page is only gone until the line is back
  }
}

// ---------------------------------------------------------------------------------------------- beginning

/** Today's list is as the centre has it: what a stream that was cut off could not tell is known again. */
async function loadDay() {
  const answer = await fetch(`/v1/terminal/notices?terminal=${terminal}`, { credentials: "same-origin" });
  if (answer.status === 401) return stopped();
  if (!answer.ok) throw new Error(`notices: ${answer.status}`);
  const list = await answer.json();
  ahead = list.now_ms - Date.now();
  remember("ahead", ahead);
  const told = new Set(list.notices.map((notice) => notice.alert_id));
  for (const [alertId, notice] of notices) {
    if (!told.has(alertId) && notice.notice_id <= list.last_notice_id) notices.delete(alertId); // another day's
  }
  const isNew = list.notices.map(take).some(Boolean);
  cursor = Math.max(cursor, list.last_notice_id);
  day = dayOf(list.now_ms);
  draw();
  if (isNew) chime();
  return undefined;
}

/** What this browser knew when it was last on-line. */
function recall() {
  const known = remembered("day", { notices: [] });
  for (const notice of known.notices) if (!notices.has(notice.alert_id)) notices.set(notice.alert_id, notice);
}

/** The centre knows that this screen is there; what a stream that only looked open has kept back comes with it. */
async function callCentre() {
  if (line !== "connected") return;
  const answer = await fetch(`/v1/terminal/notices?terminal=${terminal}&after=${cursor}`, { credentials: "same-origin" });
  if (!answer.ok) return;
  const list = await answer.json();
  const isNew = list.notices.map(take).some(Boolean);
  if (list.notices.length) draw();
  if (isNew) chime();
}

async function start() {
  await loadDay();
  keepPage();
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
    recall();
    lineState("offline");
    setTimeout(begin, 2000);
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) draw();
  keepAwake();
});
addEventListener("storage", (event) => { // another page of this terminal has sent or said something
  if (event.key === `${KEY}.outbox`) draw(); // drawing writes the day: on hearing of that too, pages would never rest
});
openSound(byId("sound"), drawSound);
setInterval(tick, 1000);
setInterval(() => callCentre().catch(() => {}), CALL_MS); // or with the next
tick();
keepAwake();
begin();
