// Two short tones. A browser lets a page sound only after somebody has touched it: from then on, unless muted.

const KEY = "swipewatch.terminal.sound";
const NOTES = [[659.25, 0], [880, 0.18]];
const FIRST_TOUCH = ["click", "touchend", "keydown"];
const Context = window.AudioContext || window.webkitAudioContext;

let audio = null;

export const isMuted = () => localStorage.getItem(KEY) === "off";

/** "muted", "on", or "waiting" for the first touch. */
export function soundState() {
  if (isMuted()) return "muted";
  return audio !== null && audio.state === "running" ? "on" : "waiting";
}

export function chime() {
  if (soundState() !== "on") return;
  for (const [note, at] of NOTES) {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    const start = audio.currentTime + at;
    tone.frequency.value = note;
    loudness.gain.setValueAtTime(0, start);
    loudness.gain.linearRampToValueAtTime(0.22, start + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + 0.5);
    tone.connect(loudness);
    loudness.connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.55);
  }
}

async function wake() {
  if (!Context) return;
  if (audio === null) audio = new Context();
  await audio.resume();
}

/** button: mutes and lets sound again; shown(): called when the state may have changed. */
export function openSound(button, shown) {
  async function touched() {
    if (isMuted()) return;
    await wake();
    if (soundState() === "on") for (const kind of FIRST_TOUCH) removeEventListener(kind, touched, true);
    shown();
  }
  for (const kind of FIRST_TOUCH) addEventListener(kind, touched, true);
  button.addEventListener("click", async () => {
    if (soundState() === "on") {
      localStorage.setItem(KEY, "off");
    } else {
      localStorage.setItem(KEY, "on");
      await wake();
      chime();
    }
    shown();
  });
  shown();
}
