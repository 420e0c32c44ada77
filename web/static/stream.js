// One server-sent stream that is always open again soon: it resumes after the last id it has.
//
// A browser opens six connections to one host, whatever the number of its pages. So four pages keep their streams open;
// any further page opens its own for a glance every second, which brings whatever came after the last id it has.

const STALE_MS = 40000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 10000;
const SLOTS = 4;
const GLANCE_MS = 400;
const BETWEEN_GLANCES_MS = 500;
const SLOT_TRIED_MS = 10000;

/** Whether this page may keep a stream open from now on, as long as it lives. */
async function takeSlot() {
  if (!navigator.locks) return true; // a device on plain HTTP from elsewhere: it shows one page
  for (let number = 1; number <= SLOTS; number += 1) {
    const taken = await new Promise((resolve) => {
      navigator.locks
        .request(`swipewatch-stream-${number}`, { ifAvailable: true }, (lock) => {
          resolve(lock !== null);
          return lock === null ? null : new Promise(() => {});
        })
        .catch(() => resolve(false));
    });
    if (taken) return true;
  }
  return false;
}

/**
 * address(): where to connect, with the last id known. on: {event name: (body, id) => void}.
 * state("connecting" | "connected" | "offline") is called when it changes; refused() when the log-in has ended, which
 * probe(), an address that needs the same log-in, tells.
 */
export function openStream({ address, probe, on, state, refused }) {
  let source = null;
  let waitMs = FIRST_WAIT_MS;
  let timer = 0;
  let glance = 0;
  let heardAt = Date.now();
  let current = "";
  let hasSlot = false;
  let slotTriedAt = 0;

  function say(next) {
    if (next !== current) {
      current = next;
      state(next);
    }
  }

  function connect() {
    clearTimeout(timer);
    clearTimeout(glance);
    if (source) source.close();
    source = new EventSource(address());
    heardAt = Date.now();
    source.onopen = () => {
      heardAt = Date.now();
      waitMs = FIRST_WAIT_MS;
      say("connected");
      if (!hasSlot) glance = setTimeout(rest, GLANCE_MS);
    };
    source.onerror = lost;
    source.addEventListener("beat", () => { heardAt = Date.now(); });
    for (const [name, take] of Object.entries(on)) {
      source.addEventListener(name, (message) => {
        heardAt = Date.now();
        take(JSON.parse(message.data), Number(message.lastEventId) || 0);
      });
    }
  }

  function rest() {
    source.close();
    timer = setTimeout(start, BETWEEN_GLANCES_MS);
  }

  async function start() {
    if (!hasSlot && Date.now() - slotTriedAt > SLOT_TRIED_MS) {
      slotTriedAt = Date.now();
      hasSlot = await takeSlot();
    }
    connect();
  }

  async function lost() {
    say("offline");
    if (source.readyState !== EventSource.CLOSED) return; // the browser itself tries again, with Last-Event-ID
    source.close();
    clearTimeout(glance);
    timer = setTimeout(connect, waitMs * (0.7 + 0.6 * Math.random()));
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    try {
      const answer = await fetch(probe());
      if (answer.status === 401 || answer.status === 403) {
        clearTimeout(timer);
        refused();
      }
    } catch (error) {
      // still off-line: the timer goes on
    }
  }

  setInterval(() => {
    if (Date.now() - heardAt > STALE_MS) {
      say("offline");
      connect();
    }
  }, 5000);
  addEventListener("offline", () => say("offline"));
  addEventListener("online", connect);
  addEventListener("pagehide", () => { if (source) source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  say("connecting");
  start();
}
