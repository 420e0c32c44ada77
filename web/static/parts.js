// A page whose parts follow what happens: it is fetched again, and what differs takes the place of what was there.

/**
 * Returns follow(), to be called at each change heard of. One look at a time, so that an older one never comes last;
 * off-line, the change is still to be shown. after(fresh document) is called once the parts are in place.
 */
export function partsOf(after = () => {}) {
  let wanted = false;
  let running = false;

  async function refresh() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`page: ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (next && next.innerHTML !== part.innerHTML) {
        part.innerHTML = next.innerHTML;
        part.hidden = next.hidden;
      }
    }
    after(fresh);
  }

  return async function follow() {
    wanted = true;
    if (running) return;
    running = true;
    while (wanted) {
      wanted = false;
      try {
        await refresh();
      } catch {
        wanted = true;
        await new Promise((later) => setTimeout(later, 2_000));
      }
    }
    running = false;
  };
}
