// What the store has said and the centre has not heard yet: kept in the browser, sent in order, each once.

const FIRST_WAIT_MS = 1500;
const LONGEST_WAIT_MS = 30000;

/** An id that no other answer has. */
export function newId() {
  const bytes = new Uint8Array(12);
  crypto.getRandomValues(bytes);
  return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
}

/**
 * key: where in the browser's storage; send(item): a promise of true once the item is done with, taken or refused, and
 * of false when it is to be sent again; changed(): called when an item came or went.
 */
export function openOutbox(key, send, changed) {
  let waitMs = FIRST_WAIT_MS;
  let timer = 0;
  let sending = false;

  // Read anew each time: another page of the same terminal may have sent or added something.
  function items() {
    try {
      return JSON.parse(localStorage.getItem(key)) || [];
    } catch (error) {
      return [];
    }
  }

  function keep(kept) {
    if (kept.length) localStorage.setItem(key, JSON.stringify(kept));
    else localStorage.removeItem(key);
    changed();
  }

  async function flush() {
    clearTimeout(timer);
    if (sending) return;
    sending = true;
    try {
      for (let [item] = items(); item; [item] = items()) {
        if (!(await send(item))) {
          timer = setTimeout(flush, waitMs * (0.7 + 0.6 * Math.random()));
          waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
          return;
        }
        waitMs = FIRST_WAIT_MS;
        keep(items().filter((one) => one.id !== item.id));
      }
    } finally {
      sending = false;
    }
  }

  return {
    add(item) {
      keep(items().concat(Object.assign({ id: newId() }, item)));
      flush();
    },
    items,
    flush() {
      waitMs = FIRST_WAIT_MS;
      flush();
    },
  };
}
