// A link that carries the device token after its # (which no server and no log ever sees) fills the form in.

const found = /^#pair=(.+)$/.exec(location.hash);
if (found) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("pairing");
  form.elements.token.value = decodeURIComponent(found[1]);
  form.submit(); // old tablets have no requestSubmit
}
