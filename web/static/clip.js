// The clip around a swipe: a timeline whose zero is the swipe, and its keys.
//
// What is shown is one picture of the clip at a time; its time at the till is `first` + its place in the clip. Until the
// film is asked for, the picture that was kept stands in its place, and nothing of the film is fetched.

const words = JSON.parse(document.body.dataset.words);
const TEN_S = 10_000;
const ONE_S = 1_000;
const IN_A_FIELD = "input, select, textarea, [contenteditable]";
const HAS_ITS_OWN_SPACE = "button, a, summary, details";

const players = new Map();
let current = null;

class Player {
  constructor(root) {
    const { swipe, first, span, step, start, zone } = root.dataset;
    Object.assign(this, { root, swipe: Number(swipe), first: Number(first), span: Number(span), step: Number(step) });
    this.film = root.querySelector("video");
    this.still = root.querySelector("img");
    this.reel = root.querySelector(".reel");
    this.clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 1,
    });
    this.listen();
    this.show(Number(start) - this.first);
  }

  listen() {
    const does = {
      play: () => this.toggle(),
      back: () => this.step_by(-1),
      forward: () => this.step_by(1),
      swipe: () => this.seek(this.swipe - this.first),
    };
    for (const button of this.root.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => does[button.dataset.do]());
    }
    this.root.querySelector("[data-speed]").addEventListener("change", ({ target }) => {
      this.film.playbackRate = this.film.defaultPlaybackRate = Number(target.value);
    });
    this.film.addEventListener("play", () => this.follow());
    for (const kind of ["play", "pause", "ended"]) this.film.addEventListener(kind, () => this.name_play());
    for (const kind of ["pause", "seeked"]) this.film.addEventListener(kind, () => this.show(this.film.currentTime * 1000));
    this.film.addEventListener("error", () => this.fail());
    this.film.addEventListener("click", () => this.toggle());
    this.still?.addEventListener("click", () => this.toggle());
    this.reel.addEventListener("pointerdown", (event) => this.drag(event));
    this.root.addEventListener("pointerdown", () => (current = this), true);
    this.root.addEventListener("focusin", () => (current = this));
  }

  drag(event) {
    const to = ({ clientX }) => {
      const { left, width } = this.reel.getBoundingClientRect();
      this.seek(((clientX - left) / width) * this.span);
    };
    const stop = new AbortController();
    this.reel.setPointerCapture(event.pointerId);
    this.reel.addEventListener("pointermove", to, { signal: stop.signal });
    for (const end of ["pointerup", "pointercancel"]) {
      this.reel.addEventListener(end, () => stop.abort(), { signal: stop.signal });
    }
    to(event);
  }

  /** The film is on the stage in place of the kept picture, and its bytes are on their way. */
  open() {
    if (this.still) this.still.hidden = true;
    this.film.hidden = false;
    this.opened ??= new Promise((resolve) => {
      this.film.addEventListener("loadedmetadata", resolve, { once: true });
      this.film.preload = "auto";
      this.film.load();
    });
    return this.opened;
  }

  async toggle() {
    if (!this.film.paused) {
      this.film.pause();
      return;
    }
    const from = this.at >= this.span - this.step ? 0 : this.at;
    await this.open();
    if (Math.abs(this.film.currentTime * 1000 - from) >= this.step) this.film.currentTime = from / 1000;
    await this.film.play().catch(() => {}); // a pause that came first
  }

  step_by(pictures) {
    this.film.pause();
    this.seek(this.at + pictures * this.step);
  }

  async seek(to) {
    this.show(to);
    const wanted = this.at;
    await this.open();
    if (wanted === this.at) this.film.currentTime = (wanted + this.step / 4) / 1000;
  }

  show_still(at_ms) {
    this.film.pause();
    if (this.still) {
      this.film.hidden = true;
      this.still.hidden = false;
    }
    this.show(at_ms - this.first);
  }

  follow() {
    if (this.film.paused) return;
    this.show(this.film.currentTime * 1000);
    requestAnimationFrame(() => this.follow());
  }

  /** Everything that tells the time tells that of the picture at this place of the clip. */
  show(place) {
    const inside = Math.min(Math.max(place, 0), this.span - this.step);
    this.at = Math.floor((inside + 1) / this.step) * this.step;
    const told = relative(this.first + this.at - this.swipe);
    const [big, small] = this.root.querySelector(".when").children;
    big.textContent = told;
    small.textContent = this.clock.format(this.first + this.at);
    this.root.querySelector(".watched").setAttribute("width", this.at);
    this.root.querySelector(".knob").style.left = `${(this.at / this.span) * 100}%`;
    this.reel.setAttribute("aria-valuenow", ((this.first + this.at - this.swipe) / 1000).toFixed(1));
    this.reel.setAttribute("aria-valuetext", told);
  }

  name_play() {
    const button = this.root.querySelector("[data-do=play]");
    button.textContent = this.film.paused ? words["clip.play"] : words["clip.pause"];
  }

  fail() {
    this.root.querySelector(".film-failed").hidden = false;
  }

  get is_in_sight() {
    const { top, bottom } = this.root.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }
}

/** Returns "3 s before the swipe", "At the swipe" or "4 s after the swipe"; half a second either way is at it. */
function relative(offset_ms) {
  const seconds = Math.round(Math.abs(offset_ms) / 1000);
  if (!seconds) return words["clip.at"];
  return words[offset_ms < 0 ? "clip.before" : "clip.after"].replace("{seconds}", seconds);
}

/** Each clip on the page can be played, those included that have come since. */
export function startClips() {
  for (const known of players.keys()) if (!known.isConnected) players.delete(known);
  for (const root of document.querySelectorAll(".player")) {
    if (!players.has(root)) players.set(root, new Player(root));
  }
  if (!current?.root.isConnected) current = players.values().next().value ?? null;
}

/** The picture that was chosen stands on the stage, and the timeline at its time. */
export function showStill(at_ms) {
  const player = [...players.values()].find((one) => one.still);
  player?.show_still(at_ms);
}

const keys = {
  ArrowLeft: (player) => player.seek(player.at - TEN_S),
  ArrowRight: (player) => player.seek(player.at + TEN_S),
  ArrowDown: (player) => player.seek(player.at - ONE_S),
  ArrowUp: (player) => player.seek(player.at + ONE_S),
  Home: (player) => player.seek(0),
  End: (player) => player.seek(player.span),
  " ": (player) => player.toggle(),
  ",": (player) => player.step_by(-1),
  ".": (player) => player.step_by(1),
  s: (player) => player.seek(player.swipe - player.first),
};

function meansTheClip({ key, target }) {
  if (!current?.is_in_sight || document.querySelector("dialog[open]")) return false;
  if (target.closest(IN_A_FIELD)) return false;
  if (key === " " && target.closest(HAS_ITS_OWN_SPACE)) return false;
  if (key === "Home" || key === "End") return target === current.reel;
  return !(key.startsWith("Arrow") && target.closest(".scroll, .strip"));
}

addEventListener(
  "keydown",
  (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[key] || !meansTheClip(event)) return;
    event.preventDefault();
    keys[key](current);
  },
  true, // before the arrows that go from alert to alert
);
startClips();
