// One server-sent stream that is always open again soon: it resumes after the last id it has.

const STALE_MS = 40_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

/**
 * address(): where to connect, with the last id known. on: {event name: (body, id) => void}.
 * state("connecting" | "connected" | "offline") is called when it changes; refused() when the log-in has ended, which
 * probe(), an address that needs the same log-in, tells.
 */
export function openStream({ address, probe, on, state, refused }) {
  let source = null;
  let waitMs = FIRST_WAIT_MS;
  let timer = 0;
  let heardAt = Date.now();
  let current = "";

  function say(next) {
    if (next !== current) {
      current = next;
      state(next);
    }
  }

  function connect() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(address());
    heardAt = Date.now();
    source.onopen = () => {
      heardAt = Date.now();
      waitMs = FIRST_WAIT_MS;
      say("connected");
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

  async function lost() {
    say("offline");
    if (source.readyState !== EventSource.CLOSED) return; // the browser itself tries again, with Last-Event-ID
    source.close();
    timer = setTimeout(connect, waitMs * (0.7 + 0.6 * Math.random()));
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    try {
      const answer = await fetch(probe());
      if (answer.status === 401 || answer.status === 403) {
        clearTimeout(timer);
        refused();
      }
    } catch {
      // still off-line: the timer goes on
    }
  }

  setInterval(() => {
    if (Date.now() - heardAt > STALE_MS) {
      say("offline");
      connect();
    }
  }, 5_000);
  addEventListener("offline", () => say("offline"));
  addEventListener("online", connect);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  say("connecting");
  connect();
}
